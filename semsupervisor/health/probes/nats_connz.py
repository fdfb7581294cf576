"""The probe of a NATS server's /connz: are the clients connected that should be."""

from __future__ import annotations

import fnmatch
from collections.abc import Sequence

from semsupervisor.errors import SupervisorError
from semsupervisor.health.observation import FactValue, Observation, Outcome, Subject, SubjectKind, Unknown
from semsupervisor.health.reaching import Endpoint, Unreachable
from semsupervisor.health.targets import TargetAbsent
from semsupervisor.kit.clock import Clock
from semsupervisor.systems.bodies import NotOffered
from semsupervisor.systems.nats_connz import MOST_PAGES, PAGE, parse_connz, path

FACT = "expected_clients_missing"
SHORTEST_TIMEOUT_SECONDS = 0.1


class NatsConnz:
    """Looks for each of the expected clients by the name that it gives itself; `expected` are shell patterns."""

    name = "nats_connz"

    def __init__(
        self,
        clock: Clock,
        endpoint: Endpoint,
        service: str,
        timeout_seconds: float,
        expected: Sequence[str],
        *,
        page: int = PAGE,
    ) -> None:
        self._clock = clock
        self._endpoint = endpoint
        self._subject = Subject(SubjectKind.NATS, service)
        self._timeout_seconds = timeout_seconds
        self._expected = expected
        self._page = page

    async def observe(self) -> Sequence[Observation]:
        """Ask once, page by page. Nothing is raised: what could not be seen is an observation as well."""
        try:
            missing = await self._missing()
        except Unreachable as error:
            return [self._unseen(Outcome.DOWN, str(error))]
        except (TargetAbsent, NotOffered) as error:
            return [self._unseen(Outcome.NOT_OFFERED, str(error))]
        except SupervisorError as error:
            return [self._unseen(Outcome.UNKNOWN, str(error))]
        evidence = {"missing_clients": ", ".join(missing)} if missing else {}
        return [self._observation(len(missing), evidence)]

    async def _missing(self) -> list[str]:
        """Return the patterns that no name matches; pages are asked for only while some are left."""
        until = self._clock.monotonic() + self._timeout_seconds
        missing, seen = list(self._expected), 0
        for _ in range(MOST_PAGES):
            left = max(SHORTEST_TIMEOUT_SECONDS, until - self._clock.monotonic())
            answer = await self._endpoint.ask(left, path(seen, self._page))
            page = parse_connz(answer.status, answer.body)
            missing = [one for one in missing if not any(fnmatch.fnmatchcase(name, one) for name in page.names)]
            seen += page.count
            if not missing or not page.count or seen >= page.total:
                break
        return missing

    def _unseen(self, outcome: Outcome, error: str) -> Observation:
        return self._observation(Unknown(error), {"error": error}, outcome)

    def _observation(self, missing: FactValue, evidence: dict[str, str], outcome: Outcome = Outcome.OK) -> Observation:
        facts = self._endpoint.facts({FACT: missing})
        at = self._clock.instant()
        return Observation(self.name, self._subject, at, facts, self._endpoint.evidence(evidence), outcome)
