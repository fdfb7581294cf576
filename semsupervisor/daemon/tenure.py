"""This run of the daemon on record: how the last one ended, when this one began, and why it ends."""

from __future__ import annotations

from semsupervisor import __version__
from semsupervisor.daemon.reloading import DAEMON
from semsupervisor.health.observation import HOST
from semsupervisor.health.runs import Run, Runs, story
from semsupervisor.kit.clock import Clock
from semsupervisor.kit.ids import new_id
from semsupervisor.pipeline import Pipeline
from semsupervisor.systems import host


class Tenure:
    """Writes the run down, and into the timeline how it came to be and to end. `why` is empty while nobody asked."""

    def __init__(self, runs: Runs, pipeline: Pipeline, clock: Clock, boot_id: str) -> None:
        self._runs = runs
        self._pipeline = pipeline
        self._clock = clock
        self._boot_id = boot_id
        self._run: Run | None = None
        self.why = ""

    async def begin(self) -> None:
        """Write down how the last run ended, and that this one begins."""
        kind, text = story(await self._runs.last(), self._boot_id)
        now = self._clock.now()
        self._run = Run(id=new_id(now), boot_id=self._boot_id, started_at=now)
        await self._runs.begin(self._run)
        await self._pipeline.note(kind, HOST if kind.startswith("host") else DAEMON, text, {"version": __version__})

    async def note_shutdown(self) -> None:
        """Write down that it ends because the host does, if that is so."""
        if await host.is_shutting_down():
            self.why = "the host is shutting down"
            text = "the host is shutting down, and the stack with it"
            await self._pipeline.note("host.shutting_down", HOST, text, {})

    async def end(self) -> None:
        """Write down that it ends in order, and why."""
        if self._run:
            await self._runs.end(self._run, self._clock.now(), self.why or "it failed")
