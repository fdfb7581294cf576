"""Who may ask what: the caller's identity on the control socket, and no web page of anybody else's.

The file mode of the control socket keeps strangers out already; the peer's credentials are looked at all the same,
since a mode can be changed by hand. Over TCP there is reading only. The Host header is checked on both, because a name
that is made to point here (DNS rebinding) carries a foreign host, and Origin, because a browser sends it along.
"""

from __future__ import annotations

import ipaddress
import re
import socket
import struct
from enum import StrEnum

import msgspec

_SO_PEERGROUPS = 59
_MOST_GROUPS = 256
_HOST_HEADER = re.compile(r"(?P<name>\[[0-9a-fA-F:.]+\]|[A-Za-z0-9._-]+)(?P<port>:[0-9]{1,5})?")


class Access(StrEnum):
    """What a route needs of its caller: reading is open to TCP as well, control to the control socket alone."""

    READ = "read"
    CONTROL = "control"


class Peer(msgspec.Struct, frozen=True):
    """The process at the other end of the control socket, as the kernel knows it; `gids` are all its groups."""

    pid: int
    uid: int
    gids: frozenset[int]


class Caller(msgspec.Struct, frozen=True, kw_only=True):
    """One request's origin: `peer` is None over TCP; `local_address` is where its connection was accepted."""

    peer: Peer | None
    local_address: str
    host: str | None
    origin: str | None


class Policy(msgspec.Struct, frozen=True, kw_only=True):
    """Who is let in: root, the daemon's own user, the group's members; and the host names that mean this daemon."""

    own_uid: int
    group: str
    group_gid: int | None
    hosts: frozenset[str]


class Refusal(msgspec.Struct, frozen=True):
    """Why a request is not answered, and what its sender can do about it."""

    error: str
    remedy: str


def refusal(policy: Policy, access: Access, caller: Caller) -> Refusal | None:
    """Return why the caller may not have this, or None if it may."""
    return _foreign_host(policy, caller) or _foreign_page(caller) or _wrong_door(policy, access, caller)


def peer_of(connection: socket.socket) -> Peer:
    """Return who is at the other end of a Unix socket. Raises: OSError when the kernel does not say."""
    pid, uid, gid = struct.unpack("3i", connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))
    packed = connection.getsockopt(socket.SOL_SOCKET, _SO_PEERGROUPS, 4 * _MOST_GROUPS)
    others = struct.unpack(f"{len(packed) // 4}I", packed)
    return Peer(pid, uid, frozenset({gid, *others}))


def named(caller: Caller) -> str:
    """Return who asks, in words; empty where nobody knows."""
    if caller.peer is None:
        return ""
    return "root" if caller.peer.uid == 0 else f"the user with the number {caller.peer.uid}"


def host_name(header: str) -> str | None:
    """Return the host in a Host header or an origin's authority, without port and brackets; None if it is none."""
    parts = _HOST_HEADER.fullmatch(header)
    return parts["name"].strip("[]").rstrip(".").lower() if parts else None


def _wrong_door(policy: Policy, access: Access, caller: Caller) -> Refusal | None:
    peer = caller.peer
    if peer is None:
        if access is Access.READ:
            return None
        return Refusal(
            "this can be asked over the control socket only, the TCP address is for reading",
            "use the semsupervisor command on the host itself",
        )
    if peer.uid in (0, policy.own_uid) or policy.group_gid in peer.gids:
        return None
    return Refusal(
        f"user {peer.uid} may not use the control socket",
        f"run it as root, or add the user to the group {policy.group} and log in again",
    )


def _foreign_host(policy: Policy, caller: Caller) -> Refusal | None:
    name = host_name(caller.host or "")
    if name is not None and (name in policy.hosts or name == "localhost" or _is_own_address(name, caller)):
        return None
    return Refusal(
        f"the Host header {caller.host!r} is none of this daemon's names",
        'call it by its address, or add the name to the settings: [api] hosts = ["NAME"]',
    )


def _is_own_address(name: str, caller: Caller) -> bool:
    address = _address(name)
    return address is not None and (address.is_loopback or address == _address(caller.local_address))


def _address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        address = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address


def _foreign_page(caller: Caller) -> Refusal | None:
    if caller.origin is None:
        return None
    scheme, _, authority = caller.origin.partition("://")
    if scheme in ("http", "https") and authority.lower() == (caller.host or "").lower():
        return None
    return Refusal(
        f"a page of {caller.origin!r} asked for this", "open the daemon's own page: other sites' are not let in"
    )
