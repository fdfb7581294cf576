"""A cold backup by the real daemon of the real stack: it is whole, and the stack comes back whatever becomes of it."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nats
import pytest

from semsupervisor.api.client import Client, NotReachable
from tests.integration.test_hot_backup import content, ended
from tests.support.commands import REPOSITORY, run
from tests.support.daemon_process import DaemonProcess, settings, webhook
from tests.support.demo_stack import DemoStack, DemoStackFactory
from tests.support.nats_server import GENERATIONS, NatsServer
from tests.support.receivers import WebhookServer
from tests.support.waiting import eventually_sync

pytestmark = [pytest.mark.integration, pytest.mark.timeout(600)]

MESSAGES = 300
BACK_SECONDS = 90.0
END_SECONDS = 110.0
BEFORE = ("look", "begin", "stop_semstreams", "stop_nats", "copy", "start_nats", "await_nats", "start_semstreams")
BEFORE_IT_IS_WHOLE = (*BEFORE, "gate", "pack", "files", "manifest")
WHOLE = {"job.begun.publish", "job.acted.publish", "job.begun.verify", "job.acted.verify"}
KILLED = [f"job.{when}.{step}" for step in (*BEFORE_IT_IS_WHOLE, "publish", "verify") for when in ("begun", "acted")]
ON_THE_WAY_BACK = [
    f"job.{when}.{step}" for step in ("stop_nats", "stop_semstreams", "begin") for when in ("undoing", "undone")
]
SERVICES = ("nats", "semstreams")
CAUSED = ("service", "nats", "semstreams", "stream", "consumer", "probe")


@pytest.fixture(scope="module")
def stack(demo_stacks: DemoStackFactory) -> Iterator[DemoStack]:
    """Return a demo stack with messages in it."""
    stack = demo_stacks("coldbackup")
    stack.wait_until_ready()
    asyncio.run(fill(stack))
    yield stack
    stack.down()


async def fill(stack: DemoStack) -> None:
    """Put messages into a stream of the tests' own."""
    client = await nats.connect(f"nats://{stack.address('nats')}:4222")
    try:
        jetstream = client.jetstream()
        await jetstream.add_stream(name="COLD", subjects=["cold.>"])
        for number in range(MESSAGES):
            await jetstream.publish("cold.a", f"message {number}".encode(), headers={"number": str(number)})
    finally:
        await client.close()


def a_daemon(folder: Path, stack: DemoStack, *more: str) -> DaemonProcess:
    """Return a daemon that watches the stack and keeps its snapshots in its folder."""
    return DaemonProcess(folder, settings(folder, f'\n[backup]\ndirectory = "{folder}/backup"\n', *more, stack=stack))


def asked(daemon: DaemonProcess) -> dict[str, Any]:
    """Ask for a cold backup and return the job."""
    job: dict[str, Any] = Client(str(daemon.socket)).post("v1", "backups", query={"kind": "cold"})["job"]
    return job


def begun(daemon: DaemonProcess) -> str:
    """Ask for a cold backup of a daemon that may die before it has answered, and return the job's id."""
    try:
        return str(asked(daemon)["id"])
    except NotReachable:
        (mirrored,) = (daemon.settings.parent / "state" / "jobs").glob("*.json")
        return mirrored.stem


def verifying(daemon: DaemonProcess, snapshot: str) -> str:
    """Ask for a look at a snapshot with a scratch server, and return the job's id."""
    path = ("v1", "backups", snapshot, "verify")
    return str(Client(str(daemon.socket)).post(*path, query={"level": "3"})["job"]["id"])


def scratches(stack: DemoStack, folder: Path) -> list[str]:
    """Return the scratch containers and networks of the daemon in that folder."""
    label = f"label=semsupervisor.scratch.owner={folder}/state"
    found = stack.engine.docker("container", "ls", "--all", "--filter", label, "--format", "{{.Names}}").split()
    return [*found, *stack.engine.docker("network", "ls", "--filter", label, "--format", "{{.Name}}").split()]


