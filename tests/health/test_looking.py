"""What an inspection says beside what events told: runs, ends and containers that nobody heard of."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from semsupervisor.health import hearing, looking, services
from semsupervisor.health.looking import Circumstances, Seen
from semsupervisor.health.services import Ending, Kill, Service, ServiceState
from semsupervisor.systems.containers import Action, Container, ContainerState, Health, RestartPolicy
from tests.support.container_words import APP, container, event, instant, moment, running

NOW = instant(100)
MET = Circumstances()
NEW_ENGINE = Circumstances(engine_changed=True)
EXITED = ContainerState.EXITED
NO = RestartPolicy.NO


def see(service: Service, seen: Container, met: Circumstances = MET) -> Seen:
    """Look at a service's container now."""
    return looking.see(service, seen, NOW, met)


def ended(**more: Any) -> Service:
    """Return a service whose container has ended and was inspected since."""
    known = {"state": ServiceState.EXITED, "finished_at": moment(50), "since": moment(50)}
    return running(**{**known, **more})


def test_what_is_as_it_was_is_no_news() -> None:
    """An inspection that says what is known leaves it as it is."""
    assert see(running(), container()) == Seen(running())


def test_the_exact_start_is_filled_in_after_an_event() -> None:
    """A start that an event told gets its exact stamp, its policy and its image, and is not missed."""
    heard = running(started_at=None, since=moment(0.1), policy=None, image="", image_id="")
    seen = see(heard, container())
    assert not seen.missed
    assert seen.service == running(since=moment(0.1))


def test_deaths_that_the_policy_healed_unheard_are_told() -> None:
    """The restart count says how often it died; one death is shown, with the stamp of the last, then that it runs."""
    seen = see(running(), container(started_at=moment(60), finished_at=moment(59), restart_count=2))
    assert seen.missed
    (fell,) = seen.passed
    assert (fell.ending, fell.since, len(fell.deaths)) == (Ending.DIED, moment(59), 2)
    assert seen.service.lives
    assert (len(seen.service.deaths), seen.service.restart_count, seen.service.oom_kills) == (2, 2, None)


def test_deaths_between_a_heard_start_and_the_look_are_told() -> None:
    """A start that was heard may not be the last one: the restart count tells."""
    heard = running(started_at=None, restart_count=1)
    seen = see(heard, container(started_at=moment(60), finished_at=moment(59), restart_count=2))
    assert [one.ending for one in seen.passed] == [Ending.DIED]


def test_a_restart_by_hand_is_noted() -> None:
    """A new run without a higher restart count was somebody's doing."""
    seen = see(running(restart_count=3), container(started_at=moment(60), finished_at=moment(59)))
    assert seen.missed
    assert seen.passed == ()
    assert [note.kind for note in seen.notes] == ["service.restarted"]


def test_a_new_engine_starts_containers_anew() -> None:
    """A new run under a new engine is neither a death nor somebody's doing."""
    seen = see(running(), container(started_at=moment(60), finished_at=moment(59), restart_count=1), NEW_ENGINE)
    assert (seen.passed, seen.notes) == ((), ())
    assert seen.service.deaths == ()


def test_pausing_unheard() -> None:
    """A container that is found paused was paused unheard; the same while its start is still to be read is no news."""
    seen = see(running(), container(ContainerState.PAUSED))
    assert seen.missed
    assert (seen.service.state, seen.service.since) == (ServiceState.PAUSED, NOW.wall)
    assert not see(running(started_at=None), container(ContainerState.PAUSED)).missed


def test_health_unheard() -> None:
    """Another verdict of the health check than the events told was missed; the first one is only read."""
    assert see(running(health=Health.HEALTHY), container(health=Health.UNHEALTHY)).missed
    assert not see(running(started_at=None), container(health=Health.HEALTHY)).missed
    assert not see(running(health=Health.HEALTHY), container(health=Health.STARTING)).missed


def test_an_end_that_nobody_heard_is_judged() -> None:
    """A container that ended unheard died, unless its policy would have brought it back."""
    died = see(running(), container(EXITED, finished_at=moment(50), exit_code=3, restart_policy=NO))
    assert died.missed
    assert (died.service.ending, died.service.exit_code, len(died.service.deaths)) == (Ending.DIED, 3, 1)
    asked = see(running(), container(EXITED, finished_at=moment(50)))
    assert (asked.service.ending, asked.service.ended_monotonic) == (Ending.ASKED, NOW.monotonic)
    left = see(running(), container(EXITED, finished_at=moment(50)), NEW_ENGINE)
    assert left.service.ending is Ending.LEFT
    done = see(running(), container(EXITED, restart_policy=NO))
    assert done.service.ending is Ending.COMPLETED
    assert [note.kind for note in done.notes] == ["service.completed"]
    replaced = see(running(), container(EXITED, id="b2", restart_policy=NO))
    assert [note.kind for note in replaced.notes] == ["service.recreated", "service.completed"]


