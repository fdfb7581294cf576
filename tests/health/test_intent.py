"""Who stopped a container, told from events and inspections."""

from __future__ import annotations

import signal
from typing import Any

import pytest

from semsupervisor.health import intent
from semsupervisor.health.services import Ending, Kill
from semsupervisor.systems.containers import ContainerState, RestartPolicy
from tests.support.container_words import container, running, stamp

ALWAYS, NO, ON_FAILURE = RestartPolicy.ALWAYS, RestartPolicy.NO, RestartPolicy.ON_FAILURE
EXITED = ContainerState.EXITED
SOME_TRIES, ALL_TRIES = {"restart_retries": 3, "restart_count": 2}, {"restart_retries": 3, "restart_count": 3}


@pytest.mark.parametrize(
    ("killed_with", "exit_code", "seconds", "asked"),
    [
        (None, 0, 0, False),
        (signal.SIGTERM, 0, 1, True),
        (signal.SIGTERM, 3, 59, True),
        (signal.SIGTERM, 3, 61, False),
        (signal.SIGTERM, 0, 14 * 60, True),
        (signal.SIGTERM, 143, 14 * 60, True),
        (signal.SIGTERM, 137, 14 * 60, True),
        (signal.SIGTERM, 139, 14 * 60, False),
        (signal.SIGTERM, 0, 16 * 60, False),
        (signal.SIGKILL, 137, 0.05, True),
        (signal.SIGTERM, 1, 16 * 60, False),
        (signal.SIGHUP, 1, 1, False),
        (signal.SIGHUP, 129, 1, True),
        (signal.SIGUSR1, 0, 1, False),
    ],
)
def test_a_death_after_a_signal_through_the_engine(
    killed_with: int | None, exit_code: int, seconds: float, asked: bool
) -> None:
    """A death was asked for if a signal that ends came not too long ago, and the exit code may be the answer to it."""
    kill = Kill(killed_with, stamp(0)) if killed_with else None
    assert intent.asked(running(kill=kill), exit_code, stamp(seconds)) is asked


def test_the_images_own_stop_signal_ends() -> None:
    """An image that names another signal for stopping is asked to end by that one."""
    service = running(stop_signal=int(signal.SIGUSR1), kill=Kill(signal.SIGUSR1, stamp(0)))
    assert intent.asked(service, 0, stamp(1))


def test_a_stop_that_is_under_way_is_a_request() -> None:
    """A container of which a stop was told is asked to end, whatever it ends with."""
    assert intent.asked(running(stopping=True), 1, stamp(1))


def test_a_signal_that_ends_is_not_forgotten_for_one_that_does_not() -> None:
    """Of several signals the one that ends is remembered, and the newest of those."""
    term, hup, kill = (Kill(number, stamp(0)) for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGKILL))
    assert intent.remembered(running(), hup) is hup
    assert intent.remembered(running(kill=hup), term) is term
    assert intent.remembered(running(kill=term), hup) is term
    assert intent.remembered(running(kill=term), kill) is kill


@pytest.mark.parametrize(
    ("policy", "exit_code", "acts"),
    [
        (None, 1, False),
        (NO, 1, False),
        (ON_FAILURE, 0, False),
        (ON_FAILURE, 1, True),
        (ALWAYS, 0, True),
        (RestartPolicy.UNLESS_STOPPED, 137, True),
    ],
)
def test_which_policies_start_again(policy: RestartPolicy | None, exit_code: int, acts: bool) -> None:
    """The engine starts a container again by itself as its policy says."""
    assert intent.acts(policy, exit_code) is acts


