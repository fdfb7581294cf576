"""A hot backup holds every stream that can be had, says what is not in it, and leaves nothing when it fails."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
import nats
import pytest
from nats.aio.client import Client
from nats.js.api import StorageType

from semsupervisor.backup import catalogue
from semsupervisor.backup.copying import Known, Value, Write
from semsupervisor.backup.disk import Disk
from semsupervisor.backup.folders import Folders, TargetUnusable
from semsupervisor.backup.hot import HotBackup, Request
from semsupervisor.backup.reckoning import Held
from semsupervisor.backup.stack_files import StackFiles
from semsupervisor.backup.taking import Source, Taking
from semsupervisor.backup.verify import Verdict, Verifier
from semsupervisor.errors import TemporaryError
from semsupervisor.jobs.record import JobRecord, JobState
from semsupervisor.kit.blocking import BlockingCalls
from semsupervisor.kit.tasks import TaskOwner
from semsupervisor.systems import buckets, snapshots
from tests.support.archives import archive
from tests.support.clock import ManualClock
from tests.support.nats_server import GENERATIONS, NatsServer
from tests.support.waiting import eventually
from tests.support.workshop import Workshop

pytestmark = pytest.mark.usefixtures("logs")


class Stack:
    """A stack's content as the tests want it; what is asked of a server is asked of a real one, if there is one."""

    def __init__(self, folder: Path, client: Client | None = None) -> None:
        self.folder = folder
        self.client = client
        self.names: list[Known] = []
        self.broken: Mapping[str, Exception] = {}
        self.mends: set[str] = set()
        self.content = b""
        self.holds = 0
        self.holds_all = Held(account="$G")
        self.taken: list[tuple[str, bool]] = []
        self.connections = 0
        self.found: list[tuple[str, Verdict]] = []
        folder.mkdir()
        (folder / "config.json").write_text("{}")
        (folder / ".env").write_text("TOKEN=x\n")

    async def streams(self) -> Sequence[Known]:
        """Return the streams of the server."""
        if self.client is None:
            return self.names
        found = await snapshots.streams(self.client)
        return [Known(one.name, one.size_bytes, one.in_memory) for one in found]

    async def held(self) -> Held:
        """Return what the server holds in all accounts."""
        return self.holds_all

    async def take(self, name: str, write: Write, *, gently: bool) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
        """Take one."""
        self.taken.append((name, gently))
        if gently and name in self.mends:
            self.broken = {}
        if name in self.broken:
            await write(self.content)
            raise self.broken[name]
        if self.client is None:
            await write(self.content)
            return {"name": name}, {"messages": 1, "bytes": self.holds}
        begun = await snapshots.take(self.client, name, write)
        return begun.config, begun.state

    async def bucket(self, name: str) -> Sequence[Value]:
        """Return what is in a bucket."""
        if self.client is None:
            raise TemporaryError(f"the bucket {name} is not answered for")
        return [Value(one.key, one.revision, one.value) for one in await buckets.read(self.client, name)]

    async def look(self, snapshot_id: str, verdict: Verdict) -> None:
        """Hear of a look at a snapshot."""
        self.found.append((snapshot_id, verdict))

    @asynccontextmanager
    async def opened(self) -> AsyncIterator[Stack]:
        """Be connected."""
        self.connections += 1
        try:
            yield self
        finally:
            self.connections -= 1

    def source(self) -> Source:
        """Return it as a backup asks for it."""
        return Source(
            opened=self.opened,
            files=lambda: StackFiles({name: self.folder / name for name in ("config.json", ".env")}),
            images=lambda: {"nats": "nats:2.14"},
            nats_version=lambda: "2.14.0",
            host=lambda: "edge7",
        )


@pytest.fixture(params=GENERATIONS, scope="module")
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[NatsServer]:
    """Return a running server of each generation."""
    one = NatsServer(request.param, tmp_path_factory.mktemp("nats"))
    one.start()
    yield one
    one.stop()


@asynccontextmanager
async def a_workshop(folder: Path, stack: Stack) -> AsyncIterator[Workshop]:
    """Run a runner that knows hot backups."""
    clock = ManualClock()
    async with asyncio.TaskGroup() as group:
        owner = TaskOwner(group, clock)
        hot = HotBackup(Taking(clock, lambda: folder / "backup", stack.source(), stack.look))
        shop = Workshop(folder, owner, [hot.kind()])
        await shop.runner.take_up()
        yield shop
        await owner.stop()
        await shop.store.close()


