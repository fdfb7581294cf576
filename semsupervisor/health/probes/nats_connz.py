"""The probe of a NATS server's /connz: are the clients connected that should be, and does one read too slowly."""

from __future__ import annotations

import fnmatch
from collections.abc import Callable, Sequence

from semsupervisor.errors import SupervisorError
from semsupervisor.health.observation import FactValue, Observation, Outcome, Subject, SubjectKind, Unknown
from semsupervisor.health.reaching import Endpoint, Unreachable
from semsupervisor.health.targets import TargetAbsent
from semsupervisor.kit.clock import Clock
from semsupervisor.systems.bodies import NotOffered
from semsupervisor.systems.nats_connz import MOST_PAGES, PAGE, parse_connz, path

MISSING = "expected_clients_missing"
PENDING = "client_pending_bytes"
SHORTEST_TIMEOUT_SECONDS = 0.1


class NatsConnz:
    """Looks for each of the expected clients by the name that it gives itself; `expected` are shell patterns.

    `rests` says why nobody is expected just now, nothing if they are: the stack's own program does not run, which is
    told by itself.
    Whoever reads slower than it is sent to has bytes pending, which the server takes for so long as its limit allows.
    """

    name = "nats_connz"

    def __init__(
        self,
        clock: Clock,
        endpoint: Endpoint,
        service: str,
        timeout_seconds: float,
        expected: Sequence[str],
        *,
        rests: Callable[[], str] = str,
        page: int = PAGE,
    ) -> None:
        self._clock = clock
        self._endpoint = endpoint
        self._subject = Subject(SubjectKind.NATS, service)
        self._timeout_seconds = timeout_seconds
        self._expected = expected
        self._rests = rests
        self._page = page

    async def observe(self) -> Sequence[Observation]:
        """Ask once, page by page. Nothing is raised: what could not be seen is an observation as well."""
        try:
            missing, pending_bytes = await self._looked()
        except Unreachable as error:
            return [self._unseen(Outcome.DOWN, str(error))]
        except (TargetAbsent, NotOffered) as error:
            return [self._unseen(Outcome.NOT_OFFERED, str(error))]
        except SupervisorError as error:
            return [self._unseen(Outcome.UNKNOWN, str(error))]
        rests = self._rests() if missing else ""
        if rests:
            return [self._observation(Unknown(rests), pending_bytes, {})]
        evidence = {"missing_clients": ", ".join(missing)} if missing else {}
        return [self._observation(len(missing), pending_bytes, evidence)]

    async def _looked(self) -> tuple[list[str], int]:
        """Return the patterns that no name matches, and what waits for the client for which most does."""
        until = self._clock.monotonic() + self._timeout_seconds
        missing, seen, pending_bytes = list(self._expected), 0, 0
        for _ in range(MOST_PAGES):
            left = max(SHORTEST_TIMEOUT_SECONDS, until - self._clock.monotonic())
            answer = await self._endpoint.ask(left, path(seen, self._page))
            page = parse_connz(answer.status, answer.body)
            missing = [one for one in missing if not any(fnmatch.fnmatchcase(name, one) for name in page.names)]
            pending_bytes = max(pending_bytes, page.largest_pending_bytes)
            seen += len(page.names)
            if not page.names or seen >= page.total:
                break
        return missing, pending_bytes

    def _unseen(self, outcome: Outcome, error: str) -> Observation:
        return self._observation(Unknown(error), Unknown(error), {"error": error}, outcome)

    def _observation(
        self, missing: FactValue, pending: FactValue, evidence: dict[str, str], outcome: Outcome = Outcome.OK
    ) -> Observation:
        facts = {PENDING: pending, **({MISSING: missing} if self._expected else {})}
        shown = self._endpoint.facts(facts)
        at = self._clock.instant()
        return Observation(self.name, self._subject, at, shown, self._endpoint.evidence(evidence), outcome)
