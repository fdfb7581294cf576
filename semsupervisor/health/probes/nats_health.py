"""The probe of a NATS server's /healthz: is it alive, and does it find fault with itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from semsupervisor.errors import SupervisorError
from semsupervisor.health.observation import FactValue, Observation, Outcome, Subject, SubjectKind, Unknown
from semsupervisor.health.reaching import Endpoint, Unreachable
from semsupervisor.health.targets import TargetAbsent
from semsupervisor.kit.clock import Clock
from semsupervisor.systems.bodies import NotOffered, Unreadable
from semsupervisor.systems.http import Answer
from semsupervisor.systems.nats_monitor import FULL_CHECK_PATH, LIVENESS_PATH, Healthz, parse_healthz

FIRST_PAUSE_SECONDS = 8.0
LONGEST_PAUSE_SECONDS = 58.0
SHORTEST_TIMEOUT_SECONDS = 0.1
MOST_UNANSWERED = 3


class NatsHealth:
    """Asks for liveness each time, and now and then for the server's full check of itself.

    A full check that fails writes a warning into the server's log, so it is asked for once a minute; after one that
    failed sooner at first, as a server that just started has to recover its streams, and at once when it has come to
    life or ceased to be. Its verdict holds in between, until several in a row have come to nothing: then it is unknown.
    """

    name = "nats_health"

    def __init__(self, clock: Clock, endpoint: Endpoint, service: str, timeout_seconds: float) -> None:
        self._clock = clock
        self._endpoint = endpoint
        self._subject = Subject(SubjectKind.NATS, service)
        self._timeout_seconds = timeout_seconds
        self._alive: bool | None = None
        self._full: Healthz | None = None
        self._full_error = ""
        self._unanswered = 0
        self._full_due = 0.0
        self._pause_seconds = FIRST_PAUSE_SECONDS

    async def observe(self) -> Sequence[Observation]:
        """Ask once. Nothing is raised: what could not be seen is an observation as well."""
        began = self._clock.monotonic()
        try:
            answer = await self._endpoint.ask(self._timeout_seconds, LIVENESS_PATH)
        except Unreachable as error:
            return [self._unseen(Outcome.DOWN, str(error), reachable=False)]
        except TargetAbsent as error:
            return [self._unseen(Outcome.NOT_OFFERED, str(error), reachable=Unknown(str(error)))]
        except SupervisorError as error:
            return [self._unseen(Outcome.UNKNOWN, str(error), reachable=Unknown(str(error)))]
        try:
            live = parse_healthz(answer.status, answer.body)
        except NotOffered as error:
            return [self._unseen(Outcome.NOT_OFFERED, str(error), answer, reachable=True)]
        except Unreadable as error:
            return [self._unseen(Outcome.UNKNOWN, str(error), answer, reachable=True)]
        if live.healthy is not self._alive:
            self._forget()
        self._alive = live.healthy
        if self._clock.monotonic() >= self._full_due:
            spent = self._clock.monotonic() - began
            await self._check_fully(max(SHORTEST_TIMEOUT_SECONDS, self._timeout_seconds - spent))
        return [self._seen(live)]

    async def _check_fully(self, timeout_seconds: float) -> None:
        """Ask for the full check; when nothing comes of it, the last verdict stays."""
        try:
            answer = await self._endpoint.ask(timeout_seconds, FULL_CHECK_PATH)
            self._full = parse_healthz(answer.status, answer.body)
        except SupervisorError as error:
            self._full_error = str(error)
            self._unanswered += 1
        else:
            self._full_error, self._unanswered = "", 0
        well = self._full is not None and self._full.healthy and not self._full_error
        pause = LONGEST_PAUSE_SECONDS if well else self._pause_seconds
        self._full_due = self._clock.monotonic() + pause
        self._pause_seconds = FIRST_PAUSE_SECONDS if well else min(2 * pause, LONGEST_PAUSE_SECONDS)

    def _forget(self) -> None:
        """Ask for a full check as soon as the server is up again: it may be another one."""
        self._alive, self._full, self._full_error, self._unanswered = None, None, "", 0
        self._full_due, self._pause_seconds = 0.0, FIRST_PAUSE_SECONDS

    def _seen(self, live: Healthz) -> Observation:
        found = self._full.error if self._full else ""
        texts = {"error": live.error, "full_check": found, "full_check_unanswered": self._full_error}
        evidence = self._endpoint.evidence({name: text for name, text in texts.items() if text})
        facts: dict[str, FactValue] = {
            "reachable": True,
            "healthy": live.healthy,
            "full_check_passed": self._full_check_passed(),
        }
        return self._observation(Outcome.OK, facts, evidence)

    def _full_check_passed(self) -> FactValue:
        if self._full is not None and self._unanswered < MOST_UNANSWERED:
            return self._full.healthy
        times = f"{self._unanswered} times in a row" if self._unanswered > 1 else "yet"
        return Unknown(f"its full check gave no result {times}: {self._full_error}")

    def _unseen(
        self, outcome: Outcome, error: str, answer: Answer | None = None, *, reachable: FactValue
    ) -> Observation:
        self._forget()
        evidence = self._endpoint.evidence({"error": error}, answer)
        unknown = dict.fromkeys(("healthy", "full_check_passed"), Unknown(error))
        return self._observation(outcome, {"reachable": reachable, **unknown}, evidence)

    def _observation(
        self, outcome: Outcome, facts: Mapping[str, FactValue], evidence: Mapping[str, str]
    ) -> Observation:
        shown = self._endpoint.facts(facts)
        return Observation(self.name, self._subject, self._clock.instant(), shown, evidence, outcome)
