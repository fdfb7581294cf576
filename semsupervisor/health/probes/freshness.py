"""The probe of the probes: a check that sees nothing any more must not look like one that finds nothing."""

from __future__ import annotations

from collections.abc import Sequence

from semsupervisor.health.freshness import FailingLoop, loops_text, stale_intervals
from semsupervisor.health.observation import Observation, Subject, SubjectKind, Unknown
from semsupervisor.health.probing import ProbeReport, ProbeRunner
from semsupervisor.kit.clock import Clock, Instant
from semsupervisor.kit.looplag import LoopLag
from semsupervisor.kit.tasks import TaskOwner

PATIENCE_INTERVALS = 6.0
LOOPS = Subject(SubjectKind.SUPERVISOR, "loops")


class Freshness:
    """Sees how long ago each other probe had a certain result, which loops fail, and how late our loop ran."""

    name = "freshness"

    def __init__(self, clock: Clock, runner: ProbeRunner, owner: TaskOwner, lag: LoopLag) -> None:
        self._clock = clock
        self._runner = runner
        self._owner = owner
        self._lag = lag

    async def observe(self) -> Sequence[Observation]:
        """Look at the reports of all others, and at the loops."""
        at = self._clock.instant()
        reports = [report for name, report in self._runner.reports.items() if name != self.name]
        return [*(self._of_probe(at, report) for report in reports), self._of_loops(at)]

    def _of_probe(self, at: Instant, report: ProbeReport) -> Observation:
        conclusive = report.last_conclusive
        stale = stale_intervals(
            added=report.added.monotonic,
            last_conclusive=None if conclusive is None else conclusive.monotonic,
            interval_seconds=report.interval_seconds,
            now=at.monotonic,
        )
        early = conclusive is None and stale <= PATIENCE_INTERVALS
        found = Unknown("it was started a short time ago") if early else stale
        evidence = {"last_result": "never" if conclusive is None else conclusive.wall.isoformat(timespec="seconds")}
        if report.last_error:
            evidence["error"] = report.last_error
        subject = Subject(SubjectKind.PROBE, report.name)
        return Observation(self.name, subject, at, {"stale_intervals": found}, evidence)

    def _of_loops(self, at: Instant) -> Observation:
        failing = [
            FailingLoop(loop.name, loop.failures_in_row, loop.last_error)
            for loop in self._owner.loops.values()
            if loop.failures_in_row
        ]
        facts = {"failing_loops": len(failing), "loop_lag_seconds": round(self._lag.largest_seconds, 3)}
        return Observation(self.name, LOOPS, at, facts, {"loops": loops_text(failing)} if failing else {})
