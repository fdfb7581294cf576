"""What delivery asks of a receiver, and which senders the settings make."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from semsupervisor.alerts.notification import Notification, NotificationKind
from semsupervisor.alerts.receivers import build
from semsupervisor.alerts.receivers.email import EmailSender
from semsupervisor.alerts.receivers.webhook import WebhookSender
from semsupervisor.alerts.sending import Fanout, NotAllTook, RetryLater
from semsupervisor.errors import PermanentError, SupervisorError, TemporaryError
from semsupervisor.settings.model import EmailReceiver, WebhookReceiver
from semsupervisor.systems.http import HttpClient
from tests.support.clock import ManualClock
from tests.support.told import told


class Recorder:
    """Takes or refuses what it is sent."""

    patience_seconds = 0.0

    def __init__(self, name: str, error: SupervisorError | None = None) -> None:
        self.name = name
        self.taken: list[str] = []
        self._error = error

    async def send(self, notification: Notification) -> None:
        """Note the key, or fail."""
        if self._error:
            raise self._error
        self.taken.append(notification.key)


@pytest.fixture
async def http() -> AsyncIterator[HttpClient]:
    """Return a client that is closed after the test."""
    client = HttpClient(ManualClock())
    yield client
    await client.close()


async def test_a_fanout_tries_everyone() -> None:
    """One who refuses does not keep the message from the others, and what came of each is told."""
    good, last = Recorder("good"), Recorder("last")
    bad, worse = Recorder("bad", PermanentError("no")), Recorder("worse", TemporaryError("later"))
    message = told(NotificationKind.TEST)
    with pytest.raises(NotAllTook, match="2 of its 4 addresses did not take it") as failed:
        await Fanout("mail", (good, bad, worse, last)).send(message)
    assert failed.value.each == ("good: took it", "bad: no", "worse: later", "last: took it")
    await Fanout("mail", (good, last)).send(message)
    assert good.taken == last.taken == [message.key] * 2


def test_a_wish_is_optional() -> None:
    """Without one the receiver leaves the pause to us."""
    assert RetryLater("busy").after_seconds == 0.0
    assert RetryLater("busy", 30).after_seconds == 30


async def test_each_receiver_gets_its_sender(http: HttpClient) -> None:
    """Webhooks and mail by their type; what is switched off gets none."""
    mail = EmailReceiver(host="mail.example", sender="edge@site.example", to=("ops@example.org",))
    senders = build(
        {
            "hook": WebhookReceiver(url="http://hook.example"),
            "chat": WebhookReceiver(url="http://chat.example", format="alertmanager"),
            "mail": mail,
            "off": WebhookReceiver(url="http://off.example", enabled=False),
        },
        http,
        ManualClock(),
    )
    assert sorted(senders) == ["chat", "hook", "mail", "mail/ops@example.org"]
    assert isinstance(senders["hook"], WebhookSender)
    assert isinstance(senders["mail"], EmailSender)
    assert (senders["hook"].patience_seconds, senders["mail"].patience_seconds) == (0.02, 5.0)
    assert senders["mail/ops@example.org"] is senders["mail"]
    assert senders["mail"].name == "mail"


async def test_mail_to_several_has_a_queue_for_each(http: HttpClient) -> None:
    """The receiver's own name stands for all of them, in the order of the settings."""
    mail = EmailReceiver(host="mail.example", sender="edge@site.example", to=("a@example.org", "b@example.org"))
    senders = build({"mail": mail}, http, ManualClock())
    assert list(senders) == ["mail", "mail/a@example.org", "mail/b@example.org"]
    fanout = senders["mail"]
    assert isinstance(fanout, Fanout)
    assert [part.name for part in fanout.parts] == ["mail/a@example.org", "mail/b@example.org"]
    assert [senders[part.name] for part in fanout.parts] == list(fanout.parts)
