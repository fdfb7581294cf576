"""How wide a terminal is."""

from __future__ import annotations

import fcntl
import io
import os
import pty
import struct
import termios
from pathlib import Path

import pytest

from semsupervisor.cli.width import columns


@pytest.fixture(autouse=True)
def unset(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the user have said nothing."""
    monkeypatch.delenv("COLUMNS", raising=False)


def test_its_user_may_say(monkeypatch: pytest.MonkeyPatch) -> None:
    """COLUMNS stands before what the terminal says."""
    monkeypatch.setenv("COLUMNS", "97")
    assert columns(io.StringIO()) == 97


@pytest.mark.parametrize("said", ["", "-1", "wide", "²", "9" * 5000])
def test_what_is_no_width_is_passed_over(said: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Then it is as if nothing had been said."""
    monkeypatch.setenv("COLUMNS", said)
    assert columns(io.StringIO()) == 80
    with (tmp_path / "file").open("w") as file:
        assert columns(file) == 80


def test_the_terminal_says() -> None:
    """The kernel knows how wide the window is."""
    outer, inner = pty.openpty()
    try:
        fcntl.ioctl(inner, termios.TIOCSWINSZ, struct.pack("4H", 30, 133, 0, 0))
        with open(inner, "w", closefd=False) as stream:
            assert columns(stream) == 133
    finally:
        os.close(outer)
        os.close(inner)
