"""The facts of a service: what rules may rely on in each of its states."""

from __future__ import annotations

from typing import Any

import pytest

from semsupervisor.health import services
from semsupervisor.health.services import Ending, ServiceState
from semsupervisor.systems.containers import Health
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


def test_what_has_ended_uses_no_memory() -> None:
    """An alert about the memory of what does not run any more does not outlive it."""
    ended = services.facts(running(state=EXITED, ending=Ending.REQUESTED), NOW.monotonic)
    assert (ended["memory_used_bytes"], ended["memory_used_ratio"]) == (0, 0.0)
    assert "memory_used_ratio" not in services.facts(running(), NOW.monotonic)


@pytest.mark.parametrize("ending", [Ending.ASKED, Ending.ENGINE])
def test_what_is_undecided_is_left_out(ending: Ending) -> None:
    """While it is not decided who stopped it, nothing is said about that: neither fires nor resolves anything."""
    facts = services.facts(running(state=EXITED, ending=ending), NOW.monotonic)
    assert not {"died", "paused", "restarting", "stopped_on_request", "missing"} & facts.keys()
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
    """Older deaths, and those of a clock that ran ahead, do not count."""
    service = services.with_deaths(running(), 2, instant(0))
    assert services.facts(service, instant(599).monotonic)["deaths_recent"] == 2
    service = services.with_deaths(service, 1, instant(599))
    assert services.facts(service, instant(601).monotonic)["deaths_recent"] == 1
    assert services.facts(service, instant(-10).monotonic)["deaths_recent"] == 0
    assert len(services.with_deaths(service, 1000, instant(601)).deaths) == services.MOST_DEATHS_KEPT


@pytest.mark.parametrize(
    ("deaths", "known", "seconds", "loops"),
    [
        ((0, 100), {}, 101, False),
        ((0, 100, 200), {}, 200, True),
        ((0, 100, 200), {"state": ServiceState.RESTARTING, "ending": Ending.DIED}, 260, True),
        ((0, 100, 200), {}, 380, False),
        ((0, 1, 2, 300), {}, 301, False),
        ((0, 1, 2), {"begun": instant(3).monotonic}, 4, False),
        ((0, 1, 2, 5), {"begun": instant(3).monotonic}, 6, False),
        ((0, 4, 5, 6), {"begun": instant(3).monotonic}, 7, True),
        ((0, 200, 400), {}, 401, False),
        ((0, 100, 200), {}, 199, False),
        ((0, 100, 200), {"state": EXITED, "ending": Ending.DIED}, 201, False),
        ((0, 100, 200), {"state": ServiceState.MISSING, "ending": Ending.REQUESTED}, 201, False),
    ],
)
def test_a_loop_goes_on_while_it_is_started_again(
    deaths: tuple[float, ...], known: dict[str, Any], seconds: float, loops: bool
) -> None:
    """Three deaths, each soon after the one before, are a loop until it has run for a while, or is started no more."""
    service = running(deaths=tuple(instant(death).monotonic for death in deaths), **known)
    assert services.facts(service, instant(seconds).monotonic)["restarting"] is loops


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


def test_intent_is_the_cause_in_words() -> None:
    """What readers are shown as intent is how the service came to its state."""
    assert running(cause="stopped").intent == "stopped"


def test_signals_have_names() -> None:
    """Exit codes above 128 that are no signal have no name."""
    assert services.signal_name(143) == "SIGTERM"
    assert services.signal_name(255) == ""
    assert services.signal_name(3) == ""
