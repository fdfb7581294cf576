"""What an operator may do about a message that was given up: have it sent again, or drop it."""

from __future__ import annotations

from collections.abc import Callable

from semsupervisor.alerts.book import Book
from semsupervisor.alerts.outbox import Outbox
from semsupervisor.health.observation import Subject, SubjectKind
from semsupervisor.pipeline import Pipeline


class Letters:
    """The acts. `hurry` lets delivery try a receiver at once: who asks has mended something there."""

    def __init__(self, outbox: Outbox, pipeline: Pipeline, book: Book, hurry: Callable[[str], None]) -> None:
        self._outbox = outbox
        self._pipeline = pipeline
        self._book = book
        self._hurry = hurry

    async def retry(self, entry_id: int) -> bool:
        """Queue a dead letter again as what is to be told now; False when there is none of that id.

        Raises: StoreError; PermanentError when it would say something wrong by now.
        """
        receiver = await self._pipeline.retry(entry_id, self._book)
        if receiver is None:
            return False
        self._hurry(receiver)
        return True

    async def drop(self, entry_id: int) -> bool:
        """Forget a dead letter; False when there is none of that id. Raises: StoreError."""
        dropped = await self._outbox.drop(entry_id)
        if dropped:
            titles = ", ".join(alert.title for alert in dropped.notification.alerts)
            text = f"a message that was given up was dropped by hand: {dropped.notification.kind.value}, {titles}"
            about = Subject(SubjectKind.RECEIVER, dropped.receiver)
            await self._pipeline.note("outbox.dropped", about, text, {})
        return dropped is not None
