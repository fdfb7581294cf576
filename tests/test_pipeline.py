"""From an observation to its messages on a real database: through kills, full disks, late evidence, cancellation."""

from __future__ import annotations

import asyncio
import itertools
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Protocol

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from semsupervisor import pipeline as pipeline_module
from semsupervisor.alerts.lifecycle import AlertState
from semsupervisor.alerts.notification import NotificationKind
from semsupervisor.alerts.rules import Comparison
from semsupervisor.alerts.turn import Policy
from semsupervisor.errors import EngineError, PermanentError, StoreError
from semsupervisor.health.observation import Observation, Subject, SubjectKind
from semsupervisor.kit.failpoints import VARIABLE
from semsupervisor.kit.tasks import TaskOwner
from semsupervisor.pipeline import UNSEEN_SECONDS
from semsupervisor.store import journal as journal_module
from semsupervisor.store.journal import Companion
from tests.support.alerting import (
    DIED,
    DISK,
    DOWN,
    ENGINE,
    FILLING,
    MAIL,
    NATS,
    NATS_SERVICE,
    SEMSTREAMS,
    SERVICE,
    TOPOLOGY,
    UNKNOWN,
    WEBHOOK,
    changed,
    gone,
    saw,
)
from tests.support.clock import ManualClock
from tests.support.commands import REPOSITORY
from tests.support.disks import SmallDisk
from tests.support.heart import Heart, Told
from tests.support.holding import held
from tests.support.logs import Logs
from tests.support.waiting import eventually

pytestmark = pytest.mark.usefixtures("logs")

FIRING, RESOLVED, UPDATE = NotificationKind.FIRING, NotificationKind.RESOLVED, NotificationKind.UPDATE
DEAD, ALIVE = saw(SERVICE, {"died": True}, evidence={"exit_code": "3"}), saw(SERVICE, {"died": False})
STREAM_FULL = changed(DIED, name="stream_full", kind=SubjectKind.STREAM, fact="at_ceiling", title="Stream full")
POLICY = Policy("edge-7", [DIED, DOWN, FILLING, STREAM_FULL], [WEBHOOK, MAIL], TOPOLOGY)


class Begin(Protocol):
    """Begins a run on the state of that name; all runs before it end as by a kill."""

    async def __call__(self, place: str = "state", boot_id: str = "boot") -> Heart:
        """Return the new run, which has not loaded anything yet."""
        ...


@pytest.fixture
def clock() -> ManualClock:
    """Return a clock that the test moves."""
    return ManualClock()


@pytest.fixture
async def begin(tmp_path: Path, clock: ManualClock) -> AsyncIterator[Begin]:
    """Return what begins runs on the test's state."""
    runs: list[Heart] = []
    async with asyncio.TaskGroup() as group:
        owner = TaskOwner(group, clock)

        async def begin(place: str = "state", boot_id: str = "boot") -> Heart:
            for run in runs:
                await run.close()
            runs.append(Heart(tmp_path / place / "state.db", POLICY, owner, clock, boot_id))
            return runs[-1]

        yield begin
        await owner.stop()
    for run in runs:
        await run.close()


@pytest.fixture
async def heart(begin: Begin) -> Heart:
    """Return the first run, loaded."""
    return await begun(begin)


async def begun(begin: Begin, place: str = "state") -> Heart:
    """Kill the run that there is and return the next one, loaded."""
    heart = await begin(place)
    await heart.load()
    return heart


def hide(heart: Heart) -> None:
    """Make the state unreadable and unwritable, as a disk that did not come up: a file stands in its place."""
    heart.path.parent.rename(heart.path.parent.with_name(f"{heart.path.parent.name}-hidden"))
    heart.path.parent.write_text("in the way")


def show(heart: Heart) -> None:
    """Give the state back."""
    heart.path.parent.unlink()
    heart.path.parent.with_name(f"{heart.path.parent.name}-hidden").rename(heart.path.parent)


async def test_a_death_is_committed_before_it_can_be_sent(heart: Heart) -> None:
    """When observe returns, alert, timeline and messages are on the disk and in the queues, as the settings order."""
    await heart.see(DEAD)
    assert heart.queued() == [("hook", FIRING, DIED.name), ("mail", FIRING, DIED.name)]
    (open_one,) = await heart.on_disk()
    assert (open_one.rule, open_one.state, open_one.told) == (DIED.name, AlertState.FIRING, ("hook", "mail"))
    assert await heart.rows("queued") == [("hook", f"{open_one.id}-firing"), ("mail", f"{open_one.id}-firing")]
    kinds = [entry.kind for entry in await heart.book.timeline(10)]
    assert kinds == ["alert.told", "alert.firing"]


@given(st.text(st.characters(exclude_categories=()), min_size=1), st.text(st.characters(exclude_categories=())))
@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_no_text_keeps_an_alert_from_the_disk(begin: Begin, name: str, text: str) -> None:
    """Bytes that were no UTF-8, in names, evidence and notes, end neither the judging nor the writing."""
    heart = await begun(begin, f"odd-{next(PLACES)}")
    subject = Subject(SubjectKind.SERVICE, name)
    heart.gathering.evidence = {"last_log_lines": text}
    heart.gathering.may_end.set()
    await heart.see(saw(subject, {"died": True}, evidence={"error": text}))
    await heart.pipeline.note("service.completed", subject, text, {"word": text})
    (open_one,) = await heart.on_disk()
    assert open_one.subject == subject
    await eventually(lambda: all("last_log_lines" in alert.evidence for alert in heart.pipeline.alerts()))


