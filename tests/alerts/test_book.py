"""What is kept of alerts and of all that happened, on a real database."""

from __future__ import annotations

import math
import os
import sqlite3
from collections.abc import AsyncIterator, Callable
from datetime import timedelta, timezone
from pathlib import Path

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from semsupervisor.alerts import book as alert_book
from semsupervisor.alerts.book import Book, TimelineEntry, TimelineLine
from semsupervisor.alerts.lifecycle import Alert, AlertState
from semsupervisor.health.observation import FactValue, Unknown
from semsupervisor.store.database import Store
from tests.support.alerting import DIED, DISK, DOWN, FILLING, NATS_SERVICE, SEMSTREAMS, SERVICE, UNKNOWN, alert
from tests.support.clock import START, ManualClock
from tests.support.logs import Logs

pytestmark = pytest.mark.usefixtures("logs")

FACTS: st.SearchStrategy[FactValue] = st.one_of(
    st.booleans(), st.integers(-(2**53), 2**53), st.floats(), st.text(), st.builds(Unknown, st.text())
)


class Shelf:
    """A book and its database."""

    def __init__(self, folder: Path) -> None:
        self.store = Store(folder / "state.db", alert_book.MIGRATIONS, ManualClock())
        self.book = Book(self.store)

    async def save(self, *alerts: Alert) -> None:
        """Write alerts as they are."""
        await self.store.write(lambda connection: alert_book.save_alerts(connection, alerts))

    async def note(self, *lines: TimelineLine) -> None:
        """Write lines of the timeline."""
        await self.store.write(lambda connection: alert_book.save_timeline(connection, lines))


@pytest.fixture
async def shelf(tmp_path: Path) -> AsyncIterator[Shelf]:
    """Return an empty book."""
    shelf = Shelf(tmp_path)
    yield shelf
    await shelf.store.close()


def line(text: str, *, kind: str = "alert.told", subject: str = "service:nats", seconds: float = 0) -> TimelineLine:
    """Return a line for the timeline."""
    return TimelineLine(at=START + timedelta(seconds=seconds), kind=kind, subject=subject, text=text)


def corrupting(garbage: str) -> Callable[[sqlite3.Connection], object]:
    """Return a change that leaves nonsense in the row of the alert `bad`."""
    return lambda connection: connection.execute("UPDATE alerts SET body = ? WHERE id = 'bad'", (garbage,))


def texts(entries: list[TimelineEntry]) -> list[str]:
    """Return what the entries say."""
    return [entry.text for entry in entries]


async def test_open_alerts_come_back_as_they_were(shelf: Shelf) -> None:
    """All but this boot's monotonic time comes back, oldest first; what has ended does not."""
    told = alert(DIED, SERVICE, told=("hook", "mail"), consequences=("SemStreams unreachable",), held_seconds=3.5)
    muted = alert(DOWN, SEMSTREAMS, muted_by="consequence", evidence={"error": "x"}, value=UNKNOWN)
    pending = alert(FILLING, DISK, AlertState.PENDING, value=0.85)
    over = alert(DIED, NATS_SERVICE, AlertState.RESOLVED, resolved_at=START, resolved_because="died is no")
    await shelf.save(told, over, muted, pending)
    kept = [msgspec.structs.replace(one, seen_monotonic=None) for one in (told, muted, pending)]
    assert await shelf.book.open_alerts() == kept


async def test_the_last_state_of_an_alert_counts(shelf: Shelf) -> None:
    """Written again, an alert is one row still, in its old place."""
    first, second = alert(DIED, SERVICE), alert(DIED, NATS_SERVICE)
    await shelf.save(first, second)
    await shelf.save(msgspec.structs.replace(first, told=("hook",)))
    assert [(one.id, one.told) for one in await shelf.book.open_alerts()] == [(first.id, ("hook",)), (second.id, ())]
    await shelf.save(msgspec.structs.replace(first, state=AlertState.RESOLVED))
    assert [one.id for one in await shelf.book.open_alerts()] == [second.id]


async def test_forgotten_alerts_leave_no_trace(shelf: Shelf) -> None:
    """Only those named go, and unknown names are no error."""
    first, second = alert(DIED, SERVICE), alert(DIED, NATS_SERVICE)
    await shelf.save(first, second)
    await shelf.store.write(lambda connection: alert_book.forget_alerts(connection, [first.id, "stranger"]))
    assert [one.id for one in await shelf.book.history(10)] == [second.id]


