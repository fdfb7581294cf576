"""Where a probe looks: an address that is given, or a port of a service's container wherever that is just now."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable
from urllib.parse import urlsplit, urlunsplit

import msgspec

from semsupervisor.errors import PermanentError, SupervisorError, TemporaryError

_CONTAINER = re.compile(r"container:(?P<service>[^:/\s]+):(?P<port>[0-9]{1,5})(?P<path>/\S*)?")
_URL = re.compile(r"https?://[^/\s]\S*")

AddressOf = Callable[[str], str | None]
"""Where a service is now: the network address of its container, or None when that cannot be said.

It may raise: EngineError while the engine does not tell, TargetStopped when the container is known not to run,
TargetAbsent when there is no such service.
"""


class TargetUnknown(TemporaryError):
    """Where the target is cannot be said just now: nothing follows from it about the target."""


class TargetStopped(TargetUnknown):
    """The target's container is known not to run, so nothing can answer there."""


class TargetAbsent(TargetUnknown):
    """There is no such service: nothing is there to look at, which the findings about the set-up say."""


class UrlTarget(msgspec.Struct, frozen=True):
    """An address that is given."""

    url: str


class ContainerTarget(msgspec.Struct, frozen=True):
    """A port of the container of a compose service, and the path there."""

    service: str
    port: int
    path: str = ""


Target = UrlTarget | ContainerTarget


def parse(text: str) -> Target:
    """Read a target as it stands in the settings. Raises: PermanentError."""
    if _URL.fullmatch(text):
        return UrlTarget(text)
    match = _CONTAINER.fullmatch(text)
    if match is None or not 0 < int(match["port"]) < 65536:
        raise PermanentError(f"{text!r} is no target: give http://…, https://… or container:<service>:<port><path>")
    return ContainerTarget(match["service"], int(match["port"]), match["path"] or "")


def beside(target: Target, path: str, port: int | None = None) -> Target:
    """Return another path on the host of a target, and on another port if one is given."""
    match target:
        case ContainerTarget():
            return ContainerTarget(target.service, port or target.port, path)
        case UrlTarget():
            parts = urlsplit(target.url)
            host = _host(parts.hostname or "")
            netloc = parts.netloc if port is None else f"{host}:{port}"
            return UrlTarget(urlunsplit((parts.scheme, netloc, path, "", "")))


def written(target: Target) -> str:
    """Return a target as it would stand in the settings."""
    match target:
        case UrlTarget():
            return target.url
        case ContainerTarget():
            return f"container:{target.service}:{target.port}{target.path}"


def resolve(target: Target, address_of: AddressOf, path: str = "") -> str:
    """Return the URL to ask now, with `path` behind the target's own.

    Raises: TargetUnknown when the container has no address, and whatever `address_of` raises.
    """
    base = _base(target, address_of)
    return base.rstrip("/") + path if path else base


def service_of(text: str) -> str:
    """Return the service that an address `container:<service>:<port>` or a target is of; empty for another one."""
    match = _CONTAINER.match(text)
    return match["service"] if match else ""


def rests(service: str, address_of: AddressOf) -> str:
    """Return why a service's container is known not to run, nothing if it is not, or if there is no `service`."""
    try:
        _ = address_of(service) if service else None
    except TargetStopped as error:
        return str(error)
    except SupervisorError:
        return ""
    return ""


def place(text: str, address_of: AddressOf) -> tuple[str, int]:
    """Return host and port that `host:port` or `container:<service>:<port>` stands for now.

    Raises: TargetUnknown when the container has no address, and whatever `address_of` raises.
    """
    match = _CONTAINER.fullmatch(text)
    if match is not None:
        target = ContainerTarget(match["service"], int(match["port"]))
        return _address(target, address_of), target.port
    host, _, port = text.rpartition(":")
    return host.removeprefix("[").removesuffix("]"), int(port)


def _address(target: ContainerTarget, address_of: AddressOf) -> str:
    address = address_of(target.service)
    if address is None:
        raise TargetUnknown(f"the container of the service {target.service} has no network address now")
    return address


def _base(target: Target, address_of: AddressOf) -> str:
    match target:
        case UrlTarget():
            return target.url
        case ContainerTarget():
            return f"http://{_host(_address(target, address_of))}:{target.port}{target.path}"


def _host(address: str) -> str:
    try:
        return f"[{address}]" if ipaddress.ip_address(address).version == 6 else address
    except ValueError:
        return address
