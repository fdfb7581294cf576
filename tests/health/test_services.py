"""The facts of a service: what rules may rely on in each of its states."""

from __future__ import annotations

from typing import Any

import pytest

from semsupervisor.health import services
from semsupervisor.health.observation import SubjectKind
from semsupervisor.health.services import Ending, ServiceState
from semsupervisor.systems.containers import Health, RestartPolicy
from tests.support.container_words import instant, running

NOW = instant(0)
EXITED = ServiceState.EXITED


@pytest.mark.parametrize(
    ("state", "ending", "died", "requested", "missing"),
    [
        (ServiceState.RUNNING, Ending.NONE, False, False, False),
        (ServiceState.CREATED, Ending.NONE, False, False, False),
        (EXITED, Ending.DIED, True, False, False),
        (EXITED, Ending.LEFT, True, False, False),
        (EXITED, Ending.REQUESTED, False, True, False),
        (EXITED, Ending.COMPLETED, False, False, False),
        (ServiceState.MISSING, Ending.REQUESTED, False, True, False),
        (ServiceState.MISSING, Ending.VANISHED, False, False, True),
    ],
)
def test_why_it_does_not_run(state: ServiceState, ending: Ending, died: bool, requested: bool, missing: bool) -> None:
    """Each reason for not running is one fact, and no more than one."""
    facts = services.facts(running(state=state, ending=ending), NOW.monotonic)
    assert (facts["died"], facts["stopped_on_request"], facts["missing"]) == (died, requested, missing)


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
    assert services.observation("watching", running(state=state, ending=ending), NOW).condition == words
    assert services.gone("watching", running(), NOW).condition == "app is no part of the stack any more"


@pytest.mark.parametrize("ending", Ending)
def test_every_end_has_words(ending: Ending) -> None:
    """However a container ended, there is a sentence for it."""
    assert services.condition(running(state=EXITED, ending=ending)).startswith("app ")


def test_what_has_ended_uses_no_memory() -> None:
    """An alert about the memory of what does not run any more does not outlive it."""
    ended = services.facts(running(state=EXITED, ending=Ending.REQUESTED), NOW.monotonic)
    assert (ended["memory_used_bytes"], ended["memory_used_ratio"]) == (0, 0.0)
    assert "memory_used_ratio" not in services.facts(running(), NOW.monotonic)


@pytest.mark.parametrize("ending", [Ending.ASKED, Ending.ENGINE])
def test_what_is_undecided_is_left_out(ending: Ending) -> None:
    """While it is not decided who stopped it, nothing is said about that: neither fires nor resolves anything."""
    facts = services.facts(running(state=EXITED, ending=ending), NOW.monotonic)
    assert not {"died", "paused", "stopped_on_request", "missing"} & facts.keys()
    assert facts["state"] == "exited"


@pytest.mark.parametrize(
    ("known", "unhealthy"),
    [
        ({"health": Health.HEALTHY}, False),
        ({"health": Health.UNHEALTHY}, True),
        ({"health": Health.STARTING}, None),
        ({"health": Health.NONE}, None),
        ({"health": Health.UNHEALTHY, "state": EXITED, "ending": Ending.DIED}, None),
        ({"health": Health.UNHEALTHY, "state": EXITED, "ending": Ending.REQUESTED}, False),
        ({"health": Health.UNHEALTHY, "state": ServiceState.PAUSED}, True),
    ],
)
def test_health(known: dict[str, Any], unhealthy: bool | None) -> None:
    """Health is told while a check has decided; a dead container's is not, a stopped one is not unhealthy."""
    assert services.facts(running(**known), NOW.monotonic).get("unhealthy") is unhealthy


def test_deaths_are_counted_for_ten_minutes() -> None:
    """Three deaths within ten minutes are a loop; older ones, and those of a clock that ran ahead, do not count."""
    service = services.with_deaths(running(), 2, instant(0))
    assert services.facts(service, instant(599).monotonic)["deaths_recent"] == 2
    assert services.facts(service, instant(599).monotonic)["restarting"] is False
    service = services.with_deaths(service, 1, instant(599))
    assert services.facts(service, instant(599).monotonic)["restarting"] is True
    assert services.facts(service, instant(601).monotonic)["deaths_recent"] == 1
    assert services.facts(service, instant(-10).monotonic)["deaths_recent"] == 0
    assert len(services.with_deaths(service, 1000, instant(601)).deaths) == services.MOST_DEATHS_KEPT


