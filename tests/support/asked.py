"""An endpoint of a probe whose answers the test gives, one after the other."""

from __future__ import annotations

import json

from semsupervisor.errors import SupervisorError
from semsupervisor.health.reaching import Endpoint
from semsupervisor.health.targets import UrlTarget
from semsupervisor.systems.http import Answer
from tests.support.clock import ManualClock

ELAPSED_SECONDS = 0.25


def answer(body: object, status: int = 200) -> Answer:
    """Return an answer with these bytes, or this value as JSON."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return Answer(status=status, headers={}, body=content, elapsed_seconds=ELAPSED_SECONDS)


class Answering:
    """Gives the next of the answers, or raises it; the last one again and again. Secrets are the word hunter2."""

    def __init__(self, *answers: Answer | SupervisorError) -> None:
        self.clock = ManualClock()
        self.answers = list(answers)
        self.paths: list[str] = []
        self.timeouts: list[float] = []

    @property
    def endpoint(self) -> Endpoint:
        """Return the endpoint."""
        return Endpoint(
            self.clock,
            self._get,
            UrlTarget("http://target"),
            lambda _: None,
            lag_since=lambda _: 0.0,
            mask=lambda text: text.replace("hunter2", "***"),
        )

    async def _get(self, url: str, timeout_seconds: float) -> Answer:
        self.paths.append(url.removeprefix("http://target"))
        self.timeouts.append(timeout_seconds)
        self.clock.advance(ELAPSED_SECONDS)
        outcome = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(outcome, Answer):
            return outcome
        raise outcome
