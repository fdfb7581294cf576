"""What a row does to the NATS server of its stack, as a client of it."""

from __future__ import annotations

import asyncio
import json
import socket
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from typing import Any

from nats.js import JetStreamContext
from nats.js.api import AckPolicy, ConsumerConfig, StorageType

from tests.support import nats_faults
from tests.support.commands import run
from tests.support.demo_stack import DemoStack
from tests.support.rows import Act, conf

WITHIN_SECONDS = 60.0
PUBLISHING_SECONDS = 300.0
PIECE = b"x" * 900_000
CONFIGURATION = """
server_name: semstreams-nats
port: 4222
http_port: 8222
{more}
jetstream {{ store_dir: /data, max_memory_store: {memory}, max_file_store: {storage} }}
"""
ACCOUNT = """
no_auth_user: app
accounts { APP { jetstream { max_mem: 64MB, max_file: 70MB }, users: [{user: app, password: app}] } }
"""


def client(stack: DemoStack) -> str:
    """Return the address of the stack's server for clients."""
    return f"nats://{stack.address('nats')}:4222"


def monitor(stack: DemoStack) -> str:
    """Return the address of the stack's server for looks."""
    return f"http://{stack.address('nats')}:8222"


def nats(fault: Callable[..., Coroutine[Any, Any, Any]], *arguments: Any, **named: Any) -> Act:
    """Make one of the faults of `nats_faults` on the stack's server."""

    def act(stack: DemoStack) -> None:
        asyncio.run(asyncio.wait_for(fault(client(stack), *arguments, **named), WITHIN_SECONDS))

    return act


def slow_client(stack: DemoStack) -> None:
    """Be cut off for reading too slowly."""
    asyncio.run(asyncio.wait_for(nats_faults.cut_off_slow_client(client(stack), monitor(stack)), WITHIN_SECONDS))


def use(work: Callable[[JetStreamContext], Coroutine[Any, Any, Any]]) -> Act:
    """Do something with JetStream."""

    async def run(url: str) -> None:
        async with nats_faults.jetstream(url) as js:
            await work(js)

    return nats(run)


def limited(more: str = "", memory: str = "256MB", storage: str = "1GB") -> Act:
    """Have NATS run with limits that a test can reach."""
    return conf(CONFIGURATION.format(more=more, memory=memory, storage=storage))


def remove(stream: str) -> Act:
    """Delete a stream."""
    return use(lambda js: js.delete_stream(stream))


async def leave_waiting(js: JetStreamContext) -> None:
    """Make a stream with a consumer for which messages wait that nobody asks for."""
    await js.add_stream(name="WORK", subjects=["WORK.>"])
    await js.add_consumer("WORK", ConsumerConfig(durable_name="stuck", ack_policy=AckPolicy.EXPLICIT, ack_wait=1))
    for _ in range(5):
        await js.publish("WORK.a", b"1")


async def fill_memory(js: JetStreamContext, pieces: int = 10) -> None:
    """Store so many times 0.95 MB in memory."""
    await js.add_stream(name="BULK", subjects=["BULK.>"], storage=StorageType.MEMORY)
    for _ in range(pieces):
        await js.publish("BULK.a", b"x" * 950_000)


def _refusing(command: str, service: str, *packets: str) -> Act:
    """Have the network of a service's container refuse (-I) such packets, or let them pass again (-D)."""
    rule = (*packets, "-j", "REJECT", "--reject-with", "tcp-reset")

    def act(stack: DemoStack) -> None:
        pid = stack.engine.docker("inspect", "--format", "{{.State.Pid}}", stack.container(service)).strip()
        run(["nsenter", f"--net=/proc/{pid}/ns/net", "iptables", command, *rule])

    return act


_TO_MONITOR = ("nats", "INPUT", "!", "-i", "lo", "-p", "tcp", "--dport", "8222")
close_monitor = _refusing("-I", *_TO_MONITOR)
"""Let the server's monitoring port refuse whoever comes from outside of its container."""
open_monitor = _refusing("-D", *_TO_MONITOR)
"""Let the server's monitoring port answer again."""
_NEW_TO_NATS = ("semstreams", "OUTPUT", "-p", "tcp", "--dport", "4222", "--syn")
shut_in = _refusing("-I", *_NEW_TO_NATS)
"""Let no new connection come from SemStreams' network to NATS; those that are there stay."""
let_out = _refusing("-D", *_NEW_TO_NATS)
"""Let new connections come from there again."""


class Crowd:
    """Clients that connect and say nothing; they stay until they are sent away."""

    def __init__(self, count: int, name: str = "") -> None:
        self._count = count
        self._greeting = json.dumps({"verbose": False, "name": name})
        self._open = ExitStack()

    def come(self, stack: DemoStack) -> None:
        """Connect all of them."""
        for _ in range(self._count):
            one = self._open.enter_context(socket.create_connection((stack.address("nats"), 4222), timeout=10))
            one.sendall(f"CONNECT {self._greeting}\r\nPING\r\n".encode())
            while b"PONG" not in one.recv(4096):
                pass

    def leave(self, _: DemoStack) -> None:
        """Disconnect all of them."""
        self._open.close()


class Publisher:
    """Somebody who goes on publishing to a subject, whoever takes it, until told to end."""

    def __init__(self, subject: str, pause_seconds: float = 0.05, payload: bytes = b"x") -> None:
        self._subject = subject
        self._payload = payload
        self._pause_seconds = pause_seconds
        self._ended = threading.Event()
        self._work: Future[None] | None = None

    def begin(self, stack: DemoStack) -> None:
        """Publish from now on, for a few minutes at most."""
        self._ended.clear()
        pool = ThreadPoolExecutor(1)
        self._work = pool.submit(
            lambda: asyncio.run(asyncio.wait_for(self._publish(client(stack)), PUBLISHING_SECONDS))
        )
        pool.shutdown(wait=False)

    def end(self, _: DemoStack) -> None:
        """Publish no more, and raise what went wrong meanwhile."""
        self._ended.set()
        assert self._work is not None
        self._work.result(WITHIN_SECONDS)

    async def _publish(self, url: str) -> None:
        async with nats_faults.jetstream(url) as js:
            while not self._ended.is_set():
                await js.publish(self._subject, self._payload)
                await asyncio.sleep(self._pause_seconds)