@pytest.mark.parametrize(
    ("known", "engine_changed", "ending"),
    [
        ({"state": ContainerState.RESTARTING}, False, Ending.DIED),
        ({"state": ContainerState.RESTARTING}, True, Ending.DIED),
        ({"state": EXITED}, False, Ending.ASKED),
        ({"state": EXITED}, True, Ending.LEFT),
        ({"state": EXITED, "error": "no such file"}, False, Ending.DIED),
        ({"state": EXITED, "restart_policy": NO}, False, Ending.COMPLETED),
        ({"state": EXITED, "restart_policy": NO, "exit_code": 1}, False, Ending.DIED),
        ({"state": EXITED, "restart_policy": ON_FAILURE, "exit_code": 1}, False, Ending.ASKED),
        ({"state": EXITED, "restart_policy": ON_FAILURE, "exit_code": 137, **SOME_TRIES}, False, Ending.ASKED),
        ({"state": EXITED, "restart_policy": ON_FAILURE, "exit_code": 137, **ALL_TRIES}, False, Ending.DIED),
        ({"state": EXITED, "restart_policy": ON_FAILURE, "exit_code": 0}, False, Ending.COMPLETED),
        ({"state": EXITED, "restart_policy": NO, "exit_code": 143}, False, Ending.UNKNOWN),
        ({"state": EXITED, "restart_policy": NO, "exit_code": 137, "oom_killed": True}, False, Ending.DIED),
        ({"state": EXITED, "restart_policy": NO, "exit_code": 138, "stop_signal": 10}, False, Ending.UNKNOWN),
        ({"state": EXITED, "restart_policy": NO, "exit_code": 139}, False, Ending.DIED),
    ],
)
def test_an_end_that_nobody_heard(known: dict[str, Any], engine_changed: bool, ending: Ending) -> None:
    """A container whose policy would have started it again, and did not, was stopped by somebody."""
    assert intent.unheard(container(**known), engine_changed=engine_changed) is ending


@pytest.mark.parametrize(
    ("known", "left", "ending"),
    [
        ({"state": ContainerState.CREATED}, False, Ending.NONE),
        ({"state": ContainerState.RESTARTING}, False, Ending.DIED),
        ({"state": ContainerState.DEAD}, False, Ending.DIED),
        ({"state": EXITED, "error": "no such file"}, False, Ending.DIED),
        ({"state": EXITED}, True, Ending.LEFT),
        ({"state": EXITED}, False, Ending.REQUESTED),
        ({"state": EXITED, "restart_policy": NO}, False, Ending.COMPLETED),
        ({"state": EXITED, "restart_policy": NO, "exit_code": 3}, False, Ending.DIED),
        ({"state": EXITED, "restart_policy": NO, "exit_code": 137}, False, Ending.UNKNOWN),
        ({"state": EXITED, "restart_policy": ON_FAILURE, "exit_code": 137}, False, Ending.REQUESTED),
        ({"state": EXITED, "restart_policy": ON_FAILURE, "exit_code": 137, **SOME_TRIES}, False, Ending.REQUESTED),
        ({"state": EXITED, "restart_policy": ON_FAILURE, "exit_code": 1, **ALL_TRIES}, False, Ending.DIED),
    ],
)
def test_what_does_not_run_at_first_sight(known: dict[str, Any], left: bool, ending: Ending) -> None:
    """Of a container of which nothing was known only what speaks for itself is held against anybody."""
    assert intent.at_first_sight(container(**known), left_by_engine=left) is ending


def test_a_start_that_failed() -> None:
    """What was created could not be started if the engine says so by a reason or an exit code; else it waits."""
    created = ContainerState.CREATED
    assert intent.could_not_start(container(created, error="no such file"))
    assert intent.could_not_start(container(created, exit_code=127))
    assert not intent.could_not_start(container(created))
    assert not intent.could_not_start(container(EXITED, error="no such file", exit_code=127))


def test_the_words_for_a_request() -> None:
    """What somebody did is said in words: stopped or killed, with which signal."""
    term = Kill(signal.SIGTERM, stamp(0))
    assert intent.how_it_was_asked(running(), 0).startswith("stopped through the Docker API, exit code 0")
    assert intent.how_it_was_asked(running(kill=term), 0).startswith("killed through the Docker API with SIGTERM")
    assert intent.how_it_was_asked(running(kill=term, stopping=True), None).startswith("stopped")
    assert "signal 250" in intent.how_it_was_asked(running(kill=Kill(250, 0)), 1)
