"""The backups of a host, by the daemon in the test's own process and a real server."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec
import pytest

from semsupervisor.backup.folders import Space
from semsupervisor.backup.standing import Taken
from semsupervisor.daemon.backups import NOT_LOOKED, Seen, nats_version, replaces, room, stored_bytes
from semsupervisor.health.observation import Observation, Subject, SubjectKind, Unknown
from tests.support.clock import ManualClock
from tests.support.daemon_here import Surroundings
from tests.support.job_world import snapshot
from tests.support.nats_server import GENERATIONS, NatsServer
from tests.support.snapshot_folder import ID, STREAM, whole
from tests.support.waiting import eventually


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NatsServer]:
    """Return a running server."""
    one = NatsServer(GENERATIONS[-1], tmp_path_factory.mktemp("nats"))
    one.start()
    yield one
    one.stop()


async def ended(surroundings: Surroundings, asked: Any) -> Any:
    """Return a job at its end."""

    async def look() -> Any:
        job = (await surroundings.get(f"/v1/jobs/{asked['job']['id']}"))["job"]
        return None if job["open"] else job

    return await eventually(look, within_seconds=60)


async def noted(surroundings: Surroundings, counts: Mapping[str, int]) -> bool:
    """Tell whether that many entries of each kind are in the timeline, which is written after a job has ended."""
    kinds = [entry["kind"] for entry in (await surroundings.get("/v1/timeline"))["entries"]]
    return all(kinds.count(kind) == count for kind, count in counts.items())


async def newest(surroundings: Surroundings, snapshot_id: str) -> bool:
    """Tell whether that is the newest good snapshot, which is looked up after a job has ended."""
    return bool((await surroundings.get("/v1/status"))["newest_snapshot"] == snapshot_id)


def backup_in(folder: Path, client: str = "127.0.0.1:1") -> str:
    """Return the settings of backups of a server into a folder."""
    return f'[backup]\ndirectory = "{folder}"\n[checks.nats]\nclient = "{client}"\n'


async def test_a_snapshot_is_taken_listed_and_verified(surroundings: Surroundings, server: NatsServer) -> None:
    """The daemon's own settings say of what and where to; what was found is shown, and the newest good one known."""
    surroundings.write(backup_in(surroundings.folder / "backup", server.url.removeprefix("nats://")))
    async with surroundings.running():
        assert (await surroundings.get("/v1/status"))["newest_snapshot"] == ""
        job = await ended(surroundings, await surroundings.post("/v1/backups?note=first"))
        assert (job["fine"], bool(job["asked_by"])) == (True, True), job
        (one,) = (await surroundings.get("/v1/backups"))["snapshots"]
        assert (one["note"], one["good"], one["verified_level"]) == ("first", True, 1)
        await eventually(lambda: newest(surroundings, one["id"]), within_seconds=30)
        job = await ended(surroundings, await surroundings.post(f"/v1/backups/{one['id']}/verify?level=0"))
        assert job["fine"], job
        (one,) = (await surroundings.get("/v1/backups"))["snapshots"]
        assert one["verified_level"] == 1
        await eventually(lambda: noted(surroundings, {"job.asked": 2, "job.done": 2}), within_seconds=30)


async def test_how_the_backups_stand_is_told(surroundings: Surroundings, server: NatsServer) -> None:
    """Without any there is a finding and no alert; with one its facts are there, and the finding is gone."""
    surroundings.write(backup_in(surroundings.folder / "backup", server.url.removeprefix("nats://")))
    async with surroundings.running():
        await eventually(lambda: finding(surroundings, "no_backup"), within_seconds=30)
        await ended(surroundings, await surroundings.post("/v1/backups"))

        async def seen() -> Any:
            told = (await surroundings.get("/v1/facts?pattern=backup:*"))["facts"]
            return {one["fact"]: one["value"] for one in told if one["fact"] == "last_complete"}

        assert await eventually(seen, within_seconds=30) == {"last_complete": True}
        assert not await finding(surroundings, "no_backup")


async def fires(surroundings: Surroundings, rule: str) -> bool:
    """Tell whether an alert of that rule fires."""
    alerts = (await surroundings.get("/v1/alerts"))["alerts"]
    return any((one["rule"], one["state"]) == (rule, "firing") for one in alerts)