async def test_a_restart_neither_repeats_nor_forgets(heart: Heart, begin: Begin) -> None:
    """Killed right after the commit, the next run sends the same messages under the same keys, and later the end."""
    await heart.see(DEAD)
    keys = [entry.notification.key for entry in heart.outbox.queued()]
    again = await begun(begin)
    assert [entry.notification.key for entry in again.outbox.queued()] == keys
    await again.see(DEAD, after_seconds=10)
    assert len(again.queued()) == 2
    await again.deliver_all()
    third = await begun(begin)
    assert third.queued() == []
    await third.see(ALIVE, after_seconds=10)
    assert third.queued() == [("hook", RESOLVED, DIED.name), ("mail", RESOLVED, DIED.name)]
    assert await third.on_disk() == []
    assert (await begun(begin)).pipeline.alerts() == []


async def test_what_is_pending_goes_on_after_an_orderly_end(heart: Heart, begin: Begin) -> None:
    """Saved at the end, the observed time is kept; what passed while nobody looked does not count; its row goes."""
    filling = saw(DISK, {"used_ratio": 0.85})
    await heart.see(filling)
    await heart.see(filling, after_seconds=50)
    assert await heart.on_disk() == []
    await heart.pipeline.save_all()
    again = await begun(begin)
    assert [(one.state, one.held_seconds) for one in again.pipeline.alerts()] == [(AlertState.PENDING, 50.0)]
    assert await again.on_disk() == []
    await again.see(filling, after_seconds=100_000)
    assert again.queued() == []
    await again.see(filling, after_seconds=10)
    assert again.queued() == [("hook", FIRING, FILLING.name), ("mail", FIRING, FILLING.name)]


async def test_an_orderly_end_changes_nothing_else(heart: Heart, begin: Begin) -> None:
    """Saving all again leaves one row for each alert and message."""
    await heart.see(DEAD)
    await heart.pipeline.save_all()
    await heart.pipeline.save_all()
    again = await begun(begin)
    assert len(again.queued()) == 2
    assert len(again.pipeline.alerts()) == 1


async def test_what_nobody_mentions_after_a_restart_ends(heart: Heart, begin: Begin, clock: ManualClock) -> None:
    """What is not there any more keeps no alert of the last run firing once the engine can tell; what is seen does."""
    await heart.see(DEAD, saw(NATS_SERVICE, {"died": True}))
    assert await heart.deliver_all()
    again = await begun(begin)
    await again.see(saw(SERVICE, {"state": "restarting"}))
    clock.advance(UNSEEN_SECONDS)
    await again.pipeline.end_unseen()
    before = {alert.subject for alert in again.pipeline.alerts()}
    await again.see(saw(ENGINE, {"reachable": True}))
    await again.pipeline.end_unseen()
    assert before == {SERVICE, NATS_SERVICE}
    assert {alert.subject for alert in again.pipeline.alerts()} == {SERVICE}
    assert ("hook", RESOLVED, DIED.name) in again.queued()


async def test_subjects_that_come_and_go_leave_nothing(heart: Heart) -> None:
    """Streams, consumers, containers: ten thousand of them, some told of, and the tables are what they were before."""

    async def come_and_go(first: int) -> None:
        there = [Subject(SubjectKind.STREAM, f"S{number}") for number in range(first, first + 500)]
        await heart.see(*(saw(one, {"used_ratio": 0.1, "messages": 1}) for one in there), after_seconds=10)
        services = [Subject(SubjectKind.SERVICE, f"s{number}") for number in range(first, first + 3)]
        await heart.see(*(saw(one, {"died": True}, evidence={"exit_code": "3"}) for one in services))
        heart.gathering.may_end.set()
        await heart.deliver_all()
        await heart.see(*map(gone, (*there, *services)), after_seconds=10)
        await heart.deliver_all()
        await eventually(lambda: not heart.pipeline._evidence)
        await heart.deliver_all()

    await come_and_go(0)
    await come_and_go(500)
    before = held(heart.pipeline)
    for first in range(1000, 11_000, 500):
        await come_and_go(first)
    assert held(heart.pipeline) <= before + 50


async def test_what_jetstream_would_have_to_name_waits_for_it(heart: Heart, begin: Begin, clock: ManualClock) -> None:
    """While nobody tells which streams there are, an alert about one goes on after a restart; then it may end."""
    stream = Subject(SubjectKind.STREAM, "EV")
    await heart.see(saw(stream, {"at_ceiling": True}))
    again = await begun(begin)
    await again.see(saw(ENGINE, {"reachable": True}), saw(NATS, {"reachable": False}))
    clock.advance(UNSEEN_SECONDS)
    await again.pipeline.end_unseen()
    assert [alert.subject for alert in again.pipeline.alerts()] == [stream]
    await again.see(saw(NATS, {"reachable": True, "jetstream_streams": 0}))
    await again.pipeline.end_unseen()
    assert list(again.pipeline.alerts()) == []


@pytest.mark.parametrize(("boot_id", "seconds", "told"), [("boot", 10, False), ("boot", 40, True), ("later", 10, True)])
async def test_the_quiet_after_a_cause_goes_on_after_a_restart(
    heart: Heart, begin: Begin, boot_id: str, seconds: float, told: bool
) -> None:
    """What depends on a service that has just come back is not told, unless it is long ago or was in another boot."""
    await heart.see(DEAD)
    await heart.see(ALIVE, after_seconds=2)
    await heart.deliver_all()
    again = await begin(boot_id=boot_id)
    await again.load()
    await again.see(saw(SEMSTREAMS, {"reachable": False}), after_seconds=seconds)
    assert bool(again.queued()) == told
    assert [one.rule for one in again.pipeline.alerts()] == [DOWN.name]


async def test_evidence_in_time_goes_along(heart: Heart) -> None:
    """What is gathered before a message leaves is part of it, in the database too, and no update follows."""
    await heart.see(DEAD)
    (alert,) = heart.pipeline.alerts()
    assert heart.pipeline.evidence_of(alert.id) is not None
    heart.gathering.evidence = {"last_log_lines": "panic"}
    heart.gathering.may_end.set()
    await eventually(lambda: heart.pipeline.evidence_of(alert.id) is None)
    full = {"exit_code": "3", "last_log_lines": "panic"}
    await eventually(lambda: heart.pipeline.alerts()[0].evidence == full)
    assert [entry.notification.alerts[0].evidence for entry in heart.outbox.queued()] == [full, full]
    assert heart.queued() == [("hook", FIRING, DIED.name), ("mail", FIRING, DIED.name)]
    assert (await heart.on_disk())[0].evidence == full
    assert heart.gathering.asked == ["semstreams"]


