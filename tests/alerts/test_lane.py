"""The way of one queue to its receiver, on a real outbox."""

from __future__ import annotations

import asyncio
import random
import tempfile
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from semsupervisor.alerts import lane as lane_module
from semsupervisor.alerts.lane import Lane
from semsupervisor.alerts.notification import Notification, NotificationKind
from semsupervisor.alerts.sending import Fanout, RetryLater, Sender
from semsupervisor.errors import PermanentError, TemporaryError
from semsupervisor.settings.forms import Duration
from semsupervisor.settings.model import DeliverySettings
from tests.support.clock import ManualClock
from tests.support.logs import Logs
from tests.support.post import Post, Scripted
from tests.support.told import DIED, told
from tests.support.waiting import eventually

pytestmark = pytest.mark.usefixtures("logs")

MESSAGES = [told(NotificationKind.FIRING, number=number) for number in range(1, 6)]
KEYS = [message.key for message in MESSAGES]
LATER, NEVER = TemporaryError("later"), PermanentError("never")


@pytest.fixture
def clock() -> ManualClock:
    """Return a clock that the test moves."""
    return ManualClock()


@pytest.fixture
async def post(tmp_path: Path, clock: ManualClock) -> AsyncIterator[Post]:
    """Return an empty outbox."""
    post = Post(tmp_path, clock)
    yield post
    await post.close()


def no_evidence(_: str) -> asyncio.Future[Mapping[str, str]] | None:
    """Say that nothing is being gathered."""
    return None


def new_lane(  # noqa: PLR0917
    post: Post,
    clock: ManualClock,
    sender: Sender | None,
    evidence: Callable[[str], asyncio.Future[Mapping[str, str]] | None] = no_evidence,
    chance: float = 0.0,
    recovered: Callable[[], None] = lambda: None,
    limits: DeliverySettings = DeliverySettings(),  # noqa: B008 - it cannot be changed
) -> Lane:
    """Return the lane of the queue ops; with the dice at 0 it never pauses by itself."""
    lane = Lane("ops", post.outbox, limits, clock, evidence, lambda: chance, recovered)
    lane.sender = sender
    return lane


async def for_ever(lane: Lane) -> None:
    """Take turn after turn."""
    while True:
        await lane.turn()


@asynccontextmanager
async def running(lane: Lane) -> AsyncIterator[asyncio.Task[None]]:
    """Let a lane work while the test goes on."""
    task = asyncio.create_task(for_ever(lane))
    try:
        yield task
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def test_messages_go_out_in_their_order(post: Post, clock: ManualClock) -> None:
    """Each is marked delivered once it was taken; what comes later follows."""
    ops = Scripted()
    await post.put("ops", *MESSAGES[:2])
    async with running(new_lane(post, clock, ops)):
        await eventually(lambda: len(ops.taken) == 2)
        await post.put("ops", *MESSAGES[2:])
        await eventually(lambda: len(ops.taken) == 5)
        await eventually(lambda: post.outbox.head("ops") is None)
    assert ops.taken == KEYS
    assert set((await post.states()).values()) == {"delivered"}
    assert post.outbox.depth("ops").delivered_total == 5


async def test_a_failure_holds_up_its_queue_until_it_is_taken(post: Post, clock: ManualClock, logs: Logs) -> None:
    """The same message is tried again under the same key, none overtakes it; failing and recovering is logged once."""
    recoveries: list[None] = []
    ops = Scripted("ops", LATER, LATER, None, LATER)
    lane = new_lane(post, clock, ops, recovered=lambda: recoveries.append(None))
    await post.put("ops", *MESSAGES[:2])
    async with running(lane):
        await eventually(lambda: len(ops.taken) == 2)
        await eventually(lambda: len(recoveries) == 2)
    assert ops.seen == [KEYS[0]] * 3 + [KEYS[1]] * 2
    assert [entry["event"] for entry in logs] == ["delivery.failed", "delivery.recovered"] * 2
    assert (lane.report.failures_in_row, lane.report.last_error) == (0, "later")
    assert lane.report.last_success == clock.instant()
    assert post.outbox.depth("ops").failed_total == 3


