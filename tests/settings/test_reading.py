"""From tables to structs, all faults at once."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from msgspec import UNSET

from semsupervisor.settings.checks import CheckSettings
from semsupervisor.settings.forms import Duration
from semsupervisor.settings.model import EmailReceiver, Settings, WebhookReceiver
from semsupervisor.settings.reading import Notes, read_section

MAIL = {"type": "email", "host": "mail.example.org", "from": "a@example.org", "to": ["ops@example.org"]}
HOOK = {"type": "webhook", "url": "https://hooks.example.org/x"}


@pytest.fixture
def notes() -> Notes:
    """Return notes of a file that nothing was read from yet."""
    return Notes("FILE", {"TOKEN": "s3cret"})


def keys(notes: Notes) -> list[str]:
    """Return the key paths of the problems found."""
    return [problem.key for problem in notes.problems]


def read(table: dict[str, Any], notes: Notes) -> Settings:
    """Return the settings in a table."""
    settings = read_section(Settings, table, "", notes)
    assert isinstance(settings, Settings)
    return settings


def test_an_empty_table_is_all_defaults(notes: Notes) -> None:
    """Nothing given: the defaults, each known to be one."""
    assert read({}, notes) == Settings()
    assert notes.problems == []
    assert set(notes.origins.values()) == {"default"}
    assert notes.origins["checks.semstreams.health"] == "default"


def test_what_is_given_replaces_the_default(notes: Notes) -> None:
    """A value that is given is read in its unit, and its origin is the file."""
    settings = read({"checks": {"interval": "1m", "filesystems": {"paths": ["/data"]}}}, notes)
    assert settings.checks.interval_seconds == Duration(60)
    assert settings.checks.filesystems.paths == ("/data",)
    assert notes.origins["checks.interval"] == "FILE"
    assert notes.origins["checks.timeout"] == "default"


def test_every_fault_is_found_and_the_rest_is_read(notes: Notes) -> None:
    """Faults in several tables are told together; beside them good values stand, and defaults for refused ones."""
    table = {
        "checks": {"interval": 10, "timeout": "1s", "semstreams": 5},
        "docker": {"soket": "/x"},
        "log": "loud",
        "api": {"hosts": ["a", "b c", 5, "a"]},
    }
    settings = read(table, notes)
    assert keys(notes) == [
        "docker.soket",
        "checks.interval",
        "checks.semstreams",
        "api.hosts[1]",
        "api.hosts[2]",
        "log",
    ]
    assert settings.checks == CheckSettings(timeout_seconds=settings.checks.timeout_seconds)
    assert settings.checks.timeout_seconds == Duration(1)


def test_an_unknown_key_names_the_near_one(notes: Notes) -> None:
    """A mistyped key is told with the key that was meant, and with all that there are."""
    read({"checks": {"intervall": "10s"}}, notes)
    (problem,) = notes.problems
    assert problem.key == "checks.intervall"
    assert problem.found == "an unknown key (did you mean interval?)"
    assert problem.allowed.startswith("interval, timeout")


def test_an_unknown_key_like_no_other_lists_the_known_ones(notes: Notes) -> None:
    """Without a near key there is no guess."""
    read({"xyz": 1}, notes)
    assert str(notes.problems[0]).startswith("xyz: found an unknown key; allowed: host, stack, docker")


def test_receivers_are_told_apart_by_their_type(notes: Notes) -> None:
    """Each type has its own keys and defaults."""
    settings = read({"receivers": {"mail": MAIL, "hook": HOOK}}, notes)
    mail, hook = settings.receivers["mail"], settings.receivers["hook"]
    assert isinstance(mail, EmailReceiver)
    assert isinstance(hook, WebhookReceiver)
    assert mail.to == ("ops@example.org",)
    assert notes.origins["receivers.mail.type"] == "FILE"
    assert notes.problems == []


@pytest.mark.parametrize("receiver", [{}, {"type": "pager"}, {"type": 5}])
def test_a_receiver_of_no_known_type_is_refused(receiver: dict[str, Any], notes: Notes) -> None:
    """The known types are named."""
    settings = read({"receivers": {"x": receiver}}, notes)
    assert settings.receivers == {}
    assert [(problem.key, problem.allowed) for problem in notes.problems] == [
        ("receivers.x.type", '"email" or "webhook"')
    ]


@pytest.mark.parametrize(
    ("changed", "key"),
    [
        ({"to": []}, "to"),
        ({"to": ["ops@x", "OPS@x"]}, "to"),
        ({"to": ["nobody"]}, "to[0]"),
        ({"to": "ops@example.org"}, "to"),
        ({"from": "Ops <ops@x>"}, "from"),
        ({"host": ""}, "host"),
        ({"port": 65536}, "port"),
        ({"security": "ssl"}, "security"),
        ({"timeout": "0s"}, "timeout"),
        ({"severity_at_least": "error"}, "severity_at_least"),
        ({"enabled": "yes"}, "enabled"),
        ({"url": "https://x"}, "url"),
    ],
)
def test_a_faulty_mail_receiver_is_refused(changed: dict[str, Any], key: str, notes: Notes) -> None:
    """No recipient, one twice, a bad address and every other impossible value are told under their key."""
    read({"receivers": {"mail": {**MAIL, **changed}}}, notes)
    assert keys(notes) == [f"receivers.mail.{key}"]


@pytest.mark.parametrize("missing", ["host", "from", "to"])
def test_a_mail_receiver_without_address_is_refused(missing: str, notes: Notes) -> None:
    """What has no default is asked for, and the receiver is not made."""
    settings = read({"receivers": {"mail": {key: value for key, value in MAIL.items() if key != missing}}}, notes)
    assert settings.receivers == {}
    assert str(notes.problems[0]).startswith(f"receivers.mail.{missing}: found nothing; allowed: ")


@pytest.mark.parametrize("url", ["", "hooks.example.org", "ftp://x", "https://user:pass@x", 5])
def test_a_webhook_without_a_good_address_is_refused(url: object, notes: Notes) -> None:
    """A password in an address is not told again in the message."""
    read({"receivers": {"hook": {**HOOK, "url": url}}}, notes)
    assert keys(notes) == ["receivers.hook.url"]
    assert "pass@" not in str(notes.problems[0])


@pytest.mark.parametrize("table", [5, [], "x"])
@pytest.mark.parametrize("where", ["receivers", "rules", "checks"])
def test_what_must_be_a_table_is_one(where: str, table: object, notes: Notes) -> None:
    """Another value in the place of a table, or of one of its tables, is refused."""
    read({where: table}, notes)
    assert keys(notes) == [where]


def test_each_named_table_is_a_table(notes: Notes) -> None:
    """Another value in the place of a receiver or a rule is refused."""
    read({"receivers": {"mail": 5}, "rules": {"memory_high": 5}}, notes)
    assert keys(notes) == ["rules.memory_high", "receivers.mail"]


@pytest.mark.parametrize("name", ["", "a b", "ä", "x" * 65, "a.b"])
def test_a_name_is_short_and_plain(name: str, notes: Notes) -> None:
    """Names stand in addresses and metrics, where other characters would have to be quoted."""
    read({"receivers": {name: HOOK}}, notes)
    assert len(notes.problems) == 1
    assert notes.problems[0].found.startswith("the name ")


def test_a_secret_written_into_the_file_is_refused_and_not_repeated(notes: Notes) -> None:
    """The message says how a secret is given, and not what it was."""
    read({"receivers": {"mail": {**MAIL, "username": "u", "password": "hunter2"}}}, notes)
    (problem,) = notes.problems
    assert problem.key == "receivers.mail.password"
    assert "password_file" in problem.allowed
    assert "hunter2" not in str(problem)


def test_a_secret_is_given_in_one_way_only(notes: Notes) -> None:
    """Two references to one secret are refused, whatever they lead to."""
    read({"receivers": {"hook": {**HOOK, "secret_file": "/none", "secret_env": "TOKEN"}}}, notes)
    assert [(problem.key, problem.found) for problem in notes.problems] == [
        ("receivers.hook.secret", "secret_file and secret_env")
    ]


def test_a_reference_is_a_text(notes: Notes) -> None:
    """A number leads to no secret."""
    read({"receivers": {"hook": {**HOOK, "secret_file": 5}}}, notes)
    assert keys(notes) == ["receivers.hook.secret_file"]


def test_a_secret_that_cannot_be_read_is_told_under_its_reference(notes: Notes) -> None:
    """The key path is that of the key in the file; it is missing rather than wrong, unless it leads nowhere at all."""
    read({"receivers": {"hook": {**HOOK, "secret_file": "/none", "bearer_token_env": "NONE"}}}, notes)
    assert keys(notes) == []
    assert [problem.key for problem in notes.missing] == [
        "receivers.hook.secret_file",
        "receivers.hook.bearer_token_env",
    ]
    read({"receivers": {"hook": {**HOOK, "secret_file": "none"}}}, notes)
    assert keys(notes) == ["receivers.hook.secret_file"]


def test_each_secret_of_a_receiver_has_its_own_reference(notes: Notes, tmp_path: Path) -> None:
    """What was read is used, and where it came from is remembered."""
    (tmp_path / "secret").write_text("hmac")
    (tmp_path / "secret").chmod(0o644)
    table = {"hook": {**HOOK, "secret_file": str(tmp_path / "secret"), "bearer_token_env": "TOKEN"}}
    hook = read({"receivers": table}, notes).receivers["hook"]
    assert isinstance(hook, WebhookReceiver)
    assert hook.secret is not None
    assert hook.bearer_token is not None
    assert (hook.secret.value, hook.bearer_token.value) == ("hmac", "s3cret")
    assert notes.references["receivers.hook.bearer_token_env"] == "TOKEN"
    assert notes.findings[0].startswith("receivers.hook.secret_file: ")


def test_a_receiver_whose_credential_is_missing_rests(notes: Notes) -> None:
    """It is to be disabled and said so; nothing is missing, since who looks may not be the daemon."""
    read({"receivers": {"hook": {**HOOK, "secret_credential": "hook-secret"}}}, notes)
    assert notes.problems == notes.missing == []
    assert list(notes.resting) == ["receivers.hook"]
    assert notes.findings[0].startswith("receivers.hook is disabled: the credential hook-secret")


def test_a_receiver_that_is_switched_off_needs_no_secret(notes: Notes) -> None:
    """Its secret is not even looked for."""
    receiver = read({"receivers": {"hook": {**HOOK, "enabled": False, "secret_file": "/none"}}}, notes).receivers[
        "hook"
    ]
    assert isinstance(receiver, WebhookReceiver)
    assert receiver.secret is None
    assert notes.problems == []


def test_a_table_without_what_it_needs_is_none(notes: Notes) -> None:
    """Where a value without default is missing nothing is made up."""
    assert read_section(EmailReceiver, {"host": "h"}, "receivers.mail", notes) is UNSET