async def test_history_begins_with_the_newest(shelf: Shelf) -> None:
    """Ended and open ones, at most as many as asked for, in the order in which they began to be written."""
    alerts = [alert(DIED, SERVICE, AlertState.RESOLVED, id=f"a{number}") for number in range(4)]
    await shelf.save(*alerts, alert(DOWN, SEMSTREAMS, id="open"))
    assert [one.id for one in await shelf.book.history(3)] == ["open", "a3", "a2"]


async def test_history_is_that_of_a_name(shelf: Shelf) -> None:
    """An alert's id finds it, a rule or a subject all of its episodes, and an unknown name none."""
    await shelf.save(alert(DIED, SERVICE, id="a"), alert(DIED, NATS_SERVICE, id="b"), alert(DOWN, SEMSTREAMS, id="c"))
    found = {
        name: [one.id for one in await shelf.book.history(10, name)]
        for name in ("a", DIED.name, str(SERVICE), SERVICE.name)
    }
    assert found == {"a": ["a"], "container_died": ["b", "a"], "service:semstreams": ["a"], "semstreams": []}
    assert [one.id for one in await shelf.book.history(1, "container_died")] == ["b"]


async def test_the_timeline_has_its_own_order(shelf: Shelf) -> None:
    """Ids grow with every line, whatever the wall clock says; the newest come first."""
    await shelf.note(line("one", seconds=5), line("two", seconds=-86400))
    await shelf.note(line("three"))
    entries = await shelf.book.timeline(10)
    assert texts(entries) == ["three", "two", "one"]
    assert [entry.id for entry in entries] == [3, 2, 1]
    assert entries[1].at == START - timedelta(days=1)


async def test_the_timeline_can_be_paged_and_filtered(shelf: Shelf) -> None:
    """By id in both directions, by subject, by kind, and by all of it together."""
    await shelf.note(
        line("one"), line("two", kind="note"), line("three", subject="engine:docker"), line("four"), line("five")
    )
    book = shelf.book
    assert texts(await book.timeline(2)) == ["five", "four"]
    assert texts(await book.timeline(2, before_id=4)) == ["three", "two"]
    assert texts(await book.timeline(10, after_id=3)) == ["five", "four"]
    assert texts(await book.timeline(10, kind="note")) == ["two"]
    assert texts(await book.timeline(10, subject="engine:docker")) == ["three"]
    some = await book.timeline(1, before_id=5, after_id=1, subject="service:nats", kind="alert.told")
    assert texts(some) == ["four"]


async def test_the_timeline_begins_at_a_moment(shelf: Shelf) -> None:
    """What is older does not count towards the limit; fractions of a second and zones are compared as moments."""
    await shelf.note(
        line("whole"), line("later", seconds=0.25), line("old", seconds=-3600), line("new", seconds=3600), line("last")
    )
    timeline, eastern = shelf.book.timeline, timezone(timedelta(hours=5))
    assert texts(await timeline(3, since=START)) == ["last", "new", "later"]
    assert texts(await timeline(10, since=START)) == ["last", "new", "later", "whole"]
    assert texts(await timeline(10, since=START + timedelta(microseconds=1))) == ["new", "later"]
    assert texts(await timeline(10, since=(START + timedelta(seconds=0.25)).astimezone(eastern))) == ["new", "later"]
    assert texts(await timeline(10, since=START, before_id=3)) == ["later", "whole"]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=30)
@given(st.dictionaries(st.text(), FACTS, max_size=4), FACTS)
async def test_every_value_can_be_written(shelf: Shelf, facts: dict[str, FactValue], value: FactValue) -> None:
    """Whatever a probe saw can be kept and read again; what JSON has no number for becomes a word."""
    await shelf.save(alert(DIED, SERVICE, value=value))
    await shelf.note(TimelineLine(at=START, kind="note", subject="engine:docker", text="x", facts=facts))
    (kept,) = await shelf.book.open_alerts()
    (entry,) = await shelf.book.timeline(1)
    for found, written in [(kept.value, value), *((entry.facts[name], facts[name]) for name in facts)]:
        odd = isinstance(written, float) and not math.isfinite(written)
        assert found == (str(written) if odd else written)


