"""Notifications as mail."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from email.utils import parsedate_to_datetime

import msgspec
import pytest

from semsupervisor.alerts.notification import Notification, NotificationKind
from semsupervisor.alerts.receivers.email import EmailSender, letter, message_id
from semsupervisor.alerts.rules import Rule, Severity
from semsupervisor.errors import PermanentError, TemporaryError
from semsupervisor.settings.forms import Secret
from semsupervisor.settings.model import EmailReceiver
from tests.support.certificates import Certificate, self_signed
from tests.support.clock import START, ManualClock
from tests.support.mail import mail_server
from tests.support.told import DIED, MEMORY, told

SENDER, TO = "edge@site.example", ("ops@example.org", "night@example.org")


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    """Return a certificate that no system trusts."""
    return self_signed(tmp_path_factory.mktemp("certificate"))


def read(notification: Notification) -> EmailMessage:
    """Return the mail of a notification as a mail program reads it."""
    sent = letter(notification, SENDER, TO, START + timedelta(seconds=1)).as_bytes()
    assert sent.isascii()
    assert max(len(line) for line in sent.split(b"\r\n")) <= 998
    assert b"\n" not in sent.replace(b"\r\n", b"")
    message = message_from_bytes(sent, policy=default)
    assert isinstance(message, EmailMessage)
    assert not message.defects
    return message


def part(mail: EmailMessage, kind: str) -> str:
    """Return the plain or the html part."""
    body = mail.get_body((kind,))
    assert body is not None
    return str(body.get_content())


def test_the_head_of_a_mail() -> None:
    """From, to, subject and date are for people; the rest is for filters and for auto-responders to keep quiet."""
    mail = read(told(NotificationKind.FIRING))
    assert mail["From"] == f"semsupervisor on edge-7 <{SENDER}>"
    assert mail["To"] == "ops@example.org, night@example.org"
    assert mail["Subject"] == "[CRITICAL] edge-7: semstreams ended with exit code 137, and nobody had asked for it"
    assert parsedate_to_datetime(mail["Date"]) == START + timedelta(seconds=1)
    assert {name: mail[name] for name in ("Auto-Submitted", "Importance", "X-Priority")} == {
        "Auto-Submitted": "auto-generated",
        "Importance": "high",
        "X-Priority": "1",
    }
    assert {name: value for name, value in mail.items() if name.startswith("X-Semsupervisor")} == {
        "X-Semsupervisor-Host": "edge-7",
        "X-Semsupervisor-Kind": "firing",
        "X-Semsupervisor-Severity": "critical",
        "X-Semsupervisor-Rule": "container_died",
    }


def test_both_bodies_say_it() -> None:
    """Plain text first, HTML as the richer alternative."""
    mail = read(told(NotificationKind.FIRING))
    assert mail.get_content_type() == "multipart/alternative"
    assert [one.get_content_type() for one in mail.iter_parts()] == ["text/plain", "text/html"]
    assert "  | last <line> & more" in part(mail, "plain")
    assert "last &lt;line&gt; &amp; more" in part(mail, "html")


def test_only_what_is_critical_is_urgent() -> None:
    """A warning and the end of something critical do not ring."""
    for notification in (told(NotificationKind.FIRING, MEMORY), told(NotificationKind.RESOLVED)):
        assert "Importance" not in read(notification)


@pytest.mark.parametrize("kind", [NotificationKind.RESOLVED, NotificationKind.UPDATE])
def test_what_follows_lands_under_its_alert(kind: NotificationKind) -> None:
    """The end of an alert, and an update, answer the mail that began it."""
    began, follows = read(told(NotificationKind.FIRING)), read(told(kind))
    assert follows["In-Reply-To"] == follows["References"] == began["Message-ID"]
    assert follows["Message-ID"] != began["Message-ID"]
    assert "In-Reply-To" not in began


def test_threads_hold_with_the_keys_that_are_really_made(rule: Rule, firing_key: Callable[[Rule], str]) -> None:
    """The Message-ID that an end answers is the one made from the key of its firing."""
    assert message_id(firing_key(rule), SENDER) == read(told(NotificationKind.RESOLVED))["In-Reply-To"]


@pytest.fixture
def rule() -> Rule:
    """Return the rule of the example."""
    from semsupervisor.alerts.ruleset import defaults

    return next(rule for rule in defaults() if rule.name == DIED.rule)


@pytest.fixture
def firing_key() -> Callable[[Rule], str]:
    """Return what makes the key of the example's firing, by the product's own way."""
    from semsupervisor.alerts.lifecycle import Alert, AlertState
    from semsupervisor.alerts.telling import notification

    def key(rule: Rule) -> str:
        alert = Alert(
            id=DIED.id,
            rule=rule.name,
            title=rule.title,
            subject=DIED.subject,
            severity=Severity.CRITICAL,
            state=AlertState.FIRING,
            since=START,
            seen_at=START,
            value=True,
            summary="",
            limit="",
        )
        return notification(NotificationKind.FIRING, alert, rule, host="edge-7", at=START, consequences=()).key

    return key


def test_the_same_message_is_the_same_mail() -> None:
    """Another attempt, later, has the same Message-ID; another message has another."""
    again = letter(told(NotificationKind.FIRING), SENDER, TO, START + timedelta(days=3))
    assert again["Message-ID"] == read(told(NotificationKind.FIRING))["Message-ID"] == "<0195-died-firing@site.example>"
    assert read(told(NotificationKind.FIRING, MEMORY))["Message-ID"] != again["Message-ID"]


def test_words_of_the_world_and_of_attackers_stay_words() -> None:
    """Line breaks and other scripts in what was seen make no new header and come out as they went in."""
    alert = msgspec.structs.replace(
        DIED,
        summary="größer 世界\r\nBcc: all@example.org",
        evidence={"last_log_lines": f"{'é' * 3000}\n{'a' * 3000}\nx"},
    )
    mail = read(told(NotificationKind.FIRING, alert, host="kante\n7"))
    assert "Bcc" not in mail
    assert mail["Subject"] == "[CRITICAL] kante 7: größer 世界 Bcc: all@example.org"
    assert "größer 世界" in part(mail, "plain")


@pytest.mark.parametrize("key", ["a b<c>@d", "x\r\ny", "ü", "a..b"])
def test_any_key_makes_a_valid_message_id(key: str) -> None:
    """Only letters, digits, hyphens and underscores stand before the @."""
    assert re.fullmatch(r"<[A-Za-z0-9_-]+@site\.example>", message_id(key, SENDER))


def test_a_test_without_alerts_is_a_mail() -> None:
    """The marked test needs no example alert."""
    mail = read(msgspec.structs.replace(told(NotificationKind.TEST), alerts=()))
    assert mail["Subject"] == "[TEST] edge-7: a test message, nothing is wrong"
    assert mail["X-Semsupervisor-Rule"] == "none"


async def test_a_mail_goes_to_one_and_names_all(certificate: Certificate) -> None:
    """By STARTTLS and with a password, to the one recipient of this sender."""
    async with mail_server("starttls", certificate.server_context(), {"edge": "geheim"}) as server:
        settings = EmailReceiver(
            host="localhost",
            port=server.port,
            sender=SENDER,
            to=TO,
            username="edge",
            password=Secret("geheim", "a test"),
            ca_file=str(certificate.file),
        )
        await EmailSender("ops", settings, TO[1], ManualClock()).send(told(NotificationKind.FIRING))
    (mail,) = server.mails
    assert (mail.sender, mail.recipients, mail.encrypted, mail.login) == (SENDER, (TO[1],), True, "edge")
    assert mail.parsed()["To"] == ", ".join(TO)


@pytest.mark.parametrize(
    ("said", "error"), [("450 4.2.0 Greylisted", TemporaryError), ("550 5.1.1 No such user", PermanentError)]
)
async def test_a_refusal_is_for_now_or_for_good(said: str, error: type[Exception]) -> None:
    """What the server says decides whether the mail is tried again."""
    async with mail_server() as server:
        settings = EmailReceiver(host="localhost", port=server.port, sender=SENDER, to=TO[:1], security="none")
        server.say_to[TO[0]].append(said)
        sender = EmailSender("ops", settings, TO[0], ManualClock())
        with pytest.raises(error, match=said):
            await sender.send(told(NotificationKind.FIRING))
        await sender.send(told(NotificationKind.FIRING))
    assert len(server.mails) == 1