def test_a_signal_that_nobody_heard_is_nobodys() -> None:
    """What ended by a signal and nothing was to start again is open, at first sight too, until it runs again."""
    ended_so = container(EXITED, finished_at=moment(50), exit_code=137, restart_policy=NO)
    for found in (see(running(), ended_so).service, looking.first(APP, ended_so, NOW, MET)):
        assert (found.ending, found.cause) == (Ending.UNKNOWN, looking.UNKNOWN)
        facts = services.facts(found, NOW.monotonic)
        assert (facts["undecided"], facts.get("died")) == (True, None)
        assert see(found, ended_so) == Seen(found)
        assert see(found, container(started_at=moment(60))).service.ending is Ending.NONE


def test_a_loop_that_nobody_heard_is_counted() -> None:
    """A container that is found between two attempts of its policy died as often as that counted."""
    seen = see(running(restart_count=1), container(ContainerState.RESTARTING, restart_count=4, exit_code=1))
    assert (seen.service.state, seen.service.ending) == (ServiceState.RESTARTING, Ending.DIED)
    assert (len(seen.service.deaths), seen.service.restart_count) == (3, 4)


def test_another_policy_for_what_is_dead_is_no_stop() -> None:
    """A container that died for good did not wait to be started when somebody changed its restart policy."""
    dead = ended(ending=Ending.DIED, exit_code=3, policy=RestartPolicy.ON_FAILURE)
    seen = see(dead, container(EXITED, exit_code=3, finished_at=moment(50)))
    assert (seen.missed, seen.service.ending) == (False, Ending.DIED)


def test_a_start_by_hand_that_nobody_heard_ends_a_loop() -> None:
    """What is found running that nothing was to start, or in a new container, begins anew."""
    deaths = (NOW.monotonic - 3, NOW.monotonic - 2, NOW.monotonic - 1)
    died: dict[str, Any] = {"ending": Ending.DIED, "deaths": deaths}
    for known, found, loops in (
        (ended(**died), container(), False),
        (ended(**{**died, "state": ServiceState.RESTARTING}), container(), True),
        (running(deaths=deaths), container(id="b2"), False),
    ):
        assert services.facts(see(known, found).service, NOW.monotonic)["restarting"] is loops


def test_a_policy_that_gave_up_unheard() -> None:
    """What is found dead after all tries of its policy died for good; what is still tried once more did not."""
    tries: dict[str, Any] = {"restart_policy": RestartPolicy.ON_FAILURE, "restart_retries": 2, "restart_count": 2}
    dead = see(running(), container(EXITED, exit_code=1, finished_at=moment(9), **tries)).service
    assert (dead.state, dead.ending) == (ServiceState.EXITED, Ending.DIED)
    assert dead.cause.endswith("Docker gave up after 2 tries")
    tried = see(running(), container(ContainerState.RESTARTING, exit_code=1, **tries)).service
    assert (tried.state, tried.cause) == (ServiceState.RESTARTING, "crashed with exit code 1")
    assert tried.retries == 2


def test_a_kill_for_lack_of_memory_unheard() -> None:
    """The engine's word for it counts only together with the exit code of a kill."""
    killed = container(EXITED, restart_policy=NO, oom_killed=True, exit_code=137)
    assert see(running(), killed).service.oom
    assert "lack of memory" in see(running(), killed).service.cause
    assert not see(running(), container(EXITED, restart_policy=NO, oom_killed=True, exit_code=1)).service.oom


@pytest.mark.parametrize(
    "found", [container(ContainerState.RESTARTING, exit_code=137), container(started_at=moment(3))]
)
def test_a_kill_for_lack_of_memory_of_which_no_event_told(found: Container) -> None:
    """The engine's mark of the last end tells it of a death that was heard, before the restart or after it; once."""
    lives = found.state is ContainerState.RUNNING
    dead = hearing.hear(running(), event(Action.DIE, 2, exit_code=137), instant(2)).service
    heard = hearing.hear(dead, event(Action.START, 3), instant(3)).service if lives else dead
    marked = msgspec.structs.replace(found, oom_killed=True, finished_at=moment(2), restart_count=1)
    assert not see(heard, msgspec.structs.replace(marked, oom_killed=False)).service.oom
    seen = see(heard, marked)
    assert seen.service.oom
    assert [note.kind for note in seen.notes] == ["service.oom_killed"]
    assert lives or "lack of memory" in seen.service.cause
    assert not see(msgspec.structs.replace(seen.service, oom_at=None), marked).service.oom