async def test_late_evidence_follows_for_those_who_left_without(heart: Heart, begin: Begin) -> None:
    """The webhook has left: it gets an update; the mail is still here: it takes the evidence along."""
    await heart.see(DEAD)
    hook = heart.outbox.head("hook")
    assert hook is not None
    await heart.outbox.delivered(heart.outbox.begin(hook, {}))
    heart.gathering.evidence = {"last_log_lines": "panic"}
    heart.gathering.may_end.set()
    await eventually(lambda: len(heart.queued()) == 2)
    assert heart.queued() == [("hook", UPDATE, DIED.name), ("mail", FIRING, DIED.name)]
    again = await begun(begin)
    assert {entry.notification.alerts[0].evidence["last_log_lines"] for entry in again.outbox.queued()} == {"panic"}


async def test_evidence_taken_along_in_the_last_moment_needs_no_update(heart: Heart) -> None:
    """Who left with what was just gathered, before it was booked, knows it."""
    await heart.see(DEAD)
    (alert,) = heart.pipeline.alerts()
    heart.gathering.evidence = {"last_log_lines": "panic"}
    heart.gathering.may_end.set()
    pending = heart.pipeline.evidence_of(alert.id)
    assert pending is not None
    evidence = await pending
    hook = heart.outbox.head("hook")
    assert hook is not None
    sent = heart.outbox.begin(hook, evidence)
    await heart.outbox.delivered(sent)
    await eventually(lambda: heart.pipeline.evidence_of(alert.id) is None)
    await eventually(lambda: "last_log_lines" in heart.pipeline.alerts()[0].evidence)
    assert heart.queued() == [("mail", FIRING, DIED.name)]


def _lines(heart: Heart, kind: NotificationKind) -> set[str]:
    """Return the log lines that the queued messages of a kind carry."""
    waiting = [entry.notification for entry in heart.outbox.queued() if entry.notification.kind is kind]
    return {message.alerts[0].evidence.get("last_log_lines", "") for message in waiting}


async def test_evidence_about_what_is_over_reaches_what_still_waits(heart: Heart) -> None:
    """A death of two seconds: gathered after its end, the evidence goes into the messages that did not leave."""
    await heart.see(DEAD, saw(SERVICE, {"died": False}))
    assert [kind for _, kind, _ in heart.queued()] == [FIRING, RESOLVED, FIRING, RESOLVED]
    heart.gathering.evidence = {"memory_limit": "512 MiB"}
    heart.gathering.may_end.set()
    waiting = heart.outbox.queued
    await eventually(lambda: all("memory_limit" in entry.notification.alerts[0].evidence for entry in waiting()))
    assert len(waiting()) == 4


async def test_evidence_after_the_end_follows_for_those_who_left_without(heart: Heart) -> None:
    """Docker often shows a dead container only once it runs again: what came too late follows as an update."""
    await heart.see(DEAD)
    await heart.see(saw(SERVICE, {"died": False}), after_seconds=0.5)
    assert await heart.deliver_all()
    heart.gathering.evidence = {"last_log_lines": "panic"}
    heart.gathering.may_end.set()
    (update,) = await eventually(heart.outbox.queued)
    (facts,) = update.notification.alerts
    assert (update.receiver, update.notification.kind) == ("hook", UPDATE)
    assert facts.resolved_at is not None
    assert facts.evidence["last_log_lines"] == "panic"
    (kept,) = await heart.book.history(1)
    assert kept.evidence["last_log_lines"] == "panic"


@pytest.mark.parametrize(
    ("error", "words"),
    [(EngineError("no answer"), "could not be gathered: no answer"), (None, "could not be gathered within 0.01 s")],
)
async def test_evidence_that_does_not_come_is_said(
    heart: Heart, monkeypatch: pytest.MonkeyPatch, error: Exception | None, words: str
) -> None:
    """An engine that does not answer, or too late, is itself the evidence."""
    monkeypatch.setattr(pipeline_module, "EVIDENCE_TIMEOUT_SECONDS", 0.01)
    if error:
        heart.gathering.error = error
        heart.gathering.may_end.set()
    await heart.see(DEAD)
    await eventually(lambda: heart.pipeline.alerts()[0].evidence.get("evidence") == words)


async def test_evidence_that_fails_by_a_fault_of_ours_keeps_nobody_waiting(heart: Heart, logs: Logs) -> None:
    """Whatever goes wrong while it is gathered, the message is not held back, and the next alert is not touched."""
    heart.gathering.error = KeyError("fault")
    await heart.see(DEAD)
    pending = heart.pipeline.evidence_of(heart.pipeline.alerts()[0].id)
    assert pending is not None
    heart.gathering.may_end.set()
    await eventually(pending.done)
    await eventually(lambda: logs[-1]["event"] == "task.failed")
    assert heart.pipeline.evidence_of(heart.pipeline.alerts()[0].id) is None
    await heart.see(ALIVE)
    assert [kind for _, kind, _ in heart.queued()] == [FIRING, RESOLVED, FIRING, RESOLVED]


async def test_nothing_is_gathered_about_a_disk(heart: Heart) -> None:
    """Inspection and logs are asked for where there is a container."""
    full = saw(DISK, {"used_ratio": 0.9})
    await heart.see(full)
    await heart.see(full, after_seconds=60)
    assert heart.queued()
    assert heart.gathering.asked == []


