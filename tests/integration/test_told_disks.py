"""What is told of a real file system that fills up, by filling it: when it will be full, that it is, its inodes."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Self

import pytest

from semsupervisor.settings.durations import parse_duration
from tests.support.daemon_process import IMPATIENT
from tests.support.demo_stack import DemoStack
from tests.support.disks import SmallDisk, mounted
from tests.support.rows import files, fresh, restored
from tests.support.scene import Scene, begun, both, watched
from tests.support.waiting import eventually_sync

pytestmark = [pytest.mark.integration, pytest.mark.timeout(300)]

MIB = 2**20
SHARE = 0.2
# After a full disk NATS may have lost what it could not write, and refuses more until it is started anew: both is told.
OF_ITSELF = {"stream_lost_messages", "nats_full_check_failed"}
RULES = """
filesystem_full_soon = {full_within = "1h", over = "15s", for = "1s", clear_for = "1s"}
filesystem_filling.for = "1s"
filesystem_full.for = "1s"
inodes_filling.for = "1s"
inodes_full.for = "1s"
[checks.filesystems]
paths = ["%s"]
"""


@contextmanager
def looked_at(disk: SmallDisk, stack: DemoStack, folder: Path) -> Iterator[tuple[Scene, str]]:
    """Watch a stack and a disk, and yield the disk's name as a subject."""
    with begun(stack, folder, IMPATIENT, RULES % disk.folder) as scene:
        subject = f"filesystem:{disk.folder}"
        scene.minded.add(subject)
        scene.await_looks("filesystems")
        yield scene, subject


class Filling:
    """Writes to a disk at a steady pace until it is told to stop."""

    def __init__(self, file: Path, bytes_per_second: float) -> None:
        self._file = file
        self._rate = bytes_per_second
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._write)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(10)

    def _write(self) -> None:
        began, written = time.monotonic(), 0
        with self._file.open("wb", buffering=0) as file:
            while not self._stop.wait(0.1):
                due = int((time.monotonic() - began) * self._rate) - written
                file.write(os.urandom(due))
                os.fsync(file.fileno())
                written += due


def test_when_a_disk_will_be_full_is_told_in_time(healthy_stack: DemoStack, tmp_path: Path) -> None:
    """At a known pace the time said to be left is true, give or take a fifth; a pause ends the alert."""
    with mounted(400 * MIB) as disk, looked_at(disk, healthy_stack, tmp_path) as (scene, subject):
        soon = both("filesystem_full_soon", subject)
        pace = 2.0 * MIB
        with Filling(disk.folder / "growing", pace):
            scene.await_told(soon[0])
            # Until the window holds nothing but growth, less of it is seen than there is.
            eventually_sync(lambda: said(scene) == pytest.approx(left(disk, pace), rel=SHARE), 30.0)
        scene.await_told(*soon)
        scene.await_calm()
        assert scene.told == [*soon]


def test_a_full_disk_is_told_by_its_worst_degree(healthy_stack: DemoStack, tmp_path: Path) -> None:
    """A disk that is filled in one go is told as full, not as filling too, and its end once there is room again."""
    with mounted(32 * MIB) as disk, looked_at(disk, healthy_stack, tmp_path) as (scene, subject):
        full = both("filesystem_full", subject)
        disk.fill()
        scene.await_told(full[0])
        disk.free()
        scene.await_told(*full)
        scene.await_calm()
        assert scene.told == [*full]


def test_a_disk_without_inodes_is_told_though_it_has_space(healthy_stack: DemoStack, tmp_path: Path) -> None:
    """Many small files use up the inodes: that is told, and no lack of space."""
    with mounted(32 * MIB, "-N", "64") as disk, looked_at(disk, healthy_stack, tmp_path) as (scene, subject):
        full = both("inodes_full", subject)
        files = [disk.folder / str(number) for number in range(os.statvfs(disk.folder).f_ffree)]
        for file in files:
            file.touch()
        scene.await_told(full[0])
        for file in files:
            file.unlink()
        scene.await_told(*full)
        scene.await_calm()
        assert scene.told == [*full]


def said(scene: Scene) -> float:
    """Return in how many seconds the daemon says that the disk is full."""
    summaries = [alert["summary"] for alert in scene.daemon.alerts() if alert["rule"] == "filesystem_full_soon"]
    text = summaries[0].partition(" is full in ")[2].partition(" if ")[0]
    return float(parse_duration(text.replace(" ", "").replace("min", "m")))


def left(disk: SmallDisk, bytes_per_second: float) -> float:
    """Return in how many seconds it is."""
    free = os.statvfs(disk.folder)
    return free.f_bavail * free.f_frsize / bytes_per_second


def test_a_disk_that_is_full_and_static_is_told_once(healthy_stack: DemoStack, tmp_path: Path) -> None:
    """A disk that was 85 % full before the daemon came, and stays so, is one warning."""
    with mounted(32 * MIB) as disk:
        room = os.statvfs(disk.folder)
        (disk.folder / "static").write_bytes(b"x" * int(room.f_bavail * room.f_frsize * 0.85))
        with looked_at(disk, healthy_stack, tmp_path) as (scene, subject):
            filling = both("filesystem_filling", subject)
            scene.await_told(filling[0])
            until = time.monotonic() + 8.0
            eventually_sync(lambda: time.monotonic() > until, pause_seconds=0.1)
            assert scene.told == [filling[0]]


@pytest.mark.table
def test_a_full_disk_under_the_store_is_told_as_that(healthy_stack: DemoStack, tmp_path: Path) -> None:
    """The cause alone is told, though NATS refuses what SemStreams publishes; it ends once there is room again."""
    compose = "volumes: {nats-data: {driver_opts: {type: none, o: bind, device: %s}}}\n"
    with mounted(48 * MIB) as disk, restored(healthy_stack):
        (healthy_stack.folder / "store.yml").write_text(compose % disk.folder)
        # What cannot publish comes and goes: its container's own check is not to catch it three times in a row.
        healthy_stack.environment["HEALTH_INTERVAL"] = "5s"
        fresh(healthy_stack)
        files("store.yml")(healthy_stack)
        with watched(healthy_stack, tmp_path, '[rules]\nfilesystem_full.for = "1s"\n') as scene:
            place = healthy_stack.inspect("nats")["Mounts"]
            store = next(f"filesystem:{one['Source']}" for one in place if one["Destination"] == "/data")
            scene.minded.add(store)
            full = both("filesystem_full", store)
            disk.fill()
            scene.await_told(full[0])
            eventually_sync(lambda: refused(healthy_stack) > 0, 60.0)
            disk.free()
            scene.await_told(*full)
            until = time.monotonic() + 8.0
            eventually_sync(lambda: time.monotonic() > until, pause_seconds=0.1)
            assert [one for one in scene.told if one.rule not in OF_ITSELF] == [*full]


def refused(stack: DemoStack) -> float:
    """Return how many errors SemStreams has counted since it was started; what it may not publish is one."""
    page = stack.ask("/metrics", port=9090).body.decode()
    return sum(float(line.split()[-1]) for line in page.splitlines() if line.startswith("semstreams_errors_total"))
