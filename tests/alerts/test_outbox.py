"""The queues of all receivers, in memory and in a real database."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest

from semsupervisor.alerts import outbox_rows
from semsupervisor.alerts.notification import NotificationKind, OutboxEntry
from semsupervisor.alerts.outbox_rows import trim
from tests.support.clock import START, ManualClock
from tests.support.post import Post
from tests.support.told import DIED, MEMORY, told

pytestmark = pytest.mark.usefixtures("logs")

MESSAGES = [told(NotificationKind.FIRING, number=number) for number in range(1, 4)]
LATE = {"oom": "no"}


@pytest.fixture
def clock() -> ManualClock:
    """Return a clock that the test moves."""
    return ManualClock()


@pytest.fixture
async def post(tmp_path: Path, clock: ManualClock) -> AsyncIterator[Post]:
    """Return an empty outbox."""
    post = Post(tmp_path, clock)
    yield post
    await post.close()


def evidence(entry: OutboxEntry | None) -> dict[str, str]:
    """Return what a message says of its first alert."""
    assert entry is not None
    return dict(entry.notification.alerts[0].evidence)


async def test_each_receiver_has_its_own_order(post: Post) -> None:
    """The oldest is at the head; what is done with leaves, and nobody else's queue moves."""
    first, second = await post.put("ops", *MESSAGES[:2])
    (other,) = await post.put("mail", MESSAGES[2])
    assert (post.outbox.head("ops"), post.outbox.head("mail")) == (first, other)
    await post.outbox.delivered(first)
    assert (post.outbox.head("ops"), post.outbox.head("mail")) == (second, other)
    assert post.outbox.queued() == [second, other]
    assert await post.reloaded() == [second, other]


async def test_waiting_ends_when_there_is_something(post: Post) -> None:
    """At once if there is already, else when the receiver's own queue is filled."""
    waiting = asyncio.create_task(post.outbox.wait("ops"))
    await post.put("mail", MESSAGES[0])
    assert not waiting.done()
    await post.put("ops", MESSAGES[0])
    await asyncio.wait_for(waiting, 5)
    await asyncio.wait_for(post.outbox.wait("mail"), 5)


async def test_what_is_taken_up_wakes_its_receiver(post: Post, tmp_path: Path, clock: ManualClock) -> None:
    """After a start what waited is there, of unknown age, and new messages come behind it."""
    (kept,) = await post.put("ops", MESSAGES[0])
    clock.advance(5.0)
    assert post.outbox.queued_for_seconds(kept) == 5.0
    await post.close()
    again = Post(tmp_path, clock)
    await again.outbox.load()
    await asyncio.wait_for(again.outbox.wait("ops"), 5)
    assert again.outbox.queued_for_seconds(kept) == float("inf")
    (new,) = await again.put("ops", MESSAGES[1])
    assert new.id > kept.id
    assert [entry.notification for entry in again.outbox.queued()] == MESSAGES[:2]
    await again.close()


async def test_an_entry_ages_while_it_is_committed(post: Post, clock: ManualClock) -> None:
    """Its age counts from when it was made, so that a slow disk and the wait for evidence do not add up."""
    entry = post.outbox.make("ops", MESSAGES[0])
    clock.advance(0.5)
    post.outbox.accept([entry])
    assert post.outbox.queued_for_seconds(entry) == 0.5


async def test_a_failed_attempt_is_counted(post: Post) -> None:
    """Attempts, time and the last error, in memory and in the table."""
    (entry,) = await post.put("ops", MESSAGES[0])
    tried = await post.outbox.failed(entry, "no route", 3.5)
    tried = await post.outbox.failed(tried, "refused", 2.0)
    assert (tried.attempts, tried.tried_seconds, tried.last_error) == (2, 5.5, "refused")
    assert post.outbox.head("ops") == tried
    assert post.outbox.depth("ops").failed_total == 2
    assert await post.reloaded() == [tried]


