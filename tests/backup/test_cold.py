"""A cold backup holds the whole store or is none; on real containers, whose store is a folder of the test's."""

from __future__ import annotations

import asyncio
import tarfile
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from semsupervisor.backup import cold, volume
from semsupervisor.backup.cold import ColdBackup, Means, Request
from semsupervisor.backup.copying import Known
from semsupervisor.backup.manifest import Kind, LeftOut
from semsupervisor.backup.taking import Taking
from semsupervisor.backup.verify import read_manifest
from semsupervisor.errors import TemporaryError
from semsupervisor.health.observation import Observation
from semsupervisor.jobs.record import JobRecord, JobState
from semsupervisor.kit.clock import SystemClock
from semsupervisor.kit.tasks import TaskOwner
from semsupervisor.operations import stack as stacks
from semsupervisor.operations.stack import Names, StackSteps
from semsupervisor.systems.docker import Docker
from semsupervisor.systems.docker_acts import ContainerActs
from semsupervisor.systems.docker_archive import Archive
from tests.backup.test_hot import Stack
from tests.support.waiting import eventually
from tests.support.watcher import Services
from tests.support.workshop import Workshop

pytestmark = [pytest.mark.integration, pytest.mark.usefixtures("logs")]

POLITE = "trap 'exit 0' TERM; while :; do sleep 0.05; done"
CONTENT = b"message" * 100_000


class Slow(Archive):
    """An archive that lets the test act after its first piece."""

    meanwhile: Callable[[], Awaitable[object]]
    loop: asyncio.AbstractEventLoop

    def read(self, take: Callable[[memoryview], None]) -> None:
        """Read as ever, and act once."""
        acted: list[bool] = []

        def taking(piece: memoryview) -> None:
            take(piece)
            if not acted:
                acted.append(True)
                asyncio.run_coroutine_threadsafe(_awaited(self.meanwhile), self.loop).result(30)

        super().read(taking)


async def _awaited(act: Callable[[], Awaitable[object]]) -> None:
    await act()


class Rehearsal:
    """The two services, of which NATS has a store, and a runner that takes cold backups."""

    def __init__(self, services: Services, docker: Docker, folder: Path) -> None:
        self.services = services
        self.docker = docker
        self.folder = folder
        self.stack = Stack(folder / "stack")
        self.store = folder / "data"
        (self.store / "jetstream").mkdir(parents=True)
        (self.store / "jetstream" / "1.blk").write_bytes(CONTENT)
        self.meanwhile: Callable[[], Awaitable[object]] | None = None

    async def start(self, *volumes: str) -> None:
        """Start both services; NATS with these volumes, its store by default."""
        options = [f"--volume={volume}" for volume in volumes or (f"{self.store}:/data",)]
        await self.services.start("nats", POLITE, *options)
        await self.services.start("semstreams", POLITE)

    @asynccontextmanager
    async def shop(self) -> AsyncIterator[Workshop]:
        """Run a runner that knows cold backups."""
        clock, acts = SystemClock(), ContainerActs(self.docker)
        names = Names(self.services.project, "semstreams", "nats")
        steps = StackSteps(stacks.Means(clock, acts, lambda: names, _nothing, lambda: None), ready_seconds=0.5)
        taking = Taking(clock, lambda: self.folder / "backup", self.stack.source(), self.stack.look)
        means = Means(acts, lambda: names, self._archive)
        async with asyncio.TaskGroup() as group:
            owner = TaskOwner(group, clock)
            shop = Workshop(self.folder, owner, [ColdBackup(taking, steps, means).kind()])
            await shop.runner.take_up()
            yield shop
            await owner.stop()
            await shop.store.close()

    def _archive(self, container: str, folder: str) -> Archive:
        if self.meanwhile is None:
            return Archive(self.docker.socket, container, folder)
        slow = Slow(self.docker.socket, container, folder)
        slow.meanwhile, slow.loop = self.meanwhile, asyncio.get_running_loop()
        return slow

    async def backed_up(self, note: str = "") -> JobRecord:
        """Take a cold backup and return its job."""
        async with self.shop() as shop:
            asked = await shop.runner.submit(cold.KIND, Request(note), "a test")
            return await shop.runner.wait(asked.job.id)

    async def running(self) -> list[str]:
        """Return which containers of the project run."""
        listed = await self.services.docker(
            "ps", "--filter", f"label=com.docker.compose.project={self.services.project}", "--format", "{{.Names}}"
        )
        return sorted(name.removeprefix(f"{self.services.project}-") for name in listed.split())

    def there(self) -> Sequence[str]:
        """Return what is in the folder of the snapshots."""
        return sorted(file.name for file in (self.folder / "backup").glob("*"))


async def _nothing() -> Sequence[Observation]:
    return ()


@pytest.fixture
async def rehearsal(services: Services, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Rehearsal]:
    """Return what a cold backup is rehearsed with; nothing runs yet."""
    monkeypatch.setattr(stacks, "LOOK_SECONDS", 0.05)
    docker = Docker(str(services.engine.socket), 10.0)
    await docker.open()
    yield Rehearsal(services, docker, tmp_path)
    await docker.close()


BOTH = ["nats", "semstreams"]


