"""All services together: events and lists in any order, twice or not at all, and who is whose container."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from semsupervisor.health.belonging import FORGET_REMOVED_SECONDS
from semsupervisor.health.looking import Circumstances
from semsupervisor.health.roster import GRACE_SECONDS, MOST_EVENTS_REMEMBERED, Roster, Turn
from semsupervisor.health.services import Ending, Service, ServiceState
from semsupervisor.systems.containers import Action, Container, ContainerState, Event, Owner, RestartPolicy
from tests.support.container_words import container, event, instant, moment, names, running
from tests.support.pretended_engine import Deed, PretendedEngine

UNTOLD = Circumstances(told_from=moment(10**6))
NATS = Owner("project", "nats")
EXITED = ContainerState.EXITED


def listed(roster: Roster, seconds: float, *containers: Container, met: Circumstances = UNTOLD) -> Turn:
    """Take in a list that was asked for and came at that moment; by default no events tell anything."""
    return roster.see(containers, instant(seconds).monotonic, instant(seconds), met)


def heard(roster: Roster, *events: Event, late_seconds: float = 0.0) -> Turn:
    """Take in events as they come, each so much after its stamp; return what the last one brought."""
    turn = Turn()
    for one in events:
        seconds = one.time_nano / 10**9 - moment(0).timestamp()
        turn = roster.hear(one, instant(seconds + late_seconds))
    return turn


def watched(*containers: Container) -> Roster:
    """Return a roster after its first list."""
    roster = Roster()
    listed(roster, 1, *containers)
    return roster


def settled(roster: Roster, seconds: float) -> Turn:
    """Believe all requests that wait to be believed."""
    return roster.settle(list(roster.unsettled()), instant(seconds))


# --- events ----------------------------------------------------------------------------------------------------------


def test_an_event_twice_changes_nothing() -> None:
    """An event that was heard before brings nothing, wherever it comes again."""
    roster = watched(container())
    death = event(Action.DIE, 2, exit_code=1)
    heard(roster, death, event(Action.START, 3))
    assert heard(roster, death) == Turn()
    assert len(roster.services["app"].deaths) == 1


def test_an_event_from_before_the_clock_was_set_back_tells_nothing() -> None:
    """A new listener is told of deaths of the future that were over long ago; what happens from now on counts."""
    roster = Roster()
    listed(roster, 10, container(started_at=moment(3600), finished_at=moment(3599)))
    for past in (event(Action.KILL, 3599, signal=15), event(Action.DIE, 3599, exit_code=3)):
        assert roster.hear(past, instant(10.1)) == Turn()
    assert roster.services["app"].lives
    assert roster.services["app"].kill is None
    turn = heard(roster, event(Action.DIE, 11, exit_code=3))
    assert [service.ending for service, _ in turn.observed] == [Ending.DIED]


def test_a_clock_behind_the_engines_hides_no_death() -> None:
    """A stamp of the future that nothing shown has overtaken is news all the same."""
    roster = watched(container(started_at=moment(3600)))
    turn = roster.hear(event(Action.DIE, 3605, exit_code=3), instant(2))
    assert [service.ending for service, _ in turn.observed] == [Ending.DIED]


def test_old_events_are_forgotten() -> None:
    """Not more events are remembered than an engine replays."""
    roster = watched(container())
    for number in range(MOST_EVENTS_REMEMBERED + 1):
        heard(roster, event(Action.RENAME, 2 + number / 1000))
    assert heard(roster, event(Action.OOM, 2)).observed != []


def test_one_off_containers_are_nobody() -> None:
    """Events and inspections of `compose run`, and of containers without a service, are passed over."""
    roster = Roster()
    oneoff = Owner("project", "app", oneoff=True)
    assert heard(roster, event(Action.START, 1, owner=oneoff), event(Action.START, 1, owner=Owner("p", ""))) == Turn()
    listed(roster, 1, container(owner=oneoff), container(owner=Owner("project", "")))
    assert roster.services == {}


def test_the_observation_has_the_stamp_of_the_event() -> None:
    """What an event brings is observed at the engine's stamp, and at the moment when it came for durations."""
    roster = watched(container())
    ((service, at),) = heard(roster, event(Action.DIE, 2, exit_code=1), late_seconds=0.3).observed
    assert service.ending is Ending.DIED
    assert (at.wall, at.monotonic) == (moment(2), instant(2.3).monotonic)


