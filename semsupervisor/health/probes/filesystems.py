"""The probe of the file systems: how full are those that carry what matters, and can they be written to."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Mapping, Sequence

from semsupervisor.errors import TemporaryError
from semsupervisor.health.observation import FactValue, Observation, Outcome, Subject, SubjectKind, Unknown
from semsupervisor.kit.blocking import BlockingCalls, Hanging
from semsupervisor.kit.clock import Clock
from semsupervisor.systems import host
from semsupervisor.systems.host import Filesystem, Mount

FACTS = ("used_ratio", "free_bytes", "size_bytes", "read_only", "read_only_unexpected")


class Filesystems:
    """Sees each file system once, however many of the paths it carries; one that hangs is unknown and delays none.

    `paths` gives at each look which absolute paths matter, and of each whether something has to write there; they need
    not exist. A file system that nobody has to write to may be read-only, as the root of many an appliance is.
    """

    name = "filesystems"

    def __init__(self, clock: Clock, paths: Callable[[], Mapping[str, bool]], timeout_seconds: float) -> None:
        self._clock = clock
        self._paths = paths
        self._timeout_seconds = timeout_seconds
        self._calls = BlockingCalls()
        self._point_of: dict[str, str] = {}
        self._seen: dict[str, Observation] = {}

    async def observe(self) -> Sequence[Observation]:
        """Look at all of them at once. Raises: TemporaryError when not even the mount table can be read."""
        try:
            table = await self._calls.run("the mount table", host.mounts, self._timeout_seconds)
        except OSError as error:
            raise TemporaryError(f"cannot read the mount table: {error}") from error
        found = await self._found(self._paths(), table)
        # What is mounted still is looked at though no container writes there now: a stopped stack empties no disk.
        left = (self._seen.keys() - found.keys()) & {mount.point for mount in table}
        found |= await self._found(dict.fromkeys(sorted(left), False), table)
        gone = [self._observation(point, {}, gone=True) for point in sorted(self._seen - found.keys())]
        self._seen = found
        return [*found.values(), *gone]

    async def _found(self, paths: Mapping[str, bool], table: Sequence[Mount]) -> dict[str, Observation]:
        """Look at the file systems of some paths, each at once, and return what is seen by their mount points."""
        looks = await asyncio.gather(*(self._look(path, written, table) for path, written in paths.items()))
        found: dict[str, Observation] = {}
        for look in looks:
            if look is not None and _says_more(look, found.get(look.subject.name)):
                found[look.subject.name] = look
        return found

    async def _look(self, path: str, written: bool, table: Sequence[Mount]) -> Observation | None:
        try:
            carried = await self._calls.run(path, lambda: host.filesystem_of(path, table), self._timeout_seconds)
        except Hanging as error:
            return self._unseen(path, table, str(error))
        except OSError as error:
            return self._unseen(path, table, f"cannot read the file system of {path}: {error.strerror or error}")
        if carried is None:
            return None
        self._point_of[path] = carried.point
        return self._observation(carried.point, _facts(carried, written))

    def _unseen(self, path: str, table: Sequence[Mount], error: str) -> Observation | None:
        """Return that a file system could not be looked at, under the name it had last or should have."""
        guess = host.carrier(os.path.normpath(path), table)
        point = self._point_of.get(path) or (guess.point if guess else None)
        if point is None:
            return None
        names = self._seen[point].facts if point in self._seen else FACTS
        return self._observation(point, dict.fromkeys(names, Unknown(error)), error)

    def _observation(
        self, point: str, facts: dict[str, FactValue], error: str = "", *, gone: bool = False
    ) -> Observation:
        return Observation(
            source=self.name,
            subject=Subject(SubjectKind.FILESYSTEM, point),
            at=self._clock.instant(),
            facts=facts,
            evidence={"error": error} if error else {},
            outcome=Outcome.UNKNOWN if error else Outcome.OK,
            gone=gone,
        )


def _says_more(look: Observation, known: Observation | None) -> bool:
    """Tell whether a look at one path of a file system says more of it than what is known from another path."""
    if known is None:
        return True
    unexpected = look.facts["read_only_unexpected"] is True
    return look.outcome is Outcome.OK and (known.outcome is not Outcome.OK or unexpected)


def _facts(carried: Filesystem, written: bool) -> dict[str, FactValue]:
    usage = carried.usage
    facts: dict[str, FactValue] = {
        "used_ratio": usage.used_ratio,
        "free_bytes": usage.free_bytes,
        "size_bytes": usage.size_bytes,
        "read_only": carried.read_only,
        "read_only_unexpected": carried.read_only and written and carried.has_path,
    }
    if usage.inodes_used_ratio is not None:
        facts["inodes_used_ratio"] = usage.inodes_used_ratio
    return facts