async def test_a_full_disk_delays_nothing_that_is_told(small_disk: SmallDisk, clock: ManualClock, begin: Begin) -> None:
    """While the disk is full alerts fire, are delivered and end from memory; afterwards the disk knows all of it."""
    async with asyncio.TaskGroup() as group:
        owner = TaskOwner(group, clock)
        heart = Heart(small_disk.folder / "state.db", POLICY, owner, clock)
        await heart.load()
        small_disk.fill()
        large = {"exit_code": "3", "last_log_lines": "x" * 300_000}
        await heart.see(saw(SERVICE, {"died": True}, evidence=large))
        assert await heart.deliver_all() == [("hook", FIRING, DIED.name), ("mail", FIRING, DIED.name)]
        await heart.see(ALIVE, after_seconds=2)
        await heart.see(saw(NATS_SERVICE, {"died": True}), after_seconds=2)
        assert heart.journal.waiting
        small_disk.free()
        assert await heart.journal.catch_up()
        assert len(await heart.rows("delivered")) == 2
        await heart.close()
        again = Heart(heart.path, POLICY, owner, clock)
        await again.load()
        expected = [(receiver, kind, DIED.name) for receiver in ("hook", "mail") for kind in (RESOLVED, FIRING)]
        assert again.queued() == expected
        assert [one.subject for one in again.pipeline.alerts()] == [NATS_SERVICE]
        await again.close()
        await owner.stop()


def find_damage(db: sqlite3.Connection) -> None:
    """Fail as SQLite does when it meets a page that makes no sense."""
    error = sqlite3.DatabaseError("database disk image is malformed")
    error.sqlite_errorcode = sqlite3.SQLITE_CORRUPT
    raise error


async def broken(heart: Heart, *, unreadable: bool = True) -> None:
    """Let the running daemon notice that its database is damaged, by default to the last page."""
    if not unreadable:
        with pytest.raises(StoreError):
            await heart.store.write(find_damage)
        return
    await heart.store.read(lambda db: db.execute("PRAGMA shrink_memory").fetchall())
    for path in (heart.path, Path(f"{heart.path}-wal")):
        with path.open("r+b") as file:
            file.write(os.urandom(path.stat().st_size))
    with pytest.raises(StoreError):
        await heart.on_disk()
    assert heart.store.set_aside is not None


async def test_all_is_written_again_into_a_database_begun_afresh(heart: Heart, begin: Begin) -> None:
    """When the database breaks under the daemon its memory is the truth; what is only pending stays there."""
    await heart.see(DEAD, saw(DISK, {"used_ratio": 0.85}))
    await broken(heart)
    assert await heart.journal.catch_up()
    again = await begun(begin)
    assert again.queued() == [("hook", FIRING, DIED.name), ("mail", FIRING, DIED.name)]
    assert [one.rule for one in again.pipeline.alerts()] == [DIED.name]


async def test_a_change_that_meets_the_broken_database_is_not_lost(heart: Heart, begin: Begin) -> None:
    """What is seen while the database breaks is told, and stands in the fresh one in its order."""
    await heart.see(DEAD)
    await broken(heart)
    await heart.see(ALIVE, after_seconds=2)
    assert heart.journal.settled
    again = await begun(begin)
    assert [kind for _, kind, _ in again.queued()] == [FIRING, RESOLVED, FIRING, RESOLVED]
    assert again.pipeline.alerts() == []


async def test_a_broken_database_is_salvaged_at_the_start(heart: Heart, begin: Begin) -> None:
    """What can be read of open alerts and queued messages of a damaged database goes on, under its keys."""
    await heart.see(DEAD)
    for number in range(40):
        await heart.pipeline.note("note", SERVICE, f"{number} " + "x" * 3500, {})
    keys = [entry.notification.key for entry in heart.outbox.queued()]
    await heart.close()
    with heart.path.open("r+b") as file:
        file.seek(heart.path.stat().st_size - 4096 * 6)
        file.write(os.urandom(4096 * 4))
    again = await begun(begin)
    assert again.store.set_aside is not None
    assert [entry.notification.key for entry in again.outbox.queued()] == keys
    await again.see(DEAD, after_seconds=10)
    await again.outbox.delivered(again.outbox.queued()[0])
    await again.outbox.load()
    assert [entry.notification.key for entry in again.outbox.queued()] == keys[1:]
    third = await begun(begin)
    assert [entry.notification.key for entry in third.outbox.queued()] == keys[1:]
    await third.see(ALIVE, after_seconds=10)
    assert [kind for _, kind, _ in third.queued()] == [FIRING, RESOLVED, RESOLVED]


LOAD = """
import asyncio, sys
from pathlib import Path
from semsupervisor.kit.tasks import TaskOwner
from tests.support.clock import ManualClock
from tests.support.heart import Heart
from tests.test_pipeline import POLICY

async def live():
    clock = ManualClock()
    async with asyncio.TaskGroup() as group:
        heart = Heart(Path(sys.argv[1]), POLICY, TaskOwner(group, clock), clock)
        await heart.load()
        await heart.store.end_salvage()

asyncio.run(live())
"""
ON_THE_WAY = [
    "set_aside.marked:1",
    "set_aside.half_moved:1",
    "set_aside.half_moved:2",
    "set_aside.moved:1",
    "pipeline.before_commit:1",
    "pipeline.after_commit:1",
    "set_aside.saved:1",
]


def damage(path: Path) -> None:
    """Overwrite the last pages of a database that is not open."""
    with path.open("r+b") as file:
        file.seek(path.stat().st_size - 4096 * 6)
        file.write(os.urandom(4096 * 4))


