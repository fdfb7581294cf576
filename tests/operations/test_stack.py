"""The stack is stopped and comes back in its order, whatever becomes of the job; on real containers."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from semsupervisor.errors import TemporaryError
from semsupervisor.health.observation import Observation
from semsupervisor.jobs import carrying
from semsupervisor.jobs.kinds import At, Step
from semsupervisor.jobs.record import JobRecord, JobState
from semsupervisor.kit.clock import SystemClock
from semsupervisor.kit.tasks import TaskOwner
from semsupervisor.operations import stack as stacks
from semsupervisor.operations.stack import DOWNTIME, Means, Names, StackSteps
from semsupervisor.systems.docker import Docker
from semsupervisor.systems.docker_acts import ContainerActs
from tests.support.alerting import NATS, saw
from tests.support.waiting import eventually
from tests.support.watcher import Services
from tests.support.workshop import Workshop, kind

pytestmark = [pytest.mark.integration, pytest.mark.usefixtures("logs")]

LINK = "docker.sock"
POLITE = "trap 'exit 0' TERM; while :; do sleep 0.05; done"


class Rehearsal:
    """Two services, and a job that stops them, does something, and starts them again."""

    def __init__(self, services: Services, docker: Docker) -> None:
        self.services = services
        self.answers: list[Observation] = []
        self.held = 0
        names = Names(services.project, "semstreams", "nats")
        means = Means(SystemClock(), ContainerActs(docker), lambda: names, self.ask, self.hold)
        self.steps = StackSteps(means, ready_seconds=0.5)
        self.meanwhile: list[str] = []
        self.failing = False
        self.act = ""
        self.away: Path | None = None

    async def ask(self) -> Sequence[Observation]:
        """Return what the services say of themselves."""
        return self.answers

    def hold(self) -> None:
        """Count who wants to know."""
        self.held += 1

    async def _between(self, at: At) -> None:
        self.meanwhile = await self.running()
        if self.away is not None:
            await asyncio.to_thread(self.away.unlink)
        if self.act:
            await self.services.do(*self.act.split())
        if self.failing:
            raise TemporaryError("it does not work")

    async def running(self) -> list[str]:
        """Return which of the services run."""
        listed = await self.services.docker(
            "ps", "--filter", f"label=com.docker.compose.project={self.services.project}", "--format", "{{.Names}}"
        )
        return sorted(name.removeprefix(f"{self.services.project}-") for name in listed.split())

    @asynccontextmanager
    async def shop(self, folder: Path) -> AsyncIterator[Workshop]:
        """Run a runner that knows the job."""
        between = Step(name="between", title="Between", do=self._between)
        steps = [*self.steps.stopping(), between, *self.steps.starting()]
        async with asyncio.TaskGroup() as group:
            owner = TaskOwner(group, SystemClock())
            shop = Workshop(folder, owner, [kind("build", steps)])
            await shop.runner.take_up()
            yield shop
            await owner.stop()
            await shop.store.close()

    async def moments(self) -> dict[str, Any]:
        """Return when each was stopped and started last."""
        form = "{{.State.FinishedAt}} {{.State.StartedAt}}"
        return {
            name: (await self.services.docker("inspect", "--format", form, self.services.name(name))).split()
            for name in ("nats", "semstreams")
        }


@pytest.fixture
async def rehearsal(services: Services, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Rehearsal]:
    """Return two services that run; the engine's socket is a link, which a test may take away."""
    monkeypatch.setattr(stacks, "LOOK_SECONDS", 0.05)
    monkeypatch.setattr(stacks, "NATS_READY_SECONDS", 0.5)
    monkeypatch.setattr(stacks, "WAY_BACK_SECONDS", 0.5)
    link = tmp_path / LINK
    link.symlink_to(services.engine.socket)
    docker = Docker(str(link), 10.0)
    await docker.open()
    await services.start("nats", POLITE)
    await services.start("semstreams", POLITE)
    yield Rehearsal(services, docker)
    await docker.close()


async def done(rehearsal: Rehearsal, folder: Path) -> JobRecord:
    """Carry the job out and return it."""
    async with rehearsal.shop(folder) as shop:
        return await shop.done()


