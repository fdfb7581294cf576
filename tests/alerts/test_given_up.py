"""Dead letters: counted, handed out once, and there still when the database they lay in is not."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from semsupervisor.alerts.given_up import GivenUp, as_it_was
from semsupervisor.alerts.notification import NotificationKind, OutboxEntry
from semsupervisor.errors import PermanentError, StoreError
from tests.support.clock import ManualClock
from tests.support.post import Post
from tests.support.told import told

pytestmark = pytest.mark.usefixtures("logs")

MESSAGES = [told(NotificationKind.FIRING, number=number) for number in range(1, 4)]


@pytest.fixture
async def post(tmp_path: Path) -> AsyncIterator[Post]:
    """Return an empty outbox."""
    post = Post(tmp_path, ManualClock())
    await post.outbox.load()
    yield post
    await post.close()


def broken(connection: sqlite3.Connection) -> None:
    """Find the database damaged."""
    error = sqlite3.DatabaseError("database disk image is malformed")
    error.sqlite_errorcode = sqlite3.SQLITE_CORRUPT
    raise error


async def set_aside(post: Post) -> None:
    """Let the database be set aside under the outbox, and all be written again."""
    with pytest.raises(StoreError):
        await post.store.write(broken)
    assert await post.journal.catch_up()
    await post.outbox.load()


async def test_dead_letters_are_taken_over_from_a_broken_database(post: Post) -> None:
    """What lay in the old one lies in the new one, is counted, and can be sent again once; what was sent does not."""
    first, second, third = await post.put("ops", *MESSAGES)
    for entry in (first, second):
        await post.outbox.dead(entry, "refused")
    assert await post.outbox.retry(second.id)
    await set_aside(post)
    assert [entry.id for entry in await post.outbox.dead_letters(10)] == [first.id]
    assert post.outbox.depth("ops").dead == 1
    assert [entry.notification for entry in post.outbox.queued()] == [third.notification, second.notification]
    assert await post.outbox.retry(first.id)
    assert not await post.outbox.retry(first.id)


async def test_one_that_never_reached_the_disk_is_written_again(post: Post) -> None:
    """Given up while the disk was full and forgotten by the journal, it lies there when all is written again."""
    (entry,) = await post.put("ops", MESSAGES[0])
    given_up = GivenUp(post.store, post.journal, ManualClock())
    given_up.add(entry)
    await post.store.write(given_up.whole(others_end=False))
    assert list((await post.states()).values()) == ["dead"]
    given_up.remove(entry)
    assert given_up.counts == {}


async def test_what_cannot_be_renewed_stays_where_it_was(post: Post) -> None:
    """When it cannot be said what is to be told now, the dead letter is there for the next time."""
    (entry,) = await post.put("ops", MESSAGES[0])
    await post.outbox.dead(entry, "refused")

    async def refuse(_: OutboxEntry) -> None:
        raise PermanentError("not now")

    with pytest.raises(PermanentError, match="not now"):
        await post.outbox.retry(entry.id, refuse)
    assert post.outbox.depth("ops").dead == 1
    assert await post.outbox.retry(entry.id, as_it_was)
