"""Whether the engine that answers is the one that answered before, and what became of the containers. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum

import msgspec

from semsupervisor.health.hearing import Note
from semsupervisor.health.observation import ENGINE
from semsupervisor.systems.containers import Engine


class Bookmark(msgspec.Struct, frozen=True, kw_only=True):
    """Where the watching was: the last event's stamp (ns since 1970), the boot, and which engine process it was.

    `engine` is empty where engine processes cannot be told apart.
    """

    last_event_nano: int = 0
    boot_id: str = ""
    engine: str = ""


class Change(StrEnum):
    """What is new about an engine: nothing was known before, it is the same process, another one, another boot."""

    FIRST = "first"
    SAME = "same"
    ENGINE = "engine"
    HOST = "host"

    @property
    def is_new(self) -> bool:
        """Tell whether the engine process was started since it was known."""
        return self in (Change.ENGINE, Change.HOST)


class Return(msgspec.Struct, frozen=True, kw_only=True):
    """What was found when the engine was reached: who had been stopped before its end, by the new one, is left, kept.

    `away_seconds` is how long it had not answered, None if that was not noticed.
    """

    change: Change
    stopped_before: Sequence[str] = ()
    stopped_after: Sequence[str] = ()
    left: Sequence[str] = ()
    kept: Sequence[str] = ()
    away_seconds: float | None = None


def changed(bookmark: Bookmark | None, engine: Engine, boot_id: str) -> Change:
    """Return what is new about an engine. One whose processes cannot be told apart counts as another each time."""
    if bookmark is None:
        return Change.FIRST
    if bookmark.boot_id != boot_id:
        return Change.HOST
    return Change.SAME if engine.identity and engine.identity == bookmark.engine else Change.ENGINE


def story(found: Return) -> Note | None:
    """Return what is noted of an engine that was reached (again); None if there is nothing to tell."""
    match found.change:
        case Change.FIRST:
            return None
        case Change.HOST:
            return _another_boot(found)
        case Change.SAME:
            return _same(found)
        case Change.ENGINE:
            return _another(found)


def _another_boot(found: Return) -> Note | None:
    """That the host was restarted is noted by whoever keeps the daemon's runs."""
    if not found.left:
        return None
    return Note("engine.left", ENGINE, f"not started again after the host's restart: {', '.join(found.left)}")


def _same(found: Return) -> Note | None:
    if found.away_seconds is None:
        return None
    text = f"the Docker engine answers again after {found.away_seconds:.0f} s; it is the same process, so it hung"
    return Note("engine.back", ENGINE, text)


def _another(found: Return) -> Note:
    left = f"; left stopped: {', '.join(found.left)}" if found.left else ""
    if found.stopped_before:
        return Note("engine.restarted", ENGINE, f"the Docker engine was restarted, and stopped its containers{left}")
    if found.stopped_after:
        stopped = ", ".join(found.stopped_after)
        text = f"the Docker engine was killed; the new one stopped what the old one had left running: {stopped}{left}"
        return Note("engine.killed", ENGINE, text)
    if found.kept:
        text = f"the Docker engine was restarted; the containers kept running (live-restore){left}"
        return Note("engine.restarted", ENGINE, text)
    return Note("engine.restarted", ENGINE, f"the Docker engine was restarted{left}")
