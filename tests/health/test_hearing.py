"""What each event makes of what is known of a service; the rows are those that a real engine was seen to tell."""

from __future__ import annotations

import signal
from typing import Any

import pytest

from semsupervisor.health import hearing
from semsupervisor.health.hearing import Heard
from semsupervisor.health.services import Ending, Kill, Service, ServiceState, facts
from semsupervisor.systems.containers import Action, Health, RestartPolicy
from tests.support.container_words import event, instant, moment, running, stamp

Act = tuple[Action, float, dict[str, Any]]

KILL_15 = (Action.KILL, 0.03, {"signal": 15})
KILL_9 = (Action.KILL, 0.03, {"signal": 9})


def after(service: Service, *acts: Act, **circumstances: bool) -> tuple[Service, list[Heard]]:
    """Return a service after events, and what each of them brought."""
    heard = []
    for action, seconds, more in acts:
        one = hearing.hear(service, event(action, seconds, **more), instant(seconds), **circumstances)
        heard.append(one)
        service = one.service
    return service, heard


@pytest.mark.parametrize(
    ("acts", "state", "ending", "deaths"),
    [
        ([(Action.DIE, 0.05, {"exit_code": 137})], "restarting", Ending.DIED, 1),
        ([(Action.DIE, 0.07, {"exit_code": 0})], "restarting", Ending.DIED, 1),
        ([(Action.DIE, 0.08, {"exit_code": 3}), (Action.START, 1.0, {})], "running", Ending.NONE, 1),
        ([(Action.OOM, 0.76, {}), (Action.DIE, 0.79, {"exit_code": 137})], "restarting", Ending.DIED, 1),
        ([KILL_15, (Action.DIE, 0.1, {"exit_code": 0}), (Action.STOP, 0.2, {})], "exited", Ending.ASKED, 0),
        ([KILL_9, (Action.DIE, 0.1, {"exit_code": 137})], "exited", Ending.ASKED, 0),
        ([KILL_15, (Action.DIE, 0.1, {"exit_code": 0})], "exited", Ending.ASKED, 0),
        ([(Action.STOP, 0.1, {}), (Action.DIE, 0.2, {"exit_code": 0})], "exited", Ending.ASKED, 0),
        (
            [
                KILL_15,
                (Action.DIE, 0.1, {"exit_code": 0}),
                (Action.STOP, 0.2, {}),
                (Action.START, 0.6, {}),
                (Action.RESTART, 0.7, {}),
            ],
            "running",
            Ending.NONE,
            0,
        ),
        ([KILL_9, (Action.DIE, 0.1, {"exit_code": 137}), (Action.DESTROY, 0.2, {})], "missing", Ending.ASKED, 0),
        ([(Action.DESTROY, 0.2, {})], "missing", Ending.ASKED, 0),
        ([(Action.DIE, 0.1, {"exit_code": 1}), (Action.STOP, 2.0, {})], "exited", Ending.ASKED, 1),
        ([(Action.PAUSE, 0.1, {})], "paused", Ending.NONE, 0),
        ([(Action.PAUSE, 0.1, {}), (Action.UNPAUSE, 0.2, {})], "running", Ending.NONE, 0),
        ([(Action.KILL, 0.1, {"signal": 1}), (Action.DIE, 9.0, {"exit_code": 1})], "restarting", Ending.DIED, 1),
        (
            [(Action.KILL, 0.1, {"signal": 28}), (Action.DIE, 0.2, {"exit_code": 0}), (Action.STOP, 0.3, {})],
            "exited",
            Ending.ASKED,
            0,
        ),
    ],
)
def test_sequences_of_a_real_engine(acts: list[Act], state: str, ending: Ending, deaths: int) -> None:
    """Each act is told from the others by the events that it causes."""
    service, _ = after(running(), *acts)
    assert (service.state.value, service.ending, len(service.deaths)) == (state, ending, deaths)


def test_a_death_is_observed_at_once() -> None:
    """A death is to be observed and looked after; the exit code and the stamp are those of the event."""
    dead, heard = after(running(), (Action.DIE, 0.05, {"exit_code": 3}))
    assert heard[0].observe
    assert heard[0].look
    assert dead.exit_code == 3
    assert dead.since == moment(0.05)
    assert facts(dead, instant(0.05).monotonic)["died"] is True


def test_a_death_expects_its_policy_to_act() -> None:
    """The restart count moves with a death that the policy answers, so that the next look finds nothing new."""
    assert after(running(), (Action.DIE, 1.0, {"exit_code": 1}))[0].restart_count == 1
    never = running(policy=RestartPolicy.NO)
    dead = after(never, (Action.DIE, 1.0, {"exit_code": 1}))[0]
    assert (dead.restart_count, dead.state) == (0, ServiceState.EXITED)


def test_a_death_heard_again_is_no_other_death() -> None:
    """A container that is known not to run cannot die."""
    dead, heard = after(running(), (Action.DIE, 1.0, {"exit_code": 1}), (Action.DIE, 1.0, {"exit_code": 1}))
    assert len(dead.deaths) == 1
    assert not heard[1].observe


