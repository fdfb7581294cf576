"""Whether a port takes connections."""

from __future__ import annotations

import asyncio

from semsupervisor.systems.connecting import Refused, TimedOut, reason
from semsupervisor.systems.names import lookup


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
