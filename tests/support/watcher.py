"""Watching as the daemon runs it, on a real engine, with all that it hands on kept for the test to look at."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from types import TracebackType
from typing import Self

import pytest

from semsupervisor.health.following import Watched
from semsupervisor.health.memory import MIGRATIONS, Memory
from semsupervisor.health.observation import FactValue, Observation, Subject, SubjectKind
from semsupervisor.health.probes.containers import ContainersProbe
from semsupervisor.health.watching import Watching
from semsupervisor.kit.clock import SystemClock
from semsupervisor.kit.tasks import TaskOwner
from semsupervisor.store.database import Store
from semsupervisor.store.journal import Companion, Journal
from semsupervisor.systems.docker import Docker
from tests.support.engine import Engine
from tests.support.small_images import SmallImages
from tests.support.waiting import eventually

SETTLE_SECONDS = 2.0
LISTED_SECONDS = 30.0
ENGINE = Subject(SubjectKind.ENGINE, "docker")


class Record:
    """All observations and notes that were handed on, in their order."""

    def __init__(self) -> None:
        self.observations: list[Observation] = []
        self.notes: list[tuple[str, str, str]] = []

    async def sink(self, observations: Sequence[Observation], companion: Companion | None = None) -> None:
        """Take observations; what would have to be kept along with what follows from them is left to `save`."""
        self.observations.extend(observations)

    async def note(self, kind: str, subject: Subject, text: str, facts: Mapping[str, FactValue]) -> None:
        """Take a note."""
        self.notes.append((kind, subject.name, text))

    def of(self, subject: str | Subject) -> list[Observation]:
        """Return what was observed of a service, or of another subject."""
        wanted = subject if isinstance(subject, Subject) else Subject(SubjectKind.SERVICE, subject)
        return [one for one in self.observations if one.subject == wanted]

    def values(self, subject: str | Subject, fact: str) -> list[FactValue]:
        """Return the values that a fact had one after another, each change once."""
        seen = [one.facts[fact] for one in self.of(subject) if fact in one.facts]
        return [value for value, _ in itertools.groupby(seen)]

    def last(self, subject: str | Subject, fact: str) -> FactValue | None:
        """Return the last value of a fact, None if it was never told."""
        return next(iter(self.values(subject, fact)[::-1]), None)

    def noted(self, kind: str) -> list[str]:
        """Return the texts of the notes of one kind."""
        return [text for noted, _, text in self.notes if noted == kind]

    def clear(self) -> None:
        """Begin anew."""
        self.observations.clear()
        self.notes.clear()


class Watcher:
    """One run of the watching, from its start to its end; the folder holds what it remembers."""

    def __init__(
        self, socket: Path, project: str, folder: Path, *, boot_id: str = "boot", timeout: float = 5.0
    ) -> None:
        self.record = Record()
        self.docker = Docker(str(socket), timeout)
        self._clock = SystemClock()
        self._store = Store(folder / "state.db", MIGRATIONS, self._clock)
        memory = Memory(self._store, Journal(self._store), project)
        watched = Watched(project=project, boot_id=boot_id, settle_seconds=SETTLE_SECONDS, ping_interval_seconds=1.0)
        self.watching = Watching(self.docker, watched, self._clock, self.record.sink, memory, self.record.note)
        self._probe = ContainersProbe(self.watching, self.docker, self._clock)
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Self:
        self._stack.push_async_callback(self._store.close)
        self._stack.push_async_callback(self.docker.close)
        await self.docker.open()
        self._stack.push_async_callback(self.watching.save)
        self._owner = TaskOwner(await self._stack.enter_async_context(asyncio.TaskGroup()), self._clock)
        self._stack.push_async_callback(self._owner.stop)
        self._owner.loop("watching.follow", self.watching.follow)
        self._owner.loop("watching.look", self.watching.look)
        try:
            await eventually(lambda: self.watching.listed, within_seconds=LISTED_SECONDS)
        except BaseException:
            await self._stack.aclose()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        failures = {name: loop.last_error for name, loop in self._owner.loops.items() if loop.failures_total}
        await self._stack.aclose()
        assert not failures

    async def probe(self) -> Sequence[Observation]:
        """Do the scheduled look and take what it returns."""
        seen = await self._probe.observe()
        await self.record.sink(seen)
        return seen

    async def until(self, subject: str | Subject, fact: str, value: FactValue, within_seconds: float = 30.0) -> None:
        """Wait until a fact has last been told to have a value, or was told so meanwhile, however shortly."""
        before = len(self.record.of(subject))

        def told() -> bool:
            since = self.record.of(subject)[before:]
            return self.record.last(subject, fact) == value or any(one.facts.get(fact) == value for one in since)

        await eventually(told, within_seconds)

    async def settled(self) -> None:
        """Wait until a stop that was asked for before this call would have been told."""
        moment = asyncio.get_running_loop().time() + SETTLE_SECONDS + 0.5
        await eventually(lambda: asyncio.get_running_loop().time() > moment)


class Services:
    """Containers that look like those of a compose project, made without compose: a second each is saved."""

    def __init__(self, engine: Engine, images: SmallImages, project: str) -> None:
        self.engine = engine
        self.images = images
        self.project = project

    def name(self, service: str) -> str:
        """Return the container's name."""
        return f"{self.project}-{service}"

    async def start(
        self,
        service: str,
        script: str,
        *options: str,
        restart: str = "unless-stopped",
        image: str = "",
        network: str = "none",
    ) -> str:
        """Start a container that runs a shell script; return its id."""
        labels = {"project": self.project, "service": service, "container-number": "1", "oneoff": "False"}
        words = [f"--label=com.docker.compose.{label}={value}" for label, value in labels.items()]
        command = ("run", "--detach", "--pull=never", f"--network={network}", f"--restart={restart}", *words)
        image = image or self.images.first
        name = f"--name={self.name(service)}"
        return await self.docker(*command, name, *options, image, "/bin/sh", "-c", script)

    async def docker(self, *arguments: str) -> str:
        """Run `docker ARGUMENTS` while the watching goes on."""
        return await asyncio.to_thread(self.engine.docker, *arguments)

    async def do(self, act: str, service: str, *options: str) -> None:
        """Run `docker ACT` on a service's container."""
        await self.docker(act, *options, self.name(service))

    async def pid(self, service: str) -> int:
        """Return the main process of a service's container, 0 while it does not run."""
        return int(await self.docker("inspect", "--format", "{{.State.Pid}}", self.name(service)))

    def healed(self, service: str) -> bool:
        """Tell whether its restart policy has started a service's container again."""
        form = "{{.State.Running}} {{.RestartCount}}"
        running, count = self.engine.docker("inspect", "--format", form, self.name(service)).split()
        return running == "true" and int(count) > 0

    def remove(self) -> None:
        """Remove all containers of the project."""
        label = f"label=com.docker.compose.project={self.project}"
        ids = self.engine.docker("ps", "--all", "--quiet", "--filter", label).split()
        if ids:
            self.engine.docker("rm", "--force", "--volumes", *ids, check=False)


MakeServices = Callable[[Engine], Services]


@pytest.fixture
def make_services(small_images: SmallImages, run_prefix: str) -> Iterator[MakeServices]:
    """Return what makes services of a project of the test's own on an engine that has the small images."""
    made: list[Services] = []

    def make(engine: Engine) -> Services:
        services = Services(engine, small_images, f"{run_prefix}w{next(_numbers)}")
        made.append(services)
        return services

    yield make
    for services in made:
        if not services.engine.trouble():
            services.remove()


@pytest.fixture
def services(engine: Engine, make_services: MakeServices) -> Services:
    """Return services of a project of the test's own on the machine's engine."""
    return make_services(engine)


_numbers = itertools.count(1)
