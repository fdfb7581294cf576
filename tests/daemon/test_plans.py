"""What is done by itself, and what keeps it from being done."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from semsupervisor.backup import hot, pruning
from semsupervisor.backup.verdicts import Look
from semsupervisor.daemon.predecessors import MOST_IN_VAIN
from tests.support.job_world import snapshot
from tests.support.schedule_world import CRON, DAY, HOST, STOP, Host, a_host
from tests.support.waiting import eventually

pytestmark = pytest.mark.usefixtures("logs")


def waits(host: Host) -> str:
    """Return why backups wait."""
    return host.schedules.readings()[0].waits


async def test_a_backup_that_is_not_good_removes_nothing(tmp_path: Path) -> None:
    """Not at a later look either."""
    async with a_host(tmp_path) as host:
        host.snapshots.good = False
        await host.look()
        assert await host.look(DAY) == ["backup.hot"]
        await host.look(30)
        host.snapshots.good = True
        assert await host.look(30) == ["backup.hot"]


async def nights(host: Host, count: int) -> int:
    """Let a backup be taken each night, and return how often old ones were removed by themselves so far."""
    for _ in range(count):
        await host.look(DAY)
        entry = snapshot(f"{host.clock.now():%Y%m%d-%H%M%S}", host=HOST, taken_at=host.clock.now()).entry
        host.snapshots.entries.append(entry)
        await host.look(30)
    return [job.kind for job in await host.jobs()].count("backup.prune")


@pytest.mark.parametrize("flaw", ["damage", "suspicion"])
async def test_what_may_be_lost_is_kept_until_somebody_has_settled_it(tmp_path: Path, flaw: str) -> None:
    """Ten good backups after it remove nothing and say why; once somebody has removed old ones they do again."""
    async with a_host(tmp_path) as host:
        await host.look()
        assert await nights(host, 1) == 1
        if flaw == "damage":
            host.snapshots.looks[host.snapshots.entries[0].id] = Look(host.clock.now(), 3, ("a record is torn",))
        else:
            entry = msgspec.structs.replace(host.snapshots.entries[0], suspicions=("stream EV is gone",))
            host.snapshots.entries[0] = msgspec.structs.replace(entry, taken_at=host.clock.now())
        assert await nights(host, 10) == 1
        said = [text for kind, text in host.told if kind == "job.withheld"]
        assert len(said) == 10
        assert host.snapshots.entries[0].id in said[0]
        host.clock.advance(60)
        await host.acting.submit(pruning.KIND, pruning.Request(), "root")
        await eventually(lambda: not host.acting.open_jobs, within_seconds=60)
        assert await nights(host, 1) == 2


async def test_a_backup_that_fails_removes_nothing(tmp_path: Path) -> None:
    """It was undone; the next one is taken at its time."""
    async with a_host(tmp_path) as host:
        host.world.failing.add("do snapshot")
        await host.look()
        assert await host.look(DAY) == await host.look(30) == ["backup.hot"]
        host.world.failing.clear()
        await host.look(DAY)
        assert await host.look(30) == ["backup.hot", "backup.hot", "backup.prune"]


async def test_a_removal_that_fails_makes_no_backup_worse(tmp_path: Path) -> None:
    """It is a job of its own, which ends badly alone and is not tried again before the next good backup."""
    async with a_host(tmp_path) as host:
        host.world.failing.add("do backup_prune")
        await host.look()
        await host.look(DAY)
        assert await host.look(30) == await host.look(30) == ["backup.hot", "backup.prune"]
        assert [job.state.value for job in await host.jobs()] == ["done", "undone"]
        last = host.schedules.readings()[0].last
        assert last is not None
        assert (last.kind, last.state.value) == ("backup.hot", "done")


async def test_no_backup_begins_before_the_host_was_looked_at(tmp_path: Path) -> None:
    """Whoever else looks for the runbook's scripts, and whenever: the schedule has it done itself."""
    async with a_host(tmp_path) as host:
        host.tab.append(CRON)
        await host.look()
        assert await host.look(DAY) == []
        assert waits(host) == "the host still runs the runbook's backup.sh"


async def test_a_backup_is_taken_once_the_script_is_gone(tmp_path: Path) -> None:
    """The look before one that is owed is a new one, in both directions."""
    async with a_host(tmp_path) as host:
        await host.look()
        host.tab.append(CRON)
        assert await host.look(DAY) == []
        host.tab.clear()
        assert await host.look(30) == ["backup.hot"]