async def backed_up(shop: Workshop, note: str = "") -> JobRecord:
    """Make a hot backup and return its job."""
    asked = await shop.runner.submit("backup.hot", Request(note), "a test")
    return await shop.runner.wait(asked.job.id)


async def listed(folder: Path) -> list[catalogue.Entry]:
    """Return what the catalogue lists."""
    return list(await asyncio.to_thread(catalogue.entries, Folders(folder / "backup")))


async def test_all_streams_and_files_are_in_it(server: NatsServer, tmp_path: Path) -> None:
    """It is listed, verified, and says what cannot be in it."""
    client = await nats.connect(server.url)
    try:
        jetstream = client.jetstream()
        await jetstream.add_stream(name="EV", subjects=["ev.>"])
        await jetstream.add_stream(name="MEM", subjects=["mem.>"], storage=StorageType.MEMORY)
        bucket = await jetstream.create_key_value(bucket="semstreams_config")
        await bucket.put("version", b"7")
        await bucket.put("image", b"\xff\x00")
        for _ in range(300):
            await jetstream.publish("ev.a", os.urandom(1000))
        stack = Stack(tmp_path / "stack", client)
        async with a_workshop(tmp_path, stack) as shop:
            job = await backed_up(shop, "before v2")
            assert (job.state, job.notes, job.cause) == (JobState.DONE, (), "")
            (one,) = await listed(tmp_path)
            assert (one.kind, one.streams, one.messages, one.complete, one.note) == ("hot", 2, 302, True, "before v2")
            assert [left.what for left in one.left_out] == ["stream MEM"]
            assert job.data["verified"] == 1
            assert (stack.found, stack.connections) == ([(one.id, Verdict(1, (), one.size_bytes))], 0)
            folders = Folders(tmp_path / "backup")
            found = await Verifier(Disk(folders, BlockingCalls())).verify(one.id, 1, lambda *_: None)
            assert (found.level, found.damage, found.bytes_read) == (1, (), one.size_bytes)
            _, manifest = await asyncio.to_thread(catalogue.find, folders, one.id)
            assert manifest is not None
            assert (manifest.host, dict(manifest.images), manifest.nats_version) == (
                "edge7",
                {"nats": "nats:2.14"},
                "2.14.0",
            )
            assert sorted(manifest.files) == [
                ".env",
                "config.json",
                "kv/semstreams_config.json",
                "streams/EV/backup.json",
                "streams/EV/stream.tar.s2",
                "streams/KV_semstreams_config/backup.json",
                "streams/KV_semstreams_config/stream.tar.s2",
            ]
            described = tmp_path / "backup" / one.id / "streams/EV/backup.json"
            text = tmp_path / "backup" / one.id / "kv/semstreams_config.json"
            assert msgspec.json.decode(await asyncio.to_thread(text.read_bytes)) == [
                {"key": "image", "revision": 2, "base64": "/wA="},
                {"key": "version", "revision": 1, "text": "7"},
            ]
            told = msgspec.json.decode(await asyncio.to_thread(described.read_bytes))
            assert (told["config"]["name"], told["state"]["messages"]) == ("EV", 300)
    finally:
        await client.close()


async def test_what_broke_inside_the_server_is_a_fault(server: NatsServer, tmp_path: Path) -> None:
    """A block that is gone from its disk: the older server closes the archive as if it were whole."""
    client = await nats.connect(server.url)
    try:
        jetstream = client.jetstream()
        await jetstream.add_stream(name="TORN", subjects=["torn"])
        for _ in range(20):
            await jetstream.publish("torn", os.urandom(1_000_000))
        await asyncio.to_thread((server.streams / "TORN" / "msgs" / "1.blk").unlink)
        async with a_workshop(tmp_path, Stack(tmp_path / "stack", client)) as shop:
            await backed_up(shop)
            (one,) = await listed(tmp_path)
            ((what, why),) = [(left.what, left.why) for left in one.left_out if left.is_fault]
            assert (one.complete, what) == (False, "stream TORN")
            assert "could not read" in why.lower() or "gave up" in why, why
    finally:
        await jetstream.delete_stream("TORN")
        await client.close()


FRAMES = archive({"meta.inf": b"{}", "msgs/1.blk": b"data"})


