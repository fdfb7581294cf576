"""Which snapshot still holds what a stream has lost."""

from __future__ import annotations

from pathlib import Path

from semsupervisor.backup.folders import Folders, NoSnapshot
from semsupervisor.backup.manifest import FILE_NAME, Manifest, count
from semsupervisor.backup.verify import read_manifest
from semsupervisor.errors import SupervisorError


def newest(directory: Path, account: str, stream: str, beyond: int) -> str | None:
    """Return the newest hot snapshot in which a stream goes beyond a number. It blocks.

    Empty if none does, and None if that is not sure, as not all of them could be read. A cold one names no streams.
    """
    folders, sure = Folders(directory), True
    try:
        ids = folders.ids()
    except SupervisorError:
        return None
    for snapshot_id in reversed(ids):
        try:
            folder = folders.path(snapshot_id)
            found = read_manifest(folder)
            if isinstance(found, Manifest) and _holds(found, account, stream, beyond):
                return snapshot_id
            sure = sure and (isinstance(found, Manifest) or not (folder / FILE_NAME).exists())
        except NoSnapshot:
            continue
        except (SupervisorError, OSError):
            sure = False
    return "" if sure else None


def _holds(manifest: Manifest, account: str, stream: str, beyond: int) -> bool:
    of_stream = (one for one in manifest.streams if (one.account, one.name) == (account, stream))
    return any(count(one.state.get("last_seq")) > beyond for one in of_stream)