def test_a_service_is_made_by_its_first_container() -> None:
    """A container that is created and started is a new service; its other events before that are looked after."""
    roster = Roster()
    assert heard(roster, event(Action.DIE, 1)).look
    turn = heard(roster, event(Action.CREATE, 2))
    assert turn.look
    assert [service.state for service, _ in turn.observed] == [ServiceState.CREATED]
    turn = heard(roster, event(Action.START, 3))
    assert turn.notes == []
    assert roster.services["app"].lives


def test_a_recreation_is_one_note() -> None:
    """Created, the old one stopped and removed, the new one started: it runs again, and was recreated."""
    roster = watched(container())
    heard(
        roster,
        event(Action.CREATE, 2, of="b2"),
        event(Action.KILL, 2.1, signal=15),
        event(Action.DIE, 2.2, exit_code=0),
        event(Action.STOP, 2.3),
        event(Action.DESTROY, 2.4),
        event(Action.RENAME, 2.5, of="b2"),
    )
    turn = heard(roster, event(Action.START, 2.6, of="b2"))
    assert [note.kind for note in turn.notes] == ["service.recreated"]
    service = roster.services["app"]
    assert (service.container, service.successor, service.ending) == ("b2", "", Ending.NONE)
    assert roster.unsettled() == {}


def test_a_recreation_that_was_given_up() -> None:
    """A successor that is removed again is forgotten; the present container goes on."""
    roster = watched(container())
    heard(roster, event(Action.CREATE, 2, of="b2"), event(Action.DESTROY, 3, of="b2"))
    assert roster.services["app"] == running(oom_kills=None)


def test_a_removed_service_that_is_created_again() -> None:
    """A container created where none was is the service's; why the old one went is kept until it starts."""
    roster = watched(container())
    heard(roster, event(Action.DESTROY, 2))
    heard(roster, event(Action.CREATE, 3, of="b2"))
    assert (roster.services["app"].container, roster.services["app"].ending) == ("b2", Ending.ASKED)
    listed(roster, 4)
    heard(roster, event(Action.DESTROY, 5, of="b2"))
    assert roster.services["app"].state is ServiceState.MISSING


def test_a_removal_heard_late_explains_what_vanished() -> None:
    """A service that was found missing was removed on request once that is heard."""
    roster = watched(container())
    listed(roster, 3)
    endings = [roster.services["app"].ending]
    heard(roster, event(Action.DESTROY, 2), late_seconds=2)
    endings.append(roster.services["app"].ending)
    assert endings == [Ending.VANISHED, Ending.ASKED]


def test_who_asked_is_settled() -> None:
    """A request is told when it is believed, once, and only if it is still one."""
    roster = watched(container())
    heard(roster, event(Action.KILL, 2, signal=15), event(Action.DIE, 2.1, exit_code=0))
    assert roster.unsettled() == {"app": pytest.approx(instant(2.1).monotonic)}
    turn = settled(roster, 7)
    assert names(service for service, _ in turn.observed) == ["app"]
    assert [note.kind for note in turn.notes] == ["service.stopped"]
    assert roster.services["app"].ending is Ending.REQUESTED
    assert roster.settle(["app", "unknown"], instant(8)) == Turn()


def test_an_engine_that_ends_takes_its_containers_along() -> None:
    """What had just been stopped when the engine ended was its own doing; what was removed was not."""
    roster = watched(container(), container(id="n1", owner=NATS))
    heard(roster, event(Action.KILL, 2, signal=15), event(Action.DIE, 2.1, exit_code=0), event(Action.STOP, 2.2))
    heard(roster, event(Action.DESTROY, 2.3, of="n1", owner=NATS))
    assert roster.engine_ended() == ["app"]
    assert roster.services["app"].ending is Ending.ENGINE
    assert roster.services["nats"].ending is Ending.ASKED


# --- lists -----------------------------------------------------------------------------------------------------------


