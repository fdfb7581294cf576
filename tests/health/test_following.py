"""Following where there is no engine; with engines, whole and hurt, in tests/integration."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from semsupervisor.health.following import SILENCE_NOTED_EVERY_SECONDS, Follower, Watched
from semsupervisor.health.observation import FactValue, Observation, Subject
from semsupervisor.health.roster import Roster
from semsupervisor.health.telling import Teller, never_shuts_down
from semsupervisor.store.journal import Companion
from semsupervisor.systems.docker import Docker
from tests.support.clock import ManualClock


async def test_an_engine_that_is_not_there_is_told_and_tried_again(tmp_path: Path) -> None:
    """Each turn without an engine tells that it is unreachable and ends without an error; the notes begin once."""
    told: list[Observation] = []
    notes: list[str] = []

    async def hand_on(observations: Sequence[Observation], _: Companion | None) -> None:
        told.extend(observations)

    async def note(kind: str, subject: Subject, text: str, facts: Mapping[str, FactValue]) -> None:
        notes.append(kind)

    clock, roster = ManualClock(), Roster()
    docker = Docker(str(tmp_path / "none.sock"), 1.0)
    await docker.open()
    teller = Teller(roster, clock, hand_on, lambda: None, note, never_shuts_down)
    watched = Watched(project="project", boot_id="boot", settle_seconds=5.0, ping_interval_seconds=5.0)
    follower = Follower(docker, watched, clock, roster, teller)
    for _ in range(2):
        await follower.follow()
    await teller.write_notes()
    assert [one.facts for one in told] == [{"reachable": False, "allowed": True}] * 2
    assert notes == ["engine.lost"]
    assert follower.report.connected_since is None
    assert follower.report.reconnects_total == 0
    await follower.drop()
    await docker.close()


async def test_a_stream_that_is_silent_again_and_again_is_noted_once(tmp_path: Path) -> None:
    """Each silence is counted, and the timeline says so once in ten minutes."""
    notes: list[str] = []

    async def hand_on(_: Sequence[Observation], __: Companion | None) -> None:
        """Take what no silence brings."""

    async def note(kind: str, subject: Subject, text: str, facts: Mapping[str, FactValue]) -> None:
        notes.append(text)

    clock, roster = ManualClock(), Roster()
    teller = Teller(roster, clock, hand_on, lambda: None, note, never_shuts_down)
    watched = Watched(project="project", boot_id="boot", settle_seconds=5.0, ping_interval_seconds=5.0)
    follower = Follower(Docker(str(tmp_path / "none.sock"), 1.0), watched, clock, roster, teller)
    for _ in range(3):
        await follower.begin_anew(["app"])
    clock.advance(SILENCE_NOTED_EVERY_SECONDS)
    await follower.begin_anew(["nats"])
    await teller.write_notes()
    assert ["to app;" in text for text in notes] == [True, False]
    assert follower.report.silent_total == 4
