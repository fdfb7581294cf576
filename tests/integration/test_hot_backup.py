"""A hot backup by the real daemon of the real stack, through power cuts, and back into a fresh server."""

from __future__ import annotations

import asyncio
import hashlib
import json
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Self

import nats
import pytest
from nats.js.api import ConsumerConfig

from semsupervisor.api.client import NotReachable
from tests.support.commands import REPOSITORY
from tests.support.daemon_process import DaemonProcess, settings
from tests.support.demo_stack import DemoStack, DemoStackFactory
from tests.support.nats_server import GENERATIONS, NatsServer
from tests.support.restoring import restore
from tests.support.snapshot_folder import taken
from tests.support.waiting import eventually_sync

pytestmark = pytest.mark.integration

MESSAGES = 500
STEPS = ("begin", "streams", "buckets", "files", "manifest", "publish", "verify")
# In the middle, and where nobody knows whether the point of no return was passed.
SETTLED = ("job.acted.streams", "job.begun.publish")
WHOLE = {"job.begun.publish", "job.acted.publish", "job.begun.verify", "job.acted.verify"}
KILLED = [f"job.{when}.{step}" for step in STEPS for when in ("begun", "acted")]

SETTINGS = """
[stack]
directory = "{folder}/stack"
project = "absent"
[docker]
socket = "{folder}/absent.sock"
[checks]
interval = "1s"
nats.client = "127.0.0.1:{port}"
nats.monitor = "{monitor}"
[state]
directory = "{folder}/state"
[backup]
directory = "{folder}/backup"
[api]
socket = "{folder}/control.sock"
listen = ""
group = ""
"""


@pytest.fixture(params=GENERATIONS, scope="module")
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[NatsServer]:
    """Return a running server of each generation, with streams, a bucket and a consumer."""
    with NatsServer(request.param, tmp_path_factory.mktemp("nats")) as one:
        asyncio.run(fill(one.url))
        yield one


async def fill(url: str) -> None:
    """Put messages into a stream, some of them acknowledged by a consumer, and values into a bucket."""
    client = await nats.connect(url)
    try:
        jetstream = client.jetstream()
        await jetstream.add_stream(name="EV", subjects=["ev.>"])
        for number in range(MESSAGES):
            await jetstream.publish("ev.a", f"message {number}".encode(), headers={"number": str(number)})
        await jetstream.add_consumer("EV", ConsumerConfig(durable_name="reader", ack_policy="explicit"))  # type: ignore[arg-type]
        reader = await jetstream.pull_subscribe("ev.>", durable="reader", stream="EV")
        for message in await reader.fetch(7):
            await message.ack_sync()
        bucket = await jetstream.create_key_value(bucket="semstreams_config", history=3)
        for value in (b"one", b"two"):
            await bucket.put("version", value)
    finally:
        await client.close()


async def content(url: str, stream: str) -> tuple[str, int]:
    """Return a digest of all of a stream's messages, and how many there are."""
    client = await nats.connect(url)
    digest = hashlib.sha256()
    try:
        jetstream = client.jetstream()
        state = (await jetstream.stream_info(stream)).state
        for sequence in range(state.first_seq, state.last_seq + 1):
            message = await jetstream.get_msg(stream, sequence)
            digest.update(repr((sequence, message.subject, message.data, message.headers)).encode())
        return digest.hexdigest(), state.messages
    finally:
        await client.close()


def daemon_for(server: NatsServer, folder: Path) -> DaemonProcess:
    """Return a daemon that sees a server and no engine."""
    (folder / "stack").mkdir()
    (folder / "stack" / "config.json").write_text("{}")
    port = server.url.rpartition(":")[2]
    return DaemonProcess(folder, SETTINGS.format(folder=folder, port=port, monitor=server.monitor))


def ended(daemon: DaemonProcess, job_id: str) -> dict[str, Any]:
    """Wait for a job's end and return it."""

    def look() -> dict[str, Any]:
        job: dict[str, Any] = daemon.get(f"/v1/jobs/{job_id}")["job"]
        return {} if job["open"] else job

    return eventually_sync(look, within_seconds=60)


def backed_up(daemon: DaemonProcess) -> dict[str, Any]:
    """Take a backup and return its job."""
    return ended(daemon, daemon.post("v1", "backups")["job"]["id"])


