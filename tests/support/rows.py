"""One row of a table of what happens to a stack: the act, all that has to be told of it, and with which words."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from queue import SimpleQueue

import pytest

from tests.support.daemon_process import IMPATIENT
from tests.support.demo_stack import DemoStack, DemoStackFactory
from tests.support.machine import Machine
from tests.support.scene import TOLD_SECONDS, Scene, Told, both, mend, watched
from tests.support.waiting import eventually_sync

STACKS = 3

Act = Callable[[DemoStack], object]
Key = tuple[str, str]

SEMSTREAMS = "service:semstreams"
NATS = "service:nats"
UNREACHABLE: Key = ("semstreams_unreachable", "semstreams:semstreams")
NATS_UNREACHABLE: Key = ("nats_unreachable", "nats:nats")
DIED = both("container_died", SEMSTREAMS)
STOPPED = both("container_stopped", SEMSTREAMS)


@dataclass(frozen=True)
class Row:
    """One thing that happens, and exactly what is told of it: `told`, in any order.

    `muted` alerts, by rule and subject, have to fire untold before `mend` is called. `named` are among the
    consequences that the first message expects, `observed` among those told with its end. `still` goes on firing
    afterwards. `words` are looked for in the first message's summary, and `over` is its end; `evidence` is looked for
    in what was gathered, `noted` in the timeline, by kind. `patient` rows run with the shipped patience, others with
    the impatient rules and with `rules`, which are lines of the same table. `before` makes the stack what it has to be
    before the daemon starts; that is undone in the end. All is told `within_seconds` of the mending. After
    a `silent` row not even an alert that nobody was told of has fired, but for what is true of the machine itself.
    """

    act: Act
    told: tuple[Told, ...] = ()
    mend: Act | None = None
    muted: tuple[Key, ...] = ()
    named: tuple[str, ...] = ()
    observed: tuple[str, ...] = ()
    still: tuple[Key, ...] = ()
    words: str = ""
    over: str = ""
    evidence: Mapping[str, str] = field(default_factory=dict)
    noted: Mapping[str, str] = field(default_factory=dict)
    patient: bool = False
    within_seconds: float = TOLD_SECONDS
    rules: str = ""
    before: Act | None = None
    silent: bool = False


def fault(name: str, **parameters: object) -> Act:
    """Make SemStreams misbehave."""
    return lambda stack: stack.fault(name, **parameters)


def behave(stack: DemoStack) -> None:
    """Let SemStreams behave again."""
    stack.clear_faults()


def from_host(service: str, number: signal.Signals) -> Act:
    """Send a signal to a service's main process from outside of Docker."""
    return lambda stack: stack.engine.signal_from_host(stack.container(service), number)


def docker(command: str, service: str, *options: str) -> Act:
    """Run `docker COMMAND` on a service's container."""
    return lambda stack: stack.engine.docker(command, *options, stack.container(service))


def compose(*arguments: str) -> Act:
    """Run `docker compose ARGUMENTS`."""
    return lambda stack: stack.compose(*arguments)


def up_as(**environment: str) -> Act:
    """Bring the stack up with other values in its environment."""

    def act(stack: DemoStack) -> None:
        stack.environment.update(environment)
        stack.up()

    return act


def idle(seconds: float) -> Act:
    """Do nothing for a while."""

    def act(_: DemoStack) -> None:
        until = time.monotonic() + seconds
        eventually_sync(lambda: time.monotonic() >= until, seconds + 1, pause_seconds=0.1)

    return act


def one_after_another(*acts: Act) -> Act:
    """Do several things."""

    def act(stack: DemoStack) -> None:
        for one in acts:
            one(stack)

    return act


def conf(text: str) -> Act:
    """Have NATS run with another configuration than the demo's."""

    def act(stack: DemoStack) -> None:
        (stack.folder / "nats.conf").write_text(text)
        stack.compose("up", "--detach", "--wait", "--force-recreate")

    return act


def fresh(stack: DemoStack) -> None:
    """Take the stack away with all that it has stored."""
    stack.down()


def files(*names: str) -> Act:
    """Bring the stack up with more of the demo's compose files."""

    def act(stack: DemoStack) -> None:
        stack.files.extend(names)
        stack.up()

    return act


def within_seconds(rule: str, *more: str) -> str:
    """Have a rule that looks at a course look at seconds only."""
    lines = ('over = "10s"', 'for = "1s"', 'clear_for = "1s"')
    keys = {line.partition(" = ")[0]: line for line in (*lines, *more)}
    return "".join(f"{rule}.{line}\n" for line in keys.values())


