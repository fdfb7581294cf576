"""The probe of the probes: a check that sees nothing any more must not look like one that finds nothing."""

from __future__ import annotations

from collections.abc import Sequence

from semsupervisor.health.freshness import FailingLoop, loops_text, stale_intervals
from semsupervisor.health.observation import Observation, Subject, SubjectKind
from semsupervisor.health.probing import ProbeReport, ProbeRunner
from semsupervisor.kit.clock import Clock, Instant
from semsupervisor.kit.looplag import LoopLag
from semsupervisor.kit.tasks import TaskOwner

LOOPS = Subject(SubjectKind.SUPERVISOR, "loops")


class Freshness:
    """Sees how long ago each other probe had a certain result, which loops fail, and how late our loop ran."""

    name = "freshness"

    def __init__(self, clock: Clock, runner: ProbeRunner, owner: TaskOwner, lag: LoopLag) -> None:
        self._clock = clock
        self._runner = runner
        self._owner = owner
        self._lag = lag
        self._seen: set[str] = set()

    async def observe(self) -> Sequence[Observation]:
        """Look at the reports; a probe that was removed is gone."""
        at = self._clock.instant()
        reports = {name: report for name, report in self._runner.reports.items() if name != self.name}
        gone = [
            Observation(source=self.name, subject=Subject(SubjectKind.PROBE, name), at=at, facts={}, gone=True)
            for name in sorted(self._seen - reports.keys())
        ]
        self._seen = set(reports)
        return [*(self._of_probe(at, report) for report in reports.values()), *gone, self._of_loops(at)]

    def _of_probe(self, at: Instant, report: ProbeReport) -> Observation:
        conclusive = report.last_conclusive
        stale = stale_intervals(
            added=report.added.monotonic,
            last_conclusive=None if conclusive is None else conclusive.monotonic,
            interval_seconds=report.interval_seconds,
            now=at.monotonic,
        )
        evidence = {"last_result": "never" if conclusive is None else conclusive.wall.isoformat(timespec="seconds")}
        if report.last_error:
            evidence["error"] = report.last_error
        subject = Subject(SubjectKind.PROBE, report.name)
        return Observation(self.name, subject, at, {"stale_intervals": stale}, evidence)

    def _of_loops(self, at: Instant) -> Observation:
        failing = [
            FailingLoop(loop.name, loop.failures_in_row, loop.last_error)
            for loop in self._owner.loops.values()
            if loop.failures_in_row
        ]
        facts = {"failing_loops": len(failing), "loop_lag_seconds": round(self._lag.largest_seconds, 3)}
        return Observation(self.name, LOOPS, at, facts, {"loops": loops_text(failing)} if failing else {})