def test_a_list_that_is_older_than_an_event_says_nothing() -> None:
    """A service of which something was heard after the list was asked for is looked at again."""
    roster = watched(container())
    heard(roster, event(Action.DIE, 2, exit_code=1))
    turn = roster.see([container()], instant(1.9).monotonic, instant(2.1), UNTOLD)
    assert turn.look
    assert roster.services["app"].ending is Ending.DIED
    roster.see([], instant(1.9).monotonic, instant(2.1), UNTOLD)
    assert roster.services["app"].container == "a1"


def test_what_events_should_tell_is_waited_for() -> None:
    """A list that is ahead of the events is not believed; when they do not come, they are silent."""
    roster = watched(container())
    dead = container(EXITED, finished_at=moment(2))
    followed = Circumstances()
    turn = listed(roster, 3, dead, met=followed)
    assert (turn.look_later, turn.silent, turn.observed) == (True, [], [])
    turn = listed(roster, 3 + GRACE_SECONDS, dead, met=followed)
    assert (turn.look_later, turn.silent, turn.observed) == (False, ["app"], [])
    assert listed(roster, 5, dead).observed != []


def test_a_list_is_believed_when_its_stamps_are_of_the_future() -> None:
    """After the clock was set back the first list makes the services known, and their deaths are told."""
    roster = Roster()
    turn = listed(roster, 5, container(started_at=moment(7200)), met=Circumstances(told_from=moment(4)))
    assert names(service for service, _ in turn.observed) == ["app"]
    assert listed(roster, 6, container(started_at=moment(7200)), met=Circumstances()) == Turn()
    turn = heard(roster, event(Action.DIE, 7, exit_code=1))
    assert [service.ending for service, _ in turn.observed] == [Ending.DIED]


def test_the_list_that_follows_a_silence_is_the_truth() -> None:
    """What the events did not tell is taken from the list with which they are followed anew, once, whatever it says."""
    roster = watched(container())
    dead, followed = container(EXITED, finished_at=moment(4)), Circumstances(told_from=moment(3))
    assert listed(roster, 4, dead, met=followed).look_later
    assert listed(roster, 5, dead, met=Circumstances()).silent == ["app"]
    assert names(service for service, _ in listed(roster, 5.1, dead, met=followed).observed) == ["app"]
    again = container(started_at=moment(6), finished_at=moment(4))
    assert listed(roster, 6, again, met=followed).look_later


def test_a_service_of_which_events_come_again_is_not_silent() -> None:
    """An event that comes when they are followed anew may be followed by the one that tells what the list shows."""
    roster = watched(container())
    dead = container(EXITED, finished_at=moment(2))
    listed(roster, 3, dead, met=Circumstances())
    assert listed(roster, 4, dead, met=Circumstances()).silent == ["app"]
    heard(roster, event(Action.DIE, 2, exit_code=1))
    again = container(started_at=moment(5), finished_at=moment(2))
    assert listed(roster, 5, again, met=Circumstances(told_from=moment(4.5))).look_later


def test_events_that_come_in_time_are_not_silent() -> None:
    """A list that was only ahead of the events, and agrees with them afterwards, is forgotten."""
    roster = watched(container())
    healed = container(started_at=moment(2.5), finished_at=moment(2), restart_count=1)
    followed = Circumstances()
    listed(roster, 3, healed, met=followed)
    heard(roster, event(Action.DIE, 2, exit_code=1), event(Action.START, 2.5), late_seconds=1.1)
    assert listed(roster, 4, healed, met=followed).silent == []
    assert listed(roster, 9, container(EXITED, finished_at=moment(8)), met=followed).silent == []
    assert len(roster.services["app"].deaths) == 1


def test_a_list_without_a_known_container_is_waited_for_too() -> None:
    """A container that is gone is believed to be gone only if events are not followed."""
    roster = watched(container())
    followed = Circumstances()
    assert listed(roster, 3, met=followed).look_later
    assert listed(roster, 4, met=followed).silent == ["app"]
    listed(roster, 5)
    assert roster.services["app"].ending is Ending.VANISHED
    assert listed(roster, 6).observed == []


