"""What watching finds is handed on with what keeps it, and nobody keeps what was not handed on."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Mapping, Sequence

import pytest

from semsupervisor.errors import EngineError, EngineForbidden, SocketMissing
from semsupervisor.health.hearing import Note
from semsupervisor.health.observation import FactValue, Observation, Subject
from semsupervisor.health.roster import Roster, Turn
from semsupervisor.health.services import Service, ServiceState
from semsupervisor.health.telling import Teller, never_shuts_down
from semsupervisor.store.journal import Companion
from semsupervisor.systems.containers import Owner
from tests.support.clock import ManualClock


def write(connection: sqlite3.Connection) -> None:
    """Stand for what keeps the roster."""


KEEPS = Companion(write, lambda: None)
NATS = Service(name="nats", owner=Owner("project", "nats"), container="c1", state=ServiceState.RUNNING)


class Receiver:
    """Takes what is handed on when the test lets it, or fails."""

    def __init__(self) -> None:
        self.taken: list[tuple[list[str], Companion | None]] = []
        self.may_take = asyncio.Event()
        self.error: Exception | None = None

    async def __call__(self, observations: Sequence[Observation], companion: Companion | None) -> None:
        """Wait until it may take them."""
        await self.may_take.wait()
        if self.error:
            raise self.error
        self.taken.append(([str(one.subject) for one in observations], companion))


async def no_note(kind: str, subject: Subject, text: str, facts: Mapping[str, FactValue]) -> None:
    """Drop a note."""


@pytest.fixture
def receiver() -> Receiver:
    """Return who is told."""
    return Receiver()


@pytest.fixture
def teller(receiver: Receiver) -> Teller:
    """Return a teller whose roster is always worth keeping."""
    return Teller(Roster(), ManualClock(), receiver, lambda: KEEPS, no_note, never_shuts_down)


def turn() -> Turn:
    """Return a turn in which a service was seen."""
    return Turn(observed=[(NATS, ManualClock().instant())])


async def test_what_keeps_the_roster_goes_along(teller: Teller, receiver: Receiver) -> None:
    """Observations and what they are known by are handed on together."""
    receiver.may_take.set()
    await teller.tell(turn())
    assert receiver.taken == [(["service:nats"], KEEPS)]
    assert teller.ahead == 0


async def test_the_roster_is_ahead_until_all_is_told(teller: Teller, receiver: Receiver) -> None:
    """While somebody else has not heard what the roster knows, it is ahead; a look follows when that is over."""
    telling = asyncio.create_task(teller.tell(turn()))
    await asyncio.sleep(0)
    assert teller.ahead == 1
    teller.wake.clear()
    receiver.may_take.set()
    await telling
    assert teller.ahead == 0
    assert teller.wake.is_set()


async def test_what_was_cut_off_is_never_kept(teller: Teller) -> None:
    """Cancelled before it was told, the roster stays ahead: the next run hears the events again."""
    telling = asyncio.create_task(teller.tell(turn()))
    await asyncio.sleep(0)
    telling.cancel()
    await asyncio.wait([telling])
    assert teller.ahead == 1


async def test_a_failure_of_who_is_told_is_passed_on(teller: Teller, receiver: Receiver) -> None:
    """A defect there is the loop's to count; it keeps nobody from remembering for ever."""
    receiver.error = RuntimeError("defect")
    receiver.may_take.set()
    with pytest.raises(RuntimeError):
        await teller.tell(turn())
    assert teller.ahead == 0


async def test_a_note_that_cannot_be_written_takes_no_other_along(receiver: Receiver) -> None:
    """The one that fails is gone, and its loop says so; those behind it are written the next time, in their order."""
    written: list[str] = []

    async def note(kind: str, subject: Subject, text: str, facts: Mapping[str, FactValue]) -> None:
        if text == "2":
            raise RuntimeError("defect")
        written.append(text)

    teller = Teller(Roster(), ManualClock(), receiver, lambda: KEEPS, note, never_shuts_down)
    for number in range(1, 5):
        teller.note(Note("note", NATS.subject, str(number)))
    with pytest.raises(RuntimeError):
        await teller.write_notes()
    await teller.write_notes()
    await teller.write_notes()
    assert written == ["1", "3", "4"]


@pytest.mark.parametrize(
    ("error", "allowed", "evidence"),
    [
        (EngineError("it hangs"), True, {"error": "it hangs"}),
        (SocketMissing("no socket", "start Docker"), True, {"error": "no socket", "remedy": "start Docker"}),
        (EngineForbidden("not yours", "join a group"), False, {"error": "not yours", "remedy": "join a group"}),
    ],
)
async def test_a_matter_of_rights_is_told_as_such(
    error: EngineError | EngineForbidden, allowed: bool, evidence: dict[str, str]
) -> None:
    """An engine that may not be asked is told from one that does not answer; the remedy is said once, in its place."""
    seen: list[Observation] = []
    notes: list[str] = []

    async def hand_on(observations: Sequence[Observation], _: Companion | None) -> None:
        seen.extend(observations)

    async def note(kind: str, subject: Subject, text: str, facts: Mapping[str, FactValue]) -> None:
        notes.append(text)

    teller = Teller(Roster(), ManualClock(), hand_on, lambda: None, note, never_shuts_down)
    await teller.lost(error)
    await teller.write_notes()
    assert seen[0].facts == {"reachable": False, "allowed": allowed}
    assert seen[0].evidence == evidence
    assert notes == [evidence["error"]]
    assert teller.reachable("20.10").facts["allowed"] is True
