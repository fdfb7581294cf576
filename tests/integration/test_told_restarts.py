"""What is told when the daemon itself was away: ended in order, killed, or with a state that was damaged meanwhile."""

from __future__ import annotations

import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.daemon_process import IMPATIENT, DaemonProcess
from tests.support.demo_stack import DemoStack
from tests.support.disks import SmallDisk
from tests.support.rows import DIED, NATS, STOPPED
from tests.support.scene import Scene, begun, both, ends, fires
from tests.support.waiting import eventually_sync

pytestmark = [pytest.mark.integration, pytest.mark.timeout(300)]

SIGTERM_SECONDS = 5.0
SET_ASIDE = ("supervisor_store_set_aside", "supervisor:store")
NOT_WRITABLE = ("supervisor_store_not_writable", "supervisor:store")

either_way = pytest.mark.parametrize("end", [DaemonProcess.stop, DaemonProcess.kill], ids=["sigterm", "sigkill"])
End = Callable[[DaemonProcess], object]


def stop(stack: DemoStack) -> None:
    """Stop SemStreams by hand."""
    stack.engine.docker("stop", "--time", "2", stack.container("semstreams"))


def die(stack: DemoStack) -> None:
    """Kill SemStreams from outside of Docker, and wait until its restart policy has healed that."""
    before = stack.inspect("semstreams")["State"]["Pid"]
    stack.engine.signal_from_host(stack.container("semstreams"), signal.SIGKILL)
    eventually_sync(lambda: stack.inspect("semstreams")["State"]["Pid"] not in (0, before))
    stack.wait_until_ready()


@either_way
def test_a_restart_neither_repeats_nor_forgets(end: End, healthy_stack: DemoStack, scene: Scene) -> None:
    """What fired before the daemon ended is not told again by the next run, and its end is."""
    stop(healthy_stack)
    scene.await_told(STOPPED[0])
    end(scene.daemon)
    scene.daemon.start()
    scene.await_looks("containers")
    assert scene.told == [STOPPED[0]]
    healthy_stack.compose("start")
    scene.await_told(*STOPPED)
    scene.await_calm()
    assert scene.told == [*STOPPED]


@either_way
def test_a_death_that_nobody_saw_is_told(end: End, healthy_stack: DemoStack, scene: Scene) -> None:
    """A container that died and was healed while the daemon was away is told with its end by the next run."""
    end(scene.daemon)
    die(healthy_stack)
    scene.daemon.start()
    scene.await_told(*DIED)
    scene.await_calm()
    assert scene.told == [*DIED]


def test_a_stop_that_nobody_saw_is_no_death(healthy_stack: DemoStack, scene: Scene) -> None:
    """A container that was stopped by hand while the daemon was away is told as that: for information."""
    scene.daemon.stop()
    stop(healthy_stack)
    scene.daemon.start()
    scene.await_told(STOPPED[0])
    assert scene.alert(STOPPED[0])["severity"] == "info"
    healthy_stack.compose("start")
    scene.await_told(*STOPPED)
    scene.await_calm()
    assert scene.told == [*STOPPED]


def test_a_removal_that_nobody_saw_is_no_loss(healthy_stack: DemoStack, scene: Scene) -> None:
    """A container that was removed by hand while the daemon was away is told as stopped: the engine remembers who."""
    scene.daemon.stop()
    healthy_stack.engine.docker("rm", "--force", healthy_stack.container("semstreams"))
    scene.daemon.start()
    scene.await_told(STOPPED[0])
    healthy_stack.up()
    scene.await_told(*STOPPED)
    scene.await_calm()
    assert scene.told == [*STOPPED]


def test_a_container_that_never_was_is_missing(healthy_stack: DemoStack, tmp_path: Path) -> None:
    """On its very first look the daemon tells that a service has no container on which another one depends."""
    missing = both("container_missing", NATS)
    healthy_stack.engine.docker("rm", "--force", healthy_stack.container("nats"))
    with begun(healthy_stack, tmp_path, IMPATIENT) as scene:
        scene.await_told(missing[0])
        assert scene.alert(missing[0])["summary"] == "nats has no container."
        healthy_stack.compose("up", "--detach")
        scene.await_told(*missing)
        scene.await_calm()
        assert scene.told == [*missing]


def test_what_waits_for_a_receiver_survives_the_end(healthy_stack: DemoStack, scene: Scene) -> None:
    """With a receiver that hangs SIGTERM ends the daemon in time, and the next run delivers all, in order."""
    scene.hook.hang()
    die(healthy_stack)
    eventually_sync(lambda: len(scene.daemon.get("/v1/outbox")["messages"]) >= len(DIED))
    assert scene.daemon.stop() <= SIGTERM_SECONDS
    scene.hook.take()
    scene.daemon.start()
    scene.await_told(*DIED)
    scene.await_calm()
    assert scene.told == [*DIED]


def test_a_damaged_state_is_set_aside_and_told(healthy_stack: DemoStack, scene: Scene) -> None:
    """A database that is none any more is moved away, which is told, and alerts go on; it is over at the next start."""
    scene.daemon.stop()
    state = scene.daemon.socket.parent / "state"
    with (state / "state.db").open("r+b") as file:
        file.write(b"no database" * 1000)
    scene.daemon.start()
    scene.await_told(fires(*SET_ASIDE))
    alert = scene.alert(fires(*SET_ASIDE))
    assert Path(alert["evidence"]["moved_to"]).is_file()
    die(healthy_stack)
    scene.await_told(*DIED)
    scene.daemon.stop()
    scene.daemon.start()
    scene.await_told(ends(*SET_ASIDE))
    scene.await_calm()
    assert scene.told == [fires(*SET_ASIDE), *DIED, ends(*SET_ASIDE)]


def test_a_full_disk_silences_nobody(healthy_stack: DemoStack, small_disk: SmallDisk, tmp_path: Path) -> None:
    """While the state cannot be written all is told from memory, and that too; with room again all is on the disk."""
    with begun(healthy_stack, tmp_path, IMPATIENT, state=small_disk.folder) as scene:
        scene.await_healthy()
        small_disk.fill()
        scene.await_told(fires(*NOT_WRITABLE))
        die(healthy_stack)
        scene.await_told(*DIED)
        assert scene.daemon.verdict("/healthz") == "unhealthy"
        small_disk.free()
        scene.await_told(ends(*NOT_WRITABLE))
        scene.await_calm()
        assert "disk is full" in scene.alert(fires(*NOT_WRITABLE))["summary"]
        assert scene.told == [fires(*NOT_WRITABLE), *DIED, ends(*NOT_WRITABLE)]
        scene.daemon.kill()
        scene.daemon.start()
        scene.await_calm()
        assert "Container died: semstreams runs again." in scene.daemon.timeline("alert.resolved")
        assert scene.told == [fires(*NOT_WRITABLE), *DIED, ends(*NOT_WRITABLE)]