async def test_a_stream_that_cannot_be_had_keeps_no_other_back(tmp_path: Path) -> None:
    """The snapshot is incomplete, says why, and what was written of that stream is gone."""
    stack = Stack(tmp_path / "stack")
    stack.content = FRAMES
    stack.names = [Known("BAD", 8, False), Known("GOOD", 8, False), Known("../X", 8, False), Known("HALF", 8, False)]
    stack.broken = {"BAD": TemporaryError("it fell silent"), "HALF": TemporaryError("the server died")}
    async with a_workshop(tmp_path, stack) as shop:
        job = await backed_up(shop)
        assert job.state is JobState.DONE
        (one,) = await listed(tmp_path)
        assert (one.streams, one.complete) == (1, False)
        assert [(left.what, left.is_fault) for left in one.left_out] == [
            ("stream BAD", True),
            ("stream '../X'", True),
            ("stream HALF", True),
        ]
        assert job.notes[0] == "stream BAD is not in it: it fell silent"
        disk = Disk(Folders(tmp_path / "backup"), BlockingCalls())
        assert (await Verifier(disk).verify(one.id, 1, lambda *_: None)).damage == ()


async def test_a_stream_that_broke_off_is_taken_once_more(tmp_path: Path) -> None:
    """More gently, from its beginning, and nothing of the first time is in it."""
    stack = Stack(tmp_path / "stack")
    stack.content, stack.names = FRAMES, [Known("EV", 8, False)]
    stack.broken, stack.mends = {"EV": TemporaryError("the target took nothing")}, {"EV"}
    async with a_workshop(tmp_path, stack) as shop:
        job = await backed_up(shop)
        (one,) = await listed(tmp_path)
        assert (job.notes, one.complete, stack.taken) == ((), True, [("EV", False), ("EV", True)])
        size = await asyncio.to_thread(
            lambda: (tmp_path / "backup" / one.id / "streams/EV/stream.tar.s2").stat().st_size
        )
        assert size == len(FRAMES)


async def test_a_bucket_that_cannot_be_read_as_text_is_no_fault(tmp_path: Path) -> None:
    """It is in the snapshot as the stream that it is; that there is no text of it is said."""
    stack = Stack(tmp_path / "stack")
    stack.content, stack.names = FRAMES, [Known("KV_settings", 8, False)]
    async with a_workshop(tmp_path, stack) as shop:
        job = await backed_up(shop)
        (one,) = await listed(tmp_path)
        assert (job.notes, one.complete, one.streams) == ((), True, 1)
        assert [left.what for left in one.left_out] == ["kv/settings.json, the bucket as text"]


async def test_two_backups_follow_each_other(tmp_path: Path) -> None:
    """A server gives one snapshot of a stream at a time: what is asked for with another note waits."""
    stack = Stack(tmp_path / "stack")
    stack.content, stack.names = FRAMES, [Known("EV", 8, False)]
    async with a_workshop(tmp_path, stack) as shop:
        asked = [(await shop.runner.submit("backup.hot", Request(note), "a test")).job for note in ("a", "b")]
        assert [job.state for job in shop.runner.open_jobs][-1] is JobState.QUEUED
        ended = [await shop.runner.wait(job.id) for job in asked]
        assert [job.notes for job in ended] == [(), ()]
        assert ended[0].ended_at is not None
        assert [call for call in shop.told if call[1] in (JobState.RUNNING, JobState.DONE)] == [
            (f"hot backup ({note})", state) for note in "ab" for state in (JobState.RUNNING, JobState.DONE)
        ]
        assert len(await listed(tmp_path)) == 2


async def test_a_stream_that_ends_too_early_is_a_fault(tmp_path: Path) -> None:
    """Whatever the server said."""
    stack = Stack(tmp_path / "stack")
    stack.content, stack.names = FRAMES[:-1], [Known("EV", 8, False)]
    async with a_workshop(tmp_path, stack) as shop:
        await backed_up(shop)
        (one,) = await listed(tmp_path)
        assert one.left_out[0].why == f"it ends within a frame, after {len(FRAMES) - 1} bytes"


async def test_an_archive_too_small_for_its_messages_is_a_fault(tmp_path: Path) -> None:
    """Unless they went from the stream while it was copied."""
    stack = Stack(tmp_path / "stack")
    stack.content, stack.holds = FRAMES, 1_000_000
    stack.names = [Known("SHORT", 1_000_000, False), Known("EMPTIED", 0, False)]
    async with a_workshop(tmp_path, stack) as shop:
        await backed_up(shop)
        (one,) = await listed(tmp_path)
        assert [left.what for left in one.left_out] == ["stream SHORT"]
        assert "bytes unpacked, for messages of 1000000 bytes" in one.left_out[0].why
        assert one.streams == 1


