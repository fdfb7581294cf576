"""Secrets masked in what is shown of a container: its log lines, its health checks' output, its environment. Pure.

Two ways: values that the container's environment holds under a name that sounds secret are masked wherever they
occur; and what looks like a secret by its form is masked without being known.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from semsupervisor.kit.addresses import MASK

# Shorter values are ordinary words too often: masking them would tear the lines apart and betray them.
SHORTEST_SECRET = 6

# A word of a name in any of the usual spellings: DB_PASSWORD, dbPassword, dbpassword, db.api-key; not compass, tokens.
_GLUED = "password|passwd|passphrase|secret|token"
_ALONE = "pass|passcode|pwd|credentials?|api[_-]?key|access[_-]?key|private[_-]?key|authorization|cookie|nkey|jwt|dsn"
_CAMEL = "Pass|Pwd|Credentials?|ApiKey|AccessKey|PrivateKey|Cookie"
_WORD = rf"(?:(?<![A-Za-z])(?i:[a-z]{{0,32}}(?:{_GLUED})|{_ALONE})|(?<=[a-z])(?:{_CAMEL}))(?![a-z])"
_SOUNDS_SECRET = re.compile(_WORD)

# Every repetition is bounded or stands alone, so that no line takes longer than its length explains.
_ASSIGNED = re.compile(
    rf"""(?P<name>{_WORD}[\w.\-]{{0,32}}["']?[ \t]{{0,4}}[=:][ \t]{{0,4}})"""
    r"""(?P<value>"(?:[^"\\\n]|\\.)*"|'[^'\n]*'"""
    r"""|(?i:bearer|basic|token|api-?key|digest|negotiate)[ \t]{1,4}\S+|[^\s"',;&}\])]+)"""
)
# An option of a command line or a line of a settings file; words that go on a sentence are no values.
_GIVEN = re.compile(
    rf"""(?P<name>(?:(?<!\w)--?(?:[A-Za-z0-9]{{1,32}}[_\-]){{0,3}}|_){_WORD}[ \t]{{1,4}})"""
    r"""(?!(?i:is|was|are|has|not|for|in|from|must|missing|expired|required|invalid)\b|\W*$)"""
    r"""(?:"(?:[^"\\\n]|\\.)*"|'[^'\n]*'|[^\s"',;&}\])\-=:][^\s"',;&}\])]*)"""
)
# user:password before the host of a URL; either may be strange, yet host:port/path@version is no login.
_LOGIN = r"""[^/\s:@]{0,256}:(?!\d{1,5}(?:[/"',;)\]}>]|$))[^\s@"'<>]{1,256}"""
_BY_FORM = (
    re.compile(rf"(?<=://){_LOGIN}(?=@)"),
    re.compile(r"(?<=://)[^/\s?#]{1,512}(?=@)"),  # all before the host of a URL: a token, or a password with an @
    re.compile(r"(?i:(?<=bearer )|(?<=basic ))[A-Za-z0-9._~+/=\-]{8,}"),
    re.compile(r"\beyJ[A-Za-z0-9_\-]{5,}\.[A-Za-z0-9_\-]{5,}(?:\.[A-Za-z0-9_\-]*)?"),  # JSON web tokens
    re.compile(r"\bS[ACNOUX][A-Z2-7]{56}\b"),  # NATS seeds
    re.compile(r"\b(?:AKIA|ASIA)[A-Z0-9]{16}\b"),
    re.compile(r"\bgh[pousr]_[A-Za-z0-9]{20,}|\bgithub_pat_\w{20,}|\bxox[abprs]-[A-Za-z0-9\-]{10,}"),
)
_LOGIN_IN_URL = re.compile(rf"://({_LOGIN})@")
_TOKEN_IN_URL = re.compile(r"\b(?:nats|tls|wss?|https?)://([^/\s:?#@]{1,512})@")
_KEY_BEGINS = re.compile(r"-----BEGIN [A-Z ]*(?:PRIVATE KEY|SEED|CREDENTIALS|USER JWT|NATS[A-Z ]*)-----")
_KEY_ENDS = re.compile(r"-{3,}END [A-Z ]*-{3,}")


def sounds_secret(name: str) -> bool:
    """Tell whether a variable of that name is likely to hold a secret."""
    return _SOUNDS_SECRET.search(name) is not None


def secrets_of(environment: Iterable[str]) -> tuple[str, ...]:
    """Return the values that must not be shown of a container's environment (`NAME=value`), the longest first."""
    values: set[str] = set()
    for entry in environment:
        name, _, value = entry.partition("=")
        values.update([value] if sounds_secret(name) else _in_urls(value))
    return tuple(sorted((value for value in values if len(value) >= SHORTEST_SECRET), key=lambda one: (-len(one), one)))


def _in_urls(text: str) -> Iterator[str]:
    for login in _LOGIN_IN_URL.findall(text):
        yield login.partition(":")[2]
    yield from _TOKEN_IN_URL.findall(text)


def masked(text: str, secrets: Iterable[str] = ()) -> str:
    """Return a text without the given secrets and without what looks like one."""
    for secret in secrets:
        text = text.replace(secret, MASK)
    text = _ASSIGNED.sub(lambda found: f"{found['name']}{MASK}", text)
    text = _GIVEN.sub(lambda found: f"{found['name']}{MASK}", text)
    for pattern in _BY_FORM:
        text = pattern.sub(MASK, text)
    return text


def masked_lines(lines: Iterable[str], secrets: Iterable[str] = ()) -> list[str]:
    """Return log lines without secrets; of a private key that spans several lines nothing is left."""
    secrets = tuple(secrets)
    kept: list[str] = []
    within_key = False
    for line in lines:
        if within_key:
            within_key = _KEY_ENDS.search(line) is None
            continue
        begins = _KEY_BEGINS.search(line)
        if begins is None:
            kept.append(masked(line, secrets))
            continue
        within_key = _KEY_ENDS.search(line, begins.end()) is None
        kept.append(f"{masked(line[: begins.start()], secrets)}{MASK}")
    return kept
