"""The cold backup: the store as it is on the disk, copied while NATS is stopped, and the configuration.

All is of one moment, and streams of all accounts are in it. The stack stands still for as long as the copy takes, and
is brought back before anything else is done; whatever becomes of the backup, the stack comes back.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path, PurePosixPath

import msgspec

from semsupervisor.backup import volume
from semsupervisor.backup.manifest import ArchiveEntry, FileEntry, Kind, LeftOut, Manifest
from semsupervisor.backup.taking import Taking, growing, read
from semsupervisor.backup.volume import PACKED_NAME, Copied, Finishing, Giving, VolumeCopy, Way
from semsupervisor.errors import PermanentError, SupervisorError, TemporaryError
from semsupervisor.jobs.kinds import At, JobKind, Step
from semsupervisor.operations.stack import DOWNTIME, Names, StackSteps
from semsupervisor.systems.containers import Container, ContainerState
from semsupervisor.systems.docker_acts import ContainerActs

KIND = "backup.cold"
COPY_LIMIT_SECONDS = 6 * 3600.0
PACK_LIMIT_SECONDS = 6 * 3600.0
SIZE_LIMIT_SECONDS = 300.0
MEASURE_LIMIT_SECONDS = 300.0
PIECE_LIMIT_SECONDS = 60.0
# So long the stack waits at most for a copy that was given up, and whose disk hangs.
ABORT_SECONDS = 10.0
JETSTREAM_FOLDER = "jetstream"
IN_MEMORY = "it is kept in memory"

_RUNS = (ContainerState.RUNNING, ContainerState.RESTARTING, ContainerState.PAUSED)


class Request(msgspec.Struct, frozen=True):
    """What a cold backup is asked for with: a note of whoever wants it."""

    note: str = ""


class Store(msgspec.Struct, frozen=True):
    """Where the store is: the folder of the host, and where the container sees it; which run of it was the last."""

    container: str
    source: str
    destination: str


class Means(msgspec.Struct, frozen=True):
    """What a stopped store is read with: `names` are those of the settings, `archive` reads a container's folder."""

    acts: ContainerActs
    names: Callable[[], Names]
    archive: Callable[[str, str], Giving]