def test_the_exit_code_belongs_to_what_does_not_run() -> None:
    """The exit code is told while the container does not run, and its image always, if known."""
    facts = services.facts(running(state=EXITED, ending=Ending.DIED, exit_code=3), NOW.monotonic)
    assert facts["exit_code"] == 3
    assert facts["image"] == "app:1"
    facts = services.facts(running(exit_code=3, image=""), NOW.monotonic)
    assert not {"exit_code", "image"} & facts.keys()


def test_health_and_image() -> None:
    """What its health check says is told while it lives; the content of its image always."""
    facts = services.facts(running(health=Health.STARTING), NOW.monotonic)
    assert (facts["health"], facts["image_id"]) == ("starting", "sha256:1111111111111111")
    facts = services.facts(running(state=EXITED, ending=Ending.DIED, image_id=""), NOW.monotonic)
    assert not {"health", "image_id"} & facts.keys()


def test_evidence_of_a_death() -> None:
    """What is known of an end goes along with it: cause, exit code, signal, memory, policy."""
    dead = running(state=EXITED, ending=Ending.DIED, exit_code=137, oom_at=1.0, cause="killed")
    assert services.evidence(dead) == {
        "cause": "killed",
        "exit_code": "137",
        "signal": "SIGKILL",
        "oom": "a process was killed because the container reached its memory limit",
        "restart_policy": "unless-stopped",
    }
    missing = running(state=ServiceState.MISSING, exit_code=3, policy=None)
    assert services.evidence(missing) == {"exit_code": "3"}
    assert services.evidence(running(cause="paused")) == {}
    assert services.evidence(running(oom_at=1.0)).keys() == {"oom", "restart_policy"}


def test_an_observation_is_about_the_service() -> None:
    """Facts, evidence and what else was measured make one observation of the service; a removed one is gone."""
    seen = services.observation("watching", running(), NOW, {"memory_used_bytes": 1})
    assert (seen.source, seen.subject.kind, seen.subject.name) == ("watching", SubjectKind.SERVICE, "app")
    assert seen.facts["memory_used_bytes"] == 1
    assert services.gone("watching", running(), NOW).gone


def test_intent_is_the_cause_in_words() -> None:
    """What readers are shown as intent is how the service came to its state."""
    assert running(cause="stopped").intent == "stopped"


def test_signals_have_names() -> None:
    """Exit codes above 128 that are no signal have no name."""
    assert services.signal_name(143) == "SIGTERM"
    assert services.signal_name(255) == ""
    assert services.signal_name(3) == ""


def test_the_words_for_a_death() -> None:
    """How a container died is said in words: for lack of memory, by a signal, by itself, or crashed."""
    assert services.how_it_died(137, oom=True).startswith("killed for lack of memory")
    assert services.how_it_died(3, oom=True).startswith("ended with exit code 3 after a process of it")
    assert "SIGKILL" in services.how_it_died(137, oom=False)
    assert "by itself" in services.how_it_died(0, oom=False)
    assert "crashed with exit code 3" in services.how_it_died(3, oom=False)


@pytest.mark.parametrize(
    ("known", "corrected"),
    [
        ({"ending": Ending.DIED, "exit_code": 137}, True),
        ({"ending": Ending.DIED, "exit_code": 1}, False),
        ({"ending": Ending.REQUESTED, "exit_code": 137}, False),
    ],
)
def test_a_kill_learned_after_the_death_corrects_its_cause(known: dict[str, Any], corrected: bool) -> None:
    """Only what died of a SIGKILL, and at nobody's request, died of the kill for lack of memory."""
    late = services.with_oom(running(state=EXITED, cause="ended", **known), NOW)
    assert late.oom
    assert ("lack of memory" in late.cause) is corrected


def test_policy_is_told_with_the_end() -> None:
    """The restart policy explains what follows a death."""
    dead = running(state=EXITED, ending=Ending.DIED, policy=RestartPolicy.NO)
    assert services.evidence(dead)["restart_policy"] == "no"
