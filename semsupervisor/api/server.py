"""The daemon's two doors: the control socket, and TCP for reading."""

from __future__ import annotations

import asyncio
import logging
import os
from contextlib import suppress
from functools import partial
from pathlib import Path

import msgspec
import structlog
from aiohttp import http_exceptions, web

from semsupervisor.api import application
from semsupervisor.api.access import Policy, host_name
from semsupervisor.api.readings import Readings
from semsupervisor.api.sockets import ControlSocket, group_id, open_control_socket
from semsupervisor.errors import PermanentError
from semsupervisor.health.setup import SetupFinding
from semsupervisor.kit.blocking import BlockingCalls, Hanging
from semsupervisor.settings.model import ApiSettings

log = structlog.get_logger(__name__)

GRACE_SECONDS = 0.5
RETRY_SECONDS = 60.0
GROUP_SECONDS = 30.0
SOCKET = "the control socket"
SOCKET_SECONDS = 30.0
CLOSE_SECONDS = 2.0
TCP_FIX = (
    "free the port (`ss -tlnp` shows who has it), or set api.listen to another address, "
    'or to "" for the control socket alone'
)


class Server:
    """Listens from `start` to `stop`, which takes a second at most.

    Any user of the host may take the TCP port first: then the control socket serves alone, `problem` says why and
    stands among the findings, and `retry` opens TCP when it can be had.
    """

    def __init__(self, readings: Readings, settings: ApiSettings) -> None:
        self._readings = msgspec.structs.replace(readings, findings=lambda: [*readings.findings(), *self._findings()])
        self._settings = settings
        self._runner: web.AppRunner | None = None
        self._control: ControlSocket | None = None
        self._calls = BlockingCalls()
        self.tcp_addresses: tuple[str, ...] = ()
        self.problem = ""

    async def start(self) -> None:
        """Open both doors. Raises: PermanentError when the control socket cannot be opened, and then none is open."""
        gid = await self._calls.run_in_turn("the group", partial(group_id, self._settings.group), GROUP_SECONDS)
        policy = Policy(
            own_uid=os.geteuid(), group=self._settings.group, group_gid=gid, hosts=_own_names(self._settings)
        )
        self._runner = web.AppRunner(
            application.build(self._readings, policy),
            access_log=None,
            logger=_aiohttp_log(),
            shutdown_timeout=GRACE_SECONDS,
            lingering_time=GRACE_SECONDS,
        )
        await self._runner.setup()
        try:
            await self._open_control(self._runner, gid)
            if self._settings.listen:
                await self._open_tcp(self._runner)
        except BaseException:
            await self.stop()
            raise
        log.info("api.listening", socket=self._settings.socket, tcp=list(self.tcp_addresses))

    async def stop(self) -> None:
        """Close both doors; requests under way get half a second to end."""
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None
        if self._control is not None:
            control, self._control = self._control, None
            with suppress(Hanging):
                await self._calls.run_in_turn(SOCKET, control.close, CLOSE_SECONDS)
        self.tcp_addresses = ()
        self.problem = ""

    async def retry(self) -> None:
        """Wait a minute, then listen on TCP if that could not be had so far: one turn of a loop."""
        await asyncio.sleep(RETRY_SECONDS)
        if self.problem and self._runner is not None:
            await self._open_tcp(self._runner)

    def _findings(self) -> list[SetupFinding]:
        return [SetupFinding("tcp_unavailable", self.problem, TCP_FIX)] if self.problem else []

    async def _open_control(self, runner: web.AppRunner, gid: int | None) -> None:
        opening = partial(open_control_socket, Path(self._settings.socket), gid)
        self._control = await self._calls.run_in_turn(SOCKET, opening, SOCKET_SECONDS)
        await web.SockSite(runner, self._control.listening).start()

    async def _open_tcp(self, runner: web.AppRunner) -> None:
        listen = self._settings.listen
        host, port = _host_and_port(listen)
        site = web.TCPSite(runner, host, port)
        try:
            await site.start()
        except OSError as error:
            await site.stop()
            self._cannot(f"cannot listen on {listen}: {error.strerror or error}")
            return
        if self.problem:
            log.info("api.tcp_available", listen=listen)
            self.problem = ""
        addresses = [address for address in runner.addresses if not isinstance(address, str)]
        self.tcp_addresses = tuple(f"{_bracketed(address[0])}:{address[1]}" for address in addresses)

    def _cannot(self, problem: str) -> None:
        if not self.problem:
            log.error("api.tcp_unavailable", problem=problem, fix=TCP_FIX)
        self.problem = problem


def _own_names(settings: ApiSettings) -> frozenset[str]:
    named = (host_name(name) for name in (*settings.hosts, settings.listen))
    return frozenset(name for name in named if name)


def _host_and_port(listen: str) -> tuple[str, int]:
    host, _, port = listen.rpartition(":")
    if not port.isdecimal() or int(port) > 65535:
        raise PermanentError(f'api.listen: found "{listen}"; allowed: host:port such as "127.0.0.1:9797", or ""')
    return host.strip("[]"), int(port)


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def _aiohttp_log() -> logging.Logger:
    """Return a logger for the HTTP library that is silent about requests which are no HTTP: anybody can send those."""
    logger = logging.getLogger(f"{__name__}.http")
    logger.addFilter(_is_our_fault)
    return logger


def _is_our_fault(record: logging.LogRecord) -> bool:
    error = record.exc_info[1] if record.exc_info else None
    return not isinstance(error, http_exceptions.HttpProcessingError)