@pytest.mark.parametrize("policy", [RestartPolicy.NO, RestartPolicy.ON_FAILURE, None])
def test_a_service_that_is_run_once_completes(policy: RestartPolicy | None) -> None:
    """Exit code 0 where nothing starts it again is a success, which is noted; another exit code is a death."""
    once = running(policy=policy)
    done, (heard,) = after(once, (Action.DIE, 1.0, {"exit_code": 0}))
    assert (done.ending, done.deaths) == (Ending.COMPLETED, ())
    assert [(note.kind, note.text) for note in heard.notes] == [("service.completed", "app completed with exit code 0")]
    assert facts(done, instant(1.0).monotonic)["died"] is False
    dead, (heard,) = after(once, (Action.DIE, 1.0, {"exit_code": 1}))
    assert (dead.ending, heard.notes) == (Ending.DIED, ())


def test_what_a_new_engine_does_at_its_start_nobody_asked_for() -> None:
    """Kill, death and stop that a new engine tells of its start are its own, and decide nothing yet."""
    acts = [KILL_9, (Action.DIE, 0.1, {"exit_code": 137}), (Action.STOP, 0.2, {})]
    service, _ = after(running(), *acts, by_engine=True)
    assert (service.ending, service.deaths, service.kill) == (Ending.ENGINE, (), None)
    service, heard = after(service, (Action.START, 0.3, {}), by_engine=True)
    assert service.lives
    assert heard[0].notes == ()


DIE_137 = (Action.DIE, 0.79, {"exit_code": 137})


@pytest.mark.parametrize(
    ("acts", "cause"),
    [
        ([(Action.OOM, 0.76, {}), DIE_137], "killed for lack of memory (exit code 137)"),
        ([DIE_137, (Action.OOM, 0.8, {})], "killed for lack of memory (exit code 137)"),
        ([DIE_137, (Action.START, 1.0, {}), (Action.OOM, 1.1, {})], ""),
    ],
)
def test_a_kill_for_lack_of_memory_is_told_in_whatever_order(acts: list[Act], cause: str) -> None:
    """The engine tells of it before the death, after it, or after the restart; each time it is observed, and noted."""
    service, heard = after(running(), *acts)
    told = next(one for (action, _, _), one in zip(acts, heard, strict=True) if action is Action.OOM)
    assert told.observe
    assert [note.kind for note in told.notes] == ["service.oom_killed"]
    assert service.cause == cause
    assert facts(service, instant(1.2).monotonic)["oom_killed"] is True


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
    cause = "ended with exit code 137: SIGKILL, from the host or from within; Docker gave up after 2 tries"
    late = hearing.with_oom(running(state=ServiceState.EXITED, cause=cause, **known), instant(1))
    assert late.oom
    assert ("lack of memory" in late.cause) is corrected
    assert late.cause.endswith("gave up after 2 tries")


@pytest.mark.parametrize(
    ("retries", "state", "cause"),
    [
        (0, ServiceState.RESTARTING, "crashed with exit code 1"),
        (3, ServiceState.RESTARTING, "crashed with exit code 1"),
        (2, ServiceState.EXITED, "crashed with exit code 1; Docker gave up after 2 tries"),
        (1, ServiceState.EXITED, "crashed with exit code 1; Docker gave up after 1 try"),
    ],
)
def test_a_policy_that_has_tried_often_enough_gives_up(retries: int, state: ServiceState, cause: str) -> None:
    """The last death is one for good, and says so at once."""
    tried = running(policy=RestartPolicy.ON_FAILURE, retries=retries, restart_count=2)
    dead = after(tried, (Action.DIE, 1.0, {"exit_code": 1}))[0]
    assert (dead.state, dead.cause, dead.ending) == (state, cause, Ending.DIED)
    assert dead.restart_count == (3 if state is ServiceState.RESTARTING else 2)


@pytest.mark.parametrize(
    ("state", "by_hand"),
    [
        (ServiceState.RESTARTING, False),
        (ServiceState.EXITED, True),
        (ServiceState.MISSING, True),
        (ServiceState.CREATED, True),
        (ServiceState.RUNNING, False),
    ],
)
def test_a_start_by_hand_ends_a_loop(state: ServiceState, by_hand: bool) -> None:
    """What its policy does not start again begins anew when somebody starts it."""
    loop = running(state=state, ending=Ending.DIED, deaths=(1000.0, 1001.0, 1002.0))
    began = after(loop, (Action.START, 3.0, {}))[0]
    assert facts(began, instant(4).monotonic)["restarting"] is not by_hand


def test_kills_at_once_are_one_note() -> None:
    """What is killed together is noted together; what is killed later, again."""
    _, heard = after(running(), *[(Action.OOM, seconds, {}) for seconds in (1.0, 1.1, 3.0)])
    assert [len(one.notes) for one in heard] == [1, 0, 1]