def play(row: Row, stack: DemoStack, folder: Path) -> None:
    """Watch a healthy stack, do what the row says, wait for the end of it, and hold the row."""
    mend(stack)
    with restored(stack):
        if row.before is not None:
            row.before(stack)
        _watch(row, stack, folder)


@contextmanager
def restored(stack: DemoStack) -> Iterator[None]:
    """Bring a stack up as it was before, if something about it was changed."""
    environment, compose_files = dict(stack.environment), list(stack.files)
    configuration = (stack.folder / "nats.conf").read_text()
    try:
        yield
    finally:
        changed = (stack.environment, stack.files, (stack.folder / "nats.conf").read_text())
        if changed != (environment, compose_files, configuration):
            stack.down()
            stack.environment, stack.files = environment, compose_files
            (stack.folder / "nats.conf").write_text(configuration)
            stack.up()


def _watch(row: Row, stack: DemoStack, folder: Path) -> None:
    patience = {"settle": "5s"} if row.patient else {}
    more = () if row.patient else (*_impatient_beside(row.rules), row.rules)
    with Machine() as machine, watched(stack, folder, *more, **patience) as scene:
        row.act(stack)
        if row.mend is not None:
            scene.await_told(*(told for told in row.told if told.kind == "firing"))
            scene.await_muted(*row.muted)
            row.mend(stack)
        scene.await_told(*row.told, within_seconds=row.within_seconds)
        scene.await_calm(row.still)
        assert sorted(scene.told) == sorted(row.told), scene.told
        _hold_words(row, scene)
        _hold_timeline(row, scene)
        if row.silent:
            assert scene.fired() == set()
            assert machine.denies(scene.fired_of_machine()) == []


def _impatient_beside(rules: str) -> list[str]:
    """Return the lines of the impatient rules but for what a row's own say otherwise: TOML takes no key twice."""
    own = {line.partition("=")[0].strip() for line in rules.splitlines()}
    return [line for line in IMPATIENT.splitlines(keepends=True) if line.partition("=")[0].strip() not in own]


def _hold_words(row: Row, scene: Scene) -> None:
    if not row.told:
        return
    first = scene.alert(row.told[0])
    assert row.words in first["summary"]
    assert set(row.named) <= set(first["consequences"])
    for key, text in row.evidence.items():
        assert text in first["evidence"].get(key, ""), first["evidence"]
    if row.over:
        last = scene.alert(row.told[0]._replace(kind="resolved"))
        assert last["resolved_because"] == row.over
        assert set(row.observed) <= set(last["consequences"])


def _hold_timeline(row: Row, scene: Scene) -> None:
    for kind, text in row.noted.items():
        assert any(text in noted for noted in scene.daemon.timeline(kind)), scene.daemon.timeline()
    assert not scene.daemon.timeline("engine.silent")


class Plays:
    """Plays rows on several stacks beside each other, and gives each test the outcome of its own."""

    def __init__(self, stacks: Sequence[DemoStack]) -> None:
        self._free: SimpleQueue[DemoStack] = SimpleQueue()
        for stack in stacks:
            self._free.put(stack)
        self._pool = ThreadPoolExecutor(len(stacks))
        self._plays: dict[int, Future[None]] = {}

    def begin(self, row: Row, folder: Path) -> None:
        """Have a row played as soon as a stack is free."""
        self._plays[id(row)] = self._pool.submit(self._play, row, folder)

    def hold(self, row: Row) -> None:
        """Wait for the end of a row, and raise what it raised."""
        self._plays[id(row)].result()

    def close(self) -> None:
        """Wait for the rows under way, and leave out the others."""
        self._pool.shutdown(cancel_futures=True)

    def _play(self, row: Row, folder: Path) -> None:
        stack = self._free.get()
        try:
            play(row, stack, folder)
        finally:
            self._free.put(stack)


@pytest.fixture(scope="session")
def plays(
    demo_stacks: DemoStackFactory, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Plays]:
    """Return what plays all rows that this run's tests ask for, in their order."""
    begun = Plays([demo_stacks(f"rows{number}", SEMSTREAMS_MEMORY="128M") for number in range(STACKS)])
    for item in request.session.items:
        for value in item.callspec.params.values() if hasattr(item, "callspec") else ():
            if isinstance(value, Row):
                begun.begin(value, tmp_path_factory.mktemp("row"))
    yield begun
    begun.close()