def test_the_engines_mark_tells_nothing_where_events_do() -> None:
    """An event that comes after the death makes the engine mark the next one, and that one died of something else."""
    acts: list[tuple[Action, float, dict[str, Any]]] = [
        (Action.DIE, 2, {"exit_code": 137}),
        (Action.OOM, 2.1, {}),
        (Action.START, 3, {}),
    ]
    service = running()
    for action, seconds, more in (*acts, (Action.DIE, 9, {"exit_code": 137})):
        service = hearing.hear(service, event(action, seconds, **more), instant(seconds)).service
    told = msgspec.structs.replace(service, oom_at=None)
    assert not see(told, container(ContainerState.RESTARTING, exit_code=137, oom_killed=True)).service.oom
    first = looking.first(APP, container(oom_killed=True), NOW, MET)
    died = hearing.hear(first, event(Action.DIE, 9, exit_code=137), instant(9)).service
    assert not see(died, container(ContainerState.RESTARTING, exit_code=137, oom_killed=True)).service.oom


def test_an_end_that_was_heard_gets_its_exact_finish() -> None:
    """A death that an event told is inspected: its stamps are filled in, and it is not told again."""
    heard = running(
        state=ServiceState.RESTARTING, ending=Ending.DIED, restart_count=1, since=moment(50), exit_code=3, deaths=(1.0,)
    )
    seen = see(heard, container(ContainerState.RESTARTING, finished_at=moment(49.9), restart_count=1, exit_code=3))
    assert not seen.missed
    assert (seen.service.finished_at, seen.service.since) == (moment(49.9), moment(50))
    assert seen.service.deaths == (1.0,)


def test_more_deaths_than_were_heard_are_counted() -> None:
    """A container that goes on dying unheard is found by its restart count."""
    heard = ended(state=ServiceState.RESTARTING, ending=Ending.DIED, restart_count=1)
    seen = see(heard, container(ContainerState.RESTARTING, finished_at=moment(90), restart_count=3))
    assert seen.missed
    assert (len(seen.service.deaths), seen.service.restart_count) == (2, 3)


def test_what_was_asked_to_stop_and_crashes_was_started_meanwhile() -> None:
    """A container that restarts although it had been stopped on request was started unheard, and died."""
    seen = see(ended(ending=Ending.REQUESTED), container(ContainerState.RESTARTING, finished_at=moment(90)))
    assert (seen.missed, seen.service.ending) == (True, Ending.DIED)


def test_a_start_that_nobody_heard() -> None:
    """A container that is found running was started unheard: nothing of its end remains."""
    dead = ended(ending=Ending.DIED, kill=Kill(15, 0), stopping=True, cause="crashed", exit_code=3)
    seen = see(dead, container(started_at=moment(60), finished_at=moment(50)))
    assert seen.missed
    assert (seen.service.ending, seen.service.kill, seen.service.stopping) == (Ending.NONE, None, False)
    assert (seen.service.cause, seen.service.exit_code) == ("", None)


def test_a_run_between_two_ends_that_nobody_heard() -> None:
    """A container that ended at another moment than is known has run and ended again."""
    dead = ended(ending=Ending.REQUESTED, restart_count=0)
    seen = see(dead, container(EXITED, started_at=moment(60), finished_at=moment(90), exit_code=3, restart_policy=NO))
    assert (seen.missed, seen.service.ending) == (True, Ending.DIED)


def test_what_the_next_engine_does_not_start_is_left() -> None:
    """A container that ended with its engine and does not run under the next one has died."""
    seen = see(ended(ending=Ending.ENGINE, finished_at=None), container(EXITED, finished_at=moment(50)), NEW_ENGINE)
    assert seen.service.ending is Ending.LEFT


