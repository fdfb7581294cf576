"""The real daemon on disks that answer nothing, or not soon."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest

from semsupervisor.backup import manifest as manifests
from semsupervisor.backup.manifest import FileEntry
from tests.support.daemon_process import DaemonProcess
from tests.support.hung_filesystem import hung_filesystem
from tests.support.snapshot_folder import ID, MANIFEST, whole
from tests.support.waiting import eventually_sync

pytestmark = pytest.mark.integration

SETTINGS = """
[docker]
socket = "{folder}/absent.sock"

[state]
directory = "{folder}/state"

[backup]
directory = "{folder}/backup"

[api]
socket = "{folder}/control.sock"
listen = ""
group = ""
"""


def test_a_disk_that_hangs_holds_up_neither_the_start_nor_the_end(tmp_path: Path) -> None:
    """The daemon sees and answers, says what is wrong with its state, and ends in order when it is asked to."""
    (tmp_path / "state").mkdir()
    daemon = DaemonProcess(tmp_path, SETTINGS.format(folder=tmp_path))
    with hung_filesystem(tmp_path / "state"):
        try:
            daemon.launch()
            eventually_sync(lambda: "daemon.ready" in daemon.log, within_seconds=60)
            eventually_sync(lambda: "supervisor_store_not_writable" in rules(daemon), within_seconds=60)
            daemon.stop()
        finally:
            daemon.kill()


def test_a_target_that_hangs_holds_up_its_backup_alone(tmp_path: Path) -> None:
    """Meanwhile the daemon sees and answers, also of its settings, and ends in order when it is asked to."""
    (tmp_path / "backup").mkdir()
    daemon = DaemonProcess(tmp_path, SETTINGS.format(folder=tmp_path))
    with hung_filesystem(tmp_path / "backup"):
        try:
            daemon.launch()
            eventually_sync(lambda: "daemon.ready" in daemon.log, within_seconds=60)
            job = daemon.post("v1", "backups")["job"]["id"]
            eventually_sync(lambda: the_job(daemon, job)["state"] == "running", within_seconds=60)
            daemon.post("v1", "settings", "reload")
            assert the_job(daemon, job)["open"]
            daemon.stop()
        finally:
            daemon.kill()


def test_a_checksum_that_takes_long_does_not_hold_up_the_end(tmp_path: Path) -> None:
    """The daemon does not read a large file to its end when it is asked to end."""
    (tmp_path / "backup").mkdir()
    snapshot = whole(tmp_path / "backup")
    size_bytes = 2**40
    with (snapshot / ".env").open("wb") as sparse:
        sparse.truncate(size_bytes)
    files = {**MANIFEST.files, ".env": FileEntry(size_bytes, "00")}
    (snapshot / manifests.FILE_NAME).write_bytes(manifests.encode(msgspec.structs.replace(MANIFEST, files=files)))
    daemon = DaemonProcess(tmp_path, SETTINGS.format(folder=tmp_path))
    try:
        daemon.launch()
        eventually_sync(lambda: "daemon.ready" in daemon.log, within_seconds=60)
        job = daemon.post("v1", "backups", ID, "verify")["job"]["id"]
        eventually_sync(lambda: the_job(daemon, job)["progress"], within_seconds=60)
        daemon.stop()
    finally:
        daemon.kill()


def the_job(daemon: DaemonProcess, job_id: str) -> dict[str, Any]:
    """Return one job."""
    job: dict[str, Any] = daemon.get(f"/v1/jobs/{job_id}")["job"]
    return job


def rules(daemon: DaemonProcess) -> set[str]:
    """Return the rules of the alerts that are open."""
    return {alert["rule"] for alert in daemon.alerts()}