@pytest.mark.parametrize("failpoint", ON_THE_WAY)
async def test_a_kill_while_a_broken_database_is_replaced_loses_nothing(
    heart: Heart, begin: Begin, failpoint: str
) -> None:
    """Wherever the run that found the damage is killed, the next has each alert and message, and nothing more."""
    await heart.see(DEAD)
    hook = heart.outbox.queued()[0]
    await heart.outbox.delivered(heart.outbox.begin(hook, {}))
    for number in range(40):
        await heart.pipeline.note("note", SERVICE, f"{number} " + "x" * 3500, {})
    await heart.close()
    await asyncio.to_thread(damage, heart.path)
    ended = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-c", LOAD, str(heart.path)],
        cwd=REPOSITORY,
        env={**os.environ, VARIABLE: failpoint},
        timeout=60,
    )
    assert ended.returncode == -signal.SIGKILL
    again = await begun(begin)
    assert again.queued() == [("mail", FIRING, DIED.name)]
    assert [one.rule for one in again.pipeline.alerts()] == [DIED.name]
    assert await again.deliver_all()
    third = await begun(begin)
    assert third.queued() == []
    assert third.journal.settled
    await third.store.end_salvage()
    fourth = await begun(begin)
    assert (fourth.queued(), fourth.store.set_aside) == ([], None)
    await fourth.see(ALIVE, after_seconds=10)
    assert [kind for _, kind, _ in fourth.queued()] == [RESOLVED, RESOLVED]


async def test_a_kill_right_after_a_database_broke_under_the_daemon_loses_nothing(heart: Heart, begin: Begin) -> None:
    """Before memory could write everything again the next run reads it from the copy, but for what has left since."""
    await heart.see(DEAD)
    await broken(heart, unreadable=False)
    again = await begun(begin)
    assert again.queued() == [("hook", FIRING, DIED.name), ("mail", FIRING, DIED.name)]
    await again.outbox.delivered(again.outbox.queued()[0])
    third = await begun(begin)
    assert third.queued() == [("mail", FIRING, DIED.name)]
    assert [one.rule for one in third.pipeline.alerts()] == [DIED.name]


async def test_a_state_that_is_removed_is_written_again_with_the_next_change(heart: Heart, begin: Begin) -> None:
    """With the folder gone, a new alert is told, and it and all that was known before are in the new file."""
    await heart.see(DEAD)
    await asyncio.to_thread(shutil.rmtree, heart.path.parent)
    await heart.see(saw(NATS_SERVICE, {"died": True}), after_seconds=2)
    assert len(heart.queued()) == 4
    again = await begun(begin)
    assert again.queued() == [("hook", FIRING, DIED.name)] * 2 + [("mail", FIRING, DIED.name)] * 2
    assert [one.subject for one in again.pipeline.alerts()] == [SERVICE, NATS_SERVICE]