def test_a_policy_that_gave_up_was_stopped() -> None:
    """A dead container that its policy no longer tries to start was stopped; one that cannot start was not."""
    dead = ended(ending=Ending.DIED, state=ServiceState.RESTARTING)
    stopped = see(dead, container(EXITED, finished_at=moment(50)))
    assert (stopped.missed, stopped.service.ending) == (True, Ending.ASKED)
    broken = see(dead, container(EXITED, finished_at=moment(50), error="no such file"))
    assert broken.service.ending is Ending.DIED
    tries: dict[str, Any] = {"restart_policy": RestartPolicy.ON_FAILURE, "restart_retries": 2, "exit_code": 1}
    stopped = see(dead, container(EXITED, finished_at=moment(50), restart_count=1, **tries))
    assert stopped.service.ending is Ending.ASKED
    tried = see(dead, container(EXITED, finished_at=moment(50), restart_count=2, **tries))
    assert tried.service.ending is Ending.DIED


def test_a_created_container_that_ran_unheard() -> None:
    """A container that was created, and is found ended, ran and ended unheard; still created is no news."""
    created = running(state=ServiceState.CREATED, started_at=None)
    assert not see(created, container(ContainerState.CREATED, started_at=None)).missed
    ran = see(created, container(EXITED, finished_at=moment(50), restart_policy=NO, exit_code=1))
    assert (ran.missed, ran.service.ending) == (True, Ending.DIED)


def test_another_image_under_the_same_container() -> None:
    """An image that differs from the known one is noted with both."""
    seen = see(running(image_id="sha256:0", image="app:0"), container())
    (note,) = seen.notes
    assert note.kind == "service.image_changed"
    assert note.text == "app has another image: app:1 (111111111111) instead of app:0 (0)"


def test_another_container_is_a_recreation() -> None:
    """A running container in a known one's place: recreated, with another image if so, and no trace of the old one."""
    old = running(ending=Ending.REQUESTED, state=ServiceState.EXITED, restart_count=4)
    seen = see(old, container(id="b2", image="app:2", image_id="sha256:2"))
    assert (seen.service.container, seen.service.ending, seen.service.restart_count) == ("b2", Ending.NONE, 0)
    assert [note.kind for note in seen.notes] == ["service.recreated", "service.image_changed"]


def test_a_successor_that_waits_for_its_start_is_no_news() -> None:
    """What was created to replace a container changes nothing before an event tells that it was started."""
    removed = running(container="", state=ServiceState.MISSING, ending=Ending.ASKED, successor="b2")
    created = container(ContainerState.CREATED, id="b2", started_at=None)
    assert see(removed, created) == Seen(removed)


KNOWN_BEFORE_A_FAILED_START = (
    running(container="", state=ServiceState.MISSING, ending=Ending.ASKED, successor="b2"),
    running(container="", state=ServiceState.MISSING, ending=Ending.REQUESTED, cause="stopped"),
    running(container="b2", state=ServiceState.CREATED, ending=Ending.REQUESTED, started_at=None),
    running(container="b2", state=ServiceState.CREATED, started_at=None),
    running(),
)
UNSTARTED: dict[str, Any] = {"started_at": None, "error": "OCI runtime create failed:\n no /app", "exit_code": 127}


@pytest.mark.parametrize("known", [None, *KNOWN_BEFORE_A_FAILED_START])
def test_a_container_that_could_not_be_started(known: Service | None) -> None:
    """A start that failed is told with the engine's words whatever was there before, and it lasts."""
    failed = container(ContainerState.CREATED, id="b2", **UNSTARTED)
    found = looking.first(APP, failed, NOW, MET) if known is None else see(known, failed).service
    assert known is None or not see(known, failed).missed
    assert (found.container, found.successor, found.ending) == ("b2", "", Ending.UNSTARTED)
    assert (found.cause, found.exit_code) == ("could not be started: OCI runtime create failed: no /app", 127)
    facts = services.facts(found, NOW.monotonic)
    assert (facts["start_failed"], facts["died"], facts["stopped_on_request"]) == (True, False, False)
    assert looking.see(found, failed, instant(200), MET) == Seen(found)


def test_what_follows_a_failed_start() -> None:
    """A failed start is over when the container runs, and one that is found ended has run meanwhile."""
    failed = see(running(), container(ContainerState.CREATED, **UNSTARTED)).service
    assert see(failed, container(started_at=moment(60))).service.ending is Ending.NONE
    died = see(failed, container(EXITED, exit_code=3, restart_policy=NO, finished_at=moment(60)))
    assert died.service.ending is Ending.DIED
    started = hearing.hear(failed, event(Action.START, 60), instant(60)).service
    assert (started.ending, started.cause) == (Ending.NONE, "")


