"""Jobs by themselves, asked of the real runner."""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import closing
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from pathlib import Path
from typing import Any

import nats
import pytest

from semsupervisor.backup import hot
from semsupervisor.daemon import job_parts, scheduling
from semsupervisor.errors import TemporaryError
from semsupervisor.jobs.record import JobState
from tests.support.clock import START, ManualClock
from tests.support.daemon_here import Surroundings
from tests.support.logs import Logs
from tests.support.nats_server import GENERATIONS, NatsServer
from tests.support.schedule_world import CRON, DAY, Host, a_host
from tests.support.waiting import eventually

pytestmark = pytest.mark.usefixtures("logs")

TWO = datetime(2026, 3, 2, 2, tzinfo=UTC)


def errors(logs: Logs, event: str) -> list[str]:
    """Return what went wrong by those lines of the log."""
    return [line["error"] for line in logs if line["event"] == event]


def waits(host: Host) -> str:
    """Return why backups wait."""
    return host.schedules.readings()[0].waits


async def test_a_job_is_asked_for_at_its_time_and_what_follows_it_after_it(tmp_path: Path) -> None:
    """Once each; the first look owes nothing; what is next and what was last is shown."""
    async with a_host(tmp_path) as host:
        assert await host.look() == []
        assert host.schedules.readings()[0].next_at == TWO
        assert await host.look(13.9 * 3600) == []
        assert await host.look(0.2 * 3600) == ["backup.hot"]
        assert await host.look(30) == await host.look(30) == ["backup.hot", "backup.prune"]
        shown = host.schedules.readings()[0]
        assert (shown.name, shown.kind, shown.schedule) == ("backup", "backup.hot", "02:00")
        assert (shown.next_at, shown.waits) == (TWO + timedelta(days=1), "")
        assert shown.last is not None
        assert (shown.last.created_at, shown.last.state) == (TWO + timedelta(minutes=6), JobState.DONE)
        assert (await host.look(DAY))[-1] == "backup.hot"


async def test_what_a_host_missed_while_it_was_off_is_made_up_once(tmp_path: Path) -> None:
    """It begins to count at the first start, and the next starts know what was done and what followed."""
    clock = ManualClock()
    async with a_host(tmp_path, clock) as host:
        assert await host.look() == []
    clock.advance(3 * DAY)
    async with a_host(tmp_path, clock) as host:
        assert await host.look() == ["backup.hot"]
    async with a_host(tmp_path, clock) as host:
        assert await host.look(30) == ["backup.hot", "backup.prune"]
    async with a_host(tmp_path, clock) as host:
        assert await host.look(30) == await host.look(30) == ["backup.hot", "backup.prune"]
        assert host.schedules.readings()[0].last is not None


async def test_a_job_that_outlived_the_row_counts(tmp_path: Path) -> None:
    """A kill between the two doubles nothing."""
    clock = ManualClock()
    async with a_host(tmp_path, clock) as host:
        await host.look()
    clock.advance(DAY)
    async with a_host(tmp_path, clock) as host:
        await host.acting.submit(hot.KIND, hot.Request(), "the schedule backup")
        assert await host.look(30) == ["backup.hot"]
        assert await host.look(30) == ["backup.hot", "backup.prune"]


async def test_what_cannot_be_asked_for_is_asked_for_at_the_next_look(tmp_path: Path) -> None:
    """Nothing is lost, and nothing is doubled."""
    async with a_host(tmp_path, taken_up=False) as host:
        await host.look()
        assert await host.look(DAY) == []
        assert "not known yet" in waits(host)
        await host.acting.take_up()
        assert await host.look(30) == ["backup.hot"]
        assert (await host.look(30)).count("backup.hot") == 1


async def test_what_cannot_follow_yet_keeps_no_job_back(tmp_path: Path) -> None:
    """It is tried again until the next job is there."""
    async with a_host(tmp_path) as host:
        await host.look()
        host.snapshots.trouble = TemporaryError("the disk hangs")
        assert await host.look(DAY) == await host.look(30) == ["backup.hot"]
        assert waits(host) == ""
        assert (await host.look(DAY)).count("backup.hot") == 2
        host.snapshots.trouble = None
        assert (await host.look(30)).count("backup.prune") == 1


