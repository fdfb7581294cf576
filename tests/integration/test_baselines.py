"""Real servers of both generations that lost the end of a stream with a start are found out, and no others are."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from functools import partial
from pathlib import Path

import pytest
from nats.js import JetStreamContext
from nats.js.api import RetentionPolicy

from semsupervisor.health.baseline import Fall
from semsupervisor.health.baselines import Baselines
from semsupervisor.systems.http import HttpClient
from semsupervisor.systems.nats_jsz import parse_jsz, path
from tests.support.clock import ManualClock
from tests.support.nats_faults import jetstream
from tests.support.nats_server import NatsServer, ServerWith

pytestmark = pytest.mark.integration

MESSAGES = 30


class Eye:
    """Looks at a server as the daemon does."""

    def __init__(self, server: NatsServer, file: Path) -> None:
        self._server = server
        self._clock = ManualClock()
        self._baselines = Baselines(self._clock, file, lambda *_: "20261124-020000")

    async def look(self) -> Mapping[str, Fall]:
        """Return which streams went back."""
        self._clock.advance(30.0)
        client = HttpClient(self._clock)
        try:
            answer = await client.get(f"{self._server.monitor}{path()}", 10.0)
        finally:
            await client.close()
        state = parse_jsz(answer.status, answer.body)
        assert state is not None
        told = await self._baselines.look(state.server_id, state.streams, 30.0)
        assert told is not None
        assert told.judged == {one.subject_name for one in state.streams}
        assert not state.clustered
        return told.falls


async def fill(js: JetStreamContext, name: str, messages: int = MESSAGES) -> None:
    """Publish so many messages."""
    for _ in range(messages):
        await js.publish(name, b"x" * 500)


def cut_short(streams: Path, name: str) -> None:
    """Take the end of a stream's only block, and the index, from which a newer server would know of it."""
    messages = streams / name / "msgs"
    block = messages / "1.blk"
    os.truncate(block, block.stat().st_size - 100)
    for index in (*messages.glob("*.idx"), *messages.glob("*.fss"), *messages.glob("index.db")):
        index.unlink()


async def test_the_end_of_a_stream_that_is_gone_is_found(server_with: ServerWith, tmp_path: Path) -> None:
    """By the first look after the start; the other stream has lost nothing."""
    server = server_with("")
    eye = Eye(server, tmp_path / "stream-baselines")
    async with jetstream(server.url) as js:
        for name in ("CUT", "WHOLE"):
            await js.add_stream(name=name, subjects=[name])
            await fill(js, name)
    assert await eye.look() == {}
    server.stop()
    cut_short(server.streams, "CUT")
    server.start()
    found = await eye.look()
    assert {name: (fall.was, fall.has) for name, fall in found.items()} == {"CUT": (MESSAGES, MESSAGES - 1)}
    assert await eye.look() == found


async def test_what_servers_and_people_do_is_no_loss(server_with: ServerWith, tmp_path: Path) -> None:
    """Ages, limits, acknowledgements, purges, deletions and streams made anew, all behind the supervisor's back."""
    server = server_with("")
    eye = Eye(server, tmp_path / "stream-baselines")
    async with jetstream(server.url) as js:
        add = {name: partial(js.add_stream, name=name, subjects=[name]) for name in ("PURGED", "LESS", "NEW", "GONE")}
        for made in add.values():
            await made()
        await js.add_stream(name="OLD", subjects=["OLD"], max_age=1)
        await js.add_stream(name="RING", subjects=["RING"], max_msgs=5)
        await js.add_stream(name="QUEUE", subjects=["QUEUE"], retention=RetentionPolicy.WORK_QUEUE)
        worker = await js.pull_subscribe("QUEUE", durable="worker")
        for name in (*add, "OLD", "RING", "QUEUE"):
            await fill(js, name)
    assert await eye.look() == {}
    async with jetstream(server.url) as js:
        await js.purge_stream("PURGED")
        await js.delete_msg("LESS", MESSAGES)
        await js.delete_stream("GONE")
        await js.delete_stream("NEW")
        await js.add_stream(name="NEW", subjects=["NEW"])
        worker = await js.pull_subscribe_bind("worker", "QUEUE")
        for message in await worker.fetch(MESSAGES, timeout=30):
            await message.ack_sync()
    for _ in range(2):
        server.stop()
        server.start()
        assert await eye.look() == {}


async def test_a_store_put_back_is_a_loss(server_with: ServerWith, tmp_path: Path) -> None:
    """What was written since the copy was made is gone, which whoever put it back should be told."""
    server = server_with("")
    eye = Eye(server, tmp_path / "stream-baselines")
    store, copy = server.folder / "store", tmp_path / "copy"
    async with jetstream(server.url) as js:
        await js.add_stream(name="EV", subjects=["EV"])
        await fill(js, "EV")
    server.stop()
    shutil.copytree(store, copy)
    server.start()
    async with jetstream(server.url) as js:
        await fill(js, "EV")
    assert await eye.look() == {}
    server.stop()
    shutil.rmtree(store)
    copy.rename(store)
    server.start()
    assert {name: fall.was - fall.has for name, fall in (await eye.look()).items()} == {"EV": MESSAGES}