def test_what_was_missed_is_observed_in_order() -> None:
    """A death that was healed unheard is observed with the engine's stamp, and then that it runs."""
    roster = watched(container())
    turn = listed(roster, 9, container(started_at=moment(6), finished_at=moment(5), restart_count=1))
    assert [(service.ending, at.wall) for service, at in turn.observed] == [
        (Ending.DIED, moment(5)),
        (Ending.NONE, moment(9)),
    ]


def test_of_two_containers_the_running_one_counts() -> None:
    """While a service is recreated it has two: the one that runs, else the known one, else the newest."""
    old, new = container(EXITED, finished_at=moment(2)), container(id="b2", created_at=moment(3))
    roster = watched(container())
    listed(roster, 4, old, new)
    assert roster.services["app"].container == "b2"
    created = container(ContainerState.CREATED, id="b2", started_at=None, created_at=None)
    roster = watched(container())
    listed(roster, 4, created, old)
    assert roster.services["app"].container == "a1"
    roster = watched(old, container(EXITED, id="b2", created_at=moment(1), finished_at=moment(2)))
    assert roster.services["app"].container == "b2"


def test_replicas_are_apart() -> None:
    """Each replica is a service of its own, whatever other services are called."""
    second, other = Owner("project", "app", number=2), Owner("project", "app-2")
    roster = watched(container(), container(id="a2", owner=second), container(id="b1", owner=other))
    assert sorted(roster.services) == ["app", "app-2", "app@2"]


def test_what_others_depend_on_is_missing() -> None:
    """A service that a running one depends on and that has no container is missing, until nobody needs it."""
    needy = container(depends_on={"nats": "service_healthy"})
    roster = watched(needy)
    missing = roster.services["nats"]
    assert (missing.ending, missing.waited_for, missing.owner) == (Ending.VANISHED, "app", NATS)
    assert listed(roster, 2, needy).observed == []
    assert names(service for service, _ in listed(roster, 3, container()).gone) == ["nats"]
    assert list(roster.services) == ["app"]


def test_a_stopped_service_needs_nobody() -> None:
    """What a container that does not run depends on is not missing."""
    roster = watched(container(EXITED, depends_on={"nats": ""}))
    assert list(roster.services) == ["app"]


def test_a_needed_service_that_comes_is_not_missing() -> None:
    """The first container of a missed service makes it an ordinary one."""
    needy = container(depends_on={"nats": ""})
    roster = watched(needy)
    listed(roster, 2, needy, container(id="n1", owner=NATS))
    assert roster.services["nats"].lives
    listed(roster, 3, container(), container(id="n1", owner=NATS))
    assert "nats" in roster.services


def test_a_service_that_is_run_once_completes_alike_whenever_it_is_seen() -> None:
    """Heard, found by a list or seen first: exit code 0 without a restart policy is a completion, noted once."""
    running_once = container(restart_policy=RestartPolicy.NO)
    done = container(EXITED, restart_policy=RestartPolicy.NO, finished_at=moment(2))
    listened, away, new = watched(running_once), watched(running_once), Roster()
    turns = [heard(listened, event(Action.DIE, 2, exit_code=0)), listed(away, 3, done), listed(new, 3, done)]
    assert [[note.kind for note in turn.notes] for turn in turns] == [["service.completed"]] * 3
    for roster in (listened, away, new):
        assert roster.services["app"].ending is Ending.COMPLETED
        turn = listed(roster, 4, done)
        assert (turn.notes, roster.services["app"].ending) == ([], Ending.COMPLETED)


def test_what_was_removed_is_forgotten_after_a_day() -> None:
    """A service that was removed is gone after a day, whether somebody was seen to remove it or not."""
    roster = watched(container(), container(id="n1", owner=NATS))
    heard(roster, event(Action.DESTROY, 2))
    settled(roster, 8)
    listed(roster, 9)
    assert listed(roster, FORGET_REMOVED_SECONDS).gone == []
    assert names(service for service, _ in listed(roster, FORGET_REMOVED_SECONDS + 3).gone) == ["app"]
    assert names(service for service, _ in listed(roster, FORGET_REMOVED_SECONDS + 10).gone) == ["nats"]
    assert roster.services == {}