async def test_a_host_whose_tables_hang_is_waited_for_with_an_end(tmp_path: Path) -> None:
    """What is not known keeps backups back, but not for ever."""
    async with a_host(tmp_path) as host:
        host.tables_hang = True
        await host.look()
        for _ in range(MOST_IN_VAIN - 1):
            assert await host.look(DAY) == []
            assert waits(host) == "it is not known yet whether the host runs the runbook's backup.sh"
        assert await host.look(30) == ["backup.hot"]


async def test_a_stack_that_was_stopped_overnight_is_waited_for(tmp_path: Path) -> None:
    """Nothing fails, and it is made up once NATS is there again."""
    async with a_host(tmp_path) as host:
        await host.look()
        host.connected = False
        assert await host.look(DAY / 2) == await host.look(DAY / 2) == []
        assert "does not let the supervisor in" in waits(host)
        host.connected = True
        assert await host.look(30) == ["backup.hot"]
        assert (await host.look(3600)).count("backup.hot") == 1


async def test_a_backup_waits_for_room_on_the_disk_of_the_data(tmp_path: Path) -> None:
    """Why is said, and it is taken once there is room."""
    async with a_host(tmp_path) as host:
        await host.look()
        host.snapshots.too_little_room = "the disk is full"
        assert await host.look(DAY) == []
        assert waits(host) == "the disk is full"
        host.snapshots.too_little_room = ""
        assert await host.look(30) == ["backup.hot"]


async def test_a_backup_waits_for_a_job_that_holds_the_stack(tmp_path: Path) -> None:
    """What has no server to copy from would only fail."""
    async with a_host(tmp_path) as host:
        await host.look()
        released = host.world.hold("do stack_stop")
        await host.acting.submit(STOP, hot.Request(), "root")
        await eventually(lambda: host.acting.holder() is not None, within_seconds=60)
        host.clock.advance(DAY)
        await host.schedules.look()
        assert await host.jobs() == []
        assert waits(host).startswith("a job holds the stack: stack.stop (")
        released.set()
        await eventually(lambda: not host.acting.open_jobs, within_seconds=60)
        assert await host.look(30) == ["backup.hot"]


async def test_thirty_days_of_failing_backups_remove_nothing(tmp_path: Path) -> None:
    """A removal follows the good one before them, and then the good one after them."""
    async with a_host(tmp_path) as host:
        await host.look()
        await host.look(DAY)
        await host.look(30)
        host.world.failing.add("do snapshot")
        for _ in range(30):
            await host.look(DAY)
        kinds = await host.look(30)
        assert (kinds.count("backup.hot"), kinds.count("backup.prune")) == (31, 1)
        host.world.failing.clear()
        await host.look(DAY)
        assert (await host.look(30)).count("backup.prune") == 2


@pytest.mark.parametrize(("client", "taken"), [("container:nats:4222", False), ("", False), ("10.0.0.1:4222", True)])
async def test_a_host_without_a_stack_takes_none_and_says_why(tmp_path: Path, client: str, taken: bool) -> None:
    """A server that the settings name is expected to be there."""
    async with a_host(tmp_path) as host:
        host.containers = {}
        nats = msgspec.structs.replace(host.settings.checks.nats, client=client)
        checks = msgspec.structs.replace(host.settings.checks, nats=nats)
        host.settings = msgspec.structs.replace(host.settings, checks=checks)
        await host.look()
        assert await host.look(DAY) == (["backup.hot"] if taken else [])
        assert bool(waits(host)) == (not taken)


async def test_the_newest_snapshot_is_verified_by_itself(tmp_path: Path) -> None:
    """Up to the level of the settings, and as soon as there is one."""
    async with a_host(tmp_path) as host:
        host.set(verify="30 3 * * sun")
        await host.look()
        assert await host.look(7 * DAY) == []
        assert host.schedules.readings()[1].waits == "there is no complete snapshot to verify"
        host.snapshots.newest_complete = "20260308-020000"
        assert await host.look(30) == ["backup.verify"]
        (job,) = await host.jobs()
        level = host.settings.backup.verify.level
        assert (job.parameters, job.asked_by) == (
            {"snapshot": "20260308-020000", "level": level},
            "the schedule verify",
        )
        assert await host.look(DAY) == ["backup.verify"]
