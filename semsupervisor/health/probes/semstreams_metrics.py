"""The probe of SemStreams' metrics: what passes through it, what fails, and what waits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from semsupervisor.errors import SupervisorError
from semsupervisor.health.counting import Counted
from semsupervisor.health.observation import FactValue, Observation, Outcome, Subject, SubjectKind, Unknown
from semsupervisor.health.offering import Offering, Strange
from semsupervisor.health.reaching import Endpoint, Unreachable
from semsupervisor.health.series import Series
from semsupervisor.health.targets import TargetAbsent
from semsupervisor.kit.clock import Clock
from semsupervisor.systems.bodies import NotOffered
from semsupervisor.systems.semstreams_metrics import Figures, parse_metrics

THROUGHPUT_SECONDS = 150.0
ERRORS_SECONDS = 300.0
FEWEST_MESSAGES = 20.0

# What stands in the metrics as it is. Whether NATS is connected is said by /health alone, and the flows by the probe
# of the flows, so that no two sources disagree about a fact.
AS_THEY_ARE = (
    "messages_total",
    "errors_total",
    "messages_pending",
    "resident_memory_bytes",
    "storage_pressure",
    "nats_rtt_seconds",
    "nats_reconnects_total",
    "log_errors_total",
    "services_failed",
)


class _Stand(msgspec.Struct, frozen=True):
    """A figure, since when it has stood still, and whether it was seen to change then."""

    value: float
    since: float
    moved: bool


class SemstreamsMetrics:
    """Reads the metrics and works out what needs more than one look: rates, shares, and how long nothing moved."""

    name = "semstreams_metrics"

    def __init__(self, clock: Clock, places: Sequence[Endpoint], service: str, timeout_seconds: float) -> None:
        self._clock = clock
        self._offering = Offering(places, parse_metrics)
        self._subject = Subject(SubjectKind.SEMSTREAMS, service)
        self._timeout_seconds = timeout_seconds
        self._counters: dict[tuple[str, str], Counted] = {}
        self._courses: dict[tuple[str, str], Series] = {}
        self._stands: dict[tuple[str, str], _Stand] = {}
        self._unsettled: set[str] = set()
        self._known: set[str] = set()
        self._flows: FactValue | None = None

    @property
    def flows_active(self) -> FactValue | None:
        """Return how many flows ran at the last look; None if the metrics do not say."""
        return self._flows

    async def observe(self) -> Sequence[Observation]:
        """Ask once. Nothing is raised: what could not be seen is an observation as well."""
        try:
            figures = self._counted(await self._offering.ask(self._timeout_seconds))
        except NotOffered as error:
            return [self._unseen(Outcome.NOT_OFFERED, error, {"metrics_offered": False} if self._known else {})]
        except Unreachable as error:
            return [self._unseen(Outcome.DOWN, error, {"metrics_offered": False} if self._known else {})]
        except TargetAbsent as error:
            return [self._unseen(Outcome.NOT_OFFERED, error, {})]
        except SupervisorError as error:
            return [self._unseen(Outcome.UNKNOWN, error, {"metrics_offered": Unknown(str(error))})]
        facts: dict[str, FactValue] = {"metrics_offered": True, **self._facts(figures)}
        self._flows = _fact(figures, "flows_active")
        self._known |= facts.keys()
        seen = self._observation(Outcome.OK, facts, self._offering.shown.evidence({}))
        return [msgspec.structs.replace(seen, unsettled=frozenset(self._unsettled))]

    def _counted(self, figures: Figures) -> Figures:
        """Return the figures with each counter as a whole, whichever of its parts the page shows now."""
        values = dict(figures.values)
        for name, parts in figures.counted.items():
            counter = self._counters.setdefault((name, figures.sources[name]), Counted())
            values[name] = counter.see(parts, figures.began)
        return msgspec.structs.replace(figures, values=values)

    def _facts(self, figures: Figures) -> dict[str, FactValue]:
        now = self._clock.monotonic()
        self._unsettled = set()
        facts = {name: value for name in AS_THEY_ARE if (value := _fact(figures, name)) is not None}
        connected = _fact(figures, "nats_connected")
        if connected is not None:
            facts["nats_connected_by_metrics"] = connected if isinstance(connected, Unknown) else connected == 1
        worked_out = {
            "messages_per_second": self._course(figures, "messages_total", now).rate(THROUGHPUT_SECONDS, now),
            "error_ratio": self._error_ratio(figures, now),
            "messages_idle_seconds": self._unchanged_seconds(figures, "messages_total", now, "messages_idle_seconds"),
            "storage_report_age_seconds": self._unchanged_seconds(
                figures, "storage_report_at", now, "storage_report_age_seconds", from_first=True
            ),
        }
        if "messages_total" in figures.values:
            rates = ("messages_per_second", "error_ratio")
            self._unsettled.update(name for name in rates if worked_out[name] is None)
        facts.update({name: value for name, value in worked_out.items() if value is not None})
        return facts

    def _course(self, figures: Figures, name: str, now: float) -> Series:
        """Return the course of a figure with its newest reading; a figure from another metric is another course."""
        key = (name, figures.sources.get(name, ""))
        course = self._courses.setdefault(key, Series(ERRORS_SECONDS))
        if name in figures.values:
            course.add(now, figures.values[name])
        return course

    def _error_ratio(self, figures: Figures, now: float) -> float | None:
        """Return the share of messages that failed lately; 0 of fewer than 20: one failure at night is no spike."""
        failed = self._course(figures, "failed_total", now).increase(ERRORS_SECONDS, now)
        messages = self._course(figures, "messages_total", now).increase(ERRORS_SECONDS, now)
        if failed is None or messages is None:
            return None
        total = max(messages, failed)
        return failed / total if total >= FEWEST_MESSAGES else 0.0

    def _unchanged_seconds(
        self, figures: Figures, name: str, now: float, fact: str, *, from_first: bool = False
    ) -> float | None:
        """Return for how long a figure has not changed; None before it first did, unless counted from its first value.

        Before it first did, the fact that comes of it is unsettled: it may have stood still when nobody looked yet.
        A stamp that stands still is measured by our own time: the host's clock may be wrong, or jump.
        """
        value = figures.values.get(name)
        if not value:
            return None
        key = (name, figures.sources[name])
        stand = self._stands.get(key)
        if stand is None or value != stand.value:
            stand = self._stands[key] = _Stand(value, now, moved=stand is not None)
        if not stand.moved:
            self._unsettled.add(fact)
        return now - stand.since if stand.moved or from_first else None

    def _unseen(self, outcome: Outcome, error: SupervisorError, facts: Mapping[str, FactValue]) -> Observation:
        """Return that nothing could be read: what was read before is unknown, what never was is left out."""
        self._flows = None if self._flows is None else Unknown(str(error))
        shown = {**dict.fromkeys(sorted(self._known), Unknown(str(error))), **facts}
        answer = error.answer if isinstance(error, Strange) else None
        return self._observation(outcome, shown, self._offering.shown.evidence({"error": str(error)}, answer))

    def _observation(
        self, outcome: Outcome, facts: Mapping[str, FactValue], evidence: Mapping[str, str]
    ) -> Observation:
        shown = self._offering.shown.facts(facts)
        return Observation(self.name, self._subject, self._clock.instant(), shown, evidence, outcome)


def _fact(figures: Figures, name: str) -> FactValue | None:
    if name in figures.strange:
        return Unknown(figures.strange[name])
    return figures.values.get(name)
