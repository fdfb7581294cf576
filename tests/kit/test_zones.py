"""Time zones are found by their names, and the host's own without one."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from semsupervisor.kit.zones import is_known, zone

SUMMER = datetime(2026, 7, 1, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("name", "known"),
    [("Europe/Berlin", True), ("UTC", True), ("Mars/Olympus", False), ("../etc/passwd", False), ("Europe", False)],
)
def test_a_zone_is_known_by_its_name(name: str, known: bool) -> None:
    """Whatever is no zone's name is not."""
    assert is_known(name) is known


def test_without_a_name_it_is_the_hosts(tmp_path: Path) -> None:
    """By the file that says so, and UTC where that is not there or says nothing."""
    assert zone("Europe/Berlin").utcoffset(SUMMER) == timedelta(hours=2)
    assert zone("", Path("/usr/share/zoneinfo/Europe/Berlin")).utcoffset(SUMMER) == timedelta(hours=2)
    assert zone("", tmp_path / "none") is UTC
    (tmp_path / "bad").write_bytes(b"no zone")
    assert zone("", tmp_path / "bad") is UTC