def runs(stack: DemoStack) -> bool:
    """Tell whether the whole stack runs and works."""
    return all(stack.healthy(name) for name in SERVICES) and stack.answers()


def there(folder: Path) -> list[str]:
    """Return what is in the folder of the snapshots."""
    return sorted(file.name for file in (folder / "backup").iterdir()) if (folder / "backup").exists() else []


def test_the_store_is_restored_from_it(stack: DemoStack, tmp_path: Path) -> None:
    """A fresh server on the unpacked files has the same messages; what the backup caused was told to nobody."""
    before = asyncio.run(content(f"nats://{stack.address('nats')}:4222", "COLD"))
    with WebhookServer() as hook, a_daemon(tmp_path, stack, webhook(hook.url)) as daemon:
        eventually_sync(lambda: daemon.verdict("/v1/health") == "healthy", within_seconds=60)
        job = ended(daemon, asked(daemon)["id"])
        assert (job["state"], job["fine"], job["notes"]) == ("done", True, []), job
        assert runs(stack)
        found = daemon.get(f"/v1/backups/{job['snapshot']}")
        assert (found["snapshot"]["kind"], found["snapshot"]["good"]) == ("cold", True)
        paths = {file["path"] for file in found["content"]["files"]}
        assert {".env", "config.json", "docker-compose.yml", "nats-data.tar.gz"} <= paths
        assert any("holds the stack" in text for text in daemon.timeline("alert.muted"))
        looked = ended(daemon, verifying(daemon, job["snapshot"]))
        assert (looked["fine"], "a scratch server has read" in looked["outcome"]) == (True, True), looked
        assert daemon.get(f"/v1/backups/{job['snapshot']}")["snapshot"]["verified_level"] == 3
        assert scratches(stack, tmp_path) == []
        told = daemon.get("/v1/timeline", limit=1000, kind="alert.told")["entries"]
        assert [entry for entry in told if entry["subject"].partition(":")[0] in CAUSED] == []
    unpacked = tmp_path / "unpacked"
    archive = tmp_path / "backup" / job["snapshot"] / "nats-data.tar.gz"
    with tarfile.open(archive) as tar:
        assert {name.partition("/")[0] for name in tar.getnames()} == {"data"}
    unpacked.mkdir()
    # As the runbook's restore.sh does it.
    run(["tar", "-xzf", archive, "-C", unpacked, "--strip-components=1"])
    server = NatsServer(GENERATIONS[-1], tmp_path / "fresh")
    unpacked.rename(tmp_path / "fresh" / "store")
    server.start()
    try:
        assert asyncio.run(content(server.url, "COLD")) == before
    finally:
        server.stop()


@pytest.mark.table
@pytest.mark.parametrize("failpoint", KILLED)
def test_a_power_cut_leaves_no_stack_down(stack: DemoStack, tmp_path: Path, failpoint: str) -> None:
    """Killed before or after any step, the next run brings the stack back, and nothing half stays."""
    daemon = a_daemon(tmp_path, stack)
    try:
        daemon.start(f"{failpoint}:1")
        job_id = begun(daemon)
        assert daemon.wait_for_its_end() == -signal.SIGKILL
        daemon.start()
        job = ended(daemon, job_id)
        assert job["state"] == ("done" if failpoint in WHOLE else "undone")
        eventually_sync(lambda: runs(stack), within_seconds=BACK_SECONDS)
        assert there(tmp_path) == ([job["snapshot"]] if failpoint in WHOLE else [])
        assert list((tmp_path / "state" / "jobs").glob("*.json")) == []
    finally:
        daemon.kill()


