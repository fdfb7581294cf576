"""What is told, and what is not, of all that can happen to a container of a real stack, by doing it."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from tests.support.commands import CommandFailed
from tests.support.demo_stack import DemoStack
from tests.support.rows import (
    DIED,
    NATS,
    NATS_UNREACHABLE,
    SEMSTREAMS,
    STOPPED,
    UNREACHABLE,
    Plays,
    Row,
    compose,
    docker,
    fault,
    from_host,
    one_after_another,
    up_as,
)
from tests.support.scene import Scene, both, fires, watched

pytestmark = [pytest.mark.integration, pytest.mark.timeout(300)]

START = compose("up", "--detach", "--wait")

UNSTARTABLE = """
services:
  semstreams:
    entrypoint: ["/nonexistent"]
"""


def unstartable(stack: DemoStack) -> None:
    """Have SemStreams recreated with a program that is not there."""
    (stack.folder / "unstartable.yml").write_text(UNSTARTABLE)
    stack.files.append("unstartable.yml")
    with pytest.raises(CommandFailed):
        stack.compose("up", "--detach", "--no-deps", "semstreams")


def startable(stack: DemoStack) -> None:
    """Have SemStreams recreated as it was."""
    stack.files.remove("unstartable.yml")
    stack.up()


ROWS = {
    "crash": Row(
        fault("crash", exit_code=3),
        DIED,
        words="semstreams ended with exit code 3, and nobody had asked for it.",
        over="semstreams runs again.",
        evidence={"exit_code": "3", "last_log_lines": "panic: runtime error", "cause": "crashed with exit code 3"},
    ),
    "exit-0": Row(fault("crash", exit_code=0), DIED, words="semstreams ended with exit code 0"),
    "sigkill-from-host": Row(
        from_host("semstreams", signal.SIGKILL), DIED, words="exit code 137", evidence={"signal": "SIGKILL"}
    ),
    "sigkill-after-an-old-kill-of-a-child": Row(
        from_host("semstreams", signal.SIGKILL), DIED, before=fault("oom_child"), words="exit code 137"
    ),
    "sigterm-from-host": Row(from_host("semstreams", signal.SIGTERM), DIED, words="exit code 0"),
    "docker-stop": Row(
        docker("stop", "semstreams", "--time", "2"),
        STOPPED,
        START,
        muted=(UNREACHABLE,),
        named=("SemStreams unreachable",),
        observed=("SemStreams unreachable",),
        words="semstreams was stopped by somebody",
        over="semstreams was started again.",
        noted={"service.stopped": "stopped through the Docker API with SIGTERM"},
    ),
    "compose-stop": Row(
        compose("stop", "--timeout", "2"),
        (*STOPPED, *both("container_stopped", NATS)),
        START,
        muted=(UNREACHABLE, NATS_UNREACHABLE),
    ),
    "docker-restart": Row(
        docker("restart", "semstreams", "--time", "2"),
        noted={"service.restarted": "semstreams was started again by request"},
        patient=True,
    ),
    "docker-kill": Row(
        docker("kill", "semstreams"),
        STOPPED,
        START,
        words="semstreams was stopped by somebody",
        noted={"service.stopped": "killed through the Docker API with SIGKILL"},
    ),
    "pause": Row(
        docker("pause", "semstreams"),
        both("container_paused", SEMSTREAMS),
        docker("unpause", "semstreams"),
        muted=(UNREACHABLE,),
        named=("SemStreams unreachable",),
        observed=("SemStreams unreachable",),
        words="semstreams is paused",
        over="semstreams goes on.",
    ),
    "oom": Row(
        fault("oom"),
        both("container_oom_killed", SEMSTREAMS),
        words="A process of semstreams was killed because the container reached its memory limit.",
        evidence={"oom": "memory limit", "last_log_lines": "{"},
    ),
    "oom-of-a-child": Row(
        fault("oom_child"),
        both("container_oom_killed", SEMSTREAMS),
        words="A process of semstreams was killed because the container reached its memory limit.",
        evidence={"oom": "memory limit"},
    ),
    "crash-loop": Row(
        fault("crash_loop", count=2),
        (fires("container_restarting", SEMSTREAMS), *DIED, *DIED),
        still=(("container_restarting", SEMSTREAMS),),
        words="semstreams died 3 times in the last 10 minutes.",
        evidence={"last_log_lines": "panic: runtime error"},
    ),
    "gave-up": Row(
        one_after_another(
            docker("restart", "semstreams", "--time", "2"),  # its policy has tried nothing since
            START,
            docker("update", "semstreams", "--restart=on-failure:3"),
            fault("crash_loop", count=3),
        ),
        (*both("container_restarting", SEMSTREAMS), *DIED, *DIED, *DIED),
        one_after_another(docker("update", "semstreams", "--restart=unless-stopped"), START),
        words="semstreams died 3 times in the last 10 minutes.",
        over="semstreams ended, and nobody had asked for it: crashed with exit code 3; Docker gave up after 3 tries.",
        patient=True,
    ),
    "recreate": Row(
        compose("up", "--detach", "--wait", "--force-recreate", "--no-deps", "semstreams"),
        noted={"service.recreated": "semstreams was recreated: it has a new container"},
        patient=True,
    ),
    "other-image": Row(
        up_as(SEMSTREAMS_VERSION="v1.1.0"),
        mend=up_as(SEMSTREAMS_VERSION="v1.0.0"),
        noted={"service.image_changed": "semsupervisor-demo/semstreams:v1.1.0"},
        patient=True,
    ),
    "recreated-and-not-to-be-started": Row(
        unstartable,
        both("container_not_started", SEMSTREAMS),
        startable,
        muted=(UNREACHABLE,),
        words="semstreams could not be started: ",
        over="semstreams was started.",
        evidence={"cause": "/nonexistent", "start_error": "/nonexistent", "exit_code": "127"},
        patient=True,
    ),
    "removed-by-hand": Row(
        docker("rm", "semstreams", "--force"),
        STOPPED,
        START,
        words="semstreams was removed by somebody",
        evidence={"cause": "killed through the Docker API with SIGKILL, exit code 137; by whom is not known"},
        patient=True,
    ),
    "paused-and-removed": Row(
        one_after_another(docker("pause", "semstreams"), docker("rm", "semstreams", "--force")),
        (*both("container_paused", SEMSTREAMS), *STOPPED),
        START,
        words="semstreams is paused",
        over="semstreams was removed by somebody.",
        patient=True,
    ),
    "down": Row(compose("down", "--timeout", "2"), (*STOPPED, *both("container_stopped", NATS)), START),
}

EXTRA = """
services:
  worker:
    image: semsupervisor-demo/nats:2.14
    pull_policy: never
    network_mode: none
    restart: unless-stopped
    entrypoint: ["/bin/sh", "-c", "trap 'exit 0' TERM; while :; do sleep 0.1; done"]
    healthcheck: {test: ["CMD-SHELL", "test ! -e /tmp/unwell"], interval: 1s, retries: 2}
