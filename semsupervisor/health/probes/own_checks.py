"""The probes of an operator's own: something answers by HTTP, takes connections, or a program says how it is."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from enum import StrEnum

import msgspec

from semsupervisor.errors import SupervisorError, TemporaryError
from semsupervisor.health.clocks import Doubts, Reading
from semsupervisor.health.masking import masked
from semsupervisor.health.observation import FactValue, Observation, Outcome, Subject, SubjectKind, Unknown
from semsupervisor.health.reaching import Endpoint, NotRunning, Unreachable, reached
from semsupervisor.health.targets import AddressOf, TargetAbsent, TargetStopped, place
from semsupervisor.kit.clock import Clock
from semsupervisor.systems.bodies import excerpt
from semsupervisor.systems.commands import Program
from semsupervisor.systems.connecting import TimedOut, TlsFailed
from semsupervisor.systems.http import BadRedirect, BodyTooLarge
from semsupervisor.systems.plugin_output import parse_output
from semsupervisor.systems.ports import connect

EXIT_UNKNOWN = 3
SEARCHED_BYTES = 64 * 1024  # a search holds the whole supervisor up


class Undecided(TemporaryError):
    """A program says that it does not know how it is, or this host is in no state to say."""


class CheckState(StrEnum):
    """How a check found what it looks at; what it could not say is unknown and none of these."""

    OK = "ok"
    WARNING = "warning"
    CRITICAL = "critical"


_BY_EXIT_CODE = {0: CheckState.OK, 1: CheckState.WARNING, 2: CheckState.CRITICAL}


class Result(msgspec.Struct, frozen=True):
    """What one look found; `said` is a line for people, `facts` are beside the state, `evidence` beside the line."""

    state: CheckState
    said: str
    latency_seconds: float
    facts: Mapping[str, FactValue] = {}
    evidence: Mapping[str, str] = {}


Look = Callable[[], Awaitable[Result]]
"""Looks once. Raises: TargetStopped, NotRunning, TargetAbsent; another SupervisorError when nothing can be said."""


class OwnCheck:
    """One check by the name that the operator gave it."""

    def __init__(self, clock: Clock, name: str, look: Look) -> None:
        self.name = f"check_{name}"
        self._clock = clock
        self._subject = Subject(SubjectKind.CHECK, name)
        self._look = look
        self._known: frozenset[str] = frozenset()

    async def observe(self) -> Sequence[Observation]:
        """Look once. Nothing is raised: what could not be seen is an observation as well."""
        try:
            result = await self._look()
        except (TargetAbsent, TargetStopped, NotRunning) as error:
            return [self._unseen(Outcome.NOT_OFFERED, error)]
        except SupervisorError as error:
            return [self._unseen(Outcome.UNKNOWN, error)]
        facts: dict[str, FactValue] = {
            "state": result.state.value,
            "latency_seconds": result.latency_seconds,
            **result.facts,
        }
        self._known = frozenset(facts)
        evidence = {"said": result.said or "nothing", **result.evidence}
        outcome = Outcome.DOWN if result.state is CheckState.CRITICAL else Outcome.OK
        return [self._observation(outcome, facts, evidence)]

    def _unseen(self, outcome: Outcome, error: SupervisorError) -> Observation:
        text = masked(str(error))
        return self._observation(
            outcome, dict.fromkeys(sorted(self._known | {"state"}), Unknown(text)), {"error": text}
        )

    def _observation(
        self, outcome: Outcome, facts: Mapping[str, FactValue], evidence: Mapping[str, str]
    ) -> Observation:
        shown = {name: masked(text) for name, text in evidence.items()}
        return Observation(self.name, self._subject, self._clock.instant(), facts, shown, outcome)


class HttpLook:
    """Asks a URL or container for a status and, if given, for a body whose first 64 KiB a pattern is found in.

    A body may go on after that. The endpoint follows no redirect where one is the status to be answered.
    """

    def __init__(self, clock: Clock, endpoint: Endpoint, status: int, pattern: str, timeout_seconds: float) -> None:
        self._clock = clock
        self._endpoint = endpoint
        self._status = status
        self._pattern = re.compile(pattern)
        self._timeout_seconds = timeout_seconds
        self._doubts = Doubts()

    async def __call__(self) -> Result:
        """Look once. A certificate may be refused for its dates, of which a wrong clock can say nothing."""
        at = self._clock.instant()
        began, doubt = at.monotonic, self._doubts.why(Reading(at.wall, at.monotonic, self._clock.since_boot()))
        try:
            answer = await self._endpoint.ask(self._timeout_seconds)
        except NotRunning:
            raise
        except TlsFailed as error:
            if doubt:
                raise Undecided(f"{error}; {doubt}") from error
            return Result(CheckState.CRITICAL, str(error), self._clock.monotonic() - began)
        except BodyTooLarge as error:
            answer = error.answer
        except (Unreachable, BadRedirect) as error:
            return Result(CheckState.CRITICAL, str(error), self._clock.monotonic() - began)
        facts: dict[str, FactValue] = {"http_status": answer.status}
        body = {"body": excerpt(answer.body)}
        said = f"HTTP {answer.status}"
        if answer.status != self._status:
            said = f"{said} in place of {self._status}"
            return Result(CheckState.CRITICAL, said, answer.elapsed_seconds, facts, body)
        if self._pattern.search(answer.body[:SEARCHED_BYTES].decode("utf-8", errors="replace")) is None:
            said = f"{said}, and the pattern is not found in the body"
            return Result(CheckState.CRITICAL, said, answer.elapsed_seconds, facts, body)
        return Result(CheckState.OK, said, answer.elapsed_seconds, facts)


class TcpLook:
    """Connects to `host:port` or `container:<service>:<port>`, and hangs up."""

    def __init__(
        self,
        clock: Clock,
        address: str,
        address_of: AddressOf,
        lag_since: Callable[[float], float],
        timeout_seconds: float,
    ) -> None:
        self._clock = clock
        self._address = address
        self._address_of = address_of
        self._lag_since = lag_since
        self._timeout_seconds = timeout_seconds

    async def __call__(self) -> Result:
        """Look once."""
        host, port = place(self._address, self._address_of)
        began = self._clock.monotonic()
        call = connect(host, port, self._timeout_seconds)
        try:
            await reached(call, self._clock, self._lag_since, self._timeout_seconds)
        except Unreachable as error:
            return Result(CheckState.CRITICAL, str(error), self._clock.monotonic() - began)
        return Result(CheckState.OK, f"{self._address} takes connections", self._clock.monotonic() - began)


class CommandLook:
    """Runs a program that says by its exit code how it is, as monitoring plugins do."""

    def __init__(self, clock: Clock, command: Sequence[str], timeout_seconds: float) -> None:
        self._clock = clock
        self._program = Program(command, clock)
        self._timeout_seconds = timeout_seconds

    async def __call__(self) -> Result:
        """Look once. Exit codes that no plugin has count as critical: the program broke."""
        began = self._clock.monotonic()
        try:
            ended = await self._program.run(self._timeout_seconds)
        except TimedOut as error:
            return Result(CheckState.CRITICAL, str(error), self._clock.monotonic() - began)
        read = parse_output(ended.output)
        said = read.line or excerpt(ended.errors)
        if ended.exit_code == EXIT_UNKNOWN:
            raise Undecided(said or "the program says that it does not know")
        state = _BY_EXIT_CODE.get(ended.exit_code, CheckState.CRITICAL)
        facts: dict[str, FactValue] = {f"perf_{name}": value for name, value in read.figures.items()}
        facts["exit_code"] = ended.exit_code
        evidence = {"exit_code": str(ended.exit_code), "perfdata": read.data, "errors": excerpt(ended.errors)}
        texts = {name: text for name, text in evidence.items() if text}
        return Result(state, said, ended.elapsed_seconds, facts, texts)
