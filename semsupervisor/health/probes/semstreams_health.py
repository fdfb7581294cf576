"""The probe of SemStreams' /health, in any dialect."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from semsupervisor.errors import SupervisorError
from semsupervisor.health.observation import FactValue, Observation, Outcome, Subject, SubjectKind, Unknown
from semsupervisor.health.reaching import Endpoint, Unreachable
from semsupervisor.health.targets import TargetAbsent
from semsupervisor.kit.clock import Clock
from semsupervisor.kit.text import shortened
from semsupervisor.systems.bodies import Unreadable, excerpt
from semsupervisor.systems.containers import Container
from semsupervisor.systems.http import Answer, BadRedirect, BodyTooLarge
from semsupervisor.systems.semstreams import OK, UNAVAILABLE, Health, Status, parse_health

SERVER_ERROR = 500
LONGEST_PARTS = 600
TOLERANCE_SECONDS = 5.0

ContainerOf = Callable[[], Container | None]
"""Returns how the service's container was inspected last; None when that is not known."""


def _no_container() -> Container | None:
    return None


class SemstreamsHealth:
    """Sees whether SemStreams answers, how it says that it is, and whether it says that it reaches NATS."""

    name = "semstreams_health"

    def __init__(
        self,
        clock: Clock,
        endpoint: Endpoint,
        service: str,
        timeout_seconds: float,
        container_of: ContainerOf = _no_container,
    ) -> None:
        self._clock = clock
        self._endpoint = endpoint
        self._subject = Subject(SubjectKind.SEMSTREAMS, service)
        self._timeout_seconds = timeout_seconds
        self._container_of = container_of
        self._restarts = _Restarts()
        self._known: set[str] = set()
        self._works = False

    @property
    def works(self) -> bool:
        """Tell whether it answered when it was looked at last, and said nothing else."""
        return self._works

    async def observe(self) -> Sequence[Observation]:
        """Ask once. Nothing is raised: what could not be seen is an observation as well."""
        observation = await self._look()
        works = observation.facts["status"] in {Status.HEALTHY.value, Status.DEGRADED.value}
        self._works = works or observation.facts["offered"] is False
        return [observation]

    async def _look(self) -> Observation:
        try:
            answer = await self._endpoint.ask(self._timeout_seconds)
        except Unreachable as error:
            return self._unseen(Outcome.DOWN, str(error), reachable=False)
        except BodyTooLarge as error:
            return self._unseen(Outcome.UNKNOWN, str(error), error.answer, reachable=True)
        except BadRedirect as error:
            return self._unseen(Outcome.UNKNOWN, str(error), reachable=True)
        except TargetAbsent as error:
            return self._unseen(Outcome.NOT_OFFERED, str(error), reachable=Unknown(str(error)))
        except SupervisorError as error:
            return self._unseen(Outcome.UNKNOWN, str(error), reachable=Unknown(str(error)))
        if answer.status not in {OK, UNAVAILABLE}:
            return self._other_answer(answer)
        return self._read(answer)

    def _read(self, answer: Answer) -> Observation:
        """Return what the answer of a health endpoint says; a 503 that says nothing fails as any other does."""
        try:
            health = parse_health(answer.status, answer.body)
        except Unreadable as error:
            if answer.status == UNAVAILABLE:
                return self._other_answer(answer)
            return self._unseen(Outcome.UNKNOWN, str(error), answer, reachable=True)
        return self._seen(answer, health)

    def _other_answer(self, answer: Answer) -> Observation:
        """Return that it answers what no health endpoint does: that it fails itself, or that there is none for us."""
        if answer.status >= SERVER_ERROR:
            failing = f"HTTP {answer.status} in place of its health, with {excerpt(answer.body) or 'an empty body'}"
            return self._unseen(Outcome.DOWN, failing, answer, reachable=True, failing=True)
        missing = f"not offered (HTTP {answer.status})"
        return self._unseen(Outcome.NOT_OFFERED, missing, answer, reachable=True, offered=False)

    def _seen(self, answer: Answer, health: Health) -> Observation:
        facts: dict[str, FactValue] = {
            "reachable": True,
            "offered": True,
            "health_failing": False,
            "status": health.status.value if health.status else Unknown(f"SemStreams says: {health.strange}"),
            "status_understood": health.status is not None,
            "nats_connected": _nats_connected(health),
            "flows_stopped": _flows_stopped(health),
            "latency_seconds": answer.elapsed_seconds,
        }
        if health.flows:
            facts["flows"] = health.flows
        container = self._container_of()
        if version := health.version or (container.version if container else ""):
            facts["version"] = version
        if health.uptime_seconds is not None:
            facts["uptime_seconds"] = health.uptime_seconds
            run = (container.id, container.started_at) if container else None
            facts["restarted"] = self._restarts.see(health.uptime_seconds, self._clock.monotonic(), run)
        if health.buffered_messages is not None:
            facts["buffered_messages"] = health.buffered_messages
        if health.parts:
            facts["parts_unwell"] = len(health.unwell)
        self._known |= facts.keys()
        return self._observation(Outcome.OK, facts, self._endpoint.evidence(_words(health)))

    def _unseen(
        self,
        outcome: Outcome,
        error: str,
        answer: Answer | None = None,
        *,
        reachable: FactValue,
        offered: FactValue | None = None,
        failing: bool = False,
    ) -> Observation:
        """Return that the status could not be seen; `answer` is what came in place of it.

        What was read before is unknown, and what a dialect never said is left out.
        """
        unknown = Unknown(error)
        facts: dict[str, FactValue] = {
            **dict.fromkeys(sorted(self._known), unknown),
            "reachable": reachable,
            "offered": unknown if offered is None else offered,
            "health_failing": failing or (unknown if offered is None else False),
            "status": unknown,
            "status_understood": unknown,
            "nats_connected": unknown,
            "latency_seconds": unknown if answer is None else answer.elapsed_seconds,
        }
        return self._observation(outcome, facts, self._endpoint.evidence({"error": error}, answer))

    def _observation(
        self, outcome: Outcome, facts: Mapping[str, FactValue], evidence: Mapping[str, str]
    ) -> Observation:
        shown = self._endpoint.facts(facts)
        return Observation(self.name, self._subject, self._clock.instant(), shown, evidence, outcome)