async def test_what_was_tried_is_remembered(post: Post, clock: ManualClock) -> None:
    """Attempts, the last error and the time spent are in the table before the pause, for a start after a kill."""

    class Slow(Scripted):
        async def send(self, notification: Notification) -> None:
            clock.advance(7.0)
            await super().send(notification)

    lane = new_lane(post, clock, Slow("ops", LATER, TemporaryError("odd \udcff byte")), chance=1.0)
    await post.put("ops", MESSAGES[0])
    async with running(lane):
        await eventually(lambda: lane.report.failures_in_row == 1)
        clock.advance(20.0)
        lane.wake()
        await eventually(lambda: lane.report.failures_in_row == 2)
        await eventually(lambda: post.journal.waiting == 0)
        head = post.outbox.head("ops")
    assert head is not None
    assert (head.attempts, head.tried_seconds, head.last_error) == (2, 34.0, "odd \\udcff byte")
    assert await post.reloaded() == [head]


async def test_who_cannot_be_reached_for_too_long_gets_dead_letters(post: Post, clock: ManualClock, logs: Logs) -> None:
    """The limit counts for each message; what is given up is kept and loud, and the next one gets its turn."""

    class Away(Scripted):
        async def send(self, notification: Notification) -> None:
            clock.advance(40.0)
            await super().send(notification)

    ops = Away("ops", *[LATER] * 3)
    await post.put("ops", *MESSAGES[:2])
    async with running(new_lane(post, clock, ops, limits=DeliverySettings(give_up_seconds=Duration(100)))):
        await eventually(lambda: ops.taken == [KEYS[1]])
    assert ops.seen == [KEYS[0]] * 3 + [KEYS[1]]
    assert (await post.states())["ops", KEYS[0]] == "dead"
    assert [entry["event"] for entry in logs if entry["log_level"] == "error"] == ["delivery.given_up"]
    assert post.outbox.depth("ops").dead == 1


async def test_what_is_refused_for_good_is_tried_a_few_times(post: Post, clock: ManualClock) -> None:
    """Failures of another kind in between do not count, and the next message starts afresh."""
    ops = Scripted("ops", NEVER, LATER, NEVER, LATER, NEVER, NEVER, None)
    await post.put("ops", *MESSAGES[:2])
    async with running(
        new_lane(post, clock, ops, limits=DeliverySettings(refusals=3, give_up_refused_seconds=Duration(0)))
    ):
        await eventually(lambda: len(ops.taken) == 1)
    assert ops.seen == [KEYS[0]] * 5 + [KEYS[1]] * 2
    assert (await post.states())["ops", KEYS[0]] == "dead"


async def test_a_receiver_that_is_redeployed_loses_nothing(post: Post, clock: ManualClock) -> None:
    """However often it refuses within the hour, the message waits and is taken afterwards; an hour later it is dead."""
    ops = Scripted("ops", *[NEVER] * 20, None, *[NEVER] * 6)
    await post.put("ops", *MESSAGES[:2])
    lane = new_lane(post, clock, ops)
    for _ in range(20):
        await lane.turn()
        clock.advance(179.0)
    assert ops.taken == []
    await lane.turn()
    assert ops.taken == [KEYS[0]]
    for _ in range(5):
        await lane.turn()
    clock.advance(3600.0)
    await lane.turn()
    assert (await post.states())["ops", KEYS[1]] == "dead"


async def test_a_defect_of_ours_does_not_stop_the_queue(post: Post, clock: ManualClock, logs: Logs) -> None:
    """A message that cannot even be rendered is treated as refused, and logged with its traceback."""
    ops = Scripted("ops", *[KeyError("nonsense")] * 5)
    await post.put("ops", *MESSAGES[:2])
    async with running(new_lane(post, clock, ops)):
        await eventually(lambda: len(ops.taken) == 1)
    assert ops.taken == [KEYS[1]]
    (dead,) = await post.outbox.dead_letters(10)
    assert dead.last_error == "KeyError: 'nonsense'"
    assert [entry["log_level"] for entry in logs if entry["event"] == "delivery.defective"] == ["error"] * 5