def test_a_start_forgets_the_run_before() -> None:
    """A run begins with no exit code, no signal, no cause; its own health and count of kills are to come."""
    service = running(
        state=ServiceState.EXITED, ending=Ending.DIED, exit_code=3, kill=Kill(15, 0), stopping=True, cause="crashed",
        health=Health.UNHEALTHY, oom_kills=7, finished_at=moment(1),
    )  # fmt: skip
    began = after(service, (Action.START, 2.0, {}))[0]
    assert (began.exit_code, began.kill, began.stopping, began.cause) == (None, None, False, "")
    assert (began.health, began.oom_kills, began.started_at, began.finished_at) == (Health.STARTING, 0, None, None)
    assert after(running(), (Action.START, 2.0, {}))[0].health is Health.NONE


def test_a_start_after_a_request_is_noted() -> None:
    """Who was asked to stop and is started again stands in the timeline; a policy's start does not."""
    for ending, notes in ((Ending.ASKED, 1), (Ending.REQUESTED, 1), (Ending.DIED, 0), (Ending.ENGINE, 0)):
        stopped = running(state=ServiceState.EXITED, ending=ending, restart_count=4)
        began, heard = after(stopped, (Action.START, 1.0, {}))
        assert [note.kind for note in heard[0].notes] == ["service.restarted"] * notes
        assert began.restart_count == (4 if ending is Ending.DIED else 0)


def test_health_is_observed_when_it_changes() -> None:
    """A verdict of the health check is observed once, and one that the engine did not name changes nothing."""
    sick, heard = after(
        running(health=Health.HEALTHY),
        (Action.HEALTH, 1.0, {"health": Health.UNHEALTHY}),
        (Action.HEALTH, 2.0, {"health": Health.UNHEALTHY}),
        (Action.HEALTH, 3.0, {}),
    )
    assert sick.health is Health.UNHEALTHY
    assert [one.observe for one in heard] == [True, False, False]


@pytest.mark.parametrize("action", [Action.CREATE, Action.RENAME, Action.RESTART])
def test_some_events_change_nothing(action: Action) -> None:
    """What follows from other events, or means nothing for the service, is passed over."""
    assert after(running(), (action, 1.0, {}))[1] == [Heard(running())]


def test_an_update_is_looked_after() -> None:
    """Changed limits and policies are read by a look."""
    assert after(running(), (Action.UPDATE, 1.0, {}))[1] == [Heard(running(), look=True)]


def test_an_event_that_does_not_fit_is_looked_after() -> None:
    """Pausing what does not run, and unpausing what is not paused, says that something was missed."""
    assert after(running(), (Action.UNPAUSE, 1.0, {}))[1] == [Heard(running(), look=True)]
    stopped = running(state=ServiceState.EXITED, ending=Ending.REQUESTED)
    assert after(stopped, (Action.PAUSE, 1.0, {}))[1] == [Heard(stopped, look=True)]


def test_a_signal_without_a_number_is_passed_over() -> None:
    """A kill of which the engine does not name the signal says nothing."""
    assert after(running(), (Action.KILL, 1.0, {}))[0].kill is None


@pytest.mark.parametrize("ending", [Ending.REQUESTED, Ending.COMPLETED])
def test_a_stop_of_what_was_stopped_is_nothing_new(ending: Ending) -> None:
    """A stop is told once."""
    stopped = running(state=ServiceState.EXITED, ending=ending)
    assert after(stopped, (Action.STOP, 1.0, {}))[1] == [Heard(stopped)]
    missing = running(state=ServiceState.MISSING, ending=Ending.VANISHED)
    assert after(missing, (Action.STOP, 1.0, {}))[1] == [Heard(missing)]


def test_removing_keeps_why_it_had_ended() -> None:
    """What was stopped on request stays so when it is removed; what had died was removed on request."""
    requested = running(state=ServiceState.EXITED, ending=Ending.REQUESTED, cause="stopped", ended_monotonic=1.0)
    removed = after(requested, (Action.DESTROY, 5.0, {}))[0]
    assert (removed.ending, removed.cause, removed.container) == (Ending.REQUESTED, "stopped; removed", "")
    died = running(state=ServiceState.EXITED, ending=Ending.DIED, cause="crashed", ended_monotonic=1.0)
    removed = after(died, (Action.DESTROY, 5.0, {}))[0]
    assert (removed.ending, removed.cause) == (Ending.ASKED, "crashed; removed")
    assert removed.ended_monotonic == instant(5.0).monotonic
    assert after(removed, (Action.DESTROY, 5.0, {}))[0] == removed


def test_a_removal_does_not_prolong_the_waiting() -> None:
    """A stop settles from when it was heard, also if the container is removed meanwhile."""
    acts = [KILL_15, (Action.DIE, 0.1, {"exit_code": 0}), (Action.DESTROY, 3.0, {})]
    assert after(running(), *acts)[0].ended_monotonic == instant(0.1).monotonic


def test_stamps_are_moments() -> None:
    """The engine's nanoseconds are kept to the microsecond."""
    assert hearing.stamped(event(Action.START, 1.5)) == moment(1.5)
    assert int(signal.SIGTERM) == 15
    assert stamp(1) - stamp(0) == 10**9