@pytest.mark.table
@pytest.mark.parametrize("failpoint", ON_THE_WAY_BACK)
def test_a_power_cut_on_the_way_back(stack: DemoStack, tmp_path: Path, failpoint: str) -> None:
    """Killed again while it brings the stack back, the run after that does."""
    daemon = a_daemon(tmp_path, stack)
    try:
        daemon.start("job.acted.copy:1")
        job_id = begun(daemon)
        daemon.wait_for_its_end()
        assert not stack.inspect("nats")["State"]["Running"]
        daemon.launch(f"{failpoint}:1")
        assert daemon.wait_for_its_end() == -signal.SIGKILL
        daemon.start()
        assert ended(daemon, job_id)["state"] == "undone"
        eventually_sync(lambda: runs(stack), within_seconds=BACK_SECONDS)
        assert there(tmp_path) == []
    finally:
        daemon.kill()


def test_an_end_that_is_asked_for_waits_for_the_stack(stack: DemoStack, tmp_path: Path) -> None:
    """SIGTERM in the middle of a cold backup: the daemon ends well, and before that the stack has come back."""
    daemon = a_daemon(tmp_path, stack)
    try:
        daemon.start()
        asked(daemon)
        eventually_sync(lambda: not stack.inspect("semstreams")["State"]["Running"], within_seconds=60)
        daemon.ask_to_end()
        assert daemon.wait_for_its_end(END_SECONDS) == 0
        assert all(stack.inspect(name)["State"]["Running"] for name in SERVICES)
        eventually_sync(lambda: runs(stack), within_seconds=BACK_SECONDS)
        assert list((tmp_path / "state" / "jobs").glob("*.json")) == []
    finally:
        daemon.kill()


def test_the_stack_comes_back_without_the_daemon(stack: DemoStack, tmp_path: Path) -> None:
    """What systemd calls after the end of a daemon that does not come back gives the stack back."""
    daemon = a_daemon(tmp_path, stack)
    try:
        daemon.start("job.acted.stop_nats:1")
        begun(daemon)
        assert daemon.wait_for_its_end() == -signal.SIGKILL
        assert not stack.inspect("nats")["State"]["Running"]
        command = [sys.executable, "-m", "semsupervisor", "jobs", "settle", "--settings", str(daemon.settings)]
        done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, timeout=120, check=False)
        assert (done.returncode, "undone" in done.stdout) == (0, True), done
        eventually_sync(lambda: runs(stack), within_seconds=BACK_SECONDS)
    finally:
        daemon.kill()


def test_a_scratch_server_does_not_outlive_its_job(stack: DemoStack, tmp_path: Path) -> None:
    """Killed while one runs, `jobs settle` removes it, and so does the next start, where the job goes on."""
    daemon = a_daemon(tmp_path, stack)
    try:
        daemon.start()
        taken = ended(daemon, Client(str(daemon.socket)).post("v1", "backups")["job"]["id"])
        daemon.stop()
        daemon.start("scratch.filled:1")
        job_id = verifying(daemon, taken["snapshot"])
        for failpoint in ("scratch.filled:1", ""):
            assert daemon.wait_for_its_end() == -signal.SIGKILL
            assert len(scratches(stack, tmp_path)) == 2
            if failpoint:
                command = [sys.executable, "-m", "semsupervisor", "jobs", "settle", "--settings", str(daemon.settings)]
                subprocess.run(command, cwd=REPOSITORY, stdout=subprocess.DEVNULL, timeout=120, check=True)
                assert scratches(stack, tmp_path) == []
            daemon.launch(failpoint)
        eventually_sync(lambda: daemon.verdict("/healthz"), within_seconds=60)
        assert ended(daemon, job_id)["fine"]
        assert scratches(stack, tmp_path) == []
        services = {one["name"] for one in daemon.get("/v1/status")["services"]}
        assert services == set(SERVICES)
    finally:
        daemon.kill()
        for name in dict.fromkeys(scratches(stack, tmp_path)):
            stack.engine.docker("rm", "--force", name, check=False)
            stack.engine.docker("network", "rm", name, check=False)