async def test_a_pause_ends_when_it_is_woken(post: Post, clock: ManualClock) -> None:
    """`wake` does so always, `wake_if_cut_off` only if the receiver was out of reach and did not refuse."""
    ops = Scripted("ops", LATER, LATER, NEVER)
    lane = new_lane(post, clock, ops, chance=1.0)
    lane.wake_if_cut_off()
    await post.put("ops", MESSAGES[0])
    async with running(lane):
        await eventually(lambda: lane.report.failures_in_row == 1)
        await asyncio.sleep(0.02)
        assert len(ops.seen) == 1
        lane.wake()
        await eventually(lambda: lane.report.failures_in_row == 2)
        lane.wake_if_cut_off()
        await eventually(lambda: lane.report.failures_in_row == 3)
        lane.wake_if_cut_off()
        await asyncio.sleep(0.02)
        assert ops.taken == []
        lane.wake()
        await eventually(lambda: ops.taken == KEYS[:1])


async def test_a_wish_of_the_receiver_is_kept(post: Post, clock: ManualClock) -> None:
    """Though the dice say at once, a receiver that asked for a pause gets it."""
    ops = Scripted("ops", RetryLater("busy", 60.0))
    lane = new_lane(post, clock, ops)
    await post.put("ops", MESSAGES[0])
    async with running(lane):
        await eventually(lambda: lane.report.failures_in_row == 1)
        await asyncio.sleep(0.05)
        assert ops.taken == []
        lane.wake()
        await eventually(lambda: ops.taken == KEYS[:1])


async def test_without_a_receiver_the_queue_waits(post: Post, clock: ManualClock) -> None:
    """What waits for a receiver that is gone is kept, and goes out when there is one again."""
    lane = new_lane(post, clock, None)
    await post.put("ops", *MESSAGES)
    async with running(lane):
        lane.wake()
        await asyncio.sleep(0.02)
        assert post.outbox.depth("ops").queued == 5
        lane.sender = ops = Scripted()
        lane.wake()
        await eventually(lambda: ops.taken == KEYS)


async def test_a_fanout_gives_each_a_copy(post: Post, clock: ManualClock) -> None:
    """The copies have the key of the message, and are in the table in its place."""
    await post.put("ops", *MESSAGES[:2])
    async with running(new_lane(post, clock, Fanout("ops", (Scripted("ops/a"), Scripted("ops/b"))))):
        await eventually(lambda: post.outbox.head("ops") is None)
        await eventually(lambda: post.outbox.depth("ops/b").queued == 2)
    await post.journal.catch_up()
    assert sorted(await post.states()) == [(name, key) for name in ("ops/a", "ops/b") for key in KEYS[:2]]
    assert set((await post.states()).values()) == {"queued"}
    queued = await post.reloaded()
    assert [entry.notification.key for entry in queued if entry.receiver == "ops/a"] == KEYS[:2]