async def test_what_had_to_be_forgotten_does_not_come_back(
    heart: Heart, begin: Begin, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A delivery and an end that were too old to wait for the disk are known to the next run all the same."""
    monkeypatch.setattr(journal_module, "MOST_WAITING", 1)
    await heart.see(DEAD, saw(NATS_SERVICE, {"died": True}))
    gate = Gate()
    assert not await heart.journal.commit(gate.pass_or_fail)
    assert len(await heart.deliver_all()) == 4
    await heart.see(ALIVE, after_seconds=10)
    for number in range(3):
        await heart.pipeline.note("note", SERVICE, str(number), {})
        assert not await heart.journal.commit(gate.pass_or_fail)
    assert heart.journal.forgotten_total > 3
    gate.open = True
    assert await heart.journal.catch_up()
    again = await begun(begin)
    assert again.queued() == [("hook", RESOLVED, DIED.name), ("mail", RESOLVED, DIED.name)]
    assert [one.subject for one in again.pipeline.alerts()] == [NATS_SERVICE]
    assert {one.state for one in await again.book.history(10)} == {AlertState.FIRING, AlertState.RESOLVED}


class Gate:
    """A change that finds the disk full until it is opened."""

    def __init__(self) -> None:
        self.open = False

    def pass_or_fail(self, db: sqlite3.Connection) -> None:
        """Fail, or do nothing."""
        if not self.open:
            error = sqlite3.OperationalError("database or disk is full")
            error.sqlite_errorcode = sqlite3.SQLITE_FULL
            raise error


async def test_a_line_that_is_written_twice_stands_there_once(heart: Heart, begin: Begin) -> None:
    """A change of which a hanging disk did not say whether it was made is made again, and changes nothing then."""
    made = heart.store.write

    async def silent(change: Callable[[sqlite3.Connection], object], generation: int) -> object:
        await made(change, generation=generation)
        raise StoreError("no answer")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(heart.store, "write", silent)
        await heart.see(DEAD)
    assert await heart.journal.catch_up()
    assert [entry.kind for entry in await heart.book.timeline(10)] == ["alert.told", "alert.firing"]


async def test_a_state_that_comes_late_is_taken_up_late(heart: Heart, begin: Begin) -> None:
    """What was open and queued before goes first; nothing of it is overwritten; of two episodes the earlier ends."""
    await heart.see(DEAD, saw(NATS_SERVICE, {"died": True}))
    earlier = [(entry.id, entry.notification.key) for entry in heart.outbox.queued()]
    await heart.close()
    hide(heart)
    again = await begin()
    with pytest.raises(StoreError):
        await again.load()
    await again.see(DEAD, after_seconds=10)
    (now,) = again.pipeline.alerts()
    hook = again.outbox.head("hook")
    assert hook is not None
    leaving = again.outbox.begin(hook, {})
    assert again.journal.waiting
    show(heart)
    await again.load()
    await again.load()
    await again.outbox.load()
    entries = again.outbox.queued()
    assert len({entry.id for entry in entries}) == len(entries)
    hooks = [entry for entry in entries if entry.receiver == "hook"]
    assert [entry.notification.kind for entry in hooks] == [FIRING, FIRING, FIRING, RESOLVED]
    assert [(entry.id, entry.notification.key) for entry in hooks[:2]] == earlier[:2]
    assert {one.subject: one.id == now.id for one in again.pipeline.alerts()} == {SERVICE: True, NATS_SERVICE: False}
    await again.outbox.delivered(leaving)
    assert leaving.id not in {entry.id for entry in again.outbox.queued()}
    rows = await again.rows("queued")
    third = await begun(begin)
    assert sorted((entry.receiver, entry.notification.key) for entry in third.outbox.queued()) == sorted(rows)
    assert len(rows) == 7


async def test_a_disk_that_comes_back_full_is_read_when_it_has_room(small_disk: SmallDisk, clock: ManualClock) -> None:
    """While this run's own changes cannot be written, an end among them must not be undone by what the disk says."""
    async with asyncio.TaskGroup() as group:
        owner = TaskOwner(group, clock)
        path = small_disk.folder / "state" / "state.db"
        heart = Heart(path, POLICY, owner, clock)
        await heart.see(DEAD)
        await heart.close()
        hide(heart)
        again = Heart(path, POLICY, owner, clock)
        await again.pipeline.note("note", SERVICE, "x" * 300_000, {})
        show(heart)
        small_disk.fill()
        with pytest.raises(StoreError):
            await again.load()
        assert again.queued() == []
        small_disk.free()
        await again.load()
        assert len(again.queued()) == 2
        await again.close()
        await owner.stop()


async def test_what_waits_in_memory_goes_to_the_disk_before_the_last_run_is_read(heart: Heart, begin: Begin) -> None:
    """As long as this run's own changes cannot be written, what they concern must not be read as it was."""
    await heart.see(DEAD)
    await heart.close()
    hide(heart)
    again = await begin()
    await again.pipeline.note("note", SERVICE, "seen in the dark", {})
    with pytest.raises(StoreError):
        await again.outbox.load()
    show(heart)
    await again.load()
    assert [entry.text for entry in await again.book.timeline(1)] == ["seen in the dark"]
    assert len(again.queued()) == 2


async def test_many_at_once_are_judged_one_after_the_other(heart: Heart) -> None:
    """Observations of many tasks make each alert once, and memory and disk agree."""
    services = [Subject(SubjectKind.SERVICE, f"s{number}") for number in range(40)]
    async with asyncio.TaskGroup() as group:
        for _ in range(2):
            for service in services:
                group.create_task(heart.see(saw(service, {"died": True})))
    assert len(heart.pipeline.alerts()) == len(services)
    assert {one.id for one in await heart.on_disk()} == {one.id for one in heart.pipeline.alerts()}
    keys = [(entry.receiver, entry.notification.key) for entry in heart.outbox.queued()]
    assert len(set(keys)) == len(keys) == 2 * len(services)
    assert sorted(await heart.rows("queued")) == sorted(keys)


async def test_a_cancelled_observation_leaves_memory_and_disk_the_same(heart: Heart) -> None:
    """Cancelled anywhere, in the middle of a commit too, an observation has happened in both or in neither."""
    for number in range(25):
        service = Subject(SubjectKind.SERVICE, f"s{number}")
        call = asyncio.get_running_loop().create_task(heart.see(saw(service, {"died": True})))
        for _ in range(number % 7):
            await asyncio.sleep(0)
        call.cancel()
        await asyncio.wait([call])
    in_memory = [(entry.receiver, entry.notification.key) for entry in heart.outbox.queued()]
    assert sorted(await heart.rows("queued")) == sorted(in_memory)
    assert [one.id for one in await heart.on_disk()] == [one.id for one in heart.pipeline.alerts()]
    assert 10 < len(heart.pipeline.alerts()) < 25


async def test_dead_letters_can_be_sent_again_once(heart: Heart, begin: Begin) -> None:
    """Asked twice at once, a dead letter is queued once, and so it is after a restart."""
    await heart.see(DEAD)
    hook = heart.outbox.head("hook")
    assert hook is not None
    await heart.outbox.dead(hook, "410 Gone")
    (dead,) = await heart.outbox.dead_letters(10)
    assert sorted(await asyncio.gather(heart.outbox.retry(dead.id), heart.outbox.retry(dead.id))) == [False, True]
    assert heart.outbox.depth("hook").dead == 0
    again = await begun(begin)
    assert again.queued() == [("mail", FIRING, DIED.name), ("hook", FIRING, DIED.name)]


async def give_up(heart: Heart, receiver: str) -> int:
    """Give the oldest message of a receiver up, and return its number."""
    entry = heart.outbox.head(receiver)
    assert entry is not None
    await heart.outbox.dead(entry, "410 Gone")
    return entry.id


async def test_a_beginning_that_is_sent_again_after_its_end_opens_nothing(heart: Heart, begin: Begin) -> None:
    """Of what is over the end is told, under the end's key; while that waits still, nothing more is told."""
    await heart.see(DEAD)
    hook, mail = await give_up(heart, "hook"), await give_up(heart, "mail")
    await heart.see(ALIVE, after_seconds=2)
    ended = heart.outbox.head("hook")
    assert ended is not None
    await heart.outbox.delivered(heart.outbox.begin(ended, {}))
    assert await heart.pipeline.retry(hook, heart.book)
    assert await heart.pipeline.retry(mail, heart.book)
    assert not await heart.pipeline.retry(mail, heart.book)
    again = await begun(begin)
    assert again.queued() == [("mail", RESOLVED, DIED.name), ("hook", RESOLVED, DIED.name)]
    assert again.outbox.queued()[1].notification.key == ended.notification.key
    assert again.outbox.queued()[1].notification.alerts[0].resolved_because == "semstreams: died is no."
    assert again.outbox.receivers() == ("hook", "mail")


async def test_what_still_fires_is_sent_again_as_it_was(heart: Heart) -> None:
    """A beginning whose end is not there yet goes out, and its end comes behind it."""
    await heart.see(DEAD)
    assert await heart.pipeline.retry(await give_up(heart, "hook"), heart.book)
    await heart.see(ALIVE, after_seconds=2)
    assert [kind for receiver, kind, _ in heart.queued() if receiver == "hook"] == [FIRING, RESOLVED]


async def test_what_fires_again_is_not_closed_by_an_old_message(heart: Heart) -> None:
    """A message about an earlier episode is refused while a later one fires, and can be sent when that is over."""
    await heart.see(DEAD)
    old = await give_up(heart, "hook")
    await heart.see(ALIVE, after_seconds=60)
    await heart.see(DEAD, after_seconds=60)
    with pytest.raises(PermanentError, match=f"outbox drop {old}"):
        await heart.pipeline.retry(old, heart.book)
    assert heart.outbox.depth("hook").dead == 1
    await heart.see(ALIVE, after_seconds=60)
    await heart.deliver_all()
    assert await heart.pipeline.retry(old, heart.book)
    assert [(kind, receiver) for receiver, kind, _ in heart.queued()] == [(RESOLVED, "hook")]


async def test_a_reload_ends_what_the_settings_no_longer_ask_for(heart: Heart) -> None:
    """The alerts of a rule that is gone end, with a message to those who were told, and stay ended."""
    await heart.see(DEAD)
    await heart.deliver_all()
    version = heart.pipeline.version
    await heart.pipeline.replace(Policy("edge-7", [DOWN], [WEBHOOK, MAIL], TOPOLOGY))
    assert heart.pipeline.version > version
    assert heart.queued() == [("hook", RESOLVED, DIED.name), ("mail", RESOLVED, DIED.name)]
    assert (heart.pipeline.alerts(), await heart.on_disk()) == ([], [])


async def test_rules_that_went_away_between_two_runs_end_their_alerts(heart: Heart, begin: Begin) -> None:
    """The next run, with other rules, ends what it finds open."""
    await heart.see(DEAD)
    again = await begin()
    again.pipeline.policy = Policy("edge-7", [changed(DIED, enabled=False)], [WEBHOOK, MAIL], TOPOLOGY)
    await again.load()
    assert [kind for _, kind, _ in again.queued()] == [FIRING, RESOLVED, FIRING, RESOLVED]
    assert await again.on_disk() == []


async def test_the_latest_sight_of_each_source_is_kept(heart: Heart) -> None:
    """Each source's last observation of a subject stays until the subject is gone; nothing seen writes nothing."""
    first = saw(SERVICE, {"died": False}, source="events")
    await heart.see(first, saw(SERVICE, {"memory": 1}, source="probe"), saw(DISK, {"used_ratio": 0.1}, source="probe"))
    assert set(heart.pipeline.latest) == {(SERVICE, "events"), (SERVICE, "probe"), (DISK, "probe")}
    await heart.see(gone(SERVICE))
    assert set(heart.pipeline.latest) == {(DISK, "probe")}
    await heart.see()
    assert await heart.book.timeline(1) == []


async def test_what_readers_render_has_a_version(heart: Heart) -> None:
    """It counts up with every change of facts or alerts, after the change is true, and only then."""
    versions = [heart.pipeline.version]
    filling = saw(DISK, {"used_ratio": 0.85})
    unknown = saw(DISK, {"used_ratio": UNKNOWN})
    for seen in (filling, filling, unknown, unknown, unknown, unknown, filling):
        await heart.see(seen)
        versions.append(heart.pipeline.version)
    counted = [after > before for before, after in itertools.pairwise(versions)]
    assert counted == [True, False, True, False, True, False, True]
    assert heart.pipeline.alerts()


async def test_what_lasted_is_counted_in_real_seconds(heart: Heart, begin: Begin, clock: ManualClock) -> None:
    """A wall clock that is set meanwhile changes nothing; after a restart only that clock is left."""
    await heart.see(DEAD)
    clock.jump(7200)
    await heart.see(ALIVE, after_seconds=5)
    ended = [entry.notification for entry in heart.outbox.queued() if entry.notification.kind is RESOLVED]
    assert {message.alerts[0].lasted_seconds for message in ended} == {5.0}
    await heart.see(DEAD, after_seconds=5)
    again = await begun(begin)
    await again.see(ALIVE, after_seconds=5)
    assert again.outbox.queued()[-1].notification.alerts[0].lasted_seconds is None


async def test_alerts_stand_in_the_order_in_which_they_began(heart: Heart, clock: ManualClock) -> None:
    """The oldest first, also when the wall clock was set back in between."""
    await heart.see(DEAD)
    clock.jump(-86400)
    await heart.see(saw(NATS_SERVICE, {"died": True}))
    assert [one.subject for one in heart.pipeline.alerts()] == [SERVICE, NATS_SERVICE]


async def test_a_companion_is_written_with_what_follows_or_not_at_all(heart: Heart) -> None:
    """It stands in the transaction of the alert it goes with; when nothing follows, it is left to the caller."""
    then: list[str] = []
    companion = Companion(
        lambda db: db.execute("INSERT INTO timeline (at, kind, subject, text, facts) VALUES ('', 'c', '', '', '{}')"),
        lambda: then.append("true"),
    )
    await heart.pipeline.observe([ALIVE], companion)
    assert then == []
    await heart.pipeline.observe([DEAD], companion)
    assert then == ["true"]
    kinds = await heart.store.read(lambda db: db.execute("SELECT kind FROM timeline ORDER BY id").fetchall())
    assert [kind for (kind,) in kinds] == ["alert.firing", "alert.told", "c"]
    broken_one = Companion(lambda db: db.execute("INSERT INTO nowhere VALUES (1)"), lambda: then.append("never"))
    with pytest.raises(sqlite3.OperationalError):
        await heart.pipeline.observe([saw(NATS_SERVICE, {"died": True})], broken_one)
    assert (len(await heart.on_disk()), len(heart.pipeline.alerts()), then) == (1, 1, ["true"])


async def test_a_note_is_a_line_of_the_timeline(heart: Heart) -> None:
    """What belongs to no alert stands in the timeline with its facts."""
    await heart.pipeline.note("settings.loaded", SERVICE, "read again", {"files": 1})
    (entry,) = await heart.book.timeline(1)
    assert (entry.kind, entry.subject, entry.text, entry.facts) == (
        "settings.loaded",
        "service:semstreams",
        "read again",
        {"files": 1},
    )


async def test_what_is_kept_can_be_trimmed(heart: Heart) -> None:
    """Old lines, ended alerts and delivered messages go; what waits stays."""
    for _ in range(3):
        await heart.see(DEAD, after_seconds=60)
        await heart.see(ALIVE, after_seconds=60)
    await heart.deliver_all()
    await heart.see(DEAD, after_seconds=60)
    await heart.pipeline.trim(3)
    assert len(await heart.book.timeline(100)) == 3
    assert len(await heart.book.history(100)) == 3
    assert (len(await heart.rows("delivered")), len(await heart.rows("queued"))) == (1, 2)


ACTS = st.lists(
    st.sampled_from(["dead", "alive", "down", "up", "both", "flap", "deliver", "refuse", "kill", "blind", "sight"]),
    max_size=25,
)
SIGHTS: dict[str, list[Observation]] = {
    "dead": [DEAD],
    "alive": [ALIVE],
    "down": [saw(SEMSTREAMS, {"reachable": False})],
    "up": [saw(SEMSTREAMS, {"reachable": True})],
    "both": [saw(SEMSTREAMS, {"reachable": False}), DEAD],
    "flap": [DEAD, ALIVE, DEAD],
}


class Campaign:
    """A life of the daemon with kills and a disk that comes and goes; `taken` is what the receivers got."""

    def __init__(self, begin: Begin, place: str) -> None:
        self._begin = begin
        self._place = place
        self._hidden = False
        self.taken: list[tuple[str, str]] = []

    async def start(self) -> None:
        """Begin the first or the next run."""
        self.heart = await begun(self._begin, self._place)

    async def act(self, name: str) -> None:
        """Do one thing, if it can be done now."""
        match name:
            case "kill" if not self._hidden:
                await self.start()
            case "deliver" | "refuse":
                await self._deliver(refused=name == "refuse")
            case "blind" if not self._hidden:
                await self._blind()
            case "sight" if self._hidden:
                await self._sight()
            case _:
                await self.heart.see(*SIGHTS.get(name, []), after_seconds=10)

    async def _deliver(self, *, refused: bool) -> None:
        for receiver in ("hook", "mail"):
            entry = self.heart.outbox.head(receiver)
            if entry is not None:
                entry = self.heart.outbox.begin(entry, {})
                if refused and receiver == "mail":
                    await self.heart.outbox.failed(entry, "busy", 1.0)
                else:
                    self.taken.append((receiver, entry.notification.key))
                    await self.heart.outbox.delivered(entry)

    async def _blind(self) -> None:
        """Kill, and begin again on a state that cannot be read."""
        await self.heart.close()
        hide(self.heart)
        self._hidden = True
        self.heart = await self._begin(self._place)
        with pytest.raises(StoreError):
            await self.heart.load()

    async def _sight(self) -> None:
        """Let the state be read again."""
        show(self.heart)
        self._hidden = False
        await self.heart.load()


PLACES = itertools.count()


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(ACTS)
async def test_no_message_is_lost_or_sent_twice(begin: Begin, acts: list[str]) -> None:
    """Through kills and lost disks each receiver gets every beginning and every end, once, and in their order."""
    campaign = Campaign(begin, f"place-{next(PLACES)}")
    await campaign.start()
    for name in [*acts, "sight", "kill", "up", "alive", "up"]:
        await campaign.act(name)
    while campaign.heart.outbox.queued():
        await campaign.act("deliver")
    assert len(set(campaign.taken)) == len(campaign.taken)
    history = await campaign.heart.book.history(1000)
    assert all(one.state is AlertState.RESOLVED for one in history)
    ends = ("firing", "resolved")
    assert set(campaign.taken) == {(name, f"{one.id}-{end}") for one in history for name in one.told for end in ends}
    for receiver, key in campaign.taken:
        if key.endswith("-resolved"):
            first = (receiver, f"{key.removesuffix('-resolved')}-firing")
            assert campaign.taken.index(first) < campaign.taken.index((receiver, key))


GROWING = changed(
    FILLING,
    name="filesystem_full_soon",
    comparison=Comparison.FULL_WITHIN,
    limit=600.0,
    clear=900.0,
    over_seconds=200.0,
    for_seconds=0.0,
    clear_for_seconds=0.0,
)


async def test_growth_is_told_and_ends_with_the_growth(heart: Heart) -> None:
    """From the looks alone: silent while too little is known, told when it will be full soon, over when it stands."""
    await heart.pipeline.replace(Policy("edge-7", [GROWING], [WEBHOOK], TOPOLOGY))
    told: list[tuple[int, list[Told]]] = []
    for number in range(60):
        value = 0.5 + 0.01 * min(number, 20)
        await heart.see(saw(DISK, {"used_ratio": value}), after_seconds=10.0)
        told += [(number, found)] if (found := await heart.deliver_all()) else []
    begin, end = told
    assert begin == (10, [("hook", FIRING, GROWING.name)])
    assert 20 < end[0] < 40
    assert end[1] == [("hook", RESOLVED, GROWING.name)]


async def test_a_disk_that_is_gone_leaves_no_course_behind(heart: Heart) -> None:
    """Nor does a rule that is no longer in the settings."""
    await heart.pipeline.replace(Policy("edge-7", [GROWING], [WEBHOOK], TOPOLOGY))
    await heart.see(saw(DISK, {"used_ratio": 0.5}))
    assert len(heart.pipeline.histories) == 1
    await heart.see(gone(DISK))
    assert len(heart.pipeline.histories) == 0
    await heart.see(saw(DISK, {"used_ratio": 0.5}))
    await heart.pipeline.replace(POLICY)
    assert len(heart.pipeline.histories) == 0