async def finding(surroundings: Surroundings, name: str) -> bool:
    """Tell whether that is among the findings."""
    return name in [one["name"] for one in (await surroundings.get("/v1/status"))["findings"]]


async def test_a_damaged_snapshot_is_not_good(surroundings: Surroundings) -> None:
    """Once somebody has looked; the older one is the newest good one then, and one that is not there is a 404."""
    folder = surroundings.folder / "backup"
    await asyncio.to_thread(folder.mkdir)
    snapshot = await asyncio.to_thread(whole, folder)
    await asyncio.to_thread((snapshot / STREAM).write_bytes, b"")
    surroundings.write(backup_in(folder))
    async with surroundings.running():
        job = await ended(surroundings, await surroundings.post(f"/v1/backups/{ID}/verify"))
        assert (job["state"], job["fine"]) == ("done", False)
        found = (await surroundings.get(f"/v1/backups/{ID}"))["snapshot"]
        assert (found["good"], len(found["damage"])) == (False, 1)
        assert (await surroundings.get("/v1/status"))["newest_snapshot"] == ""
        await eventually(lambda: fires(surroundings, "backup_damaged"), within_seconds=30)
        assert "there is no snapshot" in (await surroundings.get("/v1/backups/20200101-000000"))["error"]


async def test_a_folder_that_cannot_be_read_is_told(surroundings: Surroundings) -> None:
    """The request says so, and the daemon goes on."""
    folder = surroundings.folder / "backup"
    await asyncio.to_thread(folder.write_text, "no folder")
    surroundings.write(backup_in(folder))
    async with surroundings.running():
        assert "cannot read" in (await surroundings.get("/v1/backups"))["error"]
        job = await ended(surroundings, await surroundings.post("/v1/backups"))
        assert (job["state"], "cannot" in job["cause"]) == ("undone", True), job
        await eventually(lambda: fires(surroundings, "job_failed"), within_seconds=30)
        assert (await surroundings.get("/v1/status"))["newest_snapshot"] == ""


def test_only_what_lacks_nothing_stands_for_older_ones() -> None:
    """One that is incomplete, not read back, damaged or suspicious does not."""
    assert replaces(snapshot())
    assert not replaces(snapshot(complete=False))
    assert not replaces(snapshot(suspicions=("stream EV is gone",)))
    assert not replaces(msgspec.structs.replace(snapshot(), look=None))


def test_the_version_of_nats_is_that_which_was_seen() -> None:
    """Empty before, or while it cannot be seen."""
    at = ManualClock().instant()

    def seen(version: Any, kind: SubjectKind = SubjectKind.NATS) -> Observation:
        return Observation("test", Subject(kind, "nats"), at, {"version": version})

    assert nats_version([seen("v1", SubjectKind.SEMSTREAMS), seen(Unknown("no answer")), seen("2.14.0")]) == "2.14.0"
    assert nats_version([]) == ""


def test_what_is_stored_is_what_was_seen() -> None:
    """None before, or while it cannot be seen."""
    at = ManualClock().instant()

    def seen(held: Any) -> Observation:
        return Observation("test", Subject(SubjectKind.NATS, "nats"), at, {"account_storage_used_bytes": held})

    assert stored_bytes([seen(Unknown("no answer")), seen(7)]) == 7.0
    assert stored_bytes([seen(Unknown("no answer"))]) is None


def test_the_disk_of_the_data_is_not_filled() -> None:
    """What NATS holds counts, else what the last snapshot was taken of; one that cannot be seen is tried."""
    gib = 2**30
    held = {"account_storage_used_bytes": 30 * gib}
    held_now = Observation("test", Subject(SubjectKind.NATS, "nats"), ManualClock().instant(), held)
    last = Taken(
        id=ID,
        taken_at=ManualClock().now(),
        took_seconds=1.0,
        size_bytes=1,
        content_bytes=5 * gib,
        complete=True,
        good=True,
    )
    seen = Seen([last], Space(40 * gib, 100 * gib), same_disk=True)
    assert room(seen, []) == ""
    assert room(seen, [held_now])
    assert room(msgspec.structs.replace(seen, same_disk=False), [held_now]) == ""
    assert room(msgspec.structs.replace(seen, taken=()), []) == ""
    assert room(Unknown("no answer"), [held_now]) == ""
    assert room(NOT_LOOKED, []) == "the snapshots have not been looked at yet"