async def test_a_run_that_fails_is_asked_for_again_twice(tmp_path: Path) -> None:
    """After a quarter of an hour and after another hour, by whichever daemon runs then; after that it is spent."""
    clock = ManualClock()
    async with a_host(tmp_path, clock) as host:
        host.world.failing.add("do snapshot")
        await host.look()
        assert await host.look(14 * 3600) == await host.look(880) == ["backup.hot"]
        assert host.schedules.readings()[0].next_at == TWO + timedelta(minutes=15)
        assert await host.look(20) == await host.look(3500) == ["backup.hot"] * 2
    async with a_host(tmp_path, clock) as host:
        host.world.failing.add("do snapshot")
        assert await host.look(100) == await host.look(5 * 3600) == ["backup.hot"] * 3
        assert host.schedules.readings()[0].next_at == TWO + timedelta(days=1)
        await host.look(DAY)
        host.world.failing.clear()
        assert (await host.look(1000)).count("backup.hot") == 5
        assert (await host.look(4000)).count("backup.hot") == 5
        assert host.schedules.readings()[0].next_at == TWO + timedelta(days=2)


async def test_a_run_that_somebody_has_cancelled_is_spent(tmp_path: Path) -> None:
    """The next comes at its time."""
    async with a_host(tmp_path) as host:
        await host.look()
        host.world.hold("do snapshot")
        host.clock.advance(DAY)
        await host.schedules.look()
        (job,) = await host.jobs()
        await host.acting.readings().cancel(job.id, "root")
        await eventually(lambda: not host.acting.open_jobs, within_seconds=60)
        assert await host.look(1000) == await host.look(4000) == ["backup.hot"]