def test_a_failed_start_without_words() -> None:
    """Without a reason the exit code is told; the container's secrets are not, and another image is."""
    silent = container(ContainerState.CREATED, id="b2", started_at=None, exit_code=128, image_id="sha256:2")
    seen = see(running(), silent)
    assert seen.service.cause == "could not be started: exit code 128"
    assert [note.kind for note in seen.notes] == ["service.image_changed"]
    told = container(ContainerState.CREATED, error="no hunter22", environment=("DB_PASSWORD=hunter22",))
    assert "hunter22" not in see(running(), told).service.cause


def test_a_container_where_none_was() -> None:
    """The first container of a service that was missed is no recreation."""
    missing = Service(name="app", owner=APP, ending=Ending.VANISHED, waited_for="other")
    seen = see(missing, container())
    assert seen.service.lives
    assert seen.notes == ()


def test_another_container_that_does_not_run() -> None:
    """What was created waits for its start, and what ended is judged."""
    created = container(ContainerState.CREATED, id="b2", started_at=None)
    asked = running(state=ServiceState.MISSING, ending=Ending.ASKED, cause="stopped")
    assert see(asked, created).service.ending is Ending.ASKED
    assert see(asked, created).service.cause == "stopped"
    gone = running(state=ServiceState.MISSING, ending=Ending.VANISHED, cause="gone")
    assert see(gone, created).service.ending is Ending.NONE
    assert see(gone, created).service.cause == ""
    dead = see(gone, container(EXITED, id="b2", restart_policy=NO, exit_code=1))
    assert dead.service.ending is Ending.DIED
    assert [note.kind for note in dead.notes] == ["service.recreated"]


@pytest.mark.parametrize(
    ("ending", "expected", "cause"),
    [
        (Ending.NONE, Ending.VANISHED, "nobody was seen"),
        (Ending.DIED, Ending.VANISHED, "nobody was seen"),
        (Ending.REQUESTED, Ending.REQUESTED, "stopped; removed"),
        (Ending.ASKED, Ending.ASKED, "stopped; removed"),
        (Ending.COMPLETED, Ending.COMPLETED, "stopped; removed"),
    ],
)
def test_a_container_that_is_gone(ending: Ending, expected: Ending, cause: str) -> None:
    """What was not stopped on request before it vanished is missing."""
    gone = looking.vanished(running(ending=ending, cause="stopped"), NOW)
    assert (gone.ending, gone.state, gone.container) == (expected, ServiceState.MISSING, "")
    assert cause in gone.cause


def test_the_first_sight() -> None:
    """What runs at first sight is fine; what does not is judged by what speaks for itself."""
    assert looking.first(APP, container(), NOW, MET) == running(oom_kills=None)
    loop = looking.first(APP, container(ContainerState.RESTARTING, restart_count=9, exit_code=1), NOW, MET)
    assert (loop.ending, loop.restart_count, len(loop.deaths)) == (Ending.DIED, 9, 1)
    stopped = looking.first(APP, container(EXITED, finished_at=moment(-50)), NOW, MET)
    assert stopped.ending is Ending.REQUESTED
    done = looking.first(APP, container(EXITED, restart_policy=NO), NOW, MET)
    assert (done.ending, done.cause) == (Ending.COMPLETED, "")
    created = looking.first(APP, container(ContainerState.CREATED, started_at=None), NOW, MET)
    assert (created.ending, created.since) == (Ending.NONE, moment(-1))


@pytest.mark.parametrize(("finished", "ending"), [(5, Ending.LEFT), (-5, Ending.REQUESTED), (11, Ending.REQUESTED)])
def test_what_a_killed_engine_left_at_first_sight(finished: float, ending: Ending) -> None:
    """A container that ended in the first moments of its engine was left so by the one before."""
    met = Circumstances(engine_started=moment(0).timestamp())
    assert looking.first(APP, container(EXITED, finished_at=moment(finished)), NOW, met).ending is ending
    assert looking.first(APP, container(EXITED, finished_at=None), NOW, met).ending is Ending.REQUESTED


def test_what_events_tell() -> None:
    """What happened to a container since events are followed is told by them, and by default everything."""
    seen = container(started_at=moment(60), finished_at=moment(59))
    assert looking.is_told(seen, NOW, MET)
    assert looking.is_told(seen, NOW, Circumstances(told_from=moment(60)))
    assert not looking.is_told(seen, NOW, Circumstances(told_from=moment(61)))


def test_what_happened_before_the_clock_was_set_back() -> None:
    """A container with stamps of the future is not told of by events that are followed since."""
    seen = container(created_at=moment(7199), started_at=moment(7200))
    assert not looking.is_told(seen, NOW, Circumstances(told_from=moment(99)))
