"""What the routes about which snapshots are kept do."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated

from msgspec import Meta

from semsupervisor.api import jobs
from semsupervisor.api.answers import Answer, DoneAnswer, Moment
from semsupervisor.api.asking import Ask, Refused, Reply
from semsupervisor.api.backup_handlers import SnapshotParams
from semsupervisor.backup.folders import NoSnapshot
from semsupervisor.errors import PermanentError, StoreError, TemporaryError


class PinParams(SnapshotParams, frozen=True, kw_only=True):
    """Which snapshot, and why it is kept."""

    note: Annotated[str, Meta(max_length=200, pattern=r"^[^\x00-\x1f\x7f]*$", description="one line: why")] = ""


class DecisionAnswer(Answer, frozen=True, kw_only=True):
    """What becomes of one snapshot, and every reason for it."""

    id: str
    keep: bool
    reasons: tuple[str, ...]


class KeepingAnswer(Answer, frozen=True, kw_only=True):
    """What would become of each snapshot now, newest first."""

    now: Moment
    directory: str
    snapshots: tuple[DecisionAnswer, ...]


async def plan(ask: Ask[None]) -> Reply:
    """Return what would become of each snapshot, and remove nothing."""
    readings = ask.readings
    with _refusing():
        decided = await readings.keeping.plan()
    shown = tuple(DecisionAnswer(id=one.id, keep=one.keep, reasons=one.reasons) for one in decided)
    directory = readings.settings().settings.backup.directory
    return Reply(body=KeepingAnswer(now=readings.clock.now(), directory=directory, snapshots=shown))


async def prune(ask: Ask[None]) -> Reply:
    """Ask for the removal of what is not kept."""
    with _refusing():
        asked = await ask.readings.keeping.prune(ask.sender)
    return Reply(body=jobs.asked(ask.readings, asked))


async def pin(ask: Ask[PinParams]) -> Reply:
    """Let a snapshot be kept whatever the settings say."""
    wanted = ask.params
    with _refusing():
        await ask.readings.keeping.pin(wanted.id, wanted.note)
    return Reply(body=DoneAnswer(done=(f"{wanted.id} is pinned: it is kept until it is unpinned",)))


async def unpin(ask: Ask[SnapshotParams]) -> Reply:
    """Let the settings decide about a snapshot again."""
    with _refusing():
        await ask.readings.keeping.unpin(ask.params.id)
    return Reply(body=DoneAnswer(done=(f"{ask.params.id} is not pinned",)))


@contextmanager
def _refusing() -> Iterator[None]:
    """Turn what stands in the way into the refusal of the request."""
    try:
        yield
    except NoSnapshot as error:
        raise Refused(404, str(error), "see: semsupervisor backup list") from error
    except StoreError:
        raise
    except TemporaryError as error:
        raise Refused(503, str(error), "see `semsupervisor status`, and backup.directory in the settings") from error
    except PermanentError as error:
        raise Refused(409, str(error)) from error
