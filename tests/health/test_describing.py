"""What is said of a service in each of its states."""

from __future__ import annotations

import pytest

from semsupervisor.health import describing
from semsupervisor.health.observation import SubjectKind
from semsupervisor.health.services import Ending, ServiceState
from semsupervisor.systems.containers import RestartPolicy
from tests.support.container_words import instant, moment, running

NOW = instant(0)
EXITED = ServiceState.EXITED


@pytest.mark.parametrize(
    ("state", "ending", "words"),
    [
        (ServiceState.RUNNING, Ending.NONE, ""),
        (ServiceState.PAUSED, Ending.NONE, "app is paused."),
        (ServiceState.CREATED, Ending.NONE, "app has a container that was not started."),
        (ServiceState.RESTARTING, Ending.DIED, "app died, and its restart policy is to start it again."),
        (EXITED, Ending.DIED, "app ended, and nobody had asked for it."),
        (EXITED, Ending.REQUESTED, "app was stopped by somebody."),
        (ServiceState.MISSING, Ending.REQUESTED, "app was removed by somebody."),
        (ServiceState.MISSING, Ending.COMPLETED, "app had done its work, and was removed."),
        (ServiceState.MISSING, Ending.VANISHED, "app has no container."),
        (ServiceState.MISSING, Ending.ASKED, "app was removed."),
    ],
)
def test_the_condition_of_what_does_not_run(state: ServiceState, ending: Ending, words: str) -> None:
    """Each way not to run has its sentence, which goes along with what is observed."""
    assert describing.observation("watching", running(state=state, ending=ending), NOW).condition == words
    assert describing.gone("watching", running(), NOW, "It left.").condition == "It left."


def test_the_words_for_a_start_that_failed() -> None:
    """The engine's reason stands in the condition, cut where it is long; without one the exit code does."""
    failed = running(state=ServiceState.CREATED, ending=Ending.UNSTARTED, cause=describing.how_it_failed("a\n b", 127))
    assert describing.condition(failed) == "app could not be started: a b."
    assert describing.evidence(failed)["cause"] == "could not be started: a b"
    assert describing.how_it_failed("", 128) == "could not be started: exit code 128"
    assert describing.how_it_failed("x" * 1000, 127).endswith("x…")


@pytest.mark.parametrize("ending", Ending)
def test_every_end_has_words(ending: Ending) -> None:
    """However a container ended, there is a sentence for it."""
    assert describing.condition(running(state=EXITED, ending=ending)).startswith("app ")


def test_evidence_of_a_death() -> None:
    """What is known of an end goes along with it: cause, exit code, signal, memory, policy."""
    dead = running(state=EXITED, ending=Ending.DIED, exit_code=137, oom_at=1.0, cause="killed", since=moment(3))
    assert describing.evidence(dead) == {
        "cause": "killed",
        "exit_code": "137",
        "signal": "SIGKILL",
        "ended_at": "2026-03-01T12:00:03+00:00",
        "oom": "a process was killed because the container reached its memory limit",
        "restart_policy": "unless-stopped",
    }
    missing = running(state=ServiceState.MISSING, exit_code=3, policy=None)
    assert describing.evidence(missing) == {"exit_code": "3"}
    assert describing.evidence(running(cause="paused")) == {}
    assert describing.evidence(running(oom_at=1.0)).keys() == {"oom", "restart_policy"}


def test_an_observation_is_about_the_service() -> None:
    """Facts, evidence and what else was measured make one observation of the service; a removed one is gone."""
    seen = describing.observation("watching", running(), NOW, {"memory_used_bytes": 1})
    assert (seen.source, seen.subject.kind, seen.subject.name) == ("watching", SubjectKind.SERVICE, "app")
    assert seen.facts["memory_used_bytes"] == 1
    assert describing.gone("watching", running(), NOW, "It left.").gone


def test_the_words_for_a_death() -> None:
    """How a container died is said in words: for lack of memory, by a signal, by itself, or crashed."""
    assert describing.how_it_died(137, oom=True).startswith("killed for lack of memory")
    assert describing.how_it_died(3, oom=True).startswith("ended with exit code 3 after a process of it")
    assert "SIGKILL" in describing.how_it_died(137, oom=False)
    assert "by itself" in describing.how_it_died(0, oom=False)
    assert "crashed with exit code 3" in describing.how_it_died(3, oom=False)


def test_policy_is_told_with_the_end() -> None:
    """The restart policy explains what follows a death."""
    dead = running(state=EXITED, ending=Ending.DIED, policy=RestartPolicy.NO)
    assert describing.evidence(dead)["restart_policy"] == "no"
