"""The stack stopped and started again, as steps of a job: SemStreams before NATS, and NATS before SemStreams.

What ran is written down before anything is stopped; only that is stopped, and only that is started again. Containers
are found by their labels at each step, since they may have been made anew meanwhile.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from functools import partial

import msgspec
import structlog

from semsupervisor.errors import PermanentError, TemporaryError
from semsupervisor.health.observation import Observation
from semsupervisor.jobs.kinds import At, Step
from semsupervisor.kit.clock import Clock
from semsupervisor.operations.holding import BACK, HELD, Held
from semsupervisor.operations.readiness import lacking
from semsupervisor.systems.containers import Container, ContainerState
from semsupervisor.systems.docker_acts import ContainerActs

log = structlog.get_logger(__name__)

DOWN_SINCE = "down_since"
DOWNTIME = "downtime_seconds"
ACT_SECONDS = 900.0
READY_SECONDS = 120.0
# A store of many messages takes its time to be read; SemStreams would not get far without it.
NATS_READY_SECONDS = 300.0
WAY_BACK_SECONDS = 30.0
LOOK_SECONDS = 0.5
KILLED = 137

_LIVES = (ContainerState.RUNNING, ContainerState.RESTARTING)
_STANDS_STILL = (ContainerState.PAUSED, ContainerState.REMOVING, ContainerState.DEAD)


Ask = Callable[[], Awaitable[Sequence[Observation]]]


class Names(msgspec.Struct, frozen=True):
    """How the compose project and its two services are called."""

    project: str
    semstreams: str
    nats: str


class Means(msgspec.Struct, frozen=True):
    """What the stack is stopped and started with.

    `names` are those of the settings. `ask` is what NATS and SemStreams say of themselves now. `holding` is called once
    it is written down what will be stopped.
    """

    clock: Clock
    acts: ContainerActs
    names: Callable[[], Names]
    ask: Ask
    holding: Callable[[], object]


class StackSteps:
    """Makes the steps; `LOOK_SECONDS` lie between two looks at what gets ready, and `ready_seconds` is the patience."""

    def __init__(self, means: Means, ready_seconds: float = READY_SECONDS) -> None:
        self._means = means
        self._ready_seconds = ready_seconds

    def stopping(self) -> Sequence[Step]:
        """Return the steps that stop what runs; undone, they bring it back, however long that takes."""
        return (
            Step(name="look", title="See what runs", do=self._look),
            self._stop("semstreams", "SemStreams"),
            self._stop("nats", "NATS"),
        )

    def starting(self) -> Sequence[Step]:
        """Return the steps that start what ran. What does not get ready is noted, for there is nothing left to do."""
        return (
            self._start("nats", "NATS"),
            Step(
                name="await_nats",
                title="Wait until NATS is ready",
                do=partial(self._await_nats, NATS_READY_SECONDS),
                limit_seconds=NATS_READY_SECONDS + 30.0,
                optional=True,
            ),
            self._start("semstreams", "SemStreams"),
            Step(
                name="gate",
                title="Wait until the stack is ready",
                do=self._gate,
                limit_seconds=self._ready_seconds + 30.0,
                optional=True,
            ),
        )

    def _stop(self, which: str, title: str) -> Step:
        return Step(
            name=f"stop_{which}",
            title=f"Stop {title}",
            do=partial(self._do_stop, which),
            is_done=partial(self._is_stopped, which),
            undo=partial(self._undo_stop, which),
            limit_seconds=ACT_SECONDS,
            undo_limit_seconds=ACT_SECONDS,
            interruptible=False,
            tireless=True,
        )

    def _start(self, which: str, title: str) -> Step:
        return Step(
            name=f"start_{which}",
            title=f"Start {title}",
            do=partial(self._do_start, which),
            is_done=partial(self._is_started, which),
            limit_seconds=ACT_SECONDS,
            interruptible=False,
        )

    async def _look(self, at: At) -> None:
        """Write down what runs. Raises: PermanentError where stopping it would do harm or nothing."""
        if HELD in at.data:
            return
        names, acts = self._means.names(), self._means.acts
        if tasks := await acts.swarm_tasks(names.project):
            raise PermanentError(
                f"{', '.join(tasks)} belong to Swarm, which starts what somebody else stops: take a hot backup instead"
            )
        containers = await acts.containers(names.project)
        running: dict[str, list[str]] = {names.semstreams: [], names.nats: []}
        for one in containers:
            if one.owner.oneoff or one.owner.service not in running:
                continue
            if one.state in _STANDS_STILL:
                raise PermanentError(f"{one.name} is {one.state.value}: it can neither be stopped nor started again")
            if one.state in _LIVES:
                running[one.owner.service].append(one.owner.name)
        held = Held(project=names.project, semstreams=tuple(running[names.semstreams]), nats=tuple(running[names.nats]))
        before = lacking(held.parts, containers, await self._means.ask())
        await at.keep({HELD: msgspec.to_builtins(msgspec.structs.replace(held, lacking=before))})
        self._means.holding()

    async def _do_stop(self, which: str, at: At) -> None:
        held = _held(at)
        if DOWN_SINCE not in at.data and held.parts:
            await at.keep({DOWN_SINCE: self._means.clock.monotonic()})
        for one in await self._containers(held, which):
            if one.state in _LIVES:
                await self._means.acts.stop(one)
        for one in await self._containers(held, which):
            if one.state in _LIVES or one.state in _STANDS_STILL:
                raise TemporaryError(f"{one.name} was told to stop and is {one.state.value}")
            if one.exit_code == KILLED:
                await at.note(f"{one.name} did not end within {one.stop_grace_seconds:g} s and was killed")

    async def _is_stopped(self, which: str, at: At) -> bool:
        return all(one.state not in _LIVES for one in await self._containers(_held(at), which))

    async def _undo_stop(self, which: str, at: At) -> None:
        """Start again what ran; it is there, or somebody has removed it since, when this returns."""
        if HELD not in at.data:
            return
        await self._do_start(which, at)
        if which == "nats":
            await self._give_time(at)

    async def _give_time(self, at: At) -> None:
        """Give NATS time to get ready by its own health check; SemStreams is started in any case."""
        held = _held(at)
        try:
            there = [one.owner.name for one in await self._containers(held, "nats")]
            await self._await(held, there, WAY_BACK_SECONDS, _nobody)
        except TemporaryError as error:
            log.warning("stack.not_ready_on_the_way_back", job=at.job_id, error=str(error))

    async def _do_start(self, which: str, at: At) -> None:
        held = _held(at)
        for one in await self._containers(held, which):
            if one.state not in _LIVES:
                await self._means.acts.start(one)

    async def _is_started(self, which: str, at: At) -> bool:
        return all(one.state in _LIVES for one in await self._containers(_held(at), which))

    async def _await_nats(self, patience_seconds: float, at: At) -> None:
        held = _held(at)
        await self._await(held, held.nats, patience_seconds, self._means.ask)

    async def _gate(self, at: At) -> None:
        """Wait until all is as ready as before; it is given back in any case, and the downtime known."""
        held = _held(at)
        try:
            await self._await(held, held.parts, self._ready_seconds, self._means.ask)
        finally:
            since = at.data.get(DOWN_SINCE)
            down = self._means.clock.monotonic() - since if isinstance(since, float) else 0.0
            await at.keep({BACK: True, DOWNTIME: down})

    async def _await(self, held: Held, wanted: Sequence[str], patience_seconds: float, ask: Ask) -> None:
        """Raises: TemporaryError when they are not ready in time, which says what is missing."""
        until = self._means.clock.monotonic() + patience_seconds
        while missing := await self._missing(held, wanted, ask):
            if self._means.clock.monotonic() >= until:
                raise TemporaryError(f"not all is ready after {patience_seconds:g} s: {'; '.join(missing)}")
            await asyncio.sleep(LOOK_SECONDS)

    async def _missing(self, held: Held, wanted: Sequence[str], ask: Ask) -> Sequence[str]:
        """Return what the parts lack that they did not lack before."""
        if not wanted:
            return ()
        try:
            containers = await self._means.acts.containers(held.project)
        except TemporaryError as error:
            return (str(error),)
        found = lacking(wanted, containers, ()) or lacking(wanted, containers, await ask())
        return [words for words in found if words not in held.lacking]

    async def _containers(self, held: Held, which: str) -> Sequence[Container]:
        parts = held.semstreams if which == "semstreams" else held.nats
        found = await self._means.acts.containers(held.project)
        return [one for one in found if one.owner.name in parts and not one.owner.oneoff]


async def _nobody() -> Sequence[Observation]:
    return ()


def _held(at: At) -> Held:
    return msgspec.convert(at.data[HELD], Held)
