"""What is shown of a container that something happened to: all that explains it, and no secret."""

from __future__ import annotations

from pathlib import Path

import pytest

from semsupervisor.errors import EngineForbidden
from semsupervisor.health import evidence
from semsupervisor.systems.containers import ContainerState, HealthCheck
from semsupervisor.systems.docker import Docker
from tests.support.container_words import container, moment

ENDED = container(
    ContainerState.EXITED,
    finished_at=moment(5),
    exit_code=3,
    restart_count=2,
    memory_limit_bytes=2**29,
    error="cannot start",
    environment=("NATS_PASSWORD=swordfish",),
)


def test_an_inspection_as_texts() -> None:
    """Container, image, policy, restarts, end, limit and error are shown."""
    assert evidence.shown(ENDED, ["one", "two"]) == {
        "container": "project-app-1 (a1)",
        "image": "app:1",
        "restart_policy": "unless-stopped",
        "restarts": "2",
        "state_now": "exited",
        "finished_at": "2026-03-01T12:00:05+00:00",
        "exit_code": "3",
        "memory_limit": "512 MiB",
        "start_error": "cannot start",
        "last_log_lines": "one\ntwo",
    }


def test_a_later_end_is_left_out() -> None:
    """Evidence of an end shows nothing of the one after it."""
    own = evidence.shown(ENDED, [], moment(5))
    assert own["exit_code"] == "3"
    assert not {"exit_code", "finished_at", "start_error"} & evidence.shown(ENDED, [], moment(4)).keys()


def test_what_runs_has_no_exit_code() -> None:
    """The exit code of a container that runs is another run's, and no log is said so."""
    seen = evidence.shown(container(), [])
    assert not {"exit_code", "finished_at", "health_log", "memory_limit"} & seen.keys()
    assert seen["last_log_lines"] == "(none)"


def test_secrets_are_masked_in_the_log_and_in_the_checks_output() -> None:
    """What the container's environment holds under a secret name is shown nowhere."""
    check = HealthCheck(moment(4), 1, "login as swordfish failed\n")
    seen = evidence.shown(container(environment=ENDED.environment, health_log=(check,)), ["trying swordfish"])
    assert seen["last_log_lines"] == "trying ***"
    assert seen["health_log"] == "12:00:04 exit code 1: login as *** failed"


def test_the_last_failed_checks_are_shown() -> None:
    """Of the checks the last three that failed are shown, those that passed are not."""
    checks = tuple(HealthCheck(None, number % 2, f"check {number}") for number in range(9))
    seen = evidence.shown(container(health_log=(*checks, HealthCheck(None, 1, ""))), [])
    assert seen["health_log"].splitlines() == [
        "exit code 1: check 5",
        "exit code 1: check 7",
        "exit code 1: (no output)",
    ]


def test_evidence_has_an_end() -> None:
    """However much a container wrote, the newest lines are shown, cut, and how many were left out is said."""
    check = HealthCheck(None, 1, "y" * 5000)
    lines = [f"{number} {'ü' * 4096}" for number in range(50)]
    seen = evidence.shown(container(error="e" * 5000, health_log=(check,) * 3), lines)
    first, *kept = seen["last_log_lines"].splitlines()
    assert first == f"({50 - len(kept)} earlier lines left out)"
    assert [line.split()[0] for line in kept] == [str(number) for number in range(50 - len(kept), 50)]
    assert kept[-1] == f"49 {'ü' * 496}…"
    assert (len(kept), len(seen["start_error"])) == (6, 1000)
    assert sum(len(text.encode()) for text in seen.values()) < 12 * 1024


def test_cutting_does_not_uncover_a_secret() -> None:
    """A secret over the place where a text is cut is masked whole."""
    check = HealthCheck(None, 1, f"{'y' * 995}swordfish")
    seen = evidence.shown(
        container(environment=ENDED.environment, health_log=(check,)), [f"{'x' * 495}swordfish", "short"]
    )
    assert "swor" not in "".join(seen.values())
    assert seen["last_log_lines"].splitlines() == [f"{'x' * 495}***", "short"]


async def test_an_engine_that_is_not_there(tmp_path: Path) -> None:
    """Without an engine there is no evidence, and the reason is passed on."""
    docker = Docker(str(tmp_path / "none.sock"), 1.0)
    await docker.open()
    with pytest.raises(EngineForbidden):
        await evidence.gather(docker, "a1")
    await docker.close()
