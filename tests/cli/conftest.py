"""A world and a command line that asks it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.api_world import World, served_beside
from tests.support.command_line import CommandLine


@pytest.fixture
def world() -> World:
    """Return a healthy small stack."""
    return World()


@pytest.fixture
def command(world: World, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Iterator[CommandLine]:
    """Return commands against a daemon that serves the world."""
    with served_beside(world, tmp_path) as socket:
        yield CommandLine(world, socket, capsys)
