"""The probe of a NATS server's /varz: what it is and its general figures."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC

from semsupervisor.errors import SupervisorError
from semsupervisor.health.observation import FactValue, Observation, Outcome, Subject, SubjectKind, Unknown
from semsupervisor.health.reaching import Endpoint, Unreachable
from semsupervisor.health.targets import TargetAbsent
from semsupervisor.kit.clock import Clock
from semsupervisor.systems.bodies import NotOffered, Unreadable
from semsupervisor.systems.http import Answer
from semsupervisor.systems.nats_monitor import VARZ_PATH, Varz, parse_varz

FACTS = ("version", "server_id", "started_at", "connections", "slow_consumers", "memory_used_bytes")


class NatsVarz:
    """Reads a server's figures. Whether it is reachable is said by `nats_health` alone, so that no two disagree."""

    name = "nats_varz"

    def __init__(self, clock: Clock, endpoint: Endpoint, service: str, timeout_seconds: float) -> None:
        self._clock = clock
        self._endpoint = endpoint
        self._subject = Subject(SubjectKind.NATS, service)
        self._timeout_seconds = timeout_seconds

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
        facts: dict[str, FactValue] = {
            "version": varz.version,
            "server_id": varz.server_id,
            "started_at": varz.started_at.astimezone(UTC).isoformat(),
            "connections": varz.connections,
            "slow_consumers": varz.slow_consumers,
            "memory_used_bytes": varz.memory_bytes,
        }
        evidence = {"jetstream": "on" if varz.jetstream_enabled else "off"}
        shown = self._endpoint.facts(facts)
        return Observation(self.name, self._subject, self._clock.instant(), shown, evidence)

    def _unseen(self, outcome: Outcome, error: str, answer: Answer | None = None) -> Observation:
        evidence = self._endpoint.evidence({"error": error}, answer)
        facts = dict.fromkeys(FACTS, Unknown(error))
        shown = self._endpoint.facts(facts)
        return Observation(self.name, self._subject, self._clock.instant(), shown, evidence, outcome)