async def test_a_dead_letter_is_kept_and_can_be_sent_again(post: Post) -> None:
    """It leaves the queue, is found with its error, and goes back behind what waits, once."""
    first, second = await post.put("ops", *MESSAGES[:2])
    await post.outbox.dead(first, "refused")
    assert post.outbox.head("ops") == second
    (dead,) = await post.outbox.dead_letters(10)
    assert (dead.notification, dead.attempts, dead.last_error) == (MESSAGES[0], 1, "refused")
    assert await post.outbox.retry(dead.id)
    assert not await post.outbox.retry(dead.id)
    assert [entry.notification for entry in post.outbox.queued()] == [MESSAGES[1], MESSAGES[0]]
    assert (post.outbox.queued()[-1].attempts, post.outbox.queued()[-1].last_error) == (0, "")
    assert [entry.notification for entry in await post.reloaded()] == [MESSAGES[1], MESSAGES[0]]


async def test_a_dead_letter_can_be_dropped(post: Post) -> None:
    """Once, and then neither its receiver nor a later start knows of it; one that was sent again is none any more."""
    first, second = await post.put("ops", *MESSAGES[:2])
    await post.outbox.dead(first, "refused")
    await post.outbox.dead(second, "refused")
    dropped = await post.outbox.drop(first.id)
    assert dropped is not None
    assert dropped.notification == MESSAGES[0]
    assert await post.outbox.drop(first.id) is None
    assert not await post.outbox.retry(first.id)
    assert [entry.id for entry in await post.outbox.dead_letters(10)] == [second.id]
    assert post.outbox.depth("ops").dead == 1
    assert await post.outbox.retry(second.id)
    assert await post.outbox.drop(second.id) is None


async def test_receivers_with_something_are_known(post: Post) -> None:
    """Queued or dead; looking at a queue does not make a receiver of it."""
    (entry,) = await post.put("ops", MESSAGES[0])
    assert post.outbox.depth("stranger").queued == 0
    assert post.outbox.head("stranger") is None
    assert post.outbox.receivers() == ("ops",)
    await post.outbox.dead(entry, "refused")
    assert post.outbox.receivers() == ("ops",)
    (dead,) = await post.outbox.dead_letters(1)
    await post.outbox.retry(dead.id)
    (head,) = post.outbox.queued()
    await post.outbox.delivered(head)
    assert post.outbox.receivers() == ()


async def test_a_queue_tells_its_depth(post: Post, clock: ManualClock) -> None:
    """How many wait and since when, and how many were delivered."""
    first, *_ = await post.put("ops", *MESSAGES)
    clock.advance(60.0)
    depth = post.outbox.depth("ops")
    assert (depth.queued, depth.oldest_queued_at) == (3, START)
    await post.outbox.delivered(first)
    assert (post.outbox.depth("ops").delivered_total, post.outbox.depth("ops").queued) == (1, 2)


async def test_a_message_leaves_with_the_evidence_there_is(post: Post) -> None:
    """What came in time is part of it from then on; the receiver is among those who know."""
    (entry,) = await post.put("ops", told(NotificationKind.FIRING, DIED, MEMORY))
    assert post.outbox.begin(entry, {}) == entry
    sent = post.outbox.begin(entry, LATE)
    assert evidence(sent) == {**DIED.evidence, **LATE}
    assert sent.notification.alerts[1] == MEMORY
    assert post.outbox.head("ops") == sent
    enriched = post.outbox.enrich(DIED.id, LATE)
    assert not enriched.changed
    assert enriched.knowing == {"ops"}
    assert post.outbox.enrich(DIED.id, LATE).knowing == frozenset()


async def test_evidence_reaches_what_did_not_leave_yet(post: Post) -> None:
    """Waiting messages about the alert take it up; who was sent one without it does not know of it."""
    (left,) = await post.put("ops", told(NotificationKind.FIRING))
    await post.put("mail", told(NotificationKind.FIRING), told(NotificationKind.FIRING, MEMORY))
    post.outbox.begin(left, {})
    enriched = post.outbox.enrich(DIED.id, LATE)
    assert enriched.knowing == {"mail"}
    assert list(enriched.changed) == [post.outbox.head("mail")]
    assert evidence(post.outbox.head("mail")) == {**DIED.evidence, **LATE}
    assert evidence(post.outbox.head("ops")) == DIED.evidence


