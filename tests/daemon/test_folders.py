"""Which folders' file systems are looked at."""

from __future__ import annotations

from pathlib import Path

from semsupervisor.daemon.folders import ENGINE_ROOT, paths
from semsupervisor.settings.checks import CheckSettings, FilesystemCheck
from semsupervisor.settings.model import BackupSettings, Settings, StackSettings
from semsupervisor.systems.containers import Mount
from tests.support.container_words import container


def test_file_systems_that_matter_are_watched(tmp_path: Path) -> None:
    """All folders of the stack are looked at; what writes to one of them says so, the operator's own are only read."""
    settings = Settings(
        stack=StackSettings(directory="/srv/stack"),
        backup=BackupSettings(directory="/mnt/backups"),
        checks=CheckSettings(filesystems=FilesystemCheck(paths=(str(tmp_path),))),
    )
    written = {"/mnt/docker", "/var/lib/semsupervisor", "/mnt/backups", "/mnt/docker/volumes/data/_data"}
    watched = paths(settings, "/mnt/docker", [container(mounts=(Mount("/mnt/docker/volumes/data/_data", "/data"),))])
    assert watched == {"/": False, "/srv/stack": False, str(tmp_path): False} | dict.fromkeys(written, True)


def test_what_is_written_to_is_not_only_read() -> None:
    """A folder of the operator's own that a container writes to has to be written to."""
    settings = Settings(checks=CheckSettings(filesystems=FilesystemCheck(paths=("/srv/data",))))
    assert paths(settings, "", [container(mounts=(Mount("/srv/data", "/data"),))])["/srv/data"] is True


def test_engine_that_has_not_told_its_folder_has_the_usual_one() -> None:
    """Before the engine has answered its data is looked for where Docker keeps it by default."""
    assert ENGINE_ROOT in paths(Settings(), "", ())
