"""What has to fit together."""

from __future__ import annotations

import pytest

from semsupervisor.settings.consistency import contradictions, weaknesses
from semsupervisor.settings.forms import Duration, Secret
from semsupervisor.settings.model import DeliverySettings, EmailReceiver, Receiver, Settings, WebhookReceiver

SECRET = Secret("s3cret", "file /etc/x")
BAD_RETRIES = Settings(
    delivery=DeliverySettings(first_retry_seconds=Duration(60), longest_retry_seconds=Duration(30)),
)


def mail(host: str, security: str, password: Secret | None = SECRET) -> Receiver:
    """Return a receiver of mail."""
    assert security in {"none", "starttls", "tls"}
    return EmailReceiver(host=host, sender="a@b", to=("c@d",), security=security, password=password)  # type: ignore[arg-type]


def test_the_defaults_contradict_nothing() -> None:
    """Without a file there is nothing to say."""
    assert contradictions(Settings(), {}, ()) == ()
    assert weaknesses(Settings()) == ()


def test_the_longest_pause_is_no_shorter_than_the_first() -> None:
    """Both are named with their values."""
    (problem,) = contradictions(BAD_RETRIES, {}, ())
    assert str(problem) == 'delivery.longest_retry: found "30s"; allowed: no less than first_retry, which is "1m"'


@pytest.mark.parametrize("refused", ["delivery.first_retry", "delivery.longest_retry"])
def test_what_was_refused_contradicts_nothing(refused: str) -> None:
    """A default in the place of a refused value is not held against the operator."""
    assert contradictions(BAD_RETRIES, {}, {refused}) == ()


@pytest.mark.parametrize(
    ("table", "key"),
    [
        ({"username": "u"}, "receivers.mail.username"),
        ({"password_file": "/x"}, "receivers.mail.password"),
        ({"username": "", "password_env": "X"}, "receivers.mail.password"),
        ({"username": "u", "password_credential": "x"}, ""),
        ({"username": "u", "password": "inline, refused already"}, ""),
        ({}, ""),
    ],
)
def test_a_login_is_whole_or_not_there(table: dict[str, object], key: str) -> None:
    """A name without a password, or a password without a name, is refused even if the receiver is already."""
    assert [problem.key for problem in contradictions(Settings(), {"mail": table}, ())] == ([key] if key else [])


@pytest.mark.parametrize(
    ("receiver", "weak"),
    [
        (mail("mail.example.org", "none"), True),
        (mail("mail.example.org", "starttls"), False),
        (mail("mail.example.org", "none", None), False),
        (mail("localhost", "none"), False),
        (mail("127.0.0.1", "none"), False),
        (WebhookReceiver(url="http://hooks.example.org/x", bearer_token=SECRET), True),
        (WebhookReceiver(url="https://hooks.example.org/x", bearer_token=SECRET), False),
        (WebhookReceiver(url="http://[::1]:9/x", bearer_token=SECRET), False),
        (WebhookReceiver(url="http://hooks.example.org/x", secret=SECRET), False),
    ],
)
def test_a_secret_in_clear_text_is_a_weakness(receiver: Receiver, weak: bool) -> None:
    """Only what leaves this host counts; an HMAC secret itself is never sent."""
    found = weaknesses(Settings(receivers={"x": receiver}))
    assert bool(found) is weak
    assert all(text.startswith("receivers.x: the ") for text in found)
