"""Receivers that rest are told."""

from __future__ import annotations

from semsupervisor.daemon.resting import Resting
from semsupervisor.kit.clock import SystemClock
from semsupervisor.settings.load import Loaded
from semsupervisor.settings.model import Receiver, Settings, WebhookReceiver

CLOCK = SystemClock()


async def test_receivers_that_rest_are_seen_until_they_do_not() -> None:
    """Each is told with the reason; one that rests no more is told once, and so is one that was removed."""
    resting = {"ops": "no secret", "mail": "no certificate"}
    known: dict[str, Receiver] = {name: WebhookReceiver(url="http://hook.example") for name in ("ops", "mail", "hook")}
    settings = Settings(receivers=known)
    loaded = Loaded(settings=settings, path=None, origins={}, references={}, findings=(), resting=resting)
    watching = Resting(CLOCK, lambda: loaded)
    seen = await watching.observe()
    assert [(str(one.subject), one.facts, one.evidence) for one in seen] == [
        ("receiver:mail", {"resting": True}, {"error": "no certificate"}),
        ("receiver:ops", {"resting": True}, {"error": "no secret"}),
    ]
    resting.clear()
    del known["mail"]
    seen = await watching.observe()
    assert [(str(one.subject), one.facts, one.gone) for one in seen] == [
        ("receiver:mail", {}, True),
        ("receiver:ops", {"resting": False}, False),
    ]
    assert await watching.observe() == []
