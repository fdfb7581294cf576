"""What a chapter gives to have its acts carried out: kinds of job, each with its parameters and its steps."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Generic, Protocol, TypeVar

import msgspec

from semsupervisor.jobs.record import Json, StepPlan

P = TypeVar("P", bound=msgspec.Struct)


class At(Protocol):
    """What a step gets to work with."""

    @property
    def job_id(self) -> str:
        """Return the job's id, which names all that it makes in the world."""
        ...

    @property
    def data(self) -> Mapping[str, Json]:
        """Return what earlier steps kept."""
        ...

    async def keep(self, data: Mapping[str, Json]) -> None:
        """Write down what later steps need, or an undoing; it is on the disk when this returns. Raises: StoreError."""
        ...

    async def note(self, text: str) -> None:
        """Write down what went wrong without being a failure. Raises: StoreError."""
        ...

    def progress(self, done: float, total: float | None, unit: str) -> None:
        """Say how far the step is, in `unit` (such as bytes); `total` is None while that is not known."""
        ...


Act = Callable[[At], Awaitable[None]]
Ask = Callable[[At], Awaitable[bool]]


class Step(msgspec.Struct, frozen=True, kw_only=True):
    """One step of a job: do, how to tell that it is done, and how to undo it.

    `do` and `undo` may be called again after they were interrupted anywhere, and must then come to the same end.
    `is_done` is asked after an interruption; without it `do` is called again. Each is cut off at its limit, which
    counts as a failure. A step without `undo` leaves nothing behind that would have to be taken back. One that is
    not `interruptible` is carried out to its end, or its limit, before a cancellation counts. The undoing of one that
    is `tireless` is tried until it succeeds: nothing would be served by leaving it.
    """

    name: str
    title: str
    do: Act
    is_done: Ask | None = None
    undo: Act | None = None
    limit_seconds: float = 60.0
    undo_limit_seconds: float = 60.0
    commits: bool = False
    optional: bool = False
    interruptible: bool = True
    tireless: bool = False

    @property
    def plan(self) -> StepPlan:
        """Return what the record says of the step."""
        return StepPlan(self.name, self.title, self.commits, self.optional, self.undo is not None)


class JobKind(msgspec.Struct, Generic[P], frozen=True, kw_only=True):
    """One kind of job.

    `parameters` is what a request for it consists of: the same request joins the job that is under way. `steps`
    makes its steps anew whenever the daemon starts, and must make as many, of the same names, from the same
    parameters. An `exclusive` job holds the stack: one at a time. Of a kind that never `overlaps` one is carried out at
    a time, whoever holds the stack. A kind that `finishes` goes on after an interruption, any other goes back. One that
    `preempts` cancels what is queued or can be cancelled.
    """

    name: str
    parameters: type[P]
    title: Callable[[P], str]
    steps: Callable[[P], Sequence[Step]]
    exclusive: bool = True
    overlaps: bool = True
    finishes: bool = False
    preempts: bool = False


AnyKind = JobKind[Any]
