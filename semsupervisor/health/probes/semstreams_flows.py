"""The probe of SemStreams' flows: how many run, how many should, and which are slow."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence

import msgspec

from semsupervisor.errors import SupervisorError
from semsupervisor.health.observation import FactValue, Observation, Outcome, Subject, SubjectKind, Unknown
from semsupervisor.health.offering import Offering, Strange
from semsupervisor.health.reaching import Endpoint, Unreachable
from semsupervisor.health.targets import TargetAbsent
from semsupervisor.health.usual import UsualNumber
from semsupervisor.kit.clock import Clock
from semsupervisor.kit.text import shortened
from semsupervisor.systems.bodies import NotOffered
from semsupervisor.systems.semstreams_flows import Flow, parse_flows, wanted

STORED_SECONDS = 60.0
LONGEST_NAMES = 200

Stored = Callable[[], Awaitable[Sequence[bytes] | None]]
"""Returns what is stored of each flow, None where nothing is. Raises: SupervisorError."""


class Expecting(msgspec.Struct, frozen=True, kw_only=True):
    """Where the number of flows that should run comes from, the first that has one: settings, NATS, experience."""

    settings: int | None
    stored: Stored
    usual: UsualNumber


class SemstreamsFlows:
    """Sees which flows run. `active` tells what the metrics say of their number, None if they do not.

    Half of the timeout is for SemStreams, half for NATS.
    """

    name = "semstreams_flows"

    def __init__(
        self,
        clock: Clock,
        places: Sequence[Endpoint],
        active: Callable[[], FactValue | None],
        expecting: Expecting,
        service: str,
        timeout_seconds: float,
    ) -> None:
        self._clock = clock
        self._offering = Offering(places, parse_flows)
        self._active = active
        self._expecting = expecting
        self._subject = Subject(SubjectKind.SEMSTREAMS, service)
        self._timeout_seconds = timeout_seconds
        self._stored: int | None = None
        self._stored_due = 0.0
        self._stored_error = ""
        self._known: set[str] = set()

    async def observe(self) -> Sequence[Observation]:
        """Ask once. Nothing is raised: what could not be seen is an observation as well."""
        flows: Sequence[Flow] | None = None
        strange: Strange | None = None
        try:
            flows = await self._offering.ask(self._timeout_seconds / 2)
        except NotOffered:
            flows = None
        except Strange as error:
            strange = error
        except Unreachable as error:
            return [self._unseen(Outcome.DOWN, error)]
        except TargetAbsent as error:
            return [self._unseen(Outcome.NOT_OFFERED, error)]
        except SupervisorError as error:
            return [self._unseen(Outcome.UNKNOWN, error)]
        active = self._active()
        if active is None and flows is not None:
            active = _active(flows)
        if active is None and strange is not None:
            return [self._unseen(Outcome.UNKNOWN, strange)]
        if active is None:
            return [self._unseen(Outcome.NOT_OFFERED, NotOffered("neither the metrics nor the API tell of flows"))]
        return [await self._seen(active, flows, strange)]

    async def _seen(self, active: FactValue, flows: Sequence[Flow] | None, strange: Strange | None) -> Observation:
        facts: dict[str, FactValue] = {"flows_active": active}
        evidence: dict[str, str] = {}
        if flows is not None:
            facts["flows_slow"] = sum(flow.is_slow for flow in flows)
            evidence = _named(flows)
        elif strange is not None:
            facts["flows_slow"] = Unknown(str(strange))
            evidence["error"] = str(strange)
        expected, source = await self._expected(active)
        if expected is not None:
            facts["flows_expected"] = expected
            facts["flows_missing"] = _missing(expected, active, flows)
            evidence["flows_expected_from"] = source
        self._known |= facts.keys()
        outcome = Outcome.OK if strange is None else Outcome.UNKNOWN
        return self._observation(outcome, facts, self._evidence(evidence, strange))

    async def _expected(self, active: FactValue) -> tuple[float | None, str]:
        """Return how many flows should run, and who says so."""
        if self._expecting.settings is not None:
            return float(self._expecting.settings), "checks.semstreams.expected_flows"
        await self._look_up()
        usual = None
        if isinstance(active, float):
            usual = await self._expecting.usual.learn(active, self._clock.monotonic())
        if self._stored is not None:
            return float(self._stored), f"the flows that are stored in NATS{self._stored_error}"
        return usual, "the number that usually runs"

    async def _look_up(self) -> None:
        """Count the stored flows once a minute; while they cannot be read the last count holds."""
        if self._clock.monotonic() < self._stored_due:
            return
        try:
            async with asyncio.timeout(self._timeout_seconds / 2):
                stored = await self._expecting.stored()
        except (SupervisorError, TimeoutError) as error:
            self._stored_error = f" (not now: {str(error) or 'no answer in time'})"
            return
        self._stored_due = self._clock.monotonic() + STORED_SECONDS
        self._stored_error = ""
        self._stored = wanted(stored) if stored else None

    def _unseen(self, outcome: Outcome, error: SupervisorError) -> Observation:
        """Return that nothing could be read: what was read before is unknown, what never was is left out."""
        facts = dict.fromkeys(sorted(self._known), Unknown(str(error)))
        return self._observation(outcome, facts, self._evidence({"error": str(error)}, error))

    def _evidence(self, texts: Mapping[str, str], error: SupervisorError | None) -> Mapping[str, str]:
        return self._offering.shown.evidence(texts, error.answer if isinstance(error, Strange) else None)

    def _observation(
        self, outcome: Outcome, facts: Mapping[str, FactValue], evidence: Mapping[str, str]
    ) -> Observation:
        shown = self._offering.shown.facts(facts)
        return Observation(self.name, self._subject, self._clock.instant(), shown, evidence, outcome)


def _active(flows: Sequence[Flow]) -> FactValue:
    """Return how many flows run; unknown if one of them may as well not."""
    unclear = _unclear(flows)
    if unclear:
        return Unknown(f"whether a flow runs is not clear of {shortened(', '.join(unclear), LONGEST_NAMES)}")
    return float(sum(flow.is_active is True for flow in flows))


def _missing(expected: float, active: FactValue, flows: Sequence[Flow] | None) -> FactValue:
    """Return how many flows should run and do not; of a number that is unknown, how many at least, if there are any."""
    if not isinstance(active, Unknown):
        return max(0.0, expected - float(active))
    at_least = 0.0 if flows is None else expected - sum(flow.is_active is not False for flow in flows)
    return at_least if at_least > 0 else active


def _unclear(flows: Sequence[Flow]) -> list[str]:
    return [f"{flow.name} ({flow.status or 'no state'})" for flow in flows if flow.is_active is None]


def _named(flows: Sequence[Flow]) -> dict[str, str]:
    """Return the names of the flows that are slow, of those that do not run, and of those that may or may not."""
    lists = {
        "slow_flows": [flow.name for flow in flows if flow.is_slow],
        "idle_flows": [f"{flow.name} ({flow.status})" for flow in flows if flow.is_active is False],
        "unclear_flows": _unclear(flows),
    }
    return {name: shortened(", ".join(names), LONGEST_NAMES) for name, names in lists.items() if names}
