"""A server that exists only to try a snapshot out: of the host's own image, with nothing of the stack's within reach.

It is a container of its own, in a network that leads nowhere, and its store is in the container: both go with it,
whatever happens. Who was killed before that leaves it to `Scratches.remove_all`.
"""

from __future__ import annotations

import asyncio
import importlib
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from functools import partial
from typing import Any, TypeVar

import msgspec
import structlog

from semsupervisor.backup.unpacking import NotPossible, is_index, small
from semsupervisor.errors import EngineError, SupervisorError, TemporaryError
from semsupervisor.kit.blocking import BlockingCalls
from semsupervisor.kit.clock import SystemClock
from semsupervisor.settings.forms import Secret
from semsupervisor.systems import nats_jsz
from semsupervisor.systems.connecting import Unanswered
from semsupervisor.systems.containers import ContainerState
from semsupervisor.systems.docker_archive import Archive, Placing
from semsupervisor.systems.docker_scratch import Scratches
from semsupervisor.systems.http import Answer, BodyTooLarge
from semsupervisor.systems.jetstream_state import DEFAULT_ACCOUNT, StreamState
from semsupervisor.systems.nats_client import Address, Login, NatsClient

log = structlog.get_logger(__name__)

FOLDER = "semsupervisor"
STORE = f"{FOLDER}/store"
CLIENT_PORT, MONITOR_PORT = 4222, 8222
PLACE_SECONDS = 6 * 3600.0
ASK_SECONDS = 10.0
LOOK_SECONDS = 0.2
READY_SECONDS = 120.0
# A server that reads every record of its store gets through so many bytes a second at least.
SLOWEST_BYTES_PER_SECOND = 2e6
REMOVE_SECONDS = 120.0
GIVE_UP_SECONDS = 30.0
LAST_LINES = 5
# What a process ends with that the kernel has killed.
KILLED = 137
_CONFIGURATION = f"{FOLDER}/nats.conf"
_USER = "semsupervisor"

T = TypeVar("T")

Get = Callable[[str, float, int], Awaitable[Answer]]
"""Fetches a URL with a timeout in seconds, and no more than so many bytes, as `HttpClient.get` does."""


class ScratchFailed(TemporaryError):
    """The server did not do what it was made for; the text holds its last words."""


class Means(msgspec.Struct, frozen=True):
    """What a scratch server is made with: the engine, by its socket as well, and what asks by HTTP."""

    scratches: Scratches
    engine_socket: str
    get: Get


@asynccontextmanager
async def made(means: Means, job_id: str, image_id: str) -> AsyncIterator[ScratchServer]:
    """Make a server that does not run yet, and remove it in the end. Raises: EngineError; PermanentError; NotPossible.

    What an earlier try of the same job left is removed before. What cannot be removed now is left to
    `Scratches.remove_all`: what was learned counts all the same.
    """
    await means.scratches.remove(job_id)
    try:
        arguments = ("-c", f"/{_CONFIGURATION}")
        server = ScratchServer(means, await means.scratches.make(job_id, image_id, arguments))
        try:
            yield server
        except SupervisorError as error:
            await server.expect_not_killed(error)
            raise
    finally:
        await _remove(means.scratches, job_id)


async def _remove(scratches: Scratches, job_id: str) -> None:
    try:
        async with asyncio.timeout(REMOVE_SECONDS):
            await scratches.remove(job_id)
    except (SupervisorError, TimeoutError) as error:
        log.warning("scratch.not_removed", job=job_id, error=str(error))


