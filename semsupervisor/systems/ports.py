"""Whether a port takes connections, and whether an address is this host's own."""

from __future__ import annotations

import asyncio
import ipaddress
import socket

import psutil

from semsupervisor.systems.connecting import Refused, TimedOut, reason
from semsupervisor.systems.names import lookup


def is_here(host: str) -> bool:
    """Tell whether a name or address is this host's, as far as that is known without asking anybody."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return host.casefold() in {"localhost", socket.gethostname().casefold()}
    if address.is_loopback:
        return True
    own = (one.address.partition("%")[0] for ends in psutil.net_if_addrs().values() for one in ends)
    return str(address) in own


async def connect(host: str, port: int, timeout_seconds: float) -> None:
    """Connect to a port and hang up at once, trying each of the host's addresses. Raises: Refused, TimedOut."""
    what = f"TCP to {host}:{port}"
    try:
        async with asyncio.timeout(timeout_seconds):
            await _connect(host, port)
    except TimeoutError as error:
        raise TimedOut(f"{what}: no connection within {timeout_seconds:g} s") from error
    except OSError as error:
        raise Refused(f"{what}: no connection: {reason(error)}") from error


async def _connect(host: str, port: int) -> None:
    failure: OSError = OSError("the name has no address")
    for address in await lookup(host, port):
        try:
            _, writer = await asyncio.open_connection(address.host, address.port, family=address.family)
        except OSError as error:
            failure = error
        else:
            writer.close()
            return
    raise failure
