"""Notifications as JSON by HTTP POST: the body `semsupervisor/1`, its signature, and what an answer means.

The body is described by `body-1.schema.json` beside this module. Headers of each request:

| header | value |
|---|---|
| Idempotency-Key | the body's `key`, the same on every attempt: drop what you have seen |
| X-Semsupervisor-Timestamp | when this attempt was made, in seconds since 1970 |
| X-Semsupervisor-Signature | `sha256=` and the hex HMAC-SHA256, by the receiver's secret, of timestamp + "." + body |
| Authorization | `Bearer` and the receiver's token, if it has one |

2xx = taken. 408, 425, 429 and 5xx = come back later, in `Retry-After` if given. All else = refused, redirects as well.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import partial

from semsupervisor.alerts.notification import Notification
from semsupervisor.alerts.receivers import alertmanager, body
from semsupervisor.alerts.sending import RetryLater
from semsupervisor.errors import PermanentError
from semsupervisor.kit.addresses import mask_receiver
from semsupervisor.kit.clock import Clock
from semsupervisor.kit.text import shortened
from semsupervisor.settings.forms import Secret
from semsupervisor.settings.model import WebhookReceiver
from semsupervisor.systems.http import Answer, BodyTooLarge, HttpClient

PATIENCE_SECONDS = 0.02
LATER = frozenset({408, 425, 429})
LONGEST_REPLY = 200


class WebhookSender:
    """Posts to one address."""

    patience_seconds = PATIENCE_SECONDS

    def __init__(self, name: str, settings: WebhookReceiver, http: HttpClient, clock: Clock) -> None:
        self.name = name
        self._settings = settings
        self._http = http
        self._clock = clock
        self._encode: Callable[[Notification], bytes] = body.encode
        self._is_news: Callable[[Notification], bool] = lambda _: True
        if settings.format == "alertmanager":
            self._encode, self._is_news = partial(alertmanager.encode, receiver=name), alertmanager.is_news

    async def send(self, notification: Notification) -> None:
        """Post one notification, if it says anything in this format.

        Raises: TemporaryError (RetryLater, Unanswered) or PermanentError.
        """
        if not self._is_news(notification):
            return
        settings = self._settings
        content = self._encode(notification)
        headers = {"Content-Type": "application/json", "Idempotency-Key": notification.key}
        headers |= _signed(content, settings.secret, self._clock.now())
        if settings.bearer_token is not None:
            headers["Authorization"] = f"Bearer {settings.bearer_token.value}"
        try:
            answer = await self._http.post(settings.url, content, headers, settings.timeout_seconds, settings.ca_file)
        except BodyTooLarge as error:
            answer = error.answer
        judge(answer, self._clock.now())


def signature(secret: str, timestamp: str, content: bytes) -> str:
    """Return the hex HMAC-SHA256 of timestamp + "." + body."""
    return hmac.new(secret.encode(), f"{timestamp}.".encode() + content, hashlib.sha256).hexdigest()


def judge(answer: Answer, now: datetime) -> None:
    """Return if the receiver took the message. Raises: RetryLater; PermanentError."""
    status = answer.status
    if 200 <= status < 300:
        return
    said = " ".join(answer.body[: 4 * LONGEST_REPLY].decode(errors="replace").split())
    words = f"the receiver answered {status}" + (f": {shortened(said, LONGEST_REPLY)}" if said else "")
    if status in LATER or status >= 500:
        raise RetryLater(words, retry_after_seconds(answer.headers.get("retry-after", ""), now))
    if 300 <= status < 400:
        there = mask_receiver(answer.headers.get("location", "")) or "nowhere"
        raise PermanentError(f"the receiver answered {status}: it has moved to {there}; set the address it is at now")
    raise PermanentError(words)


def retry_after_seconds(header: str, now: datetime) -> float:
    """Return the pause that a Retry-After asks for, as seconds or as a date (RFC 9110, 10.2.3); 0 if none."""
    if header.strip().isdecimal():
        return float(header)
    try:
        then = parsedate_to_datetime(header)
        then = then if then.tzinfo else then.replace(tzinfo=UTC)
        return max(0.0, (then - now).total_seconds())
    except (ValueError, OverflowError):
        return 0.0


def _signed(content: bytes, secret: Secret | None, now: datetime) -> dict[str, str]:
    timestamp = str(int(now.timestamp()))
    headers = {"X-Semsupervisor-Timestamp": timestamp}
    if secret is not None:
        headers["X-Semsupervisor-Signature"] = f"sha256={signature(secret.value, timestamp, content)}"
    return headers