"""
WORKER = "service:worker"
SOON_OUT_OF_MEMORY = """
[rules]
memory_high = {above = 0.6, for = "2s"}
memory_critical = {above = 0.7, for = "2s"}
"""


@pytest.mark.parametrize("row", ROWS.values(), ids=ROWS)
def test_each_thing_is_told_once(row: Row, plays: Plays) -> None:
    """What happens to a container brings exactly its own messages, with the words and the evidence that belong."""
    plays.hold(row)


def test_a_service_of_another_name_is_watched_as_well(healthy_stack: DemoStack, scene: Scene) -> None:
    """An extra service appears without a word; that it fails its own check and that it dies are told by its name."""
    stack = healthy_stack
    (stack.folder / "extra.yml").write_text(EXTRA)
    stack.files.append("extra.yml")
    try:
        stack.up()
        worker = stack.compose("ps", "--quiet", "worker").strip()
        stack.engine.docker("exec", worker, "touch", "/tmp/unwell")
        scene.await_told(fires("container_unhealthy", WORKER))
        stack.engine.docker("exec", worker, "rm", "/tmp/unwell")
        scene.await_told(*both("container_unhealthy", WORKER))
        stack.engine.signal_from_host(worker, signal.SIGKILL)
        scene.await_told(*both("container_died", WORKER))
        scene.await_calm()
        assert scene.told == [*both("container_unhealthy", WORKER), *both("container_died", WORKER)]
    finally:
        stack.compose("rm", "--stop", "--force", "worker")
        stack.files.remove("extra.yml")


def test_a_kill_for_memory_explains_no_later_death(healthy_stack: DemoStack, tmp_path: Path) -> None:
    """While the kill of a child for want of memory is not over, that its container crashes is told all the same."""
    killed = fires("container_oom_killed", SEMSTREAMS)
    with watched(healthy_stack, tmp_path, '[rules]\ncontainer_oom_killed.clear_for = "1h"\n') as scene:
        healthy_stack.fault("oom_child")
        scene.await_told(killed)
        scene.await_looks("containers", times=4)
        healthy_stack.fault("crash", exit_code=3)
        scene.await_told(*DIED)
        scene.await_calm(still=[killed[1:]])
        assert scene.told == [killed, *DIED]


def test_memory_that_runs_out_is_told_by_its_worst_degree(healthy_stack: DemoStack, tmp_path: Path) -> None:
    """Above the limit that is critical a container's memory is not told as high as well; using less ends it."""
    critical = both("memory_critical", SEMSTREAMS)
    with watched(healthy_stack, tmp_path, SOON_OUT_OF_MEMORY) as scene:
        healthy_stack.fault("leak", mib_per_second=200.0, until_mib=112.0)
        scene.await_told(critical[0])
        assert scene.alert(critical[0])["summary"].endswith("of 128.0 MiB).")
        healthy_stack.clear_faults()
        scene.await_told(*critical)
        scene.await_calm()
        assert scene.told == [*critical]