def test_a_backup_is_restored_into_a_fresh_server(server: NatsServer, tmp_path: Path) -> None:
    """The official request brings back the same messages, values and the consumer where it was."""
    with daemon_for(server, tmp_path) as daemon:
        code, said = commanded(daemon, "backup", "now", "--note", "first")
        assert (code, said.splitlines()[0].startswith("hot backup (first): done after ")) == (0, True), said
        (job,) = daemon.get("/v1/jobs")["jobs"]
        assert commanded(daemon, "backup", "verify", job["snapshot"])[0] == 0
        (one,) = daemon.get("/v1/backups")["snapshots"]
        assert (one["id"], one["good"], one["verified_level"]) == (job["snapshot"], True, 1)
        assert daemon.timeline("job.done")[0] == "hot backup (first) is done"
        archive = tmp_path / "backup" / job["snapshot"] / "streams/EV/stream.tar.s2"
        whole = archive.read_bytes()
        archive.write_bytes(whole[:-1])
        code, said = commanded(daemon, "backup", "verify", "--all")
        assert (code, "stream.tar.s2 has" in said) == (1, True), said
        assert commanded(daemon, "backup", "list")[0] == 1
        archive.write_bytes(whole)
        assert commanded(daemon, "backup", "verify", "--all")[0] == 0
    folder = tmp_path / "backup" / job["snapshot"]
    bucket = json.loads((folder / "kv/semstreams_config.json").read_text())
    assert bucket == [{"key": "version", "revision": 2, "text": "two"}]
    fresh = NatsServer(server.generation, tmp_path / "fresh")
    fresh.start()
    try:
        for name in ("EV", "KV_semstreams_config"):
            asyncio.run(given_back(fresh.url, folder / "streams" / name))
            assert asyncio.run(content(fresh.url, name)) == asyncio.run(content(server.url, name))
        assert asyncio.run(acknowledged(fresh.url)) == 7
    finally:
        fresh.stop()


def commanded(daemon: DaemonProcess, *words: str) -> tuple[int, str]:
    """Run a command and return its exit code and its output."""
    command = [sys.executable, "-m", "semsupervisor", "--socket", str(daemon.socket), *words]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, timeout=60, check=False)
    return done.returncode, done.stdout


async def given_back(url: str, folder: Path) -> None:
    """Restore one stream's folder."""
    client = await nats.connect(url)
    try:
        archive = await asyncio.to_thread((folder / "stream.tar.s2").read_bytes)
        await restore(client, folder / "backup.json", archive)
    finally:
        await client.close()


async def acknowledged(url: str) -> int:
    """Return up to where the consumer has acknowledged."""
    client = await nats.connect(url)
    try:
        info = await client.jetstream().consumer_info("EV", "reader")
        assert info.ack_floor is not None
        return int(info.ack_floor.stream_seq)
    finally:
        await client.close()


@pytest.fixture(scope="module")
def newest(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NatsServer]:
    """Return a running server of the newer generation."""
    with NatsServer(GENERATIONS[-1], tmp_path_factory.mktemp("nats")) as one:
        asyncio.run(fill(one.url))
        yield one


@pytest.mark.parametrize("failpoint", KILLED)
def test_a_power_cut_leaves_nothing_half(newest: NatsServer, tmp_path: Path, failpoint: str) -> None:
    """Killed before or after any step, the next run undoes the backup, or finishes what is whole already."""
    daemon = daemon_for(newest, tmp_path)
    try:
        brought_up(daemon, f"{failpoint}:1")
        job_id = begun(daemon)
        assert daemon.wait_for_its_end() == -signal.SIGKILL
        brought_up(daemon)
        job = ended(daemon, job_id)
        assert job["state"] == ("done" if failpoint in WHOLE else "undone")
        assert_nothing_half(daemon, tmp_path, 1 if failpoint in WHOLE else 0)
        assert backed_up(daemon)["fine"]
    finally:
        daemon.kill()


@pytest.mark.parametrize("failpoint", SETTLED)
def test_nothing_half_is_left_where_no_daemon_comes_back(newest: NatsServer, tmp_path: Path, failpoint: str) -> None:
    """What systemd has done when the daemon is gone undoes the backup, or finishes what may have its name already."""
    daemon = daemon_for(newest, tmp_path)
    try:
        brought_up(daemon, f"{failpoint}:1")
        begun(daemon)
        assert daemon.wait_for_its_end() == -signal.SIGKILL
        code, said = commanded(daemon, "jobs", "settle", "--settings", str(daemon.settings))
        whole = failpoint in WHOLE
        assert (code, said.startswith("hot backup ("), "): done\n" in said) == (0, True, whole), said
        there = [file.name for file in (tmp_path / "backup").iterdir()] if (tmp_path / "backup").exists() else []
        assert (len(there), [name for name in there if name.startswith(".")]) == (int(whole), [])
        brought_up(daemon)
        eventually_sync(lambda: not any(job["open"] for job in daemon.get("/v1/jobs")["jobs"]), within_seconds=60)
        assert_nothing_half(daemon, tmp_path, int(whole))
        assert commanded(daemon, "jobs", "settle", "--settings", str(daemon.settings))[0] == 0
    finally:
        daemon.kill()


def test_a_power_cut_while_going_back_is_gone_back_from(newest: NatsServer, tmp_path: Path) -> None:
    """Killed once in the copying and twice in the undoing, the run after that undoes the rest."""
    daemon = daemon_for(newest, tmp_path)
    try:
        brought_up(daemon, "job.acted.streams:1")
        job_id = begun(daemon)
        daemon.wait_for_its_end()
        for failpoint in ("job.undoing.begin:1", "job.undone.begin:1"):
            daemon.launch(failpoint)
            assert daemon.wait_for_its_end() == -signal.SIGKILL
        brought_up(daemon)
        assert ended(daemon, job_id)["state"] == "undone"
        assert_nothing_half(daemon, tmp_path, 0)
    finally:
        daemon.kill()