async def test_another_time_zone_of_the_host_counts_within_the_hour(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a word about it, and what is owed is not lost."""
    zones: list[tzinfo] = [UTC]
    monkeypatch.setattr(scheduling, "zone", lambda _: zones[-1])
    async with a_host(tmp_path) as host:
        await host.look()
        zones.append(timezone(timedelta(hours=-5)))
        await host.look(3590)
        assert host.schedules.readings()[0].next_at == TWO
        await host.look(10)
        assert host.schedules.readings()[0].next_at == TWO + timedelta(hours=5)
        assert await host.look(DAY) == ["backup.hot"]


async def test_a_trouble_is_logged_once(tmp_path: Path, logs: Logs) -> None:
    """Not at each look, unless it is another one."""
    async with a_host(tmp_path) as host:
        await host.look()
        host.snapshots.trouble = TemporaryError("the disk hangs")
        await host.look(DAY)
        for _ in range(3):
            await host.look(10)
        host.snapshots.trouble = TemporaryError("the disk is full")
        await host.look(10)
        assert errors(logs, "schedule.not_followed") == ["the disk hangs", "the disk is full"]


async def test_why_a_schedule_waits_is_logged_once(tmp_path: Path, logs: Logs) -> None:
    """However long it waits for that."""
    async with a_host(tmp_path, taken_up=False) as host:
        await host.look()
        for _ in range(3):
            await host.look(DAY)
        assert len(errors(logs, "schedule.waits")) == 1


async def test_a_job_goes_on_alone(tmp_path: Path) -> None:
    """One that is under way when the next is due is joined, and followed once."""
    async with a_host(tmp_path) as host:
        await host.look()
        released = host.world.hold("do snapshot")
        host.clock.advance(DAY)
        await host.schedules.look()
        host.clock.advance(DAY)
        await host.schedules.look()
        assert [job.kind for job in await host.jobs()] == ["backup.hot"]
        released.set()
        assert (await host.look(30)).count("backup.hot") == 1
        assert await host.look(30) == await host.look(30) == ["backup.hot", "backup.prune"]


@pytest.mark.parametrize(
    ("jump", "words"), [(-86_400.0, "set back by"), (366 * DAY, "set forward by"), (-60 * 365 * DAY, "cannot be right")]
)
async def test_a_clock_that_is_set_starts_no_job(tmp_path: Path, jump: float, words: str) -> None:
    """For a while its date is not believed."""
    async with a_host(tmp_path) as host:
        await host.look()
        host.clock.jump(jump)
        assert await host.look(30) == await host.look(600) == []
        assert words in waits(host)


async def test_after_a_clock_was_set_back_the_schedule_goes_on(tmp_path: Path) -> None:
    """Nothing waits until the clock shows again what it showed before."""
    async with a_host(tmp_path) as host:
        await host.look()
        host.clock.jump(-30 * DAY)
        await host.look(30)
        assert await host.look(1000) == []
        assert await host.look(DAY) == ["backup.hot"]


async def test_a_host_that_starts_in_1970_makes_up_what_it_missed_once_it_knows_the_time(tmp_path: Path) -> None:
    """Once, and at once; the days since 1970 owe nothing, and the next run is that of the next day."""
    clock = ManualClock()
    async with a_host(tmp_path, clock) as host:
        await host.look()
    clock.jump(-56 * 365 * DAY)
    async with a_host(tmp_path, clock) as host:
        assert await host.look() == await host.look(600) == []
        assert "cannot be right" in waits(host)
        clock.jump(56 * 365 * DAY + 2 * DAY)
        assert await host.look(30) == ["backup.hot"]
        assert (await host.look(3600)).count("backup.hot") == 1
        assert (await host.look(DAY)).count("backup.hot") == 2


async def test_a_host_that_starts_years_ahead_waits_for_the_time(tmp_path: Path) -> None:
    """It takes no backup for the years, and goes on by the right time once that is there."""
    clock = ManualClock()
    async with a_host(tmp_path, clock) as host:
        await host.look()
    clock.jump(5 * 365 * DAY)
    async with a_host(tmp_path, clock) as host:
        assert await host.look() == await host.look(600) == []
        assert "far ahead" in waits(host)
        clock.jump(-5 * 365 * DAY)
        assert await host.look(30) == await host.look(900) == []
        assert await host.look(DAY) == ["backup.hot"]
        assert (await host.look(3600)).count("backup.hot") == 1


async def test_a_host_that_was_off_for_a_year_makes_up_one(tmp_path: Path) -> None:
    """A little later than others: nobody has set its clock meanwhile. What counted years ahead is counted anew."""
    clock = ManualClock()
    async with a_host(tmp_path, clock) as host:
        await host.look()
    clock.jump(365 * DAY)
    async with a_host(tmp_path, clock) as host:
        assert await host.look() == []
        assert await host.look(901) == ["backup.hot"]
        assert (await host.look(3600)).count("backup.hot") == 1
    clock.jump(-365 * DAY)
    async with a_host(tmp_path, clock) as host:
        assert (await host.look()).count("backup.hot") == 1
        assert (await host.look(DAY)).count("backup.hot") == 2


async def test_a_host_that_slept_makes_up_what_it_missed(tmp_path: Path) -> None:
    """Its clock was not set."""
    async with a_host(tmp_path) as host:
        await host.look()
        host.clock.sleep(DAY)
        assert await host.look(30) == ["backup.hot"]


async def test_a_schedule_that_is_changed_counts_from_then(tmp_path: Path) -> None:
    """A time that was today already is tomorrow's; switched off it does nothing, and owes nothing for that later."""
    async with a_host(tmp_path) as host:
        await host.look()
        for schedule in ("11:00", "off", "02:00"):
            host.set(schedule=schedule)
            assert await host.look() == []
            off = schedule == "off"
            assert (host.schedules.readings()[0].next_at is None) == off
            if off:
                assert await host.look(3 * DAY) == []
        assert await host.look(DAY) == ["backup.hot"]


async def test_a_run_may_be_put_off(tmp_path: Path) -> None:
    """By less than the settings say, and not twice."""
    async with a_host(tmp_path) as host:
        host.set(schedule="02:00", jitter_seconds=3 * 3600.0)
        await host.look()
        next_at = host.schedules.readings()[0].next_at
        assert next_at is not None
        assert TWO < next_at < TWO + timedelta(hours=3)
        assert await host.look((next_at - START).total_seconds() - 1) == []
        assert await host.look(1) == ["backup.hot"]
        assert (await host.look(4 * 3600)).count("backup.hot") == 1


async def test_schedules_do_not_wait_for_each_other(tmp_path: Path) -> None:
    """One that has to wait keeps no other back."""
    async with a_host(tmp_path) as host:
        host.set(schedule="02:00", verify="03:00")
        host.tab.append(CRON)
        host.snapshots.newest_complete = "20260301-020000"
        await host.look()
        assert await host.look(DAY) == ["backup.verify"]
        assert [bool(one.waits) for one in host.schedules.readings()] == [True, False]


def two_days_earlier(database: Path, name: str = "%") -> None:
    """Let the schedules count since two days ago, as if the host had been off since then."""
    since = datetime.now(UTC) - timedelta(days=2)
    with closing(sqlite3.connect(database)) as connection, connection:
        connection.execute("UPDATE schedules SET since = ? WHERE name LIKE ?", (since.isoformat(), name))


def flip(folder: Path, snapshot_id: str) -> None:
    """Change one byte of the stream in a snapshot."""
    file = folder / snapshot_id / "streams" / "EV" / "stream.tar.s2"
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)


