"""The guard around probes: what it hands on, counts, cuts off and refuses."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs

from semsupervisor.errors import EngineError, EngineForbidden, StoreError
from semsupervisor.health import probing
from semsupervisor.health.observation import FactValue, Observation, Outcome, Subject, SubjectKind, Unknown
from semsupervisor.health.probing import BOUNDS_SECONDS, Durations, ProbeReport, ProbeRunner
from tests.support.clock import ManualClock
from tests.support.waiting import eventually

NATS = Subject(SubjectKind.NATS, "nats")
ROOT = Subject(SubjectKind.FILESYSTEM, "/")
Look = Callable[[], Awaitable[Sequence[Observation]]]


class Scripted:
    """A probe that does what the test says."""

    def __init__(self, name: str, look: Look) -> None:
        self.name = name
        self.look = look

    async def observe(self) -> Sequence[Observation]:
        """Do it."""
        return await self.look()


class Stage:
    """A runner with its clock and all that it handed on."""

    def __init__(self) -> None:
        self.clock = ManualClock()
        self.seen: list[Observation] = []
        self.runner = ProbeRunner(self.clock, self.take)

    async def take(self, observations: Sequence[Observation]) -> None:
        """Keep what is handed on."""
        self.seen.extend(observations)

    def saw(self, subject: Subject = NATS, outcome: Outcome = Outcome.OK, **facts: FactValue) -> Observation:
        """Return an observation by the probe `p` of this moment."""
        evidence = {} if outcome is Outcome.OK else {"error": f"it is {outcome.value}"}
        return Observation("p", subject, self.clock.instant(), facts, evidence, outcome)

    def add(self, look: Look, name: str = "p", timeout_seconds: float = 5.0) -> None:
        """Add a probe of 10 s."""
        self.runner.add(Scripted(name, look), 10.0, timeout_seconds)

    @property
    def report(self) -> ProbeReport:
        """The report on the probe `p`."""
        return self.runner.reports["p"]


def answering(*observations: Observation) -> Look:
    """Return a look that sees just this."""

    async def look() -> Sequence[Observation]:
        return observations

    return look


def raising(error: Exception) -> Look:
    """Return a look that fails."""

    async def look() -> Sequence[Observation]:
        raise error

    return look


async def hang() -> Sequence[Observation]:
    """Never come back."""
    await asyncio.Event().wait()
    return ()


async def test_what_a_probe_sees_is_handed_on() -> None:
    """The observations go to the sink as they are, and the run is in the report."""
    stage = Stage()
    seen = stage.saw(reachable=True)

    async def look() -> Sequence[Observation]:
        stage.clock.advance(0.02)
        return [seen]

    stage.add(look)
    assert stage.report.last_outcome is None
    await stage.runner.run("p")
    assert stage.seen == [seen]
    report = stage.report
    assert (report.last_outcome, report.last_error, report.outcomes["ok"]) == (Outcome.OK, "", 1)
    assert report.last_ended == report.last_conclusive == stage.clock.instant()
    assert report.durations.count == 1
    assert report.durations.sum_seconds == pytest.approx(0.02)


async def test_a_failure_makes_what_was_seen_last_unknown() -> None:
    """Each fact of each subject of the last good run becomes unknown, with the error as reason and evidence."""
    stage = Stage()
    stage.add(answering(stage.saw(NATS, version="2.14.0", connections=3), stage.saw(ROOT, used_ratio=0.5)))
    await stage.runner.run("p")
    conclusive = stage.clock.instant()
    stage.clock.advance(10)
    stage.seen.clear()
    stage.add(raising(EngineError("the engine is away")))
    await stage.runner.run("p")
    away = Unknown("the engine is away")
    assert [(one.subject, one.facts) for one in stage.seen] == [
        (NATS, {"version": away, "connections": away}),
        (ROOT, {"used_ratio": away}),
    ]
    assert {(one.outcome, one.evidence["error"], one.at) for one in stage.seen} == {
        (Outcome.UNKNOWN, "the engine is away", stage.clock.instant())
    }
    assert (stage.report.last_conclusive, stage.report.last_outcome) == (conclusive, Outcome.UNKNOWN)
    assert stage.report.outcomes == {"ok": 1, "down": 0, "unknown": 1, "not_offered": 0}


async def test_a_long_remedy_is_not_said_of_each_subject() -> None:
    """What a probe could not see says why; what to do about it is told with the engine, once."""
    stage = Stage()
    stage.add(answering(stage.saw(NATS, version="2.14.0")))
    await stage.runner.run("p")
    stage.add(raising(EngineForbidden("not yours", "join a group")))
    await stage.runner.run("p")
    assert stage.seen[-1].evidence == {"error": "not yours"}
    assert stage.report.last_error == "not yours"


async def test_a_failure_before_anything_was_seen_says_nothing() -> None:
    """Without a subject known there is nothing to be unknown; the report tells."""
    stage = Stage()
    stage.add(raising(EngineError("the engine is away")))
    await stage.runner.run("p")
    assert stage.seen == []
    assert (stage.report.last_error, stage.report.last_conclusive) == ("the engine is away", None)


async def test_what_is_gone_does_not_become_unknown() -> None:
    """A subject that was removed is not brought back by a later failure."""
    stage = Stage()
    stage.add(answering(stage.saw(NATS, reachable=True), Observation("p", ROOT, stage.clock.instant(), {}, gone=True)))
    await stage.runner.run("p")
    stage.seen.clear()
    stage.add(raising(EngineError("away")))
    await stage.runner.run("p")
    assert [one.subject for one in stage.seen] == [NATS]


async def test_a_bug_in_a_probe_is_an_unknown_and_a_traceback() -> None:
    """An exception that nobody meant to raise ends nothing else and is logged once while it lasts."""
    stage = Stage()
    stage.add(raising(ZeroDivisionError("oops")))
    with capture_logs() as logs:
        await stage.runner.run("p")
        await stage.runner.run("p")
    assert stage.report.last_error == "ZeroDivisionError: oops"
    assert [entry["event"] for entry in logs] == ["probe.broken"]


async def test_a_failing_probe_is_logged_when_it_begins_and_ends() -> None:
    """One line when it fails, one when it fails in another way, one when it is well again."""
    stage = Stage()
    errors: list[Exception | None] = [EngineError("a"), EngineError("b"), StoreError("c"), None, None]

    async def look() -> Sequence[Observation]:
        if error := errors.pop(0):
            raise error
        return ()

    stage.add(look)
    with capture_logs() as logs:
        for _ in range(5):
            await stage.runner.run("p")
    assert [entry["event"] for entry in logs] == ["probe.failed", "probe.failed", "probe.recovered"]


async def test_a_probe_that_hangs_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    """A run ends after its timeout and the grace, as unknown."""
    monkeypatch.setattr(probing, "GRACE_SECONDS", 0.01)
    stage = Stage()
    stage.add(hang, timeout_seconds=0.02)
    await stage.runner.run("p")
    assert stage.report.last_error == "the probe p was not done within 0.02 s"
    assert stage.report.last_outcome is Outcome.UNKNOWN


async def test_a_timeout_of_the_probe_itself_is_no_cut() -> None:
    """A TimeoutError that a probe lets out is told as what it is."""
    stage = Stage()
    stage.add(raising(TimeoutError("mine")))
    with capture_logs():
        await stage.runner.run("p")
    assert stage.report.last_error == "TimeoutError: mine"


async def test_a_probe_that_hangs_delays_no_other() -> None:
    """While one probe hangs, another runs to its end, and a second run of the first is refused and counted."""
    stage = Stage()
    stage.add(hang)
    stage.add(answering(stage.saw(reachable=True)), name="q")
    hanging = asyncio.create_task(stage.runner.run("p"))
    await asyncio.sleep(0)
    await stage.runner.run("q")
    await stage.runner.run("p")
    assert stage.runner.reports["q"].last_outcome is Outcome.OK
    assert stage.report.refused_total == 1
    hanging.cancel()
    with pytest.raises(asyncio.CancelledError):
        await hanging
    stage.add(answering())
    await stage.runner.run("p")
    assert stage.report.last_outcome is Outcome.OK


async def test_a_slow_sink_holds_back_the_next_run() -> None:
    """A probe does not run again before what it saw was taken."""
    stage, taken = Stage(), asyncio.Event()

    async def slow(_: Sequence[Observation]) -> None:
        await taken.wait()

    runner = ProbeRunner(stage.clock, slow)
    runner.add(Scripted("p", answering(stage.saw(reachable=True))), 10.0, 5.0)
    first = asyncio.create_task(runner.run("p"))
    await eventually(lambda: runner.reports["p"].last_ended)
    await runner.run("p")
    taken.set()
    await first
    assert (runner.reports["p"].refused_total, runner.reports["p"].outcomes["ok"]) == (1, 1)


@pytest.mark.parametrize(
    ("outcomes", "worst", "error", "conclusive"),
    [
        ((), Outcome.OK, "", True),
        ((Outcome.OK, Outcome.DOWN), Outcome.DOWN, "it is down", True),
        ((Outcome.NOT_OFFERED, Outcome.OK), Outcome.NOT_OFFERED, "it is not_offered", True),
        ((Outcome.DOWN, Outcome.UNKNOWN, Outcome.OK), Outcome.UNKNOWN, "it is unknown", False),
    ],
)
async def test_the_worst_outcome_counts(
    outcomes: Sequence[Outcome], worst: Outcome, error: str, conclusive: bool
) -> None:
    """A run that saw several subjects ended as the worst of them, with its error; only unknown is inconclusive."""
    stage = Stage()
    stage.add(answering(*(stage.saw(outcome=outcome, reachable=True) for outcome in outcomes)))
    await stage.runner.run("p")
    assert (stage.report.last_outcome, stage.report.last_error) == (worst, error)
    assert (stage.report.last_conclusive is not None) is conclusive


async def test_an_exchanged_probe_keeps_its_counts_and_what_it_saw() -> None:
    """After a reload the report goes on, with the new interval."""
    stage = Stage()
    stage.add(answering(stage.saw(reachable=True)))
    await stage.runner.run("p")
    stage.runner.add(Scripted("p", raising(EngineError("away"))), 30.0, 2.0)
    await stage.runner.run("p")
    assert (stage.report.interval_seconds, stage.report.timeout_seconds) == (30.0, 2.0)
    assert (stage.report.outcomes["ok"], stage.report.outcomes["unknown"]) == (1, 1)
    assert stage.seen[-1].facts == {"reachable": Unknown("away")}


async def test_what_an_exchanged_probe_does_not_see_any_more_is_gone() -> None:
    """After a reload a subject of the old probe that the new one does not see is gone, once it ended well."""
    stage = Stage()
    renamed = Subject(SubjectKind.NATS, "broker")
    stage.add(answering(stage.saw(NATS, reachable=True), stage.saw(ROOT, used_ratio=0.1)))
    stage.add(answering(stage.saw(ROOT, used_ratio=0.1)), name="q")
    await stage.runner.run("p")
    await stage.runner.run("q")
    stage.seen.clear()
    stage.add(raising(EngineError("away")))
    await stage.runner.run("p")
    assert [(one.subject, one.gone) for one in stage.seen] == [(NATS, False), (ROOT, False)]
    stage.seen.clear()
    stage.add(answering(stage.saw(renamed, reachable=True)))
    await stage.runner.run("p")
    assert [(one.subject, one.gone) for one in stage.seen] == [(renamed, False), (NATS, True)]
    stage.seen.clear()
    stage.add(answering())
    await stage.runner.run("p")
    await stage.runner.run("p")
    assert [(one.subject, one.gone) for one in stage.seen] == [(renamed, True)]


@pytest.mark.parametrize("outcome", [Outcome.DOWN, Outcome.UNKNOWN])
async def test_what_an_exchanged_probe_cannot_see_is_not_gone(outcome: Outcome) -> None:
    """A reload while the target is away ends nothing of what was seen there; when it answers, what is not there is."""
    stage = Stage()
    stage.add(answering(stage.saw(NATS, reachable=True), stage.saw(ROOT, used_ratio=0.1)))
    await stage.runner.run("p")
    stage.seen.clear()
    stage.add(answering(stage.saw(NATS, outcome=outcome, reachable=False)))
    await stage.runner.run("p")
    assert [(one.subject, one.gone) for one in stage.seen] == [(NATS, False), (ROOT, False)]
    assert isinstance(stage.seen[-1].facts["used_ratio"], Unknown)
    stage.seen.clear()
    stage.add(answering(stage.saw(NATS, reachable=True)))
    await stage.runner.run("p")
    assert [(one.subject, one.gone) for one in stage.seen] == [(NATS, False), (ROOT, True)]


async def test_what_only_a_forgotten_probe_saw_is_gone() -> None:
    """A probe that the settings do not name any more is not reported on, and its subjects end, once."""
    stage = Stage()
    stage.add(answering(stage.saw(NATS), stage.saw(ROOT)))
    stage.add(answering(stage.saw(NATS)), name="q")
    await stage.runner.run("p")
    await stage.runner.run("q")
    stage.runner.keep_only({"q"})
    assert set(stage.runner.reports) == {"q"}
    stage.seen.clear()
    await stage.runner.run("q")
    await stage.runner.run("q")
    assert [(one.subject, one.gone) for one in stage.seen] == [(ROOT, True), (NATS, False), (NATS, False)]


async def test_a_run_that_outlives_its_probe_is_dropped() -> None:
    """What a probe sees after it was exchanged is not handed on."""
    stage, ready = Stage(), asyncio.Event()

    async def late() -> Sequence[Observation]:
        await ready.wait()
        return [stage.saw(reachable=True)]

    stage.add(late)
    run = asyncio.create_task(stage.runner.run("p"))
    await asyncio.sleep(0)
    stage.add(answering())
    ready.set()
    await run
    assert stage.seen == []


@given(st.lists(st.floats(0, 100), max_size=30))
def test_the_histogram_counts_every_run(seconds: list[float]) -> None:
    """Each bucket holds the runs that took no longer than its bound, and all are in the count and the sum."""
    durations = Durations()
    for one in seconds:
        durations = durations.plus(one)
    assert durations.count == len(seconds)
    assert durations.sum_seconds == pytest.approx(sum(seconds))
    assert durations.buckets == tuple((bound, sum(one <= bound for one in seconds)) for bound in BOUNDS_SECONDS)


async def test_one_observation_that_cannot_be_taken_does_not_take_the_others_along() -> None:
    """What was seen of the other subjects is handed on, the culprit is named, and the run fails: it is counted."""
    taken: list[Observation] = []

    async def take(observations: Sequence[Observation]) -> None:
        if any(one.subject == ROOT for one in observations):
            raise ValueError("not of this world")
        taken.extend(observations)

    stage = Stage()
    stage.runner = ProbeRunner(stage.clock, take)
    stage.add(answering(stage.saw(), stage.saw(ROOT)))
    with capture_logs() as logs, pytest.raises(ValueError, match="not of this world"):
        await stage.runner.run("p")
    assert [one.subject for one in taken] == [NATS]
    assert [(entry["event"], entry["subject"]) for entry in logs] == [("probe.not_taken", "filesystem:/")]