class _Restarts:
    """Tells a program that was started anew from its uptime, unless its container was: that is told elsewhere.

    What Docker tells of the container may come a moment later than the answer of the program, so that a restart is
    told with the look after the one that saw it.
    """

    def __init__(self) -> None:
        self._last: tuple[float, float, object] | None = None
        self._suspected = False

    def see(self, uptime_seconds: float, now: float, run: object) -> bool:
        """Tell whether it was started anew between the two looks before this one; `run` is its container's."""
        last, self._last = self._last, (uptime_seconds, now, run)
        if last is None:
            return False
        before, at, last_run = last
        told = self._suspected and run == last_run
        fell = uptime_seconds < before and uptime_seconds <= now - at + TOLERANCE_SECONDS
        self._suspected = fell and run == last_run
        return told


def _nats_connected(health: Health) -> FactValue:
    if health.nats_connected is not None:
        return health.nats_connected
    if health.nats_message:
        return Unknown(f"SemStreams says of NATS: {health.nats_message}")
    return Unknown("SemStreams says nothing of NATS")


def _flows_stopped(health: Health) -> FactValue:
    return (
        Unknown(f"SemStreams says of its flows: {health.flows}")
        if health.flows_stopped is None
        else health.flows_stopped
    )


def _words(health: Health) -> Mapping[str, str]:
    """Return what SemStreams says beside the facts."""
    words = {}
    if health.strange:
        words["strange"] = health.strange
    if health.status in {Status.DEGRADED, Status.UNHEALTHY}:
        words["unhealthy_parts"] = "; ".join(health.unwell) or "it does not say which part"
    if health.nats_message:
        words["nats_message"] = health.nats_message
    if health.parts:
        words["parts"] = shortened("; ".join(health.parts), LONGEST_PARTS)
    return words