async def test_what_is_not_in_it_is_named(tmp_path: Path) -> None:
    """Other accounts, a stream that the login is not shown, files that are not there; the last two snapshots count."""
    stack = Stack(tmp_path / "stack")
    stack.content, stack.names = FRAMES, [Known("EV", 8, False), Known("OLD", 8, False)]
    stack.holds_all = Held(account="OPS", streams={"OPS": ("EV", "OLD"), "B": ("X", "Y"), "$SYS": ()})
    await asyncio.to_thread((stack.folder / ".env").unlink)
    async with a_workshop(tmp_path, stack) as shop:
        await backed_up(shop)
        (one,) = await listed(tmp_path)
        assert [(left.what, left.why) for left in one.left_out] == [
            ("account B with 2 streams: X and Y", "the settings give no login for it"),
            (f"file {stack.folder / '.env'}", "it is not there"),
        ]
        assert (one.complete, one.suspicions) == (True, ())
        folder = tmp_path / "backup" / one.id
        there = await asyncio.to_thread((folder / "accounts/OPS/streams/EV/stream.tar.s2").is_file)
        assert there, "streams of another account than the default one have their place"

        stack.names = [Known("EV", 8, False)]
        job = await backed_up(shop)
        (two, _) = await listed(tmp_path)
        assert [left.what for left in two.left_out if left.is_fault] == ["stream OLD"]
        assert two.suspicions == (f"stream OLD is gone: {one.id} holds 1 messages of it",)
        assert [text for text in job.notes if "OLD" in text] == [
            "stream OLD is not in it: the server has it and does not show it to the login",
            f"suspicious: {two.suspicions[0]}",
        ]

        stack.names, stack.holds_all = [], Held(account="OPS", problem="no answer")
        await backed_up(shop)
        (three, *_) = await listed(tmp_path)
        assert [(left.what, left.is_fault) for left in three.left_out if "file" not in left.what] == [
            ("streams of other accounts, if there are any", False),
            ("every stream", True),
        ]


async def test_without_room_nothing_is_begun(tmp_path: Path) -> None:
    """It says how much is needed and how much is free, and nothing is left."""
    stack = Stack(tmp_path / "stack")
    stack.names = [Known("HUGE", 2**60, False)]
    async with a_workshop(tmp_path, stack) as shop:
        job = await backed_up(shop)
        assert job.state is JobState.UNDONE
        assert "not enough room" in job.cause
        assert "set backup.directory" in job.cause
        assert await asyncio.to_thread(lambda: list((tmp_path / "backup").iterdir())) == []


@pytest.mark.parametrize("error", [TargetUnusable("cannot write x: No space left on device"), ValueError("a bug")])
async def test_a_backup_that_fails_leaves_nothing(tmp_path: Path, error: Exception) -> None:
    """No folder that could be taken for a snapshot, and none that grows for ever."""
    stack = Stack(tmp_path / "stack")
    stack.content, stack.names, stack.broken = FRAMES, [Known("EV", 8, False)], {"EV": error}
    async with a_workshop(tmp_path, stack) as shop:
        job = await backed_up(shop)
        assert job.state is JobState.UNDONE
        assert str(error) in job.cause
        assert await asyncio.to_thread(lambda: list((tmp_path / "backup").iterdir())) == []


async def test_a_backup_that_is_interrupted_leaves_nothing(tmp_path: Path) -> None:
    """The next run of the daemon removes what grew."""
    stack = Stack(tmp_path / "stack")
    stack.content, stack.names = FRAMES, [Known("EV", 8, False)]
    held = asyncio.Event()

    async def hang(name: str, write: Write, *, gently: bool) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
        await write(FRAMES)
        held.set()
        await asyncio.sleep(3600)
        return {}, {}

    stack.take = hang  # type: ignore[method-assign]
    async with a_workshop(tmp_path, stack) as shop:
        await shop.runner.submit("backup.hot", Request(), "a test")
        await held.wait()
        growing = await asyncio.to_thread(lambda: [one.name for one in (tmp_path / "backup").iterdir()])
        assert [name.startswith(".partial-") for name in growing] == [True]
    async with a_workshop(tmp_path, Stack(tmp_path / "stack2")) as shop:
        await eventually(lambda: not shop.runner.open_jobs)
        assert await asyncio.to_thread(lambda: list((tmp_path / "backup").iterdir())) == []