class ScratchServer:
    """One such server. What it is asked for raises EngineError, ScratchFailed or Unanswered."""

    def __init__(self, means: Means, container_id: str) -> None:
        self._means = means
        self._id = container_id
        self._calls = BlockingCalls()
        self._password = os.urandom(16).hex()
        self._address = ""
        self._accounts: Collection[str] = ()

    async def place(self, pieces: Iterable[bytes]) -> None:
        """Unpack a tar into the container. Raises also: what gives the pieces raises."""
        placing = Placing(self._means.engine_socket, self._id, "/")
        await self._carried(partial(placing.write, pieces), placing.abort)

    async def start(self, accounts: Collection[str], store_bytes: int) -> None:
        """Start it with these accounts, and return when it has read a store of that size and takes clients."""
        self._accounts = accounts
        await self.place(small({_CONFIGURATION: configuration(accounts, self._password)}))
        await self._start(store_bytes)

    async def restart_without_index(self, store_bytes: int) -> int:
        """Let it start again and read every record, since no file tells it what it holds; return how many did."""
        await self._means.scratches.stop(self._id)
        archive = Archive(self._means.engine_socket, self._id, f"/{STORE}")
        names = await self._carried(partial(archive.names, is_index), archive.abort)
        # What the engine gives begins with the last part of the folder's path.
        await self.place(small({f"{FOLDER}/{name}": b"" for name in names}))
        await self._start(store_bytes)
        return len(names)

    async def expect_not_killed(self, after: SupervisorError) -> None:
        """Return unless the kernel has killed it, as for want of memory. Raises: NotPossible."""
        try:
            seen = await self._means.scratches.inspect(self._id)
        except SupervisorError:
            return  # what is `after` says more
        if seen.state is not ContainerState.RUNNING and (seen.oom_killed or seen.exit_code == KILLED):
            raise NotPossible("the scratch server was killed, as it is for want of memory") from after

    async def held(self) -> Sequence[StreamState]:
        """Return what it holds now, with the consumers. Raises also: NotPossible."""
        url = f"http://{self._address}:{MONITOR_PORT}{nats_jsz.path()}"
        try:
            answer = await self._means.get(url, ASK_SECONDS, nats_jsz.LARGEST_ANSWER_BYTES)
        except BodyTooLarge as error:
            raise NotPossible(f"it has more streams and consumers than can be read of it: {error}") from error
        state = nats_jsz.parse_jsz(answer.status, answer.body)
        if state is None:
            raise ScratchFailed(f"it has no JetStream: {await self._last_words()}")
        return state.streams

    @asynccontextmanager
    async def client(self, account: str) -> AsyncIterator[NatsClient]:
        """Connect to one of its accounts."""
        client = NatsClient(SystemClock())
        login = Login(username=_user(account, self._accounts), password=Secret(self._password, "a scratch server"))
        try:
            await client.connect(Address(self._address, CLIENT_PORT), login, ASK_SECONDS)
            yield client
        finally:
            await client.close()

    async def restoring(self) -> Any:
        """Return the module that gives a stream back: it brings the library with it, which is not wanted before."""
        load = partial(importlib.import_module, "semsupervisor.systems.restoring")
        return await self._calls.run_in_turn("the client of NATS", load, ASK_SECONDS)

    async def _start(self, store_bytes: int) -> None:
        limit_seconds = READY_SECONDS + store_bytes / SLOWEST_BYTES_PER_SECOND
        await self._means.scratches.start(self._id)
        account = next(iter(self._accounts), DEFAULT_ACCOUNT)
        try:
            async with asyncio.timeout(limit_seconds):
                await self._ready(account)
        except TimeoutError as error:
            words = await self._last_words()
            raise ScratchFailed(f"it takes no clients within {limit_seconds:.0f} s: {words}") from error

    async def _ready(self, account: str) -> None:
        """Return when it takes clients, which it does when it has read its store."""
        while True:
            if await self._is_ready(account):
                return
            await asyncio.sleep(LOOK_SECONDS)

    async def _is_ready(self, account: str) -> bool:
        seen = await self._means.scratches.inspect(self._id)
        if seen.state is not ContainerState.RUNNING:
            raise ScratchFailed(f"it ended with {seen.exit_code}: {await self._last_words()}")
        self._address = next(iter(seen.addresses.values()), "")
        try:
            async with self.client(account):
                return True
        except Unanswered:
            return False

    async def _last_words(self) -> str:
        try:
            return " / ".join(await self._means.scratches.log(self._id, LAST_LINES))
        except EngineError as error:
            return f"its output cannot be read: {error}"

    async def _carried(self, call: Callable[[], T], abort: Callable[[], None]) -> T:
        """Return what a call in a thread returns; whoever is cancelled meanwhile waits for its end, but not long."""
        done = False
        try:
            result = await self._calls.run("scratch", call, PLACE_SECONDS)
            done = True
            return result
        finally:
            if not done:
                abort()
                await self._calls.run_in_turn("scratch", _nothing, GIVE_UP_SECONDS)


def configuration(accounts: Collection[str], password: str) -> bytes:
    """Return what the server is told: its store, and a user of each account; there are no others.

    Raises: NotPossible for the default account beside others, of which a server has either.
    """
    lines = [
        f'listen: "0.0.0.0:{CLIENT_PORT}"',
        f'http: "0.0.0.0:{MONITOR_PORT}"',
        f'jetstream {{ store_dir: "/{STORE}", max_file_store: {2**50}, max_memory_store: {2**40} }}',
    ]
    if _only_default(accounts):
        lines.append(f'authorization {{ user: "{_USER}", password: "{password}" }}')
    elif DEFAULT_ACCOUNT in accounts:
        raise NotPossible(f"it holds streams of {DEFAULT_ACCOUNT} and of other accounts, which no server takes at once")
    else:
        lines.append("accounts {")
        for account in sorted(accounts):
            user = f'{{ user: {_quoted(account)}, password: "{password}" }}'
            lines.append(f"  {_quoted(account)} {{ jetstream: enabled, users: [ {user} ] }}")
        lines.append("}")
    return "\n".join([*lines, ""]).encode()


def _user(account: str, accounts: Collection[str]) -> str:
    return _USER if _only_default(accounts) else account


def _only_default(accounts: Collection[str]) -> bool:
    return set(accounts) <= {DEFAULT_ACCOUNT}


def _quoted(text: str) -> str:
    return msgspec.json.encode(text).decode()


def _nothing() -> None:
    """Be done as soon as what was before it in turn has come back."""


def streams_of(states: Sequence[StreamState]) -> Mapping[tuple[str, str], StreamState]:
    """Return streams by account and name."""
    return {(one.account, one.name): one for one in states}
