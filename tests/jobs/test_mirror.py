"""Open jobs stand in files that are whole or not there, and one that cannot be read keeps no other from being read."""

from __future__ import annotations

import stat
from pathlib import Path

import msgspec
import pytest

from semsupervisor.errors import StoreError
from semsupervisor.jobs.mirror import JobsHeld, Mirror
from semsupervisor.jobs.record import JobRecord, JobState
from semsupervisor.kit.files import UNFINISHED_SUFFIX
from tests.jobs.test_steps import ONE, a_job
from tests.support.logs import Logs

pytestmark = pytest.mark.usefixtures("logs")


def named(job_id: str) -> JobRecord:
    """Return a job of that id."""
    return msgspec.structs.replace(a_job(ONE), id=job_id)


def test_what_is_written_is_read(tmp_path: Path) -> None:
    """Oldest first; for root's eyes only; and what was removed is gone, also when it is removed again."""
    mirror = Mirror(tmp_path / "jobs")
    assert list(mirror.read()) == []
    for job_id in ("2", "1"):
        mirror.write(named(job_id))
    assert [job.id for job in mirror.read()] == ["1", "2"]
    assert stat.S_IMODE((tmp_path / "jobs").stat().st_mode) == 0o700
    assert {stat.S_IMODE(file.stat().st_mode) for file in (tmp_path / "jobs").iterdir()} == {0o600}
    mirror.remove("1")
    mirror.remove("1")
    assert list(mirror.read()) == [named("2")]


def test_what_cannot_be_read_is_said_and_kept(tmp_path: Path, logs: Logs) -> None:
    """It stands for a job that is stuck; what a writer that was killed left half done is not taken for a job."""
    mirror = Mirror(tmp_path)
    mirror.write(named("1"))
    (tmp_path / "2.json").write_text("{")
    (tmp_path / f".3.json.abcd{UNFINISHED_SUFFIX}").write_text("{")
    job, unreadable = mirror.read()
    assert (job.id, unreadable.id, unreadable.state) == ("1", "2", JobState.STUCK)
    assert "2.json cannot be read" in unreadable.error
    assert [entry["event"] for entry in logs] == ["jobs.unreadable"]
    assert (tmp_path / "2.json").exists()


def test_a_folder_that_takes_nothing_is_an_error(tmp_path: Path) -> None:
    """It names the job or the file, and what the disk said."""
    (tmp_path / "jobs").write_text("in the way")
    mirror = Mirror(tmp_path / "jobs")
    with pytest.raises(StoreError, match=r"cannot write down the job 1 in .*jobs"):
        mirror.write(named("1"))
    with pytest.raises(StoreError, match=r"cannot remove .*1\.json"):
        mirror.remove("1")


def test_one_process_at_a_time_holds_the_open_jobs(tmp_path: Path) -> None:
    """Again is no other one; whoever lets go leaves it to the next; a folder that cannot be made is an error."""
    mirror, other = Mirror(tmp_path / "jobs"), Mirror(tmp_path / "jobs")
    mirror.hold()
    mirror.hold()
    with pytest.raises(JobsHeld, match="another semsupervisor"):
        other.hold()
    mirror.release()
    mirror.release()
    other.hold()
    other.release()
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(StoreError, match="cannot hold the open jobs"):
        Mirror(tmp_path / "file").hold()
