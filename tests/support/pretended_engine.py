"""An engine that exists only in a test's imagination: what is done to its containers becomes events and inspections.

It is no stand-in for the real one, which other tests run on; it says what any order of events and lists must lead to.
"""

from __future__ import annotations

from enum import StrEnum

import msgspec

from semsupervisor.systems.containers import Action, Container, ContainerState, Event
from tests.support.container_words import container, event, moment


class Deed(StrEnum):
    """What may be done to the container, or happen to it."""

    CRASH = "crash"
    HEAL = "heal"
    STOP = "stop"
    KILL = "kill"
    START = "start"
    PAUSE = "pause"
    UNPAUSE = "unpause"
    RECREATE = "recreate"
    REMOVE = "remove"


class PretendedEngine:
    """One container of the service `app`, under the policy unless-stopped."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.container: Container | None = container()
        self.deaths = 0
        self._made = 1

    def listed(self) -> list[Container]:
        """Return what a list shows now."""
        return [self.container] if self.container else []

    def do(self, deed: Deed, seconds: float) -> None:
        """Let something happen, if it can happen now."""
        if self._is(ContainerState.RUNNING):
            self._do_to_running(deed, seconds)
        elif deed is Deed.HEAL and self._is(ContainerState.RESTARTING):
            self._start(seconds)
        elif deed is Deed.STOP and self._is(ContainerState.RESTARTING):
            self._end(seconds, ContainerState.EXITED, Action.STOP, code=3)
        elif deed is Deed.START and self._is(ContainerState.EXITED):
            self._change(restart_count=0)
            self._start(seconds)
        elif deed is Deed.UNPAUSE and self._is(ContainerState.PAUSED):
            self._change(state=ContainerState.RUNNING)
            self._tell(Action.UNPAUSE, seconds)
        elif deed is Deed.REMOVE and self.container:
            self._remove(seconds)

    def _do_to_running(self, deed: Deed, seconds: float) -> None:
        match deed:
            case Deed.CRASH:
                self._end(seconds, ContainerState.RESTARTING, Action.DIE, code=3)
                self.deaths += 1
            case Deed.STOP:
                self._end(seconds, ContainerState.EXITED, Action.KILL, Action.DIE, Action.STOP, code=0, signal=15)
            case Deed.KILL:
                self._end(seconds, ContainerState.EXITED, Action.KILL, Action.DIE, code=137, signal=9)
            case Deed.PAUSE:
                self._change(state=ContainerState.PAUSED)
                self._tell(Action.PAUSE, seconds)
            case Deed.RECREATE:
                self._recreate(seconds)
            case Deed.REMOVE:
                self._end(seconds, ContainerState.EXITED, Action.KILL, Action.DIE, code=137, signal=9)
                self._remove(seconds)
            case Deed.HEAL | Deed.START | Deed.UNPAUSE:
                pass

    def _is(self, state: ContainerState) -> bool:
        return self.container is not None and self.container.state is state

    def _change(self, **changes: object) -> None:
        assert self.container
        self.container = msgspec.structs.replace(self.container, **changes)

    def _tell(self, action: Action, seconds: float, *, exit_code: int | None = None, signal: int | None = None) -> None:
        assert self.container
        of = self.container.id
        self.events.append(event(action, seconds, of=of, exit_code=exit_code, signal=signal))

    def _start(self, seconds: float) -> None:
        self._change(state=ContainerState.RUNNING, started_at=moment(seconds), exit_code=0)
        self._tell(Action.START, seconds + 0.001)

    def _end(self, seconds: float, state: ContainerState, *actions: Action, code: int, signal: int = 0) -> None:
        assert self.container
        died = Action.DIE in actions
        count = self.container.restart_count + (1 if state is ContainerState.RESTARTING else 0)
        finished = moment(seconds) if died else self.container.finished_at
        for number, action in enumerate(actions):
            told = code if action is Action.DIE else None
            sent = signal if action is Action.KILL else None
            self._tell(action, seconds + 0.001 * number, exit_code=told, signal=sent)
        self._change(state=state, finished_at=finished, exit_code=code, restart_count=count)

    def _recreate(self, seconds: float) -> None:
        self._made += 1
        new = container(id=f"a{self._made}", created_at=moment(seconds), started_at=moment(seconds + 0.01))
        self.events.append(event(Action.CREATE, seconds, of=new.id))
        self._end(seconds + 0.001, ContainerState.EXITED, Action.KILL, Action.DIE, Action.STOP, code=0, signal=15)
        self._tell(Action.DESTROY, seconds + 0.008)
        self.container = new
        self._tell(Action.START, seconds + 0.011)

    def _remove(self, seconds: float) -> None:
        self._tell(Action.DESTROY, seconds + 0.005)
        self.container = None
