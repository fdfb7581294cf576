"""Running a command of the command line within the test's process, and what it said."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest

from semsupervisor.cli import main
from tests.support.api_world import World


class Said(msgspec.Struct, frozen=True):
    """How a command ended and what it wrote."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """Return what it wrote as data."""
        return json.loads(self.out)

    @property
    def lines(self) -> list[str]:
        """Return the lines of its output."""
        return self.out.splitlines()


class CommandLine:
    """Commands against a daemon that serves a world."""

    def __init__(self, world: World, socket: str, capsys: pytest.CaptureFixture[str]) -> None:
        self.world = world
        self.socket = socket
        self._capsys = capsys

    def __call__(self, *words: str) -> Said:
        """Run one command."""
        self._capsys.readouterr()
        try:
            code = main(["--socket", self.socket, *words])
        except SystemExit as end:
            code = end.code if isinstance(end.code, int) else 1
        out, err = self._capsys.readouterr()
        return Said(code, out, err)