async def fill(url: str) -> None:
    """Make a stream of some messages."""
    client = await nats.connect(url)
    try:
        await client.jetstream().add_stream(name="EV", subjects=["ev.>"])
        for number in range(20):
            await client.jetstream().publish("ev.x", b"%d" % number)
    finally:
        await client.close()


async def test_a_daemon_takes_the_backup_that_it_missed(
    surroundings: Surroundings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The real one, of a real server; the removal and a verification follow, and one that finds damage is told."""
    monkeypatch.setattr(job_parts, "SCHEDULE_SECONDS", 1.0)
    server = NatsServer(GENERATIONS[-1], tmp_path / "nats")
    await asyncio.to_thread(server.start)
    try:
        await fill(server.url)
        address = server.url.removeprefix("nats://")
        far = f"{datetime.now(UTC) + timedelta(hours=12):%H:%M}"  # no run comes due by itself while the test goes on
        database = surroundings.folder / "state" / "state.db"
        surroundings.write(
            f'[backup]\nschedule = "{far}"\ntime_zone = "UTC"\ndirectory = "{surroundings.folder / "backup"}"\n'
            f'verify.schedule = "{far}"\nverify.level = 2\n[checks.nats]\nclient = "{address}"\n'
        )

        async def counting() -> Any:
            shown = (await surroundings.get("/v1/backups"))["schedules"]
            return shown if all(one["next_at"] for one in shown) else None

        async def all_done() -> Any:
            jobs = (await surroundings.get("/v1/jobs"))["jobs"]
            done = {job["kind"]: job["asked_by"] for job in jobs if not job["open"]}
            answer = await surroundings.get("/v1/backups")
            rest = all(one["last_fine"] is not None and not one["waits"] for one in answer["schedules"])
            return (done, answer) if len(done) == 3 and rest else None

        async def told() -> Any:
            alerts = (await surroundings.get("/v1/alerts"))["alerts"]
            return [one for one in alerts if (one["rule"], one["state"]) == ("backup_damaged", "firing")]

        async with surroundings.running():
            assert [one["last_at"] for one in await eventually(counting, within_seconds=90)] == [None, None]
        await asyncio.to_thread(two_days_earlier, database)
        async with surroundings.running():
            asked_by, answer = await eventually(all_done, within_seconds=180)
            assert not await told()
        assert [(one["good"], one["verified_level"]) for one in answer["snapshots"]] == [(True, 2)]
        assert [one["last_fine"] for one in answer["schedules"]] == [True, True]
        assert (asked_by["backup.prune"], asked_by["backup.verify"]) == ("the schedule backup", "the schedule verify")
        await asyncio.to_thread(flip, surroundings.folder / "backup", answer["snapshots"][0]["id"])
        await asyncio.to_thread(two_days_earlier, database, "verify")
        async with surroundings.running():
            (alert,) = await eventually(told, within_seconds=180)
        assert answer["snapshots"][0]["id"] in alert["summary"]
    finally:
        await asyncio.to_thread(server.stop)
