"""What the detection bench takes for told, and for committed."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.bench.detection import SERVICE_LABEL, Death, Told, is_on_disk, match, told_soon
from tests.bench.disk import StateDisk, copy_image
from tests.support.disks import SmallDisk

SECOND = 10**9


def died(service: str, stamp: int) -> dict[str, Any]:
    """Return a `die` event as the engine tells it."""
    return {"Actor": {"ID": f"id of {service}", "Attributes": {SERVICE_LABEL: service}}, "timeNano": stamp}


def floor(service: str, stamp: int, arrived: int) -> dict[str, Any]:
    """Return the follower's request as the receiver writes it down."""
    return {"path": "/floor", "arrived": arrived, "body": {"id": f"id of {service}", "time_nano": stamp}}


def told(service: str, arrived: int, kind: str = "firing", rule: str = "container_died") -> dict[str, Any]:
    """Return the daemon's request as the receiver writes it down."""
    body = {"kind": kind, "alerts": [{"rule": rule, "subject": {"kind": "service", "name": service}}]}
    return {"path": "/daemon", "arrived": arrived, "body": body}


def test_each_death_is_matched_with_its_own_words() -> None:
    """The first word after a death and before the service's next one counts, in ms; ends and other rules do not."""
    events = [died("nats", 1 * SECOND), died("copy", 2 * SECOND), died("nats", 20 * SECOND)]
    requests = [
        told("nats", 1 * SECOND + 3_000_000, kind="resolved"),
        floor("nats", 1 * SECOND, 1 * SECOND + 2_000_000),
        told("nats", 1 * SECOND + 5_000_000),
        told("nats", 1 * SECOND + 9_000_000, kind="update"),
        told("copy", 2 * SECOND + 4_000_000, rule="container_unhealthy"),
        told("nats", 20 * SECOND + 7_000_000),
    ]
    found = [(one.death.service, one.floor, one.daemon) for one in match(events, requests)]
    assert found == [("nats", 2.0, 5.0), ("copy", None, None), ("nats", None, 7.0)]


@pytest.mark.parametrize(("late", "soon"), [(0.0, True), (31.0, False)])
def test_a_death_that_is_told_late_is_a_missed_promise(
    late: float, soon: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    """What is printed as missed is what the bench fails for."""
    deaths = [Told(Death("nats", "id", number), 2.0, 2.0 + late) for number in range(1, 4)]
    assert told_soon(deaths, [0.5]) is soon
    assert ("MISSED" in capsys.readouterr().out) is not soon


def test_only_what_was_synced_is_on_a_copy_of_the_disk(tmp_path: Path, small_disk: SmallDisk) -> None:
    """A commit that the disk was made to keep is found on a copy of it, and one that was only written is not."""
    assert small_disk.folder.is_dir()  # a disk can be mounted here
    with StateDisk(tmp_path) as disk, closing(sqlite3.connect(disk.folder / "state.db")) as state:
        state.execute("PRAGMA journal_mode=WAL")
        state.executescript("CREATE TABLE alerts (id, state); CREATE TABLE outbox (key, state);")
        found = {}
        for mode in ("FULL", "OFF"):
            state.execute(f"PRAGMA synchronous={mode}")
            state.execute("BEGIN")
            state.execute("INSERT INTO alerts VALUES (?, 'firing')", (mode,))
            state.execute("INSERT INTO outbox VALUES (?, 'queued')", (mode,))
            state.execute("COMMIT")
            copy = tmp_path / f"{mode}.img"
            assert copy_image(disk.image, copy)
            found[mode] = is_on_disk(copy, mode, mode)
    assert found == {"FULL": True, "OFF": False}