def test_a_power_cut_while_old_ones_are_removed_loses_none_that_is_kept(newest: NatsServer, tmp_path: Path) -> None:
    """Killed before, in and after the removal of one, each next run goes on; no half of one is ever listed."""
    daemon = daemon_for(newest, tmp_path)
    folder = tmp_path / "backup"
    folder.mkdir()
    moments = [datetime.now(UTC) - timedelta(days=day) for day in range(12)]
    ids = [taken(folder, moment, host=socket.gethostname()) for moment in moments]
    try:
        brought_up(daemon, "job.begun.decide:1")
        asked = begun(daemon, "prune")
        for failpoint in ("job.acted.decide", "job.begun.remove", "snapshot.renamed", "job.acted.remove"):
            assert daemon.wait_for_its_end() == -signal.SIGKILL
            there = {file.name for file in folder.iterdir()}
            assert set(ids[:7]) <= there
            assert all(name in ids or name.startswith(".removing-") for name in there)
            daemon.launch(f"{failpoint}:1")
        assert daemon.wait_for_its_end() == -signal.SIGKILL
        brought_up(daemon)
        assert ended(daemon, asked)["state"] == "done"
        assert sorted(file.name for file in folder.iterdir()) == sorted(ids[:7])
        assert [one["id"] for one in daemon.get("/v1/backups")["snapshots"]] == ids[:7]
    finally:
        daemon.kill()


def brought_up(daemon: DaemonProcess, failpoint: str = "") -> None:
    """Start a daemon and wait until it answers, whatever it has seen by then."""
    daemon.launch(failpoint)
    eventually_sync(lambda: daemon.verdict("/healthz") and "daemon.ready" in daemon.log, within_seconds=30)


def begun(daemon: DaemonProcess, *act: str) -> str:
    """Ask for a backup, or another act, of a daemon that may die before it has answered, and return the job's id."""
    try:
        return str(daemon.post("v1", "backups", *act)["job"]["id"])
    except NotReachable:
        (mirrored,) = (daemon.settings.parent / "state" / "jobs").glob("*.json")
        return mirrored.stem


def assert_nothing_half(daemon: DaemonProcess, folder: Path, snapshots: int) -> None:
    """Hold that so many snapshots are listed, each good and verified, and that nothing else is in their folder."""
    listed = daemon.get("/v1/backups")["snapshots"]
    assert len(listed) == snapshots
    assert all(one["good"] and one["verified_level"] == 1 for one in listed)
    there = [file.name for file in (folder / "backup").iterdir()] if (folder / "backup").exists() else []
    assert there == [one["id"] for one in listed]
    assert list((folder / "state" / "jobs").iterdir()) == []


@pytest.fixture(scope="module")
def stack(demo_stacks: DemoStackFactory) -> Iterator[DemoStack]:
    """Return a demo stack."""
    stack = demo_stacks("hotbackup")
    stack.wait_until_ready()
    yield stack
    stack.down()


class Writer:
    """Publishes to a stream of its own again and again, and counts what failed."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._ended = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._write()))
        self.published = 0
        self.failed: list[str] = []

    def __enter__(self) -> Self:
        self._thread.start()
        eventually_sync(lambda: self.published > 10)
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    async def _write(self) -> None:
        client = await nats.connect(self._url)
        jetstream = client.jetstream()
        await jetstream.add_stream(name="WRITTEN", subjects=["written"])
        while not self._ended.is_set():
            try:
                await jetstream.publish("written", bytes(1000))
                self.published += 1
            except Exception as error:  # noqa: BLE001 - whatever it is, it must not be
                self.failed.append(repr(error))
        await client.close()


def test_the_stack_is_backed_up_while_it_works(stack: DemoStack, tmp_path: Path) -> None:
    """Streams and files of the stack are in it, and no publish fails meanwhile."""
    more = f'\n[backup]\ndirectory = "{tmp_path}/backup"\n'
    with (
        DaemonProcess(tmp_path, settings(tmp_path, more, stack=stack)) as daemon,
        Writer(f"nats://{stack.address('nats')}:4222") as writer,
    ):
        job = backed_up(daemon)
        before = writer.published
        eventually_sync(lambda: writer.published > before)
        assert (job["fine"], writer.failed) == (True, []), job
        found = daemon.get(f"/v1/backups/{job['snapshot']}")
        paths = [file["path"] for file in found["content"]["files"]]
        assert {".env", "config.json", "docker-compose.yml", "streams/WRITTEN/stream.tar.s2"} <= set(paths)
        assert found["content"]["nats_version"].startswith("2.14")
        assert set(found["content"]["images"]) == {"nats", "semstreams"}
        assert found["snapshot"]["good"]
        eventually_sync(lambda: daemon.get("/v1/status")["newest_snapshot"] == job["snapshot"])