async def test_a_row_that_makes_no_sense_keeps_nobody_from_starting(shelf: Shelf, logs: Logs) -> None:
    """An alert that cannot be read any more is said and left out; the others come back."""
    await shelf.save(alert(DIED, SERVICE, id="bad"), alert(DIED, NATS_SERVICE, id="good"))
    for garbage in ("{", '{"id": "bad"}', "\x00"):
        await shelf.store.write(corrupting(garbage))
        assert [one.id for one in await shelf.book.open_alerts()] == ["good"]
        assert logs[-1]["event"] == "book.row_unreadable"


async def test_what_is_kept_is_bounded(shelf: Shelf) -> None:
    """The newest lines and episodes stay; an open alert stays however old it is."""
    await shelf.save(alert(DIED, SERVICE, id="open"))
    await shelf.save(*(alert(DOWN, SEMSTREAMS, AlertState.RESOLVED, id=f"a{number}") for number in range(5)))
    await shelf.note(*(line(str(number)) for number in range(6)))
    await shelf.store.write(lambda connection: alert_book.trim(connection, 2))
    assert [one.id for one in await shelf.book.history(10)] == ["a4", "a3", "open"]
    assert texts(await shelf.book.timeline(10)) == ["5", "4"]
    await shelf.note(line("next"))
    assert [entry.id for entry in await shelf.book.timeline(1)] == [7]


async def test_open_alerts_of_a_broken_database_are_salvaged(shelf: Shelf, tmp_path: Path) -> None:
    """Those that can be read of the copy stand before those of the fresh database."""
    await shelf.save(alert(DIED, SERVICE, id="kept"), alert(DOWN, SEMSTREAMS, AlertState.RESOLVED, id="over"))
    await shelf.note(*(line("x" * 3000, kind=f"note{number}") for number in range(60)))
    await shelf.store.close()
    path = tmp_path / "state.db"
    with path.open("r+b") as file:
        file.seek(path.stat().st_size - 4096 * 5)
        file.write(os.urandom(4096 * 3))
    again = Shelf(tmp_path)
    await again.save(alert(DIED, NATS_SERVICE, id="new"))
    assert again.store.set_aside is not None
    assert [one.id for one in await again.book.open_alerts()] == ["kept", "new"]
    await again.store.close()
    shelf.store = Store(tmp_path / "other.db", (), ManualClock())


async def test_old_alerts_lose_their_log_lines(shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of what ended long ago all else stays; an open alert and the newest ended ones keep theirs."""
    monkeypatch.setattr(alert_book, "MOST_WITH_LOG_LINES", 2)
    logged = {"exit_code": "3", "last_log_lines": "panic\n" * 1000}
    await shelf.save(alert(DIED, SERVICE, id="open", evidence=logged))
    ended = [alert(DIED, SERVICE, AlertState.RESOLVED, id=f"a{number}", evidence=logged) for number in range(4)]
    await shelf.save(*ended)
    for _ in range(2):
        await shelf.store.write(lambda connection: alert_book.trim(connection, 100))
    kept = {one.id: set(one.evidence) for one in await shelf.book.history(10)}
    short, whole = {"exit_code"}, {"exit_code", "last_log_lines"}
    assert kept == {"open": whole, "a0": short, "a1": short, "a2": whole, "a3": whole}


async def test_a_line_of_a_known_key_is_not_written_twice(shelf: Shelf) -> None:
    """Written again it stands there once; lines without a key are all written."""
    keyed = msgspec.structs.replace(line("once"), key="k1")
    for _ in range(2):
        await shelf.note(keyed, line("each time"))
    assert texts(await shelf.book.timeline(10)) == ["each time", "each time", "once"]


async def test_a_timeline_of_the_first_schema_goes_on(tmp_path: Path) -> None:
    """What was written before lines had keys stands above what is written since."""
    path = tmp_path / "state.db"
    old = Store(path, alert_book.MIGRATIONS[:1], ManualClock())
    insert = "INSERT INTO timeline (at, kind, subject, text, facts) VALUES (?, 'k', 's', ?, '{}')"
    await old.write(lambda db: db.executemany(insert, [(START.isoformat(), text) for text in ("first", "second")]))
    await old.close()
    again = Shelf(tmp_path)
    await again.note(msgspec.structs.replace(line("third"), key="k1"))
    assert texts(await again.book.timeline(10)) == ["third", "second", "first"]
    assert await again.book.ended_causes("boot") == []
    await again.store.close()