class ColdBackup:
    """Makes the steps of cold backups."""

    def __init__(self, taking: Taking, stack: StackSteps, means: Means) -> None:
        self._taking = taking
        self._stack = stack
        self._means = means

    def kind(self) -> JobKind[Request]:
        """Return the kind of job."""
        return JobKind(
            name=KIND,
            parameters=Request,
            title=lambda request: f"cold backup{f' ({request.note})' if request.note else ''}",
            steps=self._steps,
            exclusive=True,
            overlaps=False,
        )

    def _steps(self, request: Request) -> Sequence[Step]:
        look, *stops = self._stack.stopping()
        return (
            look,
            self._taking.beginning("Find the store, and room for it", self._expect_room),
            *stops,
            Step(name="copy", title="Copy the store", do=self._copy, limit_seconds=COPY_LIMIT_SECONDS),
            *self._stack.starting(),
            Step(name="pack", title="Put the copy on the disk", do=self._pack, limit_seconds=PACK_LIMIT_SECONDS),
            *self._taking.ending(partial(_described, request)),
        )

    async def _expect_room(self, at: At) -> None:
        """Find out how the store is to be copied. Raises: PermanentError where that cannot or must not be."""
        store = await self._found_store()
        if users := await self._means.acts.users(store.source, store.container):
            raise PermanentError(f"{', '.join(users)} may write to {store.source} while it is copied: stop them before")
        calls, disk = self._taking.calls, self._taking.disk(at)
        data_bytes = await calls.run(
            f"the size of {store.source}", partial(volume.size, Path(store.source)), SIZE_LIMIT_SECONDS
        )
        measure = partial(volume.measure, growing(at), self._taking.clock.monotonic)
        rates = await disk.do(measure, MEASURE_LIMIT_SECONDS)
        free = (await disk.do(disk.folders.space)).free_bytes
        chosen = volume.plan(data_bytes, free, rates, disk.folders.root)
        await at.keep(
            {
                "store": msgspec.to_builtins(store),
                "data_bytes": data_bytes,
                "way": chosen.way.value,
                "in_memory": msgspec.to_builtins(await self._left_out()),
            }
        )

    async def _left_out(self) -> Sequence[LeftOut]:
        """Return what is not on the disk, as far as NATS can be asked."""
        try:
            async with self._taking.source.opened() as content:
                streams = await content.streams()
        except SupervisorError:
            return [LeftOut("streams in memory, if there are any", "NATS could not be asked", is_fault=False)]
        return [LeftOut(f"stream {one.name}", IN_MEMORY, is_fault=False) for one in streams if one.in_memory]

    async def _copy(self, at: At) -> None:
        """Copy it; NATS must not have run meanwhile."""
        before = await self._stopped_nats(at)
        store, way = read(at.data, "store", Store), Way(str(at.data["way"]))
        total = read(at.data, "data_bytes", int)
        giving = self._means.archive(before.id, store.destination)
        copy = VolumeCopy(giving, growing(at), way, lambda done: at.progress(done, total, "bytes"))
        try:
            copied = await self._taking.calls.run(f"copy {at.job_id}", copy.run, COPY_LIMIT_SECONDS)
        finally:
            copy.abort()
            await self._taking.calls.run_in_turn(f"copy {at.job_id}", _nothing, ABORT_SECONDS)
        after = await self._stopped_nats(at)
        if (before.id, before.started_at) != (after.id, after.started_at):
            raise TemporaryError("NATS was started while its store was copied: the copy is worth nothing")
        await at.keep({"copied": msgspec.to_builtins(copied)})

    async def _pack(self, at: At) -> None:
        disk = self._taking.disk(at)
        finishing = Finishing(growing(at), Way(str(at.data["way"])))
        done = 0
        try:
            while piece_bytes := await disk.do(finishing.go_on, PIECE_LIMIT_SECONDS):
                done += piece_bytes
                at.progress(done, None, "bytes")
            entry = await disk.do(finishing.end, MEASURE_LIMIT_SECONDS)
        finally:
            disk.leave(finishing.close)
        await at.keep({"archive": msgspec.to_builtins(entry)})

    async def _found_store(self) -> Store:
        """Return where the store is. Raises: PermanentError when that cannot be told."""
        names = self._means.names()
        containers = [one for one in await self._means.acts.containers(names.project) if one.owner.name == names.nats]
        if len(containers) != 1:
            raise PermanentError(
                f"there is {'no' if not containers else 'more than one'} container of the service {names.nats} in "
                f"project {names.project}: without one there is no telling where its store is"
            )
        mounts = containers[0].mounts
        if len(mounts) > 1:
            folders = [PurePosixPath(mount.source) / JETSTREAM_FOLDER for mount in mounts]
            there = await self._taking.calls.run(
                "the folders of NATS", lambda: [Path(folder).is_dir() for folder in folders], PIECE_LIMIT_SECONDS
            )
            mounts = tuple(mount for mount, holds in zip(mounts, there, strict=True) if holds)
        if len(mounts) != 1:
            raise PermanentError(f"which volume of {containers[0].name} holds its store cannot be told")
        return Store(containers[0].id, mounts[0].source, mounts[0].destination)

    async def _stopped_nats(self, at: At) -> Container:
        """Return the container of the store, which does not run. Raises: TemporaryError."""
        store, names = read(at.data, "store", Store), self._means.names()
        for one in await self._means.acts.containers(names.project):
            if one.owner.name == names.nats and any(mount.source == store.source for mount in one.mounts):
                if one.state in _RUNS:
                    raise TemporaryError(f"somebody has started {one.name} while its store was to be copied")
                return one
        raise TemporaryError(f"the container of the service {names.nats} is not there any more")


def _nothing() -> None:
    """Be done as soon as what was before it in turn has come back."""


def _described(request: Request, at: At, plain: Manifest) -> Manifest:
    """Return the manifest with what was copied."""
    copied = read(at.data, "copied", Copied)
    return msgspec.structs.replace(
        plain,
        kind=Kind.COLD,
        files={PACKED_NAME: read(at.data, "archive", FileEntry), **plain.files},
        archive=ArchiveEntry(file=PACKED_NAME, members=copied.members, content_bytes=copied.content_bytes),
        left_out=(*read(at.data, "in_memory", list[LeftOut]), *plain.left_out),
        note=request.note,
        downtime_seconds=read(at.data, DOWNTIME, float),
    )