def test_what_vanished_and_is_needed_is_missed_for_ever() -> None:
    """A service that a running one depends on is not forgotten, however long it is gone."""
    needy = container(depends_on={"nats": ""})
    roster = watched(needy, container(id="n1", owner=NATS))
    listed(roster, 2, needy)
    turn = listed(roster, 9 * FORGET_REMOVED_SECONDS, needy)
    assert (turn.gone, turn.observed) == ([], [])
    assert roster.services["nats"].ending is Ending.VANISHED


# --- memory ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("before", "now", "grew"), [(0, 1, True), (1, 1, False), (None, 3, False), (3, 0, False)])
def test_kills_for_lack_of_memory_are_found_by_their_count(before: int | None, now: int, grew: bool) -> None:
    """A count that grows is a kill since the last look; a first count, and one that began anew, is none."""
    roster = watched(container())
    roster.count_oom({"app": before}, instant(2))
    turn = roster.count_oom({"app": now}, instant(3))
    assert roster.services["app"].oom is grew
    assert roster.services["app"].oom_kills == now
    assert [service.oom for service, _ in turn.observed] == [True] * grew
    assert [note.kind for note in turn.notes] == ["service.oom_killed"] * grew
    roster.forget_oom(instant(4))
    assert roster.services["app"].oom is False


def test_what_waits_to_be_started_again_is_dead_of_the_kill_until_then() -> None:
    """The kill explains the end for as long as the restart policy pauses, and nothing that comes after that."""
    roster = watched(container())
    heard(roster, event(Action.OOM, 2), event(Action.DIE, 2.1, exit_code=137))
    roster.forget_oom(instant(9))
    waits = roster.services["app"]
    assert (waits.state, waits.oom) == (ServiceState.RESTARTING, True)
    heard(roster, event(Action.START, 10))
    roster.forget_oom(instant(11))
    assert roster.services["app"].oom is False


def test_a_kill_is_kept_until_the_death_that_may_follow_it() -> None:
    """A look that comes between a kill for lack of memory and the death of it does not make it forgotten."""
    roster = watched(container())
    heard(roster, event(Action.OOM, 2))
    roster.forget_oom(instant(2.01))
    heard(roster, event(Action.DIE, 2.03, exit_code=137))
    assert "lack of memory" in roster.services["app"].cause


def test_a_kill_that_an_event_told_is_not_noted_again_for_its_count() -> None:
    """Some engines tell of a kill that the control group counts as well: that is one kill."""
    roster = watched(container())
    roster.count_oom({"app": 0}, instant(1))
    assert [note.kind for note in heard(roster, event(Action.OOM, 2)).notes] == ["service.oom_killed"]
    assert roster.count_oom({"app": 1}, instant(3)) == Turn()


def test_a_kill_from_before_the_watching_marks_no_later_death() -> None:
    """The engine's mark of the next end is of a child killed before anybody looked: that death has another reason."""
    roster = watched(container())
    roster.count_oom({"app": 1}, instant(2))
    heard(roster, event(Action.DIE, 3, exit_code=137))
    listed(roster, 4, container(ContainerState.RESTARTING, exit_code=137, oom_killed=True))
    assert not roster.services["app"].oom
    assert "lack of memory" not in roster.services["app"].cause


def test_an_unreadable_count_changes_nothing() -> None:
    """Where the count cannot be read, the last one stays."""
    roster = watched(container())
    roster.count_oom({"app": 2}, instant(1))
    roster.count_oom({"app": None}, instant(2))
    assert roster.services["app"].oom_kills == 2


def test_what_was_kept_is_taken_up() -> None:
    """An earlier run's services come back; another boot's seconds mean nothing."""
    kept = {"app": running(deaths=(5.0,), ended_monotonic=5.0), "nats": running(name="nats")}
    roster = Roster()
    roster.remember(kept, 7, instant(0), same_boot=True)
    assert (roster.services, roster.last_event_nano) == (kept, 7)
    roster = Roster()
    roster.remember(kept, 7, instant(0), same_boot=False)
    assert (roster.services["app"].deaths, roster.services["app"].ended_monotonic) == ((), 1000.0)
    assert roster.services["nats"].ended_monotonic is None


# --- any order -------------------------------------------------------------------------------------------------------

DEEDS = st.lists(st.sampled_from(list(Deed)), min_size=1, max_size=12)


