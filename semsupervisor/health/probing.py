"""Running probes so that none can harm another: bounded, counted, and what could not be seen is said to be unknown."""

from __future__ import annotations

import asyncio
from bisect import bisect_left
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from itertools import accumulate
from types import MappingProxyType
from typing import Protocol

import msgspec
import structlog

from semsupervisor.errors import SupervisorError, TemporaryError
from semsupervisor.health.observation import Observation, Outcome, Subject, Unknown
from semsupervisor.kit.clock import Clock, Instant
from semsupervisor.kit.text import encodable

log = structlog.get_logger(__name__)

Sink = Callable[[Sequence[Observation]], Awaitable[None]]

# From memory, as usual, slow, and nearly timed out: few, since each is a series of each check in Prometheus.
BOUNDS_SECONDS = (0.01, 0.1, 0.5, 2.5)
GRACE_SECONDS = 1.0

NONE_YET: Mapping[str, int] = MappingProxyType({outcome.value: 0 for outcome in Outcome})
# Of a run that saw several subjects the worst counts: what was not seen, before what was seen and is down.
WORST_FIRST = (Outcome.UNKNOWN, Outcome.DOWN, Outcome.NOT_OFFERED)


class Probe(Protocol):
    """One scheduled check."""

    @property
    def name(self) -> str:
        """Return the name that its observations carry as source."""
        ...

    async def observe(self) -> Sequence[Observation]:
        """Look once. Raises: SupervisorError when nothing can be said of anything."""
        ...


class Durations(msgspec.Struct, frozen=True):
    """How long runs took: `counts` for each of `BOUNDS_SECONDS` and beyond, and all of them together in seconds."""

    counts: tuple[int, ...] = (0,) * (len(BOUNDS_SECONDS) + 1)
    sum_seconds: float = 0.0

    @property
    def buckets(self) -> Sequence[tuple[float, int]]:
        """Return (upper bound in seconds, runs that took no longer), ascending, without the infinite one."""
        return tuple(zip(BOUNDS_SECONDS, accumulate(self.counts), strict=False))

    @property
    def count(self) -> int:
        """Return how many runs ended."""
        return sum(self.counts)

    def plus(self, seconds: float) -> Durations:
        """Return these with one more run."""
        counts = list(self.counts)
        counts[bisect_left(BOUNDS_SECONDS, seconds)] += 1
        return Durations(tuple(counts), self.sum_seconds + seconds)


class ProbeReport(msgspec.Struct, frozen=True, kw_only=True):
    """How one probe is doing. `last_conclusive` is when it last ended otherwise than unknown.

    `last_error` is what went wrong in the last run, empty when nothing did; `refused_total` counts the runs that
    were asked for while one was under way.
    """

    name: str
    interval_seconds: float
    timeout_seconds: float
    added: Instant
    last_started: Instant | None = None
    last_ended: Instant | None = None
    last_conclusive: Instant | None = None
    last_outcome: Outcome | None = None
    last_error: str = ""
    outcomes: Mapping[str, int] = NONE_YET
    durations: Durations = Durations()
    refused_total: int = 0


class _Guarded:
    """A probe with what is known of its runs.

    `seen` is what was last seen of each subject; while it is `inherited`, by the probe that this one replaced.
    """

    def __init__(self, probe: Probe, report: ProbeReport, seen: Mapping[Subject, Observation]) -> None:
        self.probe = probe
        self.report = report
        self.seen = seen
        self.inherited = bool(seen)
        self.running = False
        self.failing: type[Exception] | None = None


