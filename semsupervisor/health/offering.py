"""Asking for what a program offers in one of several places: they are tried in turn, then the right one is kept to."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

from semsupervisor.errors import SupervisorError, TemporaryError
from semsupervisor.health.reaching import Endpoint, Unreachable
from semsupervisor.systems.bodies import NotOffered, Unreadable
from semsupervisor.systems.http import Answer, BadRedirect, BodyTooLarge

T = TypeVar("T")


class Strange(TemporaryError):
    """Something answered, and nothing can be made of it; `answer` is what came, if it was kept."""

    def __init__(self, message: str, answer: Answer | None) -> None:
        self.answer = answer
        super().__init__(message)


class Offering(Generic[T]):
    """What is asked for, in the places where it may be; `parse` makes something of an answer.

    `parse` raises NotOffered for the answer of somebody who does not have it, and Unreadable.
    """

    def __init__(self, places: Sequence[Endpoint], parse: Callable[[Answer], T]) -> None:
        self._places = places
        self._parse = parse
        self._found: Endpoint | None = None

    @property
    def is_found(self) -> bool:
        """Tell whether it was offered when it was last asked for with an answer."""
        return self._found is not None

    @property
    def shown(self) -> Endpoint:
        """Return the place that masks the texts of others: all do it alike."""
        return self._found or self._places[0]

    async def ask(self, timeout_seconds: float) -> T:
        """Ask where it was offered last, or in one place after the other until one has it.

        Raises: NotOffered when nobody has it; Strange; Unreachable when nothing answers; another SupervisorError when
        that cannot be said.
        """
        if self._found is not None:
            try:
                return await self._asked(self._found, timeout_seconds)
            except NotOffered:
                self._found = None
        errors: list[SupervisorError] = []
        for place in self._places:
            try:
                outcome = await self._asked(place, timeout_seconds / len(self._places))
            except SupervisorError as error:
                errors.append(error)
            else:
                self._found = place
                return outcome
        raise _worth_telling(errors)

    async def _asked(self, place: Endpoint, timeout_seconds: float) -> T:
        try:
            answer = await place.ask(timeout_seconds)
        except BodyTooLarge as error:
            raise Strange(str(error), error.answer) from error
        except BadRedirect as error:
            raise Strange(str(error), None) from error
        try:
            return self._parse(answer)
        except Unreadable as error:
            raise Strange(str(error), answer) from error


def _worth_telling(errors: Sequence[SupervisorError]) -> SupervisorError:
    """Return what to say when no place has it: what is strange or open, then that one of them does not have it."""

    def rank(error: SupervisorError) -> int:
        match error:
            case Unreachable():
                return 2
            case NotOffered():
                return 1
            case _:
                return 0

    return min(errors, key=rank)
