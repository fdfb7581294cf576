"""Which probes the settings make."""

from __future__ import annotations

from pathlib import Path

from semsupervisor.daemon.parts import ENGINE_ROOT, paths
from semsupervisor.settings.checks import CheckSettings, FilesystemCheck
from semsupervisor.settings.model import Settings, StackSettings


def test_file_systems_that_matter_are_watched(tmp_path: Path) -> None:
    """The root, the stack's folder, the engine's, the state's and the operator's own are looked at."""
    settings = Settings(
        stack=StackSettings(directory="/srv/stack"),
        checks=CheckSettings(filesystems=FilesystemCheck(paths=(str(tmp_path),))),
    )
    watched = paths(settings, "/mnt/docker")
    assert watched == ("/", "/srv/stack", "/mnt/docker", "/var/lib/semsupervisor", str(tmp_path))


def test_engine_that_has_not_told_its_folder_has_the_usual_one() -> None:
    """Before the engine has answered its data is looked for where Docker keeps it by default."""
    assert ENGINE_ROOT in paths(Settings(), "")
