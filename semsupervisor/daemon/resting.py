"""Receivers that are as if switched off because a secret or a certificate is not there: seen, so that it is told."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from semsupervisor.health.observation import Observation, Subject, SubjectKind
from semsupervisor.kit.clock import Clock
from semsupervisor.settings.load import Loaded


class Resting:
    """Sees which receivers rest because they lack what the settings name for them; `loaded` gives those in force."""

    name = "resting"

    def __init__(self, clock: Clock, loaded: Callable[[], Loaded]) -> None:
        self._clock = clock
        self._loaded = loaded
        self._observed: frozenset[str] = frozenset()

    async def observe(self) -> Sequence[Observation]:
        """Return what is so of each that rests, and once of each that rests no more or was removed."""
        at, loaded = self._clock.instant(), self._loaded()
        resting, known = loaded.resting, loaded.settings.receivers
        names, self._observed = sorted(self._observed | resting.keys()), frozenset(resting)
        return [
            Observation(
                source=self.name,
                subject=Subject(SubjectKind.RECEIVER, name),
                at=at,
                facts={"resting": name in resting} if name in known else {},
                evidence={"error": resting[name]} if name in resting else {},
                gone=name not in known,
            )
            for name in names
        ]
