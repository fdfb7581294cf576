"""Which snapshot still holds what a stream has lost."""

from __future__ import annotations

from pathlib import Path

from semsupervisor.backup.folders import Folders
from semsupervisor.backup.manifest import Manifest, count
from semsupervisor.backup.verify import read_manifest
from semsupervisor.errors import SupervisorError


def newest(directory: Path, account: str, stream: str, beyond: int) -> str:
    """Return the newest hot snapshot in which a stream goes beyond a number; empty without one. It blocks.

    A cold one names no streams. A folder that cannot be read holds none.
    """
    folders = Folders(directory)
    try:
        for snapshot_id in reversed(folders.ids()):
            found = read_manifest(folders.path(snapshot_id))
            if isinstance(found, Manifest) and _holds(found, account, stream, beyond):
                return snapshot_id
    except SupervisorError:
        return ""
    return ""


def _holds(manifest: Manifest, account: str, stream: str, beyond: int) -> bool:
    of_stream = (one for one in manifest.streams if (one.account, one.name) == (account, stream))
    return any(count(one.state.get("last_seq")) > beyond for one in of_stream)
