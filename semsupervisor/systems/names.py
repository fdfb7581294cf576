"""Host names to addresses, in threads that nothing waits for at the end.

The event loop's own lookup runs in its executor, which is small and is joined when the daemon ends: on a host whose
uplink is down each lookup hangs for many seconds, so a few receivers would starve the others and delay the end.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
from collections.abc import Callable

import msgspec


class Address(msgspec.Struct, frozen=True):
    """One numeric address of a host name: its family (AF_INET or AF_INET6), the address, the port."""

    family: socket.AddressFamily
    host: str
    port: int


async def lookup(host: str, port: int, family: int = socket.AF_UNSPEC) -> list[Address]:
    """Return the addresses of a host name, in the order in which the system prefers them.

    It takes as long as the system's resolver takes: wait for it with a timeout. Raises: OSError (socket.gaierror).
    """
    loop = asyncio.get_running_loop()
    found: asyncio.Future[list[Address]] = loop.create_future()

    def tell(report: Callable[[], None]) -> None:
        with contextlib.suppress(RuntimeError):  # the loop may have been closed while the resolver was thinking
            loop.call_soon_threadsafe(lambda: None if found.done() else report())

    def look() -> None:
        try:
            addresses = _resolve(host, port, family)
        except Exception as error:  # noqa: BLE001 - handed to whoever awaits it
            failure = error
            tell(lambda: found.set_exception(failure))
        else:
            tell(lambda: found.set_result(addresses))

    threading.Thread(target=look, name=f"lookup {host}", daemon=True).start()
    return await found


def _resolve(host: str, port: int, family: int) -> list[Address]:
    try:
        known = socket.getaddrinfo(host, port, family, socket.SOCK_STREAM, flags=socket.AI_ADDRCONFIG)
    except UnicodeError as error:
        raise socket.gaierror(socket.EAI_NONAME, "Not a possible host name") from error
    return [Address(kind, str(address[0]), int(address[1])) for kind, _, _, _, address in known]
