"""A job is on the disk when its writing returns, and the newer of two copies counts."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest

from semsupervisor.jobs import book, steps
from semsupervisor.jobs.book import JobBook
from semsupervisor.jobs.mirror import Mirror
from semsupervisor.jobs.record import JobRecord, JobState
from semsupervisor.store.database import Store
from semsupervisor.store.journal import Journal
from tests.jobs.test_steps import NOW, ONE, a_job
from tests.support.clock import ManualClock
from tests.support.logs import Logs

pytestmark = pytest.mark.usefixtures("logs")


class Kept:
    """A book on a real store and a real mirror."""

    def __init__(self, folder: Path) -> None:
        self.store = Store(folder / "state" / "state.db", book.MIGRATIONS, ManualClock())
        self.mirror = Mirror(folder / "jobs")
        self.book = JobBook(self.store, Journal(self.store), self.mirror)

    async def mirrored(self) -> list[JobRecord]:
        """Return what stands in the mirror."""
        return list(await asyncio.to_thread(self.mirror.read))


@pytest.fixture
async def kept(tmp_path: Path) -> AsyncIterator[Kept]:
    """Return an empty book."""
    one = Kept(tmp_path)
    yield one
    await one.store.close()


def job(number: int, state: JobState = JobState.RUNNING) -> JobRecord:
    """Return a job of that number, in that state."""
    begun = msgspec.structs.replace(steps.begin(a_job(ONE), NOW), id=str(number))
    return begun if state is JobState.RUNNING else steps.end(begun, state, datetime(2026, 3, 1, 13, tzinfo=UTC))


async def test_open_jobs_stand_in_both_and_ended_ones_in_the_database(kept: Kept) -> None:
    """The mirror keeps only what somebody still has to finish."""
    await kept.book.write(job(1))
    assert await kept.mirrored() == [job(1)]
    await kept.book.write(job(1, JobState.DONE))
    await kept.book.write(job(2))
    assert await kept.mirrored() == [job(2)]
    assert list(await kept.book.newest(10)) == [job(2), job(1, JobState.DONE)]
    assert await kept.book.find("1") == job(1, JobState.DONE)
    assert await kept.book.find("9") is None
    assert list(await kept.book.open_jobs()) == [job(2)]


async def test_a_job_that_ends_while_the_database_fails_is_not_open_again(tmp_path: Path) -> None:
    """Its end stands in the mirror until the database has it."""
    first = Kept(tmp_path)
    await first.book.write(job(1))
    await first.store.close()
    await asyncio.to_thread((tmp_path / "state").rename, tmp_path / "away")
    await asyncio.to_thread((tmp_path / "state").write_text, "in the way")
    failing = Kept(tmp_path)
    await failing.book.write(job(1, JobState.DONE))
    assert await failing.mirrored() == [job(1, JobState.DONE)]
    await failing.store.close()
    await asyncio.to_thread((tmp_path / "state").unlink)
    await asyncio.to_thread((tmp_path / "away").rename, tmp_path / "state")
    again = Kept(tmp_path)
    assert list(await again.book.open_jobs()) == []
    assert await again.mirrored() == []
    assert await again.book.find("1") == job(1, JobState.DONE)
    await again.store.close()


async def test_the_mirror_alone_is_enough(kept: Kept, tmp_path: Path, logs: Logs) -> None:
    """While the database cannot be read, what is open is still known."""
    await asyncio.to_thread(kept.mirror.write, job(1))
    await asyncio.to_thread((tmp_path / "state").write_text, "in the way")
    assert list(await kept.book.open_jobs()) == [job(1)]
    assert "jobs.database_unreadable" in [entry["event"] for entry in logs]


async def test_a_row_that_cannot_be_read_hides_no_other(kept: Kept, logs: Logs) -> None:
    """It is said, and stands for a job that is stuck."""
    await kept.book.write(job(1))
    await kept.store.write(lambda connection: connection.execute("INSERT INTO jobs VALUES ('2', 'x', 1, '{')"))
    assert list(await kept.book.newest(10)) == [job(1)]
    assert [entry["event"] for entry in logs] == ["jobs.row_unreadable"]
    first, second = await kept.book.open_jobs()
    assert (first, second.id, second.state) == (job(1), "2", JobState.STUCK)
    assert "its row in the state database cannot be read" in second.error


async def test_a_copy_that_can_be_read_stands_for_one_that_cannot(kept: Kept, tmp_path: Path) -> None:
    """Of the mirror and the database one is enough."""
    await kept.book.write(job(1))
    (file,) = await asyncio.to_thread(lambda: list((tmp_path / "jobs").iterdir()))
    await asyncio.to_thread(file.write_text, "{")
    assert list(await kept.book.open_jobs()) == [job(1)]


async def test_only_the_newest_ended_jobs_are_kept(kept: Kept) -> None:
    """Open ones are kept however old."""
    await kept.book.write(job(1))
    for number in range(2, 6):
        await kept.book.write(job(number, JobState.DONE))
    await kept.store.write(lambda connection: book.trim(connection, keep=2))
    assert [one.id for one in await kept.book.newest(10)] == ["5", "4", "1"]


async def test_the_last_of_a_kind_that_is_done_is_found(kept: Kept) -> None:
    """Neither one that was undone or is open, nor one that another than is meant has asked for."""
    done = msgspec.structs.replace(job(1, JobState.DONE), asked_by="root")
    undone = msgspec.structs.replace(job(2, JobState.UNDONE), asked_by="root")
    by_itself = msgspec.structs.replace(job(3, JobState.DONE), asked_by="the schedule backup")
    for one in (job(1), done, undone, by_itself, job(4)):
        await kept.book.write(one)
    assert await kept.book.last_done(done.kind, besides="the schedule backup") == done
    assert await kept.book.last_done(done.kind, besides="root") == by_itself
    assert await kept.book.last_done("another", besides="root") is None
