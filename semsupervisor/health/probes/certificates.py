"""The probe of the certificates that the settings name: how long they hold, and whether clients will take them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime

import msgspec

from semsupervisor.errors import SupervisorError
from semsupervisor.health.clocks import Doubts, Reading
from semsupervisor.health.observation import FactValue, Observation, Outcome, Subject, SubjectKind, Unknown
from semsupervisor.health.reaching import Unreachable, reached
from semsupervisor.health.targets import AddressOf, TargetAbsent, TargetStopped, place, rests
from semsupervisor.kit.blocking import BlockingCalls
from semsupervisor.kit.clock import Clock
from semsupervisor.kit.text import shortened
from semsupervisor.systems import tls
from semsupervisor.systems.client_certificate import ClientCertificate
from semsupervisor.systems.tls import Certificate

OF_DATES = ("lifetime_left_ratio", "reserve_ratio", "time_left_seconds")
# Nobody renews a certificate of ten years three years before its end: what is left is held against this at most.
LONGEST_COUNTED_SECONDS = 90 * 86_400.0
FACTS = (*OF_DATES, "expires_at", "name_valid", "chain_valid")
LONGEST_NAMES = 200


class Watched(msgspec.Struct, frozen=True, kw_only=True):
    """One endpoint: what it is called, where it is, the name its certificate has to be for, and whom to trust.

    `address` is `host:port` or `container:<service>:<port>`; `shown` is for a server that wants to see a certificate.
    """

    name: str
    address: str
    server_name: str = ""
    ca_file: str = ""
    starttls: str = ""
    shown: ClientCertificate = ClientCertificate()

    @property
    def wanted_name(self) -> str:
        """Return the name that clients look for: as given, else the host's or the service's."""
        host = self.address.removeprefix("container:").rpartition(":")[0]
        return self.server_name or host.removeprefix("[").removesuffix("]")


class Certificates:
    """Looks at all of them at once; one that hangs delays none.

    `published` gives the service that answers at an address of this host, empty if that is none: while its container is
    known not to run, which is told where containers are watched, nothing can be seen there.
    """

    name = "certificates"

    def __init__(
        self,
        clock: Clock,
        watched: Sequence[Watched],
        address_of: AddressOf,
        lag_since: Callable[[float], float],
        timeout_seconds: float,
        published: Callable[[str, int], str] = lambda _, __: "",
    ) -> None:
        self._clock = clock
        self._watched = watched
        self._address_of = address_of
        self._lag_since = lag_since
        self._timeout_seconds = timeout_seconds
        self._published = published
        self._doubts = Doubts()
        self._files = BlockingCalls()

    async def observe(self) -> Sequence[Observation]:
        """Look once. Nothing is raised: what could not be seen is an observation as well."""
        at = self._clock.instant()
        doubt = self._doubts.why(Reading(at.wall, at.monotonic, self._clock.since_boot()))
        return await asyncio.gather(*(self._look(one, doubt) for one in self._watched))

    async def _look(self, one: Watched, doubt: str) -> Observation:
        now = self._clock.now()
        try:
            found = await self._certificate(one, None if doubt else now)
        except Unreachable as error:
            return self._unseen(one, Outcome.DOWN, error, reachable=False)
        except (TargetAbsent, TargetStopped) as error:
            return self._unseen(one, Outcome.NOT_OFFERED, error, reachable=Unknown(str(error)))
        except SupervisorError as error:
            return self._unseen(one, Outcome.UNKNOWN, error, reachable=Unknown(str(error)))
        facts: dict[str, FactValue] = {
            "reachable": True,
            **_of_dates(found, now, doubt),
            "expires_at": found.ends.isoformat(),
            "name_valid": found.is_for(one.wanted_name),
            "chain_valid": not found.chain_problem,
        }
        return self._observation(one, Outcome.OK, facts, _words(one, found))

    async def _certificate(self, one: Watched, now: datetime | None) -> Certificate:
        host, port = place(one.address, self._address_of)
        if why := rests(self._published(host, port), self._address_of):
            raise TargetStopped(why)
        endpoint = tls.Endpoint(
            host=host,
            port=port,
            name=one.wanted_name,
            ca_file=one.ca_file,
            starttls=one.starttls,
            shown=one.shown,
        )
        look = tls.certificate_of(endpoint, now, self._timeout_seconds, self._files)
        return await reached(look, self._clock, self._lag_since, self._timeout_seconds)

    def _unseen(self, one: Watched, outcome: Outcome, error: SupervisorError, *, reachable: FactValue) -> Observation:
        facts = {"reachable": reachable, **dict.fromkeys(FACTS, Unknown(str(error)))}
        return self._observation(one, outcome, facts, {"error": str(error)})

    def _observation(
        self, one: Watched, outcome: Outcome, facts: Mapping[str, FactValue], evidence: Mapping[str, str]
    ) -> Observation:
        subject = Subject(SubjectKind.CERTIFICATE, one.name)
        return Observation(self.name, subject, self._clock.instant(), facts, evidence, outcome)


def _of_dates(found: Certificate, now: datetime, doubt: str) -> Mapping[str, FactValue]:
    """Return how much is left of a certificate's life, unless there is a doubt about this host's clock."""
    if doubt:
        return dict.fromkeys(OF_DATES, Unknown(doubt))
    if now < found.starts:
        return dict.fromkeys(
            OF_DATES, Unknown(f"it begins at {found.starts:%Y-%m-%d %H:%M}: is this host's clock right?")
        )
    left, whole = (found.ends - now).total_seconds(), (found.ends - found.starts).total_seconds()
    left = max(0.0, left)
    return {
        "lifetime_left_ratio": left / whole if whole > 0 else 0.0,
        "reserve_ratio": min(1.0, left / min(whole, LONGEST_COUNTED_SECONDS)) if whole > 0 else 0.0,
        "time_left_seconds": left,
    }


def _words(one: Watched, found: Certificate) -> Mapping[str, str]:
    words = {
        "wanted_name": one.wanted_name,
        "names": shortened(", ".join(found.names), LONGEST_NAMES) or "none",
        "issuer": found.issuer,
        "subject": found.subject,
        "chain_problem": found.chain_problem,
    }
    return {name: text for name, text in words.items() if text}
