"""What delivery asks of a receiver, whatever the way by which it is reached."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Protocol

from semsupervisor.alerts.notification import Notification
from semsupervisor.errors import PermanentError, SupervisorError, TemporaryError


class RetryLater(TemporaryError):
    """The receiver said when to come back; `after_seconds` is 0 when it did not."""

    def __init__(self, message: str, after_seconds: float = 0.0) -> None:
        self.after_seconds = after_seconds
        super().__init__(message)


class Sender(Protocol):
    """One way to one receiver."""

    @property
    def name(self) -> str:
        """The name of its queue in the outbox: that of the receiver, or `receiver/address` if there are several."""
        ...

    @property
    def patience_seconds(self) -> float:
        """How long after it was queued a message about a new alert may wait for evidence."""
        ...

    async def send(self, notification: Notification) -> None:
        """Hand one notification over; the same one again must do no harm.

        Raises: TemporaryError when trying later may help, PermanentError when the receiver refuses it.
        """
        ...


class NotAllTook(PermanentError):
    """Some or all of those that a receiver stands for did not take a message; `each` says of everyone what came."""

    def __init__(self, message: str, each: Sequence[str]) -> None:
        self.each = tuple(each)
        super().__init__(message)


class Fanout:
    """A receiver that stands for several, each with a queue of its own.

    So none of them waits for another, and who has a message does not get it again because another has refused it.
    """

    def __init__(self, name: str, parts: tuple[Sender, ...]) -> None:
        self.name = name
        self.parts = parts
        self.patience_seconds = 0.0

    async def send(self, notification: Notification) -> None:
        """Hand a notification over to each at the same time, for a test of the way.

        Raises: NotAllTook, once all were tried.
        """
        errors = await asyncio.gather(*(self._error(part, notification) for part in self.parts))
        failed = sum(error is not None for error in errors)
        if failed:
            each = [f"{part.name}: {error or 'took it'}" for part, error in zip(self.parts, errors, strict=True)]
            raise NotAllTook(f"{failed} of its {len(errors)} addresses did not take it", each)

    async def _error(self, part: Sender, notification: Notification) -> SupervisorError | None:
        try:
            await part.send(notification)
        except SupervisorError as error:
            return error
        return None