@pytest.mark.parametrize("worth_seconds", [1000.0, -1000.0])
async def test_the_whole_store_is_in_it(
    rehearsal: Rehearsal, worth_seconds: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whichever way it was copied; what is in memory is named, and the stack runs."""
    monkeypatch.setattr(volume, "WORTH_SECONDS", worth_seconds)
    await rehearsal.start()
    rehearsal.stack.names = [Known("EV", 8, False), Known("MEM", 8, True)]
    job = await rehearsal.backed_up("before v2")
    assert (job.title, job.state, job.notes) == ("cold backup (before v2)", JobState.DONE, ())
    assert job.data["way"] == ("packed" if worth_seconds > 0 else "raw")
    assert await rehearsal.running() == BOTH
    folder = rehearsal.folder / "backup" / str(job.data["snapshot"])
    manifest = await asyncio.to_thread(read_manifest, folder)
    assert not isinstance(manifest, str)
    assert (manifest.kind, manifest.note, manifest.is_complete) == (Kind.COLD, "before v2", True)
    assert manifest.left_out == (LeftOut("stream MEM", cold.IN_MEMORY, is_fault=False),)
    assert manifest.downtime_seconds > 0
    with tarfile.open(folder / "nats-data.tar.gz") as tar:
        block = tar.extractfile("data/jetstream/1.blk")
        assert block is not None
        assert block.read() == CONTENT
    ((_, verdict),) = rehearsal.stack.found
    assert (verdict.level, verdict.damage) == (1, ())


async def test_a_stack_that_stands_still_stays_so(rehearsal: Rehearsal) -> None:
    """Its store is copied without any downtime; that NATS could not be asked is said."""
    await rehearsal.start()
    for name in BOTH:
        await rehearsal.services.do("stop", name)
    rehearsal.stack.opened = _not_opened  # type: ignore[method-assign,assignment]
    job = await rehearsal.backed_up()
    assert (job.state, job.data[stacks.DOWNTIME], await rehearsal.running()) == (JobState.DONE, 0.0, [])


def _not_opened() -> None:
    raise TemporaryError("nobody answers")


async def test_a_store_that_somebody_uses_is_not_copied(rehearsal: Rehearsal) -> None:
    """Nor one that is started while it is: nothing of it stays, and all runs as before."""
    await rehearsal.start()
    await rehearsal.services.start("other", POLITE, f"--volume={rehearsal.store}:/elsewhere")
    job = await rehearsal.backed_up()
    assert (job.state, f"{rehearsal.services.name('other')} may write to" in job.cause) == (JobState.UNDONE, True)
    await rehearsal.services.do("rm", "other", "--force")
    rehearsal.meanwhile = lambda: rehearsal.services.do("start", "nats")
    job = await rehearsal.backed_up()
    assert (job.state, "somebody has started" in job.cause) == (JobState.UNDONE, True)

    async def blink() -> None:
        await rehearsal.services.do("start", "nats")
        await rehearsal.services.do("stop", "nats")

    rehearsal.meanwhile = blink
    job = await rehearsal.backed_up()
    assert (job.state, "the copy is worth nothing" in job.cause) == (JobState.UNDONE, True)
    assert (await rehearsal.running(), rehearsal.there()) == (BOTH, [])


async def test_a_container_that_is_removed_meanwhile(rehearsal: Rehearsal) -> None:
    """The copy fails, and what is still there comes back."""
    await rehearsal.start()
    rehearsal.meanwhile = lambda: rehearsal.services.do("rm", "nats")
    job = await rehearsal.backed_up()
    assert (job.state, await rehearsal.running()) == (JobState.UNDONE, ["semstreams"])


async def test_a_cancelled_copy_gives_the_stack_back(rehearsal: Rehearsal) -> None:
    """It ends in the middle of the store."""
    await rehearsal.start()
    held = asyncio.Event()
    rehearsal.meanwhile = held.wait
    async with rehearsal.shop() as shop:
        asked = await shop.runner.submit(cold.KIND, Request(), "a test")
        await eventually(lambda: (job := shop.runner.holder) is not None and job.steps[4].state == "begun", 30.0)
        await shop.runner.cancel(asked.job.id, "a test")
        held.set()
        job = await shop.runner.wait(asked.job.id)
    assert (job.state, job.cause) == (JobState.UNDONE, "cancelled by a test")
    assert (await rehearsal.running(), rehearsal.there()) == (BOTH, [])


@pytest.mark.parametrize("volumes", [("/dev/null:/x:ro",), ("{folder}/a:/a", "{folder}/b:/b")])
async def test_a_store_that_is_not_found(rehearsal: Rehearsal, volumes: Sequence[str]) -> None:
    """Nothing is stopped for it."""
    await rehearsal.start(*(text.format(folder=rehearsal.folder) for text in volumes))
    job = await rehearsal.backed_up()
    assert (job.state, "holds its store cannot be told" in job.cause) == (JobState.UNDONE, True)
    assert await rehearsal.running() == BOTH


async def test_no_container_and_a_store_among_others(rehearsal: Rehearsal) -> None:
    """Among several folders the one with JetStream's is meant; without a container there is no telling."""
    job = await rehearsal.backed_up()
    assert (job.state, "there is no container of the service nats" in job.cause) == (JobState.UNDONE, True)
    await rehearsal.start(f"{rehearsal.folder}/a:/a", f"{rehearsal.store}:/data")
    assert (await rehearsal.backed_up()).state is JobState.DONE
