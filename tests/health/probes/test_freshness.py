"""The probe of the probes: reports in, observations out."""

from __future__ import annotations

from collections.abc import Sequence

from semsupervisor.errors import EngineError
from semsupervisor.health.observation import Observation, Outcome, Subject, SubjectKind
from semsupervisor.health.probes.freshness import LOOPS, Freshness
from semsupervisor.health.probing import ProbeRunner
from semsupervisor.kit.tasks import LoopHealth
from tests.support.clock import ManualClock


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
    """Probes in a real guard, and the probe that watches them."""

    def __init__(self) -> None:
        self.clock = ManualClock()
        self.runner = ProbeRunner(self.clock, self._drop)
        self.loops: dict[str, LoopHealth] = {}
        self.freshness = Freshness(self.clock, lambda: self.runner.reports, lambda: self.loops, lambda: 0.125)

    async def see(self) -> dict[str, Observation]:
        """Look, and return what is seen by subject."""
        return {str(one.subject): one for one in await self.freshness.observe()}

    async def stale(self, name: str) -> object:
        """Return how stale a probe is."""
        return (await self.see())[f"probe:{name}"].facts["stale_intervals"]

    async def _drop(self, observations: Sequence[Observation]) -> None:
        pass


async def test_a_probe_grows_stale_without_certain_results() -> None:
    """Unknown and failure do not count, down does; a result makes it fresh again."""
    stage, probe = Stage(), Scripted("a")
    stage.runner.add(probe, 10.0, 5.0)
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


async def test_the_evidence_says_since_when_and_why() -> None:
    """It holds the last certain result's time, or never, and the last error."""
    stage, probe = Stage(), Scripted("a")
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


async def test_a_removed_probe_is_gone() -> None:
    """It is told once that it is gone; the probe of the probes does not judge itself."""
    stage = Stage()
    stage.runner.add(Scripted("a"), 10.0, 5.0)
    stage.runner.add(stage.freshness, 10.0, 5.0)
    assert set(await stage.see()) == {"probe:a", "supervisor:loops"}
    await stage.runner.remove("a")
    assert (await stage.see())["probe:a"].gone
    assert set(await stage.see()) == {"supervisor:loops"}


async def test_failing_loops_are_counted_and_named() -> None:
    """Only those whose last turn failed count; the lag of our loop is beside them."""
    stage = Stage()
    stage.loops = {"watch": LoopHealth("watch", 0, 9, "old"), "deliver": LoopHealth("deliver", 2, 2, "OSError: no")}
    observation = (await stage.see())["supervisor:loops"]
    assert observation.subject == LOOPS
    assert observation.facts == {"failing_loops": 1, "loop_lag_seconds": 0.125}
    assert observation.evidence == {"loops": "deliver (2 times in a row: OSError: no)"}
    stage.loops = {}
    assert (await stage.see())["supervisor:loops"].evidence == {}
