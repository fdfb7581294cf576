"""The probe of a NATS server's /varz: what it is and its general figures."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime

from semsupervisor.errors import SupervisorError
from semsupervisor.health.observation import FactValue, Observation, Outcome, Subject, SubjectKind, Unknown
from semsupervisor.health.reaching import Endpoint, Unreachable
from semsupervisor.health.streams import limited
from semsupervisor.health.targets import TargetAbsent
from semsupervisor.kit.clock import Clock
from semsupervisor.systems.bodies import NotOffered, Unreadable
from semsupervisor.systems.http import Answer
from semsupervisor.systems.nats_monitor import VARZ_PATH, Varz, parse_varz

FACTS = (
    "version",
    "server_id",
    "started_at",
    "restarted",
    "memory_used_bytes",
    "cpu_used_processors",
    "connections",
    "connections_total",
    "reconnections_total",
    "subscriptions",
    "slow_consumers_total",
    "in_messages_total",
    "out_messages_total",
    "in_bytes_total",
    "out_bytes_total",
)


class NatsVarz:
    """Reads a server's figures. Whether it is reachable is said by `nats_health` alone, so that no two disagree.

    `container_began` gives when the server's container was started, None if it is not known to be in one: a server
    that began anew because its container did is told of by what befell that. As that may be known a little later than
    the new server is seen, a restart is told of in the look after.
    """

    name = "nats_varz"

    def __init__(
        self,
        clock: Clock,
        endpoint: Endpoint,
        service: str,
        timeout_seconds: float,
        container_began: Callable[[], datetime | None] = lambda: None,
    ) -> None:
        self._clock = clock
        self._endpoint = endpoint
        self._subject = Subject(SubjectKind.NATS, service)
        self._timeout_seconds = timeout_seconds
        self._container_began = container_began
        self._before: Varz | None = None
        self._replaced: Varz | None = None
        self._most_open = 0
        self._reconnections = 0

    async def observe(self) -> Sequence[Observation]:
        """Ask once. Nothing is raised: what could not be seen is an observation as well."""
        try:
            answer = await self._endpoint.ask(self._timeout_seconds, VARZ_PATH)
        except Unreachable as error:
            return [self._unseen(Outcome.DOWN, str(error))]
        except TargetAbsent as error:
            return [self._unseen(Outcome.NOT_OFFERED, str(error))]
        except SupervisorError as error:
            return [self._unseen(Outcome.UNKNOWN, str(error))]
        try:
            return [self._seen(parse_varz(answer.status, answer.body))]
        except NotOffered as error:
            return [self._unseen(Outcome.NOT_OFFERED, str(error), answer)]
        except Unreadable as error:
            return [self._unseen(Outcome.UNKNOWN, str(error), answer)]

    def _seen(self, varz: Varz) -> Observation:
        self._count_reconnections(varz)
        facts: dict[str, FactValue] = {
            "version": varz.version,
            "server_id": varz.server_id,
            "started_at": _text(varz.started_at),
            "restarted": self._was_restarted(varz),
            "memory_used_bytes": varz.memory_bytes,
            "cpu_used_processors": varz.cpu_cores,
            "connections": varz.connections,
            "connections_total": varz.connections_total,
            "reconnections_total": self._reconnections,
            "subscriptions": varz.subscriptions,
            "slow_consumers_total": varz.slow_consumers,
            "in_messages_total": varz.in_messages,
            "out_messages_total": varz.out_messages,
            "in_bytes_total": varz.in_bytes,
            "out_bytes_total": varz.out_bytes,
        }
        return Observation(
            self.name, self._subject, self._clock.instant(), self._endpoint.facts({**facts, **_offered(varz)})
        )

    def _count_reconnections(self, varz: Varz) -> None:
        """Count the connections beyond the most that were open at once: all that come after a start come once.

        The server counts a connection before it is open, so that the difference alone may step back.
        """
        if self._before is None or _is_another(self._before, varz):
            self._most_open = self._reconnections = 0
        self._most_open = max(self._most_open, varz.connections)
        self._reconnections = max(self._reconnections, varz.connections_total - self._most_open)

    def _was_restarted(self, varz: Varz) -> bool:
        """Tell whether the look before saw another server than the one before it, and no new start of its container."""
        replaced = self._replaced
        self._replaced = self._before if self._before is not None and _is_another(self._before, varz) else None
        self._before = varz
        if replaced is None:
            return False
        began = self._container_began()
        return began is None or began <= replaced.started_at

    def _unseen(self, outcome: Outcome, error: str, answer: Answer | None = None) -> Observation:
        evidence = self._endpoint.evidence({"error": error}, answer)
        facts = dict.fromkeys(FACTS, Unknown(error))
        shown = self._endpoint.facts(facts)
        return Observation(self.name, self._subject, self._clock.instant(), shown, evidence, outcome)


def _offered(varz: Varz) -> Mapping[str, FactValue]:
    """Return the facts that not every server has."""
    facts = limited("max_connections", "connections_used_ratio", varz.connections, varz.max_connections)
    if varz.stalled_clients is not None:
        facts["stalled_clients_total"] = varz.stalled_clients
    if varz.config_loaded_at is not None:
        facts["config_loaded_at"] = _text(varz.config_loaded_at)
    if varz.certificate_expires_at is not None:
        facts["certificate_expires_at"] = _text(varz.certificate_expires_at)
    return facts


def _is_another(before: Varz, now: Varz) -> bool:
    return (before.server_id, before.started_at) != (now.server_id, now.started_at)


def _text(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat()
