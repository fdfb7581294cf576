"""Level 2: the messages of each archive are walked, in a process of its own, since it takes a processor for a while.

About 20 MB of messages a second on one processor of a small host. The process has no secrets, no connection, and a low
priority if that may be set.
"""

from __future__ import annotations

import sys
from pathlib import Path

import msgspec

from semsupervisor.backup import s2
from semsupervisor.backup.blocks import Counts, MessageWalk, lacking
from semsupervisor.backup.framing import MAGIC, Malformed
from semsupervisor.backup.manifest import StreamEntry, count
from semsupervisor.backup.s2 import Undecodable
from semsupervisor.errors import SupervisorError
from semsupervisor.kit.clock import SystemClock
from semsupervisor.systems.commands import Program

LIMIT_SECONDS = 3600.0
_PACKED, _PLAIN = 0x00, 0x01
_CHECKSUM_BYTES = 4
_RUN = "import sys; sys.path.insert(0, sys.argv.pop(1)); from semsupervisor.backup.deep import main; main()"


class Told(msgspec.Struct, frozen=True):
    """What the process says: what is wrong with the archive, or what is in it."""

    problem: str = ""
    counts: Counts | None = None


async def damage(folder: Path, stream: StreamEntry) -> str:
    """Return in words what is wrong with the messages of a stream in a snapshot, empty if nothing.

    Blocks that the server itself compresses are not looked into.
    """
    if stream.config.get("compression") not in (None, "none"):
        return ""
    told = await _look(folder / stream.file, stream)
    return told.problem or (lacking(stream, told.counts) if told.counts else "it was not said what is in it")


async def _look(archive: Path, stream: StreamEntry) -> Told:
    """Return what is in an archive; a process that does not say is a problem as well."""
    low, high = (count(stream.state.get(name)) for name in ("first_seq", "last_seq"))
    root = str(Path(__file__).parents[2])
    program = Program([sys.executable, "-c", _RUN, root, str(archive), str(low), str(high)], SystemClock())
    try:
        ended = await program.run(LIMIT_SECONDS)
    except SupervisorError as error:
        return Told(problem=str(error))
    try:
        return msgspec.json.decode(ended.output, type=Told)
    except msgspec.DecodeError:
        words = ended.errors.decode(errors="replace").strip().rpartition("\n")[2]
        return Told(problem=f"the process that reads it ended with {ended.exit_code}: {words}")


def main() -> None:
    """Be that process: walk one archive and say what is in it."""
    file, low, high = sys.argv[1:]
    try:
        told = Told(counts=walked(Path(file), int(low), int(high)))
    except (Malformed, Undecodable) as error:
        told = Told(problem=str(error))
    except OSError as error:
        told = Told(problem=f"it cannot be read: {error.strerror or error}")
    sys.stdout.buffer.write(msgspec.json.encode(told))


def walked(file: Path, low: int, high: int) -> Counts:
    """Walk the messages of an archive. Raises: Malformed; Undecodable; OSError."""
    walk = MessageWalk(low, high)
    with file.open("rb") as opened:
        opened.seek(len(MAGIC))
        while head := opened.read(4):
            body = opened.read(int.from_bytes(head[1:4], "little"))
            if head[0] == _PACKED:
                walk.feed(s2.unpacked(body[_CHECKSUM_BYTES:]))
            elif head[0] == _PLAIN:
                walk.feed(body[_CHECKSUM_BYTES:])
    return walk.end()
