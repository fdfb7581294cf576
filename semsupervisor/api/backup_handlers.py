"""What the routes about backups do."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated

from msgspec import Meta

from semsupervisor.api import backups as shown
from semsupervisor.api import jobs
from semsupervisor.api.asking import Ask, Params, Refused, Reply
from semsupervisor.backup.catalogue import RUNBOOK_KIND
from semsupervisor.backup.folders import NoSnapshot
from semsupervisor.backup.manifest import Kind
from semsupervisor.errors import StoreError, TemporaryError

SnapshotId = Annotated[str, Meta(max_length=40, description="the snapshot's id, from /v1/backups")]
KindName = Annotated[
    str, Meta(pattern="^(hot|cold)$", description="hot: the stack runs on; cold: it stands still for the copy")
]


class SnapshotParams(Params, frozen=True, kw_only=True):
    """Which snapshot."""

    id: SnapshotId


class BackUpParams(Params, frozen=True, kw_only=True):
    """Which kind, and with which note."""

    kind: KindName = Kind.HOT.value

    note: Annotated[str, Meta(max_length=200, pattern=r"^[^\x00-\x1f\x7f]*$", description="one line to go with it")] = (
        ""
    )


class PlanParams(Params, frozen=True, kw_only=True):
    """Which kind."""

    kind: KindName = Kind.HOT.value


class VerifyParams(Params, frozen=True, kw_only=True):
    """Which snapshot, and how thoroughly."""

    id: SnapshotId
    level: Annotated[
        int,
        Meta(
            ge=0,
            le=3,
            description="0: names and sizes; 1: every byte is read; 2: every message; 3: a scratch server reads all",
        ),
    ] = 1


async def backups(ask: Ask[None]) -> Reply:
    """Return all snapshots."""
    with _refusing():
        return Reply(body=shown.snapshots(ask.readings, await ask.readings.backups.all()))


async def backup(ask: Ask[SnapshotParams]) -> Reply:
    """Return one snapshot with all that it holds."""
    with _refusing():
        return Reply(body=shown.one(ask.readings, await ask.readings.backups.one(ask.params.id)))


async def backup_plan(ask: Ask[PlanParams]) -> Reply:
    """Return what a backup would do; nothing is begun."""
    kind = Kind(ask.params.kind)
    return Reply(body=shown.PlanAnswer(kind=kind.value, steps=tuple(ask.readings.backups.plan(kind))))


async def back_up(ask: Ask[BackUpParams]) -> Reply:
    """Ask for a backup."""
    with _refusing():
        asked = await ask.readings.backups.now(Kind(ask.params.kind), ask.params.note, ask.sender)
    return Reply(body=jobs.asked(ask.readings, asked))


async def verify(ask: Ask[VerifyParams]) -> Reply:
    """Ask for a look at a snapshot."""
    wanted = ask.params
    with _refusing():
        found = await ask.readings.backups.one(wanted.id)
        if found.entry.kind == RUNBOOK_KIND:
            why = "the runbook's script wrote it without a manifest: there is nothing to verify it against"
            raise Refused(409, f"{wanted.id} cannot be verified: {why}")
        asked = await ask.readings.backups.verify(wanted.id, wanted.level, ask.sender)
    return Reply(body=jobs.asked(ask.readings, asked))


@contextmanager
def _refusing() -> Iterator[None]:
    """Turn what stands in the way into the refusal of the request."""
    try:
        yield
    except NoSnapshot as error:
        raise Refused(404, str(error)) from error
    except StoreError:
        raise
    except TemporaryError as error:
        raise Refused(503, str(error), "see `semsupervisor status`, and backup.directory in the settings") from error
