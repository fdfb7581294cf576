"""Why no old snapshot is removed by itself: an older one may be the last that has what is lost."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime

from semsupervisor.backup.catalogue import Entry
from semsupervisor.backup.verdicts import Look


def why(entries: Iterable[Entry], looks: Mapping[str, Look], host: str, settled_at: datetime | None) -> str:
    """Return why nothing of this host may be removed, empty where nothing speaks against it.

    One that was found damaged, or was suspicious, holds all others until somebody has removed old ones by hand after
    that, at `settled_at`: the next snapshot has the same flaw, and does not show it beside the one before.
    """
    for one in entries:
        if one.host != host or one.taken_at is None:
            continue
        look = looks.get(one.id)
        if look and look.damage and _after(look.at, settled_at):
            return f"{one.id} was found damaged ({look.damage[0]})"
        if one.suspicions and _after(one.taken_at, settled_at):
            return f"{one.id} is suspicious ({one.suspicions[0]})"
    return ""


def _after(at: datetime, settled_at: datetime | None) -> bool:
    return settled_at is None or at > settled_at
