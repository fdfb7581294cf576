"""Asking an endpoint by HTTP, and telling down from unknown: silence proves nothing while our own loop lags."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import TypeVar

from semsupervisor.errors import TemporaryError
from semsupervisor.health.observation import FactValue, Unknown
from semsupervisor.health.targets import AddressOf, Target, TargetStopped, resolve
from semsupervisor.kit.clock import Clock
from semsupervisor.systems.bodies import excerpt
from semsupervisor.systems.connecting import Broken, Garbled, Refused, TimedOut
from semsupervisor.systems.http import Answer

LAG_SECONDS = 1.0

T = TypeVar("T")
Get = Callable[[str, float], Awaitable[Answer]]


class Unreachable(TemporaryError):
    """The target is down: it refuses, hangs up or says nothing in time, or its container is known not to run."""


class NotRunning(Unreachable):
    """The target's container is known not to run, which is told where containers are watched."""


class OwnLoopLags(TemporaryError):
    """The target did not answer while our own loop lagged: nothing follows from it."""


async def reached(call: Awaitable[T], clock: Clock, lag_since: Callable[[float], float], timeout_seconds: float) -> T:
    """Return what a call to somebody else gives that bounds itself by that time.

    Raises: Unreachable when it is down; another TemporaryError or PermanentError when that cannot be said.
    """
    began = clock.monotonic()
    try:
        return await call
    except Garbled:
        raise
    except (Refused, TimedOut, Broken) as error:
        late = clock.monotonic() - began - timeout_seconds
        lag = max(lag_since(began), late)
        if lag > LAG_SECONDS:
            raise OwnLoopLags(f"{error}; the supervisor's own loop lagged by {lag:.1f} s meanwhile") from error
        raise Unreachable(str(error)) from error


class Endpoint:
    """One target to ask.

    `lag_since` gives our loop's largest lag in seconds since a monotonic time; `mask` takes secrets out of the texts of
    others that become evidence or facts.
    """

    def __init__(
        self,
        clock: Clock,
        get: Get,
        target: Target,
        address_of: AddressOf,
        *,
        lag_since: Callable[[float], float],
        mask: Callable[[str], str],
    ) -> None:
        self._clock = clock
        self._get = get
        self._target = target
        self._address_of = address_of
        self._lag_since = lag_since
        self._mask = mask

    async def ask(self, timeout_seconds: float, path: str = "") -> Answer:
        """Ask once and return whatever it answers.

        Raises: Unreachable when it is down; another TemporaryError or PermanentError when that cannot be said.
        """
        try:
            url = resolve(self._target, self._address_of, path)
        except TargetStopped as error:
            raise NotRunning(str(error)) from error
        return await reached(self._get(url, timeout_seconds), self._clock, self._lag_since, timeout_seconds)

    def evidence(self, texts: Mapping[str, str], answer: Answer | None = None) -> Mapping[str, str]:
        """Return texts for people, secrets masked, with the first bytes of an answer that could not be used."""
        shown = texts if answer is None else {**texts, "body": excerpt(answer.body)}
        return {name: self._mask(text) for name, text in shown.items()}

    def facts(self, facts: Mapping[str, FactValue]) -> Mapping[str, FactValue]:
        """Return facts with secrets masked in texts and in the reasons of what is unknown."""
        return {name: self._masked(value) for name, value in facts.items()}

    def _masked(self, value: FactValue) -> FactValue:
        match value:
            case str():
                return self._mask(value)
            case Unknown(reason=reason):
                return Unknown(self._mask(reason))
            case _:
                return value