async def test_a_split_message_is_a_copy_for_each(post: Post) -> None:
    """Under one key, behind what each has already; what is added meanwhile reaches the copies."""
    await post.put("mail/a", MESSAGES[0])
    (entry,) = await post.put("mail", told(NotificationKind.FIRING))
    splitting = asyncio.create_task(post.outbox.split(entry, ["mail/a", "mail/b"]))
    await asyncio.sleep(0)
    assert post.outbox.head("mail") is None
    assert len(post.outbox.enrich(DIED.id, LATE).changed) == 3
    await splitting
    keys = [(waiting.receiver, waiting.notification.key) for waiting in post.outbox.queued()]
    assert keys == [("mail/a", MESSAGES[0].key), ("mail/a", entry.notification.key), ("mail/b", entry.notification.key)]
    assert evidence(post.outbox.head("mail/b")) == {**DIED.evidence, **LATE}


async def test_a_late_word_about_a_message_that_is_gone_changes_nothing(post: Post) -> None:
    """An entry that is no longer at the head neither comes back nor takes another with it."""
    first, second = await post.put("ops", *MESSAGES[:2])
    await post.outbox.delivered(first)
    await post.outbox.delivered(first)
    await post.outbox.failed(first, "late", 1.0)
    assert post.outbox.queued() == [second]


async def test_only_old_delivered_messages_are_trimmed(post: Post) -> None:
    """What waits or is dead stays, however old."""
    first, second, third = await post.put("ops", *MESSAGES)
    await post.outbox.dead(first, "refused")
    await post.outbox.delivered(second)
    await post.put("ops", *MESSAGES)
    await post.journal.commit(lambda connection: trim(connection, 100))
    assert len(await post.states()) == 3
    await post.journal.commit(lambda connection: trim(connection, 2))
    rows = await post.store.read(lambda db: db.execute("SELECT id, state FROM outbox ORDER BY id").fetchall())
    assert rows == [(first.id, "dead"), (third.id, "queued"), *((third.id + more, "queued") for more in (1, 2, 3))]


async def test_few_delivered_messages_are_kept_however_many_may_be(post: Post, monkeypatch: pytest.MonkeyPatch) -> None:
    """The setting for the timeline does not let the outbox grow."""
    monkeypatch.setattr(outbox_rows, "MOST_DELIVERED", 1)
    for entry in await post.put("ops", *MESSAGES):
        await post.outbox.delivered(entry)
    await post.journal.commit(lambda connection: trim(connection, 100))
    assert list(await post.states()) == [("ops", MESSAGES[-1].key)]


async def test_log_lines_are_kept_until_they_are_taken(post: Post) -> None:
    """A message that waits or was given up has its log lines in the table, one that was delivered has not."""
    logged = msgspec.structs.replace(DIED, evidence={"exit_code": "3", "last_log_lines": "panic"})
    messages = [told(NotificationKind.FIRING, logged, number=number) for number in range(3)]
    first, second, _ = await post.put("ops", *messages)
    await post.outbox.delivered(first)
    await post.outbox.dead(second, "refused")
    rows = await post.store.read(lambda db: db.execute("SELECT state, body FROM outbox ORDER BY id").fetchall())
    assert [(state, "panic" in body) for state, body in rows] == [
        ("delivered", False),
        ("dead", True),
        ("queued", True),
    ]
    assert '"exit_code":"3"' in rows[0][1]


async def test_that_it_is_over_takes_no_log_lines_up(post: Post) -> None:
    """Evidence that comes late goes into a message about the end too, but for the log lines."""
    (entry,) = await post.put("ops", told(NotificationKind.RESOLVED, DIED))
    post.outbox.enrich(DIED.id, {"last_log_lines": "panic", **LATE})
    known = evidence(post.outbox.head("ops"))
    assert known == {**entry.notification.alerts[0].evidence, **LATE}
    assert known["last_log_lines"] != "panic"
