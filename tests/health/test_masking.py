"""Secrets in log lines: masked by value and by form, and ordinary lines left as they are."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from semsupervisor.health.masking import masked, masked_lines, secrets_of, sounds_secret


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        ("connecting to nats://user:pa55@nats:4222", "connecting to nats://***@nats:4222"),
        ("to nats://s3cr3tt0ken@nats:4222 now", "to nats://***@nats:4222 now"),
        ("redis://:pw@h", "redis://***@h"),
        ("nats://svc:pa/s?s#x@nats:4222", "nats://***@nats:4222"),
        ("nats://svc:p@ss@nats:4222", "nats://***@nats:4222"),
        ("nats://a:b@n1:4222,nats://c:d@n2:4222", "nats://***@n1:4222,nats://***@n2:4222"),
        ("run --password hunter2 --user x", "run --password *** --user x"),
        ("run --db-password 'two words' x", "run --db-password *** x"),
        ("auth_token hunter2", "auth_token ***"),
        ("Authorization=Token X", "Authorization=***"),
        ("password=hunter2 ok", "password=*** ok"),
        ("DB_PASSWORD: 'two words'", "DB_PASSWORD: ***"),
        ('{"password": "a\\"b c", "x": 1}', '{"password": ***, "x": 1}'),
        ("dbPassword=x", "dbPassword=***"),
        ("Authorization: Bearer abc.def", "Authorization: ***"),
        ("sent bearer abcdefghijkl", "sent bearer ***"),
        ("api-key=3, next", "api-key=***, next"),
        ("apiKey=3", "apiKey=***"),
        ("jwt eyJ0eXAiOiJKV1Q.eyJqdGkiOiJ.c2ln here", "jwt *** here"),
        ("seed SUACSSL3UAHUDXKFSNVUZRF5UHPMWZ6BFDTJ7M6USDXIEDNPPQYYYCU3VY", "seed ***"),
        ("key AKIAIOSFODNN7EXAMPLE", "key ***"),
        ("pushed with ghp_abcdefghijklmnopqrstuv", "pushed with ***"),
    ],
)
def test_what_looks_like_a_secret_is_masked(line: str, shown: str) -> None:
    """A value under a name that sounds secret, and what has the form of a secret, is not shown."""
    assert masked(line) == shown


@pytest.mark.parametrize(
    "line",
    [
        "tokens processed: 512",
        "author: Jim",
        "compass=north",
        "passed: 12 tests",
        "GET http://nats:8222/varz 200",
        "2026-03-01T12:00:00Z key=value",
        "Password for user: alice",
        "auth_token is missing",
        "run --password-file /run/x",
        "get http://registry:4873/@scope/pkg",
        "get https://example.org/tool@v2",
        "mail http://nats:8222/?to=a@b",
    ],
)
def test_ordinary_lines_stay(line: str) -> None:
    """What only resembles a secret is shown."""
    assert masked(line) == line


def test_values_of_the_environment_are_masked_wherever_they_occur() -> None:
    """Values under secret names and passwords in addresses are known secrets; short ones and others are not."""
    environment = ("API_TOKEN=abcdefgh", "HOME=/root", "PIN_PASS=1234", "NATS_URL=nats://u:swordfish@nats", "EMPTY")
    secrets = secrets_of(environment)
    assert secrets == ("swordfish", "abcdefgh")
    assert masked("got abcdefgh and swordfish from /root", secrets) == "got *** and *** from /root"


def test_a_token_alone_in_an_address_is_a_known_secret() -> None:
    """A token in place of a login, and a password with a slash or without a user, are masked wherever they occur."""
    environment = ("NATS_URL=nats://s3cr3tt0ken@nats:4222", "A=redis://:pass/word@h", "DB_URL=postgres://postgres@db")
    assert secrets_of(environment) == ("s3cr3tt0ken", "pass/word")


def test_a_secret_within_another_is_masked_as_a_whole() -> None:
    """The longest secret is masked first, so that no rest of it is shown."""
    assert masked("abcdefghij", secrets_of(["A_TOKEN=abcdef", "B_TOKEN=abcdefghij"])) == "***"


@pytest.mark.parametrize(("name", "secret"), [("DB_PASSWORD", True), ("dbPass", True), ("COMPASS", False)])
def test_names_that_sound_secret(name: str, secret: bool) -> None:
    """A name sounds secret by one of its words."""
    assert sounds_secret(name) is secret


def test_of_a_private_key_nothing_is_left() -> None:
    """A key over several lines is masked from its beginning to its end; what stands around it is shown."""
    lines = ["before", "x -----BEGIN RSA PRIVATE KEY-----", "MIIEow", "-----END RSA PRIVATE KEY-----", "after"]
    assert masked_lines(lines) == ["before", "x ***", "after"]
    one = "-----BEGIN PRIVATE KEY-----MIIE-----END PRIVATE KEY-----"
    assert masked_lines([one, "after"]) == ["***", "after"]
    assert masked_lines(["-----BEGIN NATS USER JWT-----", "eyJ"]) == ["***"]


@given(st.text(), st.lists(st.text(min_size=6), max_size=4))
def test_no_known_secret_is_ever_shown(text: str, values: list[str]) -> None:
    """Wherever a known secret stands in a line, it is not in what is shown, unless the mask is a part of it."""
    secrets = secrets_of([f"TOKEN={value}" for value in values])
    for secret in secrets:
        if "*" not in secret:
            assert secret not in masked(f"{text}{secret}{text}", secrets)


@pytest.mark.parametrize("piece", ["a", "pass", "password=", "-", "a:", "eyJ", "pass_", ".", 'secret"', 'password="\\'])
def test_long_lines_are_no_trouble(piece: str) -> None:
    """A line of a hundred thousand characters is masked, whatever it repeats."""
    assert masked(f"token=abc {piece * 100_000}").startswith("token=*** ")
