"""What is read from the table of the outbox."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from semsupervisor.alerts import outbox_rows
from semsupervisor.alerts.notification import NotificationKind
from tests.support.clock import ManualClock
from tests.support.logs import Logs
from tests.support.post import Post
from tests.support.told import told

FIRST, SECOND, THIRD = (told(NotificationKind.FIRING, number=number) for number in (1, 2, 3))


@pytest.fixture
async def post(tmp_path: Path) -> AsyncIterator[Post]:
    """Return an outbox with three messages for ops, of which the first was delivered and the second given up."""
    post = Post(tmp_path, ManualClock())
    first, second, _ = await post.put("ops", FIRST, SECOND, THIRD)
    await post.outbox.delivered(first)
    await post.outbox.dead(second, "refused")
    await post.put("mail", FIRST)
    yield post
    await post.close()


async def test_what_waits_comes_in_its_order(post: Post) -> None:
    """Neither delivered nor dead messages are among it, and the whole notification comes back."""
    queued = await post.store.read(outbox_rows.queued)
    assert [(entry.receiver, entry.notification) for entry in queued] == [("ops", THIRD), ("mail", FIRST)]
    assert queued == [post.outbox.head("ops"), post.outbox.head("mail")]


async def test_dead_letters_are_found_and_counted(post: Post) -> None:
    """The newest first, at most as many as asked for, by id only if they are dead."""
    (dead,) = await post.store.read(lambda connection: outbox_rows.dead(connection, 10))
    assert (dead.notification, dead.attempts, dead.last_error) == (SECOND, 1, "refused")
    assert await post.store.read(lambda connection: outbox_rows.dead(connection, 0)) == []
    assert await post.store.read(lambda connection: outbox_rows.dead_of_id(connection, dead.id)) == dead
    assert await post.store.read(lambda connection: outbox_rows.dead_of_id(connection, dead.id + 1)) is None
    assert await post.store.read(outbox_rows.dead_by_receiver) == {"ops": 1}


async def test_a_row_that_makes_no_sense_holds_up_no_other(post: Post, logs: Logs) -> None:
    """A message that cannot be read any more is said and left out."""
    await post.store.write(lambda db: db.execute("UPDATE outbox SET body = '{' WHERE receiver = 'mail'"))
    assert [entry.receiver for entry in await post.store.read(outbox_rows.queued)] == ["ops"]
    assert (logs[-1]["event"], logs[-1]["receiver"]) == ("outbox.row_unreadable", "mail")


async def test_ids_go_on_where_they_ended(post: Post, tmp_path: Path) -> None:
    """The highest id of the table, whatever became of its message; 0 in an empty one."""
    head = post.outbox.head("mail")
    assert head is not None
    assert await post.store.read(outbox_rows.last_id) == head.id
    folder = tmp_path / "empty"
    folder.mkdir()
    empty = Post(folder, ManualClock())
    assert await empty.store.read(outbox_rows.last_id) == 0
    await empty.close()
