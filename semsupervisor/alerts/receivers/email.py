"""Notifications as mail: plain text and HTML in one message, and what follows an alert in the thread it began."""

from __future__ import annotations

import re
from datetime import datetime
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime, formataddr

from semsupervisor.alerts.content import Message, Tone, compose, worst
from semsupervisor.alerts.markup import html, plain_text
from semsupervisor.alerts.notification import Notification, NotificationKind
from semsupervisor.kit.clock import Clock
from semsupervisor.settings.model import EmailReceiver
from semsupervisor.systems.connecting import Trust
from semsupervisor.systems.smtp import SmtpClient, SmtpServer

PATIENCE_SECONDS = 5.0

_POLICY = SMTP.clone(cte_type="7bit")
_NOT_IN_AN_ID = re.compile(r"[^A-Za-z0-9_-]")
_IN_A_THREAD = (NotificationKind.RESOLVED, NotificationKind.UPDATE)


class EmailSender:
    """Sends to one of the recipients of a receiver; the others are named in the message."""

    patience_seconds = PATIENCE_SECONDS

    def __init__(
        self, name: str, settings: EmailReceiver, recipient: str, clock: Clock, trust: Trust | None = None
    ) -> None:
        self.name = name
        self._settings = settings
        self._recipient = recipient
        self._clock = clock
        self._smtp = SmtpClient(
            SmtpServer(
                host=settings.host,
                port=settings.port,
                security=settings.security,
                username=settings.username,
                password=settings.password,
                ca_file=settings.ca_file,
                timeout_seconds=settings.timeout_seconds,
            ),
            trust,
        )

    async def send(self, notification: Notification) -> None:
        """Mail one notification. Raises: TemporaryError (MailDeferred, Unanswered) or PermanentError (MailRefused)."""
        mail = letter(notification, self._settings.sender, self._settings.to, self._clock.now())
        await self._smtp.send(self._settings.sender, self._recipient, mail.as_bytes())


def letter(notification: Notification, sender: str, recipients: tuple[str, ...], now: datetime) -> EmailMessage:
    """Return a notification as the mail that is sent `now`.

    Its Message-ID follows from the notification's key, so that a copy sent twice is known as one mail.
    """
    message = compose(notification, now, datetime.astimezone)
    mail = EmailMessage(policy=_POLICY)
    mail["From"] = formataddr((f"semsupervisor on {_one_line(notification.host)}", sender))
    mail["To"] = ", ".join(recipients)
    mail["Subject"] = message.subject
    mail["Date"] = format_datetime(now)
    mail["Message-ID"] = message_id(notification.key, sender)
    if notification.kind in _IN_A_THREAD and notification.alerts:
        began = message_id(f"{notification.alerts[0].id}-{NotificationKind.FIRING.value}", sender)
        mail["In-Reply-To"] = began
        mail["References"] = began
    mail["Auto-Submitted"] = "auto-generated"
    mail["X-Auto-Response-Suppress"] = "All"
    _mark(mail, notification, message)
    mail.set_content(plain_text(message))
    mail.add_alternative(html(message), subtype="html")
    return mail


def message_id(key: str, sender: str) -> str:
    """Return the Message-ID of the notification with this key."""
    return f"<{_NOT_IN_AN_ID.sub('-', key)}@{sender.rpartition('@')[2]}>"


def _mark(mail: EmailMessage, notification: Notification, message: Message) -> None:
    """Add what filters of mail programs can go by."""
    if message.tone is Tone.CRITICAL:
        mail["Importance"] = "high"
        mail["X-Priority"] = "1"
    mail["X-Semsupervisor-Host"] = _one_line(notification.host)
    mail["X-Semsupervisor-Kind"] = notification.kind.value
    mail["X-Semsupervisor-Severity"] = worst(notification).value
    mail["X-Semsupervisor-Rule"] = ", ".join(dict.fromkeys(alert.rule for alert in notification.alerts)) or "none"


def _one_line(text: str) -> str:
    return " ".join(text.split())
