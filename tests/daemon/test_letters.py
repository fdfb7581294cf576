"""What becomes of a message that was given up when somebody asks for it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from semsupervisor.alerts.notification import NotificationKind
from semsupervisor.alerts.turn import Policy
from semsupervisor.daemon.letters import Letters
from semsupervisor.kit.tasks import TaskOwner
from tests.support.alerting import DIED, SERVICE, TOPOLOGY, WEBHOOK, saw
from tests.support.clock import ManualClock
from tests.support.heart import Heart

pytestmark = pytest.mark.usefixtures("logs")


class Desk:
    """The acts on a real outbox in which one message was given up; `hurried` are the receivers tried at once."""

    def __init__(self, heart: Heart) -> None:
        self.heart = heart
        self.hurried: list[str] = []
        self.letters = Letters(heart.outbox, heart.pipeline, heart.book, self.hurried.append)
        self.number = 0


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    """Return the acts, with one message that was given up."""
    clock = ManualClock()
    async with asyncio.TaskGroup() as group:
        owner = TaskOwner(group, clock)
        policy = Policy("edge-7", [DIED], [WEBHOOK], TOPOLOGY)
        desk = Desk(Heart(tmp_path / "state.db", policy, owner, clock))
        await desk.heart.load()
        await desk.heart.see(saw(SERVICE, {"died": True}))
        entry = desk.heart.outbox.head("hook")
        assert entry is not None
        desk.number = entry.id
        await desk.heart.outbox.dead(entry, "410 Gone")
        yield desk
        await owner.stop()
        await desk.heart.close()


async def test_what_is_sent_again_is_sent_at_once(desk: Desk) -> None:
    """It is queued, once, and its receiver is tried without waiting out a pause."""
    assert await desk.letters.retry(desk.number)
    assert not await desk.letters.retry(desk.number)
    assert desk.heart.queued() == [("hook", NotificationKind.FIRING, DIED.name)]
    assert desk.hurried == ["hook"]


async def test_what_is_over_is_sent_as_that(desk: Desk) -> None:
    """A beginning that is sent again after the end is told as the end that it has."""
    await desk.heart.see(saw(SERVICE, {"died": False}), after_seconds=5)
    await desk.heart.deliver_all()
    assert await desk.letters.retry(desk.number)
    assert desk.heart.queued() == [("hook", NotificationKind.RESOLVED, DIED.name)]


async def test_what_is_dropped_is_written_down(desk: Desk) -> None:
    """It is gone, once, and the timeline says what it was about."""
    assert await desk.letters.drop(desk.number)
    assert not await desk.letters.drop(desk.number)
    (entry,) = await desk.heart.book.timeline(1)
    assert (entry.kind, entry.subject, DIED.title in entry.text) == ("outbox.dropped", "receiver:hook", True)
    assert (desk.heart.queued(), desk.hurried) == ([], [])
