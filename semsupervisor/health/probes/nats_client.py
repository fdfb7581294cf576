"""The probe that is a client of NATS: does the server let one in, how far is it, and what may its account use."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import msgspec

from semsupervisor.errors import SupervisorError
from semsupervisor.health.observation import FactValue, Observation, Outcome, Subject, SubjectKind, Unknown
from semsupervisor.health.reaching import LAG_SECONDS, OwnLoopLags, Unreachable
from semsupervisor.health.streams import limited
from semsupervisor.health.targets import AddressOf, TargetAbsent, TargetStopped, place
from semsupervisor.kit.clock import Clock
from semsupervisor.systems.bodies import Unreadable
from semsupervisor.systems.connecting import TlsFailed, Unanswered
from semsupervisor.systems.limits import Bounded, Limit, Unread, ratio
from semsupervisor.systems.nats_account import SUBJECT, Account, JetStreamOff, Usage, parse_account
from semsupervisor.systems.nats_client import (
    Address,
    CertificateWanted,
    Login,
    LoginRefused,
    NatsClient,
    NobodyResponds,
)
from semsupervisor.systems.nats_greeting import WHAT_TO_SET

SHORTEST_TIMEOUT_SECONDS = 0.1
ACCOUNT_FACTS = ("account_memory_used_bytes", "account_storage_used_bytes", "account_streams", "account_consumers")


class Door(msgspec.Struct, frozen=True):
    """Where a server takes clients, and who comes in.

    `target` is `host:port` or `container:<service>:<port>`; `address_of` says where a service's container is now.
    """

    target: str
    address_of: AddressOf
    login: Login


class NatsClientProbe:
    """Keeps one connection, and says what its own account uses; JetStream as a whole is seen by `nats_jetstream`.

    A server that wants a login or a certificate where none is set, or shows a certificate that nothing was said about,
    does not let us in and is not at fault: that is not offered to us.
    `lag_since` and `mask` are those of `reaching.Endpoint`.
    """

    name = "nats_client"

    def __init__(
        self,
        clock: Clock,
        client: NatsClient,
        door: Door,
        service: str,
        timeout_seconds: float,
        *,
        lag_since: Callable[[float], float],
        mask: Callable[[str], str],
    ) -> None:
        self._clock = clock
        self._client = client
        self._door = door
        self._subject = Subject(SubjectKind.NATS, service)
        self._timeout_seconds = timeout_seconds
        self._lag_since = lag_since
        self._mask = mask

    async def observe(self) -> Sequence[Observation]:
        """Look once. Nothing is raised: what could not be seen is an observation as well."""
        try:
            return [await self._seen()]
        except Unreachable as error:
            return [self._unseen(Outcome.DOWN, str(error), connected=False)]
        except (LoginRefused, TlsFailed) as error:
            return [self._not_let_in(error)]
        except TargetAbsent as error:
            return [self._unseen(Outcome.NOT_OFFERED, str(error), connected=Unknown(str(error)))]
        except SupervisorError as error:
            return [self._unseen(Outcome.UNKNOWN, str(error), connected=Unknown(str(error)))]

    def _not_let_in(self, error: LoginRefused | TlsFailed) -> Observation:
        """Return that the server is at fault, or, where nothing was set to get in with, that it is not for us."""
        login = self._door.login
        match error:
            case LoginRefused():
                meant, what = error.given, "set checks.nats.client_username or another login to look as a client"
            case CertificateWanted():
                meant, what = bool(login.ca_file) or login.given, WHAT_TO_SET
            case _:
                meant, what = bool(login.ca_file), "set checks.nats.client_ca_file to the certificates to trust"
        words = f"{error}; {what}"
        if not meant:
            return self._unseen(Outcome.NOT_OFFERED, words, connected=Unknown(words))
        known = words if isinstance(error, CertificateWanted) else str(error)
        return self._unseen(Outcome.DOWN, known, connected=False)

    async def _seen(self) -> Observation:
        until = self._clock.monotonic() + self._timeout_seconds
        rtt_seconds = await self._reached(until)
        facts: dict[str, FactValue] = {"client_connected": True, "client_rtt_seconds": rtt_seconds}
        evidence: dict[str, str] = {}
        try:
            account = parse_account(await self._client.request(SUBJECT, self._left(until)))
        except (JetStreamOff, NobodyResponds, Unreadable, Unanswered) as error:
            facts |= dict.fromkeys(ACCOUNT_FACTS, Unknown(self._mask(str(error))))
            evidence["account"] = self._mask(str(error))
        else:
            facts |= account_facts(account)
        return Observation(self.name, self._subject, self._clock.instant(), facts, evidence)

    async def _reached(self, until: float) -> float:
        """Return how long a word to the server and back took, over the connection that is there or a new one.

        Raises: Unreachable when the server lets nobody in; LoginRefused; another TemporaryError when nothing follows.
        """
        began = self._clock.monotonic()
        try:
            address = Address(*place(self._door.target, self._door.address_of))
            await self._client.connect(address, self._door.login, self._left(until))
            sent = self._clock.monotonic()
            await self._client.round_trip(self._left(until))
            return self._clock.monotonic() - sent
        except TargetStopped as error:
            raise Unreachable(str(error)) from error
        except TlsFailed:
            raise
        except Unanswered as error:
            lag = max(self._lag_since(began), self._clock.monotonic() - until)
            if lag > LAG_SECONDS:
                raise OwnLoopLags(f"{error}; the supervisor's own loop lagged by {lag:.1f} s meanwhile") from error
            raise Unreachable(str(error)) from error

    def _left(self, until: float) -> float:
        return max(SHORTEST_TIMEOUT_SECONDS, until - self._clock.monotonic())

    def _unseen(self, outcome: Outcome, error: str, *, connected: FactValue) -> Observation:
        reason = self._mask(error)
        known = Unknown(reason) if isinstance(connected, Unknown) else connected
        facts = {"client_connected": known, **dict.fromkeys(("client_rtt_seconds", *ACCOUNT_FACTS), Unknown(reason))}
        at = self._clock.instant()
        return Observation(self.name, self._subject, at, facts, {"client_error": reason}, outcome)


def account_facts(account: Account) -> Mapping[str, FactValue]:
    """Return what an account uses, its limits and the share of them: where it has tiers, those of the fullest one."""
    whole = account.whole
    facts: dict[str, FactValue] = {
        "account_memory_used_bytes": whole.memory.used_bytes,
        "account_storage_used_bytes": whole.storage.used_bytes,
        "account_streams": whole.streams,
        "account_consumers": whole.consumers,
    }
    for (limit_fact, ratio_fact), used in _LIMITED.items():
        known = [used(one) for one in account.tiers.values() or (whole,)]
        facts |= limited(limit_fact, ratio_fact, *max(known, key=_nearness))
    return facts


def _nearness(known: tuple[int, Limit]) -> tuple[bool, bool, float]:
    """Return what sorts the limit last that is nearest to being reached; one that is not known tells more than none."""
    used, most = known
    return isinstance(most, Bounded), isinstance(most, Unread), ratio(used, most) or 0.0


_LIMITED: Mapping[tuple[str, str], Callable[[Usage], tuple[int, Limit]]] = {
    ("account_memory_limit_bytes", "account_memory_used_ratio"): lambda usage: (
        usage.memory.used_bytes,
        usage.memory.limit,
    ),
    ("account_storage_limit_bytes", "account_storage_used_ratio"): lambda usage: (
        usage.storage.used_bytes,
        usage.storage.limit,
    ),
    ("account_max_streams", "account_streams_used_ratio"): lambda usage: (usage.streams, usage.max_streams),
    ("account_max_consumers", "account_consumers_used_ratio"): lambda usage: (usage.consumers, usage.max_consumers),
}
