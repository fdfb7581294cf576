"""`semsupervisor settings`."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.api_world import World
from tests.support.command_line import CommandLine


def test_a_reload_says_what_changed(command: CommandLine, world: World) -> None:
    """The daemon reads its settings again and the changes are printed."""
    said = command("settings", "reload")
    assert (said.code, said.out) == (0, "checks.interval is 20s now\n")
    assert command("settings", "reload", "--json").json == {"done": ["checks.interval is 20s now"]}
    assert world.asked == ["reload", "reload"]


def test_a_reload_without_a_change_says_so(command: CommandLine, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing changed is an answer."""

    async def unchanged() -> tuple[str, ...]:
        return ()

    monkeypatch.setattr(world, "_reload", unchanged)
    assert command("settings", "reload").code == 0


def test_a_reload_that_is_refused_tells_every_problem(command: CommandLine, world: World) -> None:
    """All problems are on stderr, with what holds meanwhile, and the exit code is 1."""
    world.store_fails = True
    said = command("settings", "reload")
    assert (said.code, said.out) == (1, "")
    assert said.err.splitlines() == [
        "semsupervisor: the settings were refused",
        "  x.toml: checks.interval: found -1; allowed: a duration",
        "  x.toml: typo: unknown",
        "  correct the file and reload again; until then the settings stay as they were",
    ]


def test_checking_and_showing_need_no_daemon(command: CommandLine, tmp_path: Path) -> None:
    """Validate and show are done here, from the file."""
    file = tmp_path / "semsupervisor.toml"
    file.write_text('checks.interval = "20s"\n')
    assert command("settings", "validate", str(file)).code == 0
    assert command("settings", "show", str(file), "--json").json["settings"]["checks.interval"]["value"] == "20s"
    file.write_text('checks.intervall = "20s"\n')
    assert command("settings", "validate", str(file)).code == 1
