"""Receivers and messages on their way."""

from __future__ import annotations

import msgspec

from semsupervisor.api import outgoing, present
from tests.support.api_world import World, depth, message


def test_the_outbox_shows_what_waits_and_what_was_given_up() -> None:
    """Waiting messages come before dead letters; a receiver shows the error of its oldest message."""
    world = World()
    world.depths["ops"] = depth(queued=2, dead=1)
    world.queued = [message(1, last_error="refused"), message(2, last_error="")]
    shown = outgoing.outbox(world.readings(), [message(3, last_error="gone")])
    assert [(one.id, one.dead) for one in shown.messages] == [(1, False), (2, False), (3, True)]
    assert shown.messages[0].alerts == ("service:nats: container died",)
    ops, mail = shown.receivers
    assert (ops.queued, ops.dead_letters, ops.last_error) == (2, 1, "refused")
    assert (mail.queued, mail.last_error) == (0, "")


def test_the_addresses_of_a_receiver_stand_below_it() -> None:
    """The receiver has the sums and the error of what waits longest; one without addresses has none."""
    world = World()
    world.receivers = ["hook", "ops/a@example.org", "ops/b@example.org", "old/c@example.org"]
    world.depths = {name: depth() for name in world.receivers}
    world.depths["ops/a@example.org"] = depth(queued=2)
    later = depth(queued=3, dead=1)
    world.depths["ops/b@example.org"] = msgspec.structs.replace(later, oldest_queued_at=world.clock.now())
    world.queued = [message(1, "ops/b@example.org", "550 unknown"), message(2, "ops/a@example.org", "451 later")]
    hook, ops, old = present.status(world.readings()).receivers
    assert (hook.name, hook.addresses) == ("hook", ())
    assert (ops.name, ops.queued, ops.dead_letters, ops.delivered_total) == ("ops", 5, 1, 14)
    assert (ops.oldest_queued_at, ops.last_error) == (depth(queued=1).oldest_queued_at, "451 later")
    assert [(way.name, way.queued, way.last_error) for way in ops.addresses] == [
        ("a@example.org", 2, "451 later"),
        ("b@example.org", 3, "550 unknown"),
    ]
    assert [way.name for way in old.addresses] == ["c@example.org"]