class ProbeRunner:
    """Runs each probe when told to, never twice at a time, and hands to `sink` what it saw or that it saw nothing."""

    def __init__(self, clock: Clock, sink: Sink) -> None:
        self._clock = clock
        self._sink = sink
        self._guarded: dict[str, _Guarded] = {}
        self._left: list[Observation] = []

    @property
    def reports(self) -> Mapping[str, ProbeReport]:
        """Return how each probe is doing, by its name."""
        return MappingProxyType({name: guarded.report for name, guarded in self._guarded.items()})

    def add(self, probe: Probe, interval_seconds: float, timeout_seconds: float) -> None:
        """Take a probe in, or exchange the one of that name; its counts and what it saw last are kept.

        What only the old one saw, and the new one does not see when it first ends well, is handed on as gone.

        A run is cut off `GRACE_SECONDS` after the timeout, so that a probe which bounds its own calls by the timeout
        comes to say by itself that its target did not answer.
        """
        known = self._guarded.get(probe.name)
        if known is None:
            report = ProbeReport(
                name=probe.name,
                interval_seconds=interval_seconds,
                timeout_seconds=timeout_seconds,
                added=self._clock.instant(),
            )
            self._guarded[probe.name] = _Guarded(probe, report, {})
            return
        report = msgspec.structs.replace(
            known.report, interval_seconds=interval_seconds, timeout_seconds=timeout_seconds
        )
        self._guarded[probe.name] = _Guarded(probe, report, known.seen)

    def keep_only(self, names: Collection[str]) -> None:
        """Forget the other probes; what none but them saw is handed on as gone with the next run of any probe."""
        for name in self._guarded.keys() - names:
            guarded = self._guarded.pop(name)
            self._left += self._gone(guarded, guarded.seen)

    async def run(self, name: str) -> None:
        """Run a probe once; while it runs already the run is refused and counted.

        Raises: KeyError when there is no probe of that name; whatever the sink raises.
        """
        guarded = self._guarded[name]
        if guarded.running:
            guarded.report = msgspec.structs.replace(guarded.report, refused_total=guarded.report.refused_total + 1)
            return
        guarded.running = True
        try:
            observations = await self._observed(guarded)
            left, self._left = self._left, []
            told = [*left, *(observations if self._guarded.get(name) is guarded else ())]
            if told:
                await self._hand_on(told)
        finally:
            guarded.running = False

    async def _hand_on(self, told: Sequence[Observation]) -> None:
        """Hand on what was seen; if that fails for no reason of the world's, each subject's apart, and then say so."""
        try:
            await self._sink(told)
        except SupervisorError:
            raise
        except Exception:
            subjects = dict.fromkeys(one.subject for one in told)
            if len(subjects) == 1:
                raise
            for subject in subjects:
                try:
                    await self._sink([one for one in told if one.subject == subject])
                except Exception as error:  # noqa: BLE001 - the first of them is raised, and counted
                    log.error("probe.not_taken", subject=str(subject), error=f"{type(error).__name__}: {error}")
            raise

    async def _observed(self, guarded: _Guarded) -> Sequence[Observation]:
        """Run the probe to its end, whatever that is, and book it."""
        started = self._clock.instant()
        try:
            observations = await _bounded(guarded.probe, guarded.report.timeout_seconds)
        except SupervisorError as error:
            if guarded.failing is not type(error):
                log.warning("probe.failed", probe=guarded.probe.name, error=str(error))
            return self._failed(guarded, started, error, error.reason)
        except Exception as error:
            if guarded.failing is not type(error):
                log.exception("probe.broken", probe=guarded.probe.name)
            return self._failed(guarded, started, error, f"{type(error).__name__}: {error}")
        if guarded.failing is not None:
            log.info("probe.recovered", probe=guarded.probe.name)
        guarded.failing = None
        outcome, error_text = _summary(observations)
        self._book(guarded, started, outcome, error_text)
        seen = {one.subject: one for one in observations if not one.gone}
        left = guarded.seen.keys() - {one.subject for one in observations} if guarded.inherited else set()
        if left and outcome is not Outcome.OK:
            # What does not answer says nothing of what else was seen there, least of all that it is gone.
            hidden = {subject: guarded.seen[subject] for subject in left}
            guarded.seen = {**hidden, **seen}
            return [*observations, *_unknown(hidden.values(), self._clock.instant(), error_text)]
        guarded.inherited = False
        guarded.seen = seen
        return [*observations, *self._gone(guarded, left)]

    def _gone(self, guarded: _Guarded, subjects: Iterable[Subject]) -> Sequence[Observation]:
        """Return that these are gone, but for those that another probe sees as well."""
        elsewhere = {subject for other in self._guarded.values() if other is not guarded for subject in other.seen}
        at = self._clock.instant()
        return [
            Observation(source=guarded.probe.name, subject=subject, at=at, facts={}, gone=True)
            for subject in sorted(subjects)
            if subject not in elsewhere
        ]

    def _failed(self, guarded: _Guarded, started: Instant, error: Exception, reason: str) -> Sequence[Observation]:
        guarded.failing = type(error)
        self._book(guarded, started, Outcome.UNKNOWN, reason)
        return _unknown(guarded.seen.values(), self._clock.instant(), reason)

    def _book(self, guarded: _Guarded, started: Instant, outcome: Outcome, error: str) -> None:
        ended = self._clock.instant()
        report = guarded.report
        guarded.report = msgspec.structs.replace(
            report,
            last_started=started,
            last_ended=ended,
            last_conclusive=report.last_conclusive if outcome is Outcome.UNKNOWN else ended,
            last_outcome=outcome,
            last_error=encodable(error),
            outcomes={**report.outcomes, outcome.value: report.outcomes[outcome.value] + 1},
            durations=report.durations.plus(ended.monotonic - started.monotonic),
        )


async def _bounded(probe: Probe, timeout_seconds: float) -> Sequence[Observation]:
    limit = asyncio.timeout(timeout_seconds + GRACE_SECONDS)
    try:
        async with limit:
            return await probe.observe()
    except TimeoutError as error:
        if not limit.expired():
            raise
        raise TemporaryError(f"the probe {probe.name} was not done within {timeout_seconds:g} s") from error


def _unknown(seen: Iterable[Observation], at: Instant, reason: str) -> Sequence[Observation]:
    """Return for each subject seen before that its facts are unknown now."""
    return tuple(
        Observation(
            source=one.source,
            subject=one.subject,
            at=at,
            facts=dict.fromkeys(one.facts, Unknown(reason)),
            evidence={"error": reason},
            outcome=Outcome.UNKNOWN,
        )
        for one in seen
    )


def _summary(observations: Sequence[Observation]) -> tuple[Outcome, str]:
    """Return the worst outcome of a run, and what the first observation of that outcome says went wrong."""
    for outcome in WORST_FIRST:
        for one in observations:
            if one.outcome is outcome:
                return outcome, one.evidence.get("error", "")
    return Outcome.OK, ""