async def test_the_failpoints_lie_around_the_send(
    post: Post, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before it, after it and after the mark: the last two only if the message was taken."""
    reached: list[str] = []
    monkeypatch.setattr(lane_module, "reach", reached.append)
    await post.put("ops", MESSAGES[0])
    async with running(new_lane(post, clock, Scripted("ops", LATER))):
        await eventually(lambda: "delivery.after_mark" in reached)
    names = [name.removeprefix("delivery.") for name in reached]
    assert names == ["before_send", "before_send", "after_send", "after_mark"]


class Gathering:
    """Evidence that is on its way for one alert."""

    def __init__(self, alert_id: str = DIED.id) -> None:
        self.alert_id = alert_id
        self.pending: asyncio.Future[Mapping[str, str]] = asyncio.get_running_loop().create_future()

    def of(self, alert_id: str) -> asyncio.Future[Mapping[str, str]] | None:
        """Return it, if it is about that alert."""
        return self.pending if alert_id == self.alert_id else None


async def test_evidence_that_comes_in_time_goes_along(post: Post, clock: ManualClock) -> None:
    """The first message waits for it while patience lasts, and what came is added to what was known."""
    ops = Scripted(patience_seconds=60.0)
    gathering = Gathering()
    await post.put("ops", told(NotificationKind.FIRING))
    async with running(new_lane(post, clock, ops, gathering.of)):
        await asyncio.sleep(0.02)
        assert ops.seen == []
        gathering.pending.set_result({"oom": "no"})
        await eventually(lambda: ops.taken)
    assert ops.evidence == [{**DIED.evidence, "oom": "no"}]


async def test_evidence_that_does_not_come_is_not_waited_for_long(post: Post, clock: ManualClock) -> None:
    """When patience ends the message goes without it; the gathering itself goes on for others."""
    ops = Scripted(patience_seconds=0.02)
    gathering = Gathering()
    await post.put("ops", told(NotificationKind.FIRING))
    async with running(new_lane(post, clock, ops, gathering.of)):
        await eventually(lambda: ops.taken)
    assert ops.evidence == [DIED.evidence]
    assert not gathering.pending.cancelled()


async def test_patience_counts_from_the_queueing(post: Post, clock: ManualClock) -> None:
    """A message that waited in its queue already goes at once, with evidence only if that is there."""
    ops = Scripted(patience_seconds=60.0)
    gathering = Gathering()
    await post.put("ops", told(NotificationKind.FIRING))
    clock.advance(61.0)
    async with running(new_lane(post, clock, ops, gathering.of)):
        await eventually(lambda: ops.taken)
        gathering.pending.set_result({"oom": "no"})
        await post.put("ops", told(NotificationKind.FIRING))
        clock.advance(61.0)
        await eventually(lambda: len(ops.taken) == 2)
    assert ops.evidence == [DIED.evidence, {**DIED.evidence, "oom": "no"}]


async def test_only_a_new_alert_waits_for_evidence(post: Post, clock: ManualClock) -> None:
    """Neither an end nor an update, a test without alerts, another attempt, or an alert nobody gathers for."""
    ops = Scripted("ops", patience_seconds=60.0)
    gathering = Gathering()
    bare = msgspec.structs.replace(told(NotificationKind.FIRING), alerts=())
    other = msgspec.structs.replace(DIED, id="another")
    kinds = (NotificationKind.RESOLVED, NotificationKind.UPDATE, NotificationKind.TEST)
    others = [*(told(kind) for kind in kinds), bare, told(NotificationKind.FIRING, other)]
    await post.put("ops", *others)
    async with running(new_lane(post, clock, ops, gathering.of)):
        await eventually(lambda: len(ops.taken) == len(others))


async def test_another_attempt_does_not_wait_again(post: Post, clock: ManualClock) -> None:
    """A message that was tried goes out again without a look at what is being gathered."""
    ops = Scripted("ops", LATER, patience_seconds=0.02)
    asked: list[str] = []

    def evidence(alert_id: str) -> asyncio.Future[Mapping[str, str]] | None:
        asked.append(alert_id)
        return None

    await post.put("ops", told(NotificationKind.FIRING))
    async with running(new_lane(post, clock, ops, evidence)):
        await eventually(lambda: ops.taken)
    assert asked == [DIED.id]


async def test_gathering_that_was_cancelled_is_no_evidence(post: Post, clock: ManualClock) -> None:
    """The message goes without."""
    ops = Scripted(patience_seconds=60.0)
    gathering = Gathering()
    gathering.pending.cancel()
    await post.put("ops", told(NotificationKind.FIRING))
    async with running(new_lane(post, clock, ops, gathering.of)):
        await eventually(lambda: ops.taken)


async def test_evidence_added_while_waiting_is_sent(post: Post, clock: ManualClock) -> None:
    """What the pipeline adds to the waiting message itself is not lost by a copy taken before."""
    ops = Scripted(patience_seconds=0.05)
    await post.put("ops", told(NotificationKind.FIRING))
    async with running(new_lane(post, clock, ops, Gathering().of)):
        await asyncio.sleep(0.01)
        post.outbox.enrich(DIED.id, {"signal": "SIGKILL"})
        await eventually(lambda: ops.taken)
    assert ops.evidence == [{**DIED.evidence, "signal": "SIGKILL"}]


async def test_evidence_of_one_alert_never_goes_out_under_another(post: Post, clock: ManualClock) -> None:
    """When another message has become the first one while evidence was waited for, it gets its own or none."""
    ops = Scripted(patience_seconds=60.0)
    gathering = Gathering()
    other = msgspec.structs.replace(DIED, id="another")
    first, _ = await post.put("ops", *(told(NotificationKind.FIRING, one) for one in (DIED, other)))
    async with running(new_lane(post, clock, ops, gathering.of)):
        await asyncio.sleep(0.01)
        await post.outbox.delivered(first)
        gathering.pending.set_result({"oom": "no"})
        await eventually(lambda: ops.taken)
    assert ops.evidence == [other.evidence]


outcomes = st.lists(st.sampled_from([None, LATER, NEVER, RuntimeError("defect")]), max_size=40)


async def test_a_message_knows_how_long_it_has_waited(post: Post, clock: ManualClock) -> None:
    """In real seconds, whatever the wall clock does; not so for one that is sent again long after it was made."""
    scripted = Scripted("ops", LATER)
    lane = new_lane(post, clock, scripted)
    await post.put("ops", MESSAGES[0])
    clock.jump(3600)
    await lane.turn()
    clock.advance(30.0)
    await lane.turn()
    await post.put("ops", MESSAGES[1])
    await lane.turn()
    assert scripted.waited == [0.0, 30.0, None]


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(script=outcomes, count=st.integers(1, 5), chance=st.randoms(use_true_random=False))
def test_every_message_ends_delivered_or_dead_and_in_order(
    script: list[Exception | None], count: int, chance: random.Random
) -> None:
    """Whatever the receiver answers: none is lost, none overtakes, each attempt has the message's own key."""

    async def deliver(folder: Path) -> None:
        post = Post(folder, ManualClock())
        ops = Scripted("ops", *script)
        await post.put("ops", *MESSAGES[:count])
        lane = new_lane(
            post, ManualClock(), ops, limits=DeliverySettings(refusals=3, give_up_refused_seconds=Duration(0))
        )
        while post.outbox.head("ops"):
            await lane.turn()
        states = await post.states()
        await post.close()
        assert [key for _, key in states] == KEYS[:count]
        assert set(states.values()) <= {"delivered", "dead"}
        assert ops.taken == [key for (_, key), state in states.items() if state == "delivered"]
        assert [key for place, key in enumerate(ops.seen) if ops.seen[:place][-1:] != [key]] == KEYS[:count]

    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(deliver(Path(folder)))


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(script=outcomes, steps=st.lists(st.integers(0, 12), min_size=1, max_size=12))
def test_a_cancellation_loses_and_reorders_nothing(script: list[Exception | None], steps: list[int]) -> None:
    """Stopped at any await, any number of times: what follows is the same message again or the next one."""

    async def deliver(folder: Path) -> None:
        post = Post(folder, ManualClock())
        ops = Scripted("ops", *(outcome for outcome in script if outcome is not NEVER))
        await post.put("ops", *MESSAGES)
        lane = new_lane(post, ManualClock(), ops, limits=DeliverySettings(refusals=100))
        for count in steps:
            async with running(lane):
                for _ in range(count):
                    await asyncio.sleep(0)
        while post.outbox.head("ops"):
            await lane.turn()
        states = await post.states()
        await post.close()
        assert set(states.values()) == {"delivered"}
        assert [key for place, key in enumerate(ops.taken) if ops.taken[:place][-1:] != [key]] == KEYS

    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(deliver(Path(folder)))