async def test_it_is_stopped_and_comes_back_in_order(rehearsal: Rehearsal, tmp_path: Path) -> None:
    """NATS is stopped last and started first; what is not ready after all is noted."""
    job = await done(rehearsal, tmp_path)
    assert (job.state, job.notes, rehearsal.meanwhile) == (JobState.DONE, (), [])
    assert await rehearsal.running() == ["nats", "semstreams"]
    moments = await rehearsal.moments()
    (nats_stopped, nats_started), (stopped, started) = moments["nats"], moments["semstreams"]
    assert stopped < nats_stopped < nats_started < started
    assert float(str(job.data[DOWNTIME])) > 0
    assert rehearsal.held == 1
    rehearsal.answers = [saw(NATS, {"reachable": True, "healthy": True})]
    assert not (await done(rehearsal, tmp_path)).notes


async def test_what_is_as_unwell_as_before_is_no_news(rehearsal: Rehearsal, tmp_path: Path) -> None:
    """The gate asks for no more than there was; what got worse is noted, and all runs."""
    rehearsal.answers = [saw(NATS, {"reachable": True, "healthy": False})]
    assert not (await done(rehearsal, tmp_path)).notes
    rehearsal.answers = []
    rehearsal.act = "rm semstreams"
    job = await done(rehearsal, tmp_path)
    assert job.state is JobState.DONE
    assert job.notes == ("Wait until the stack is ready: not all is ready after 0.5 s: semstreams has no container",)
    assert await rehearsal.running() == ["nats"]


async def test_a_failure_brings_it_back(rehearsal: Rehearsal, tmp_path: Path) -> None:
    """What ran runs again, and what was stopped before stays so."""
    rehearsal.failing = True
    assert (await done(rehearsal, tmp_path)).state is JobState.UNDONE
    assert (rehearsal.meanwhile, await rehearsal.running()) == ([], ["nats", "semstreams"])
    await rehearsal.services.do("stop", "semstreams")
    for failing in (True, False):
        rehearsal.failing = failing
        await done(rehearsal, tmp_path)
        assert (rehearsal.meanwhile, await rehearsal.running()) == ([], ["nats"])
    await rehearsal.services.do("stop", "nats")
    job = await done(rehearsal, tmp_path)
    assert (job.state, job.data[DOWNTIME], await rehearsal.running()) == (JobState.DONE, 0.0, [])


async def test_what_stands_still_is_left_alone(rehearsal: Rehearsal, tmp_path: Path) -> None:
    """A paused container is somebody's wish, and a task of Swarm is started by it: nothing is stopped."""
    await rehearsal.services.do("pause", "nats")
    job = await done(rehearsal, tmp_path)
    assert (job.state, "is paused" in job.cause) == (JobState.UNDONE, True)
    await rehearsal.services.do("unpause", "nats")
    swarm = f"--label=com.docker.stack.namespace={rehearsal.services.project}"
    await rehearsal.services.start("task", POLITE, swarm)
    job = await done(rehearsal, tmp_path)
    assert (job.state, "belong to Swarm" in job.cause) == (JobState.UNDONE, True)
    assert await rehearsal.running() == ["nats", "semstreams", "task"]


async def test_who_had_to_be_killed_is_named(rehearsal: Rehearsal, tmp_path: Path) -> None:
    """He did not end in his time."""
    await rehearsal.services.do("rm", "semstreams", "--force")
    await rehearsal.services.start("semstreams", "trap '' TERM; while :; do sleep 0.05; done", "--stop-timeout=1")
    job = await done(rehearsal, tmp_path)
    name = rehearsal.services.name("semstreams")
    assert (job.state, job.notes) == (JobState.DONE, (f"{name} did not end within 1 s and was killed",))


async def test_an_engine_that_is_away_is_waited_for(
    rehearsal: Rehearsal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However often it is tried in vain, the stack comes back with the engine."""
    monkeypatch.setattr(carrying, "LONGEST_TIRELESS_PAUSE_SECONDS", 0.01)
    rehearsal.failing, rehearsal.away = True, tmp_path / LINK
    async with rehearsal.shop(tmp_path) as shop:
        job = await shop.ask()
        await eventually(
            lambda: any("it is tried on" in note for one in shop.runner.open_jobs for note in one.notes), 60
        )
        assert await rehearsal.running() == []
        await asyncio.to_thread(rehearsal.away.symlink_to, rehearsal.services.engine.socket)
        assert (await shop.runner.wait(job.id)).state is JobState.UNDONE
    assert await rehearsal.running() == ["nats", "semstreams"]
