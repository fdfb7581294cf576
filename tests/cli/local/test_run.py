"""`semsupervisor run`."""

from __future__ import annotations

from pathlib import Path

import pytest

from semsupervisor import daemon
from semsupervisor.cli import main


@pytest.mark.parametrize(("words", "path"), [([], None), (["--settings", "/x/s.toml"], Path("/x/s.toml"))])
def test_the_daemon_gets_the_file_and_says_how_it_ended(
    monkeypatch: pytest.MonkeyPatch, words: list[str], path: Path | None
) -> None:
    """The settings file is handed on, None meaning the usual one, and the daemon's code is the command's."""
    asked: list[Path | None] = []

    def run(settings_path: Path | None) -> int:
        asked.append(settings_path)
        return 7

    monkeypatch.setattr(daemon, "run", run)
    assert main(["run", *words]) == 7
    assert asked == [path]