def meaning(service: Service) -> tuple[object, ...]:
    """Return what of a service must not depend on the order in which things were learned."""
    ending = Ending.REQUESTED if service.ending is Ending.ASKED else service.ending
    return service.container, service.state, ending, len(service.deaths), service.exit_code, service.restart_count


def lived(deeds: list[Deed]) -> PretendedEngine:
    """Return an engine after deeds, one a second."""
    engine = PretendedEngine()
    for seconds, deed in enumerate(deeds, start=2):
        engine.do(deed, seconds)
    return engine


@given(DEEDS, st.data())
def test_events_again_lead_to_the_same(deeds: list[Deed], data: st.DataObject) -> None:
    """However many events are told again in between, in whatever order, nothing changes."""
    engine = lived(deeds)
    once, again = watched(container()), watched(container())
    for number, one in enumerate(engine.events):
        heard(once, one)
        heard(again, one)
        for old in data.draw(st.lists(st.sampled_from(engine.events[: number + 1]), max_size=3)):
            assert heard(again, old) == Turn()
    assert once.services == again.services


@given(DEEDS, st.data())
def test_lists_in_between_change_nothing(deeds: list[Deed], data: st.DataObject) -> None:
    """Lists at any moment, ahead of events that are on their way, lead to what the events alone lead to."""
    engine = PretendedEngine()
    mixed, told = watched(container()), 0
    for seconds, deed in enumerate(deeds, start=2):
        engine.do(deed, seconds)
        if data.draw(st.booleans()):
            turn = listed(mixed, seconds + 0.1, *engine.listed(), met=Circumstances())
            assert turn.silent == []
        while told < len(engine.events):
            heard(mixed, engine.events[told], late_seconds=0.3)
            told += 1
    plain = watched(container())
    heard(plain, *engine.events)
    for roster in (mixed, plain):
        listed(roster, 100, *engine.listed())
    assert meaning(mixed.services["app"]) == meaning(plain.services["app"])
    assert len(plain.services["app"].deaths) == engine.deaths


@given(DEEDS, st.data())
def test_what_was_never_heard_is_found(deeds: list[Deed], data: st.DataObject) -> None:
    """Whatever events were lost, a list leads to the container's true state, and the same list again to nothing new."""
    engine = lived(deeds)
    roster = watched(container())
    for one in engine.events:
        if data.draw(st.booleans()):
            heard(roster, one)
    listed(roster, 100, *engine.listed())
    service = roster.services["app"]
    present = engine.container
    assert service.container == (present.id if present else "")
    assert service.state.value == (present.state.value if present else "missing")
    assert service.lives == (service.ending is Ending.NONE)
    again = listed(roster, 101, *engine.listed(), met=Circumstances())
    assert (again.observed, again.notes, again.silent, again.look_later) == ([], [], [], False)


@given(DEEDS)
def test_requests_are_never_deaths_and_deaths_never_requests(deeds: list[Deed]) -> None:
    """With every event heard, exactly the crashes are counted as deaths."""
    engine = lived(deeds)
    roster = watched(container())
    observed: list[Service] = []
    for one in engine.events:
        observed += [service for service, _ in heard(roster, one).observed]
    assert len(roster.services["app"].deaths) == engine.deaths
    crashed = any(service.ending is Ending.DIED for service in observed)
    assert crashed == (engine.deaths > 0)


def test_nothing_is_kept_of_who_is_no_service_any_more() -> None:
    """However many services come and go, what was heard of each is forgotten with it."""
    roster = watched()
    for number in range(50):
        owner = Owner("project", f"run-{number}")
        begun = 10.0 + 2 * FORGET_REMOVED_SECONDS * number
        heard(roster, event(Action.CREATE, begun, of=f"a{number}", owner=owner))
        heard(roster, event(Action.DESTROY, begun + 1, of=f"a{number}", owner=owner))
        settled(roster, begun + 2)
        listed(roster, begun + 3 + FORGET_REMOVED_SECONDS)
    kept = vars(roster)
    assert len(kept["_heard_monotonic"]) <= len(roster.services) <= 1
    assert not kept["_missed_since"]
    assert not kept["_silent"]
