"""The probe of the probes: reports in, observations out."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence

import pytest
from structlog.testing import capture_logs

from semsupervisor.api import verdicts
from semsupervisor.api.readings import StoreReading
from semsupervisor.errors import EngineError
from semsupervisor.health.observation import Observation, Outcome, Subject, SubjectKind, Unknown
from semsupervisor.health.probes.freshness import LOOPS, Freshness
from semsupervisor.health.probing import ProbeRunner
from semsupervisor.kit.looplag import SAMPLE_SECONDS, LoopLag
from semsupervisor.kit.tasks import TaskOwner
from tests.support.clock import ManualClock
from tests.support.waiting import eventually

HEALTHY_STORE = StoreReading(problem="", size_bytes=0, waiting_changes=0, set_aside=None)


class Scripted:
    """A probe that ends as the test says."""

    def __init__(self, name: str, outcome: Outcome = Outcome.OK) -> None:
        self.name = name
        self.outcome = outcome
        self.error: EngineError | None = None
        self.clock = ManualClock()

    async def observe(self) -> Sequence[Observation]:
        """End so."""
        if self.error:
            raise self.error
        subject = Subject(SubjectKind.NATS, "nats")
        return [Observation(self.name, subject, self.clock.instant(), {}, {}, self.outcome)]


class Stage:
    """Probes in a real guard, loops of a real owner, and the probe that watches them."""

    def __init__(self, owner: TaskOwner) -> None:
        self.clock = ManualClock()
        self.runner = ProbeRunner(self.clock, self._drop)
        self.owner = owner
        self.lag = LoopLag(self.clock)
        self.freshness = Freshness(self.clock, self.runner, owner, self.lag)

    async def see(self) -> dict[str, Observation]:
        """Look, and return what is seen by subject."""
        return {str(one.subject): one for one in await self.freshness.observe()}

    async def stale(self, name: str) -> object:
        """Return how stale a probe is."""
        return (await self.see())[f"probe:{name}"].facts["stale_intervals"]

    async def _drop(self, observations: Sequence[Observation]) -> None:
        pass


async def never(_: float) -> None:
    """Wait for ever."""
    await asyncio.Event().wait()


@pytest.fixture
async def stage() -> AsyncIterator[Stage]:
    """Return it, with all its loops ended after the test."""
    async with asyncio.TaskGroup() as group:
        owner = TaskOwner(group, ManualClock(), pause=never)
        yield Stage(owner)
        await owner.stop()


async def test_a_probe_grows_stale_without_certain_results(stage: Stage) -> None:
    """Unknown and failure do not count, down does; a result makes it fresh again."""
    probe = Scripted("a")
    stage.runner.add(probe, 10.0, 5.0)
    await stage.runner.run("a")
    assert await stage.stale("a") == 0
    stage.clock.advance(20.0)
    assert await stage.stale("a") == 2
    probe.outcome = Outcome.UNKNOWN
    await stage.runner.run("a")
    assert await stage.stale("a") == 2
    probe.error = EngineError("away")
    await stage.runner.run("a")
    stage.clock.advance(10.0)
    assert await stage.stale("a") == 3
    probe.error, probe.outcome = None, Outcome.DOWN
    await stage.runner.run("a")
    assert await stage.stale("a") == 0


async def test_a_probe_that_was_just_started_is_given_time(stage: Stage) -> None:
    """Before its first certain result it is unknown how stale it is, so that a restart ends no alert; not for ever."""
    probe = Scripted("a", Outcome.UNKNOWN)
    stage.runner.add(probe, 10.0, 5.0)
    await stage.runner.run("a")
    stage.clock.advance(60.0)
    assert isinstance(await stage.stale("a"), Unknown)
    stage.clock.advance(10.0)
    assert await stage.stale("a") == 7


async def test_a_service_that_does_not_exist_makes_nothing_stale(stage: Stage) -> None:
    """What is not offered is certain: the findings about the set-up say what is missing."""
    probe = Scripted("a", Outcome.NOT_OFFERED)
    stage.runner.add(probe, 10.0, 5.0)
    await stage.runner.run("a")
    assert await stage.stale("a") == 0


async def test_the_evidence_says_since_when_and_why(stage: Stage) -> None:
    """It holds the last certain result's time, or never, and the last error."""
    probe = Scripted("a")
    stage.runner.add(probe, 10.0, 5.0)
    assert (await stage.see())["probe:a"].evidence == {"last_result": "never"}
    await stage.runner.run("a")
    probe.error = EngineError("the engine is away")
    stage.clock.advance(60.0)
    await stage.runner.run("a")
    assert (await stage.see())["probe:a"].evidence == {
        "last_result": "2026-03-01T12:00:00+00:00",
        "error": "the engine is away",
    }


async def test_failing_loops_are_counted_and_named(stage: Stage) -> None:
    """Only those whose last turn failed count."""

    async def fail() -> None:
        raise OSError(5, "Input/output error")

    async def wait() -> None:
        await asyncio.Event().wait()

    assert (await stage.see())["supervisor:loops"].facts == {"failing_loops": 0, "loop_lag_seconds": 0.0}
    with capture_logs():
        stage.owner.loop("deliver", fail)
        stage.owner.loop("watch", wait)
        await eventually(lambda: stage.owner.loops["deliver"].failures_in_row)
    observation = (await stage.see())["supervisor:loops"]
    assert observation.subject == LOOPS
    assert observation.facts["failing_loops"] == 1
    assert observation.evidence == {"loops": "deliver (1 times in a row: OSError: [Errno 5] Input/output error)"}


async def test_a_job_that_fails_again_and_again_is_counted_and_named(stage: Stage) -> None:
    """One failed run is none that fails; three in a row are, also to who asks whether the daemon is well."""

    async def fail() -> None:
        raise ValueError("oops")

    with capture_logs():
        for expected in (0, 0, 1):
            await stage.owner.recur("job.host", fail())
            assert (await stage.see())["supervisor:loops"].facts["failing_loops"] == expected
    observation = (await stage.see())["supervisor:loops"]
    assert observation.evidence == {"loops": "job.host (3 times in a row: ValueError: oops)"}
    assert not verdicts.daemon(stage.owner.loops.values(), 0.0, HEALTHY_STORE).good


async def test_the_lag_of_our_loop_is_told(stage: Stage) -> None:
    """It is the largest of the last minute, to the millisecond."""
    stage.lag.start()
    stage.clock.advance(SAMPLE_SECONDS + 1.23456)
    assert (await stage.see())["supervisor:loops"].facts["loop_lag_seconds"] == 1.235
    stage.lag.stop()
