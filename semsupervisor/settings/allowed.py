"""What a value may be beyond its type: tests with the words that tell an operator what is allowed. Pure."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Sequence
from typing import Any, Generic, TypeVar
from urllib.parse import urlsplit

import msgspec

T = TypeVar("T")

LONGEST_SOCKET_PATH_BYTES = 107  # sun_path of sockaddr_un holds 108 with the closing zero

_LABEL = r"[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9])?"
_HOST = re.compile(rf"{_LABEL}(?:\.{_LABEL})*\.?")
_ATOM = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+"
_MAIL = re.compile(rf"{_ATOM}(?:\.{_ATOM})*@({_LABEL}(?:\.{_LABEL})*)")
_SERVICE = r"[A-Za-z0-9][A-Za-z0-9._-]*(?:@[0-9]+)?"
_CONTAINER = re.compile(rf"container:{_SERVICE}:([0-9]{{1,5}})(/[^\s?#]*)?")
_PRINTABLE = re.compile(r"[^\x00-\x1f\x7f]*")


class Allowed(msgspec.Struct, Generic[T], frozen=True):
    """A limit on a field's value: `words` name what is allowed, `test` tells whether a value is."""

    words: str
    test: Callable[[T], bool]


def between(least: float, most: float, words: str) -> Allowed[Any]:
    """Allow numbers from `least` to `most`, both included."""
    return Allowed(words, lambda number: least <= number <= most)


def matching(pattern: str, words: str) -> Allowed[str]:
    """Allow texts that the whole of a regular expression matches."""
    compiled = re.compile(pattern)
    return Allowed(words, lambda text: compiled.fullmatch(text) is not None)


def is_port(text: str, *, least: int = 1) -> bool:
    """Tell whether a text is a port number."""
    return re.fullmatch("[0-9]{1,5}", text) is not None and least <= int(text) <= 65535


def is_ip(text: str) -> bool:
    """Tell whether a text is an IPv4 or IPv6 address, without brackets."""
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def is_host(text: str) -> bool:
    """Tell whether a text is a host name or an address; what consists of numbers alone must be a real address."""
    if re.fullmatch(r"[0-9.]+", text):
        return is_ip(text)
    return is_ip(text) or (len(text) <= 253 and _HOST.fullmatch(text) is not None)


def is_mail_address(text: str) -> bool:
    """Tell whether a text is a bare e-mail address, without a display name."""
    found = _MAIL.fullmatch(text)
    return found is not None and is_host(found[1])


def is_url(text: str) -> bool:
    """Tell whether a text is an http or https address of a host, without a user or password in it."""
    if not text.startswith(("http://", "https://")) or re.search(r"[\s\x00-\x1f\x7f]", text):
        return False
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        return False
    return "@" not in parts.netloc and port != 0 and is_host(parts.hostname or "")


def is_target(text: str) -> bool:
    """Tell whether a text says where a check looks: an address, or `container:<service>:<port><path>`."""
    found = _CONTAINER.fullmatch(text)
    return is_port(found[1]) if found else is_url(text)


def is_root_target(text: str) -> bool:
    """Tell whether a text is a target without a path, to which checks append their own."""
    found = _CONTAINER.fullmatch(text)
    if found:
        return is_port(found[1]) and not found[2]
    return is_url(text) and not any(urlsplit(text.removesuffix("/"))[2:])


def is_endpoint(text: str) -> bool:
    """Tell whether a text says where a connection goes: `host:port`, or `container:<service>:<port>`."""
    found = _CONTAINER.fullmatch(text)
    if found:
        return is_port(found[1]) and not found[2]
    return is_listen_address(text) and not text.endswith(":0")


def is_pattern(text: str) -> bool:
    """Tell whether a text is a regular expression."""
    try:
        re.compile(text)
    except (re.error, RecursionError, OverflowError):
        return False
    return True


def is_command(words: Sequence[str]) -> bool:
    """Tell whether a list of texts is a program, by its path from the root, with its arguments."""
    return bool(words) and is_absolute_path(words[0]) and all(_PRINTABLE.fullmatch(word) for word in words)


def is_listen_address(text: str) -> bool:
    """Tell whether a text is host:port with IPv6 in brackets; port 0 lets the system choose."""
    host, colon, port = text.rpartition(":")
    if not colon or not is_port(port, least=0):
        return False
    if host.startswith("[") and host.endswith("]"):
        return ":" in host and is_ip(host[1:-1])
    return ":" not in host and is_host(host)


def is_host_header(text: str) -> bool:
    """Tell whether a text can stand in a Host header: a host, or host:port."""
    return is_listen_address(text) or is_listen_address(f"{text}:80")


def is_absolute_path(text: str) -> bool:
    """Tell whether a text is a path from the root, without control characters."""
    return text.startswith("/") and _PRINTABLE.fullmatch(text) is not None


def is_socket_path(text: str) -> bool:
    """Tell whether a text is an absolute path that the address of a Unix socket can hold."""
    return is_absolute_path(text) and len(text.encode()) <= LONGEST_SOCKET_PATH_BYTES


def is_line(text: str) -> bool:
    """Tell whether a text has something to read in it and no line breaks or other control characters."""
    return bool(text.strip()) and _PRINTABLE.fullmatch(text) is not None


def each_once(values: Sequence[str]) -> bool:
    """Tell whether no value stands twice, upper and lower case being the same."""
    return len({value.casefold() for value in values}) == len(values)
