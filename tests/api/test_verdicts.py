"""Whether the daemon is well, whether it is ready, and whether the stack is."""

from __future__ import annotations

from datetime import timedelta

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from semsupervisor.alerts.lifecycle import Alert, AlertState
from semsupervisor.alerts.rules import Severity
from semsupervisor.api import verdicts
from semsupervisor.api.knowledge import merged
from semsupervisor.api.readings import StoreReading
from semsupervisor.api.verdicts import State, Verdict
from semsupervisor.health.observation import FactValue, Subject, SubjectKind, Unknown
from semsupervisor.kit.tasks import LoopHealth
from tests.support.api_world import World, alert, probe

GOOD_STORE = StoreReading(problem="", size_bytes=1, waiting_changes=0)


def judged(world: World, *alerts: Alert, stale_seconds: float = 30.0) -> Verdict:
    """Judge the stack of a world."""
    known = merged(world.latest.values())
    return verdicts.stack(known, (), alerts, world.rules, world.clock.monotonic(), stale_seconds)


def test_a_quiet_daemon_is_well() -> None:
    """Loops that go round, no lag and a store that takes changes are healthy."""
    assert verdicts.daemon([LoopHealth("a", failures_in_row=2)], 4.9, GOOD_STORE) == Verdict(State.HEALTHY)


@pytest.mark.parametrize(
    ("loop", "lag_seconds", "store", "reason"),
    [
        (
            LoopHealth("watching", 3, 9, "EngineError: gone"),
            0.0,
            GOOD_STORE,
            "watching failed 3 times in a row: Engine",
        ),
        (LoopHealth("a"), 5.5, GOOD_STORE, "held up for 5.5 s"),
        (LoopHealth("a"), 0.0, StoreReading(problem="disk full", size_bytes=1, waiting_changes=4), "disk full"),
        (LoopHealth("a"), 0.0, StoreReading(problem="", size_bytes=1, waiting_changes=4), "4 changes wait in memory"),
    ],
)
def test_what_ails_the_daemon_is_said(loop: LoopHealth, lag_seconds: float, store: StoreReading, reason: str) -> None:
    """Each fault makes the daemon unhealthy and is named."""
    found = verdicts.daemon([loop], lag_seconds, store)
    assert found.state is State.UNHEALTHY
    assert not found.good
    assert len(found.reasons) == 1
    assert reason in found.reasons[0]


def test_ready_once_everything_was_looked_at() -> None:
    """Every check ended once, however, and the containers were listed or could not be."""
    world = World()
    assert verdicts.readiness(listed=True, probes=world.probes).good
    world.probes["containers"] = probe("containers", None)
    found = verdicts.readiness(listed=False, probes=world.probes)
    assert not found.good
    assert [reason.split(" has ")[0] for reason in found.reasons] == [
        "the containers have not been listed for the first time",
        "the check containers",
    ]


def test_observations_are_stale_after_three_of_the_longest_intervals() -> None:
    """The slowest check sets how old an observation may be."""
    slow = msgspec.structs.replace(probe("slow", None), interval_seconds=60.0)
    assert verdicts.stale_after_seconds([slow, probe("quick", None)]) == 180.0
    assert verdicts.stale_after_seconds([]) == 30.0


def test_a_stack_that_is_known_to_be_good_is_healthy() -> None:
    """Everything was seen lately and nothing is wrong: no reasons."""
    assert judged(World()) == Verdict(State.HEALTHY)


@pytest.mark.parametrize(
    ("kind", "fact", "value", "words"),
    [
        (SubjectKind.SERVICE, "died", True, "service:nats died"),
        (SubjectKind.SERVICE, "start_failed", True, "service:nats could not be started"),
        (SubjectKind.SERVICE, "missing", True, "service:nats has no container"),
        (SubjectKind.SERVICE, "stopped_on_request", True, "service:nats was stopped on request"),
        (SubjectKind.SERVICE, "paused", True, "service:nats is paused"),
        (SubjectKind.SERVICE, "restarting", True, "service:nats restarts again and again"),
        (SubjectKind.NATS, "reachable", False, "nats:nats does not answer"),
        (SubjectKind.NATS, "healthy", False, "nats:nats says that it is not healthy"),
        (SubjectKind.NATS, "full_check_passed", False, "nats:nats finds fault with itself"),
        (SubjectKind.SEMSTREAMS, "reachable", False, "semstreams:nats does not answer"),
        (SubjectKind.SEMSTREAMS, "status", "unhealthy", "semstreams:nats says that it is unhealthy"),
        (SubjectKind.SEMSTREAMS, "nats_connected", False, "semstreams:nats is not connected to NATS"),
    ],
)
def test_a_fault_makes_the_stack_unhealthy_at_once(kind: SubjectKind, fact: str, value: FactValue, words: str) -> None:
    """A fault counts before any alert about it has fired."""
    world = World()
    world.see(kind, "nats", {fact: value}, source="look")
    found = judged(world)
    assert found.state is State.UNHEALTHY
    assert words in found.reasons


@pytest.mark.parametrize(
    ("severity", "state", "expected"),
    [
        (Severity.CRITICAL, AlertState.FIRING, State.UNHEALTHY),
        (Severity.CRITICAL, AlertState.PENDING, State.HEALTHY),
        (Severity.WARNING, AlertState.FIRING, State.DEGRADED),
        (Severity.INFO, AlertState.FIRING, State.HEALTHY),
    ],
)
def test_alerts_count_by_their_severity(severity: Severity, state: AlertState, expected: State) -> None:
    """A critical alert that fires makes the stack unhealthy, a warning degrades it, the rest says nothing."""
    assert judged(World(), alert(severity=severity, state=state)).state is expected


@pytest.mark.parametrize(
    ("kind", "fact", "value", "words"),
    [
        (SubjectKind.SEMSTREAMS, "status", "degraded", "semstreams:nats says that it is degraded"),
        (SubjectKind.SEMSTREAMS, "offered", False, "semstreams:nats does not offer its health endpoint"),
        (SubjectKind.SERVICE, "unhealthy", True, "service:nats fails its own health check"),
    ],
)
def test_a_degraded_stack_can_be_relied_on(kind: SubjectKind, fact: str, value: FactValue, words: str) -> None:
    """A weakness is a reason, and the stack is still good."""
    world = World()
    world.see(kind, "nats", {fact: value}, source="look")
    found = judged(world)
    assert (found.state, found.good) == (State.DEGRADED, True)
    assert found.reasons == (words,)


def test_an_endpoint_that_is_not_offered_leaves_nothing_unknown() -> None:
    """That its status cannot be known is said by the one weakness."""
    world = World()
    world.see(SubjectKind.SEMSTREAMS, "semstreams", {"offered": False, "status": Unknown("404")}, source="look")
    assert judged(world).state is State.DEGRADED


@pytest.mark.parametrize(
    ("facts", "reasons"),
    [
        ({"state": "exited"}, ("service:nats is exited",)),
        ({"state": "created", "died": False}, ("service:nats is created",)),
        ({"state": "created", "died": False, "start_failed": True}, ("service:nats could not be started",)),
        ({"state": "restarting", "died": True}, ("service:nats died",)),
        ({"state": "paused", "paused": True}, ("service:nats is paused",)),
        ({"state": "exited", "died": False, "stopped_on_request": False, "missing": False}, ()),
    ],
)
def test_a_service_that_does_not_run_is_no_good(facts: dict[str, FactValue], reasons: tuple[str, ...]) -> None:
    """Before it is settled why it does not run, that it does not is reason enough; one that did its work is fine."""
    world = World()
    world.see(SubjectKind.SERVICE, "nats", facts, source="events")
    assert judged(world).reasons == reasons


def test_nothing_is_told_twice() -> None:
    """The fault behind an alert is not told beside it, that of another subject is; so with weaknesses."""
    world = World()
    for name in ("nats", "semstreams"):
        world.see(SubjectKind.SERVICE, name, {"died": True}, source="look")
    found = judged(world, alert())
    assert found.reasons == ("nats ended with code 137", "service:semstreams died")
    assert found.untold == ("service:semstreams died",)
    world = World()
    world.see(SubjectKind.SERVICE, "nats", {"unhealthy": True}, source="look")
    found = judged(world, alert("memory_high", severity=Severity.WARNING))
    assert (found.state, found.reasons, found.untold) == (State.DEGRADED, ("nats ended with code 137",), ())


@pytest.mark.parametrize("severity", list(Severity))
def test_a_fault_is_told_in_the_words_of_its_alert(severity: Severity) -> None:
    """However mild the alert about it is, the stack is unhealthy for that reason, and it is told once."""
    world = World()
    world.see(SubjectKind.SERVICE, "nats", {"died": True, "state": "exited"}, source="look")
    found = judged(world, alert(severity=severity))
    assert (found.state, found.reasons, found.untold) == (State.UNHEALTHY, ("nats ended with code 137",), ())


def test_what_is_not_known_of_the_guilty_is_not_told() -> None:
    """Of a subject that is at fault, that nothing else can be seen is no reason of its own."""
    world = World()
    world.see(SubjectKind.NATS, "nats", {"reachable": False, "healthy": Unknown("no answer")}, source="look")
    assert judged(world).reasons == ("nats:nats does not answer",)


def test_causes_stand_before_what_follows_from_them() -> None:
    """Also if the consequence is the worse of both: the cause counts as much then."""
    older = msgspec.structs.replace(alert("older", severity=Severity.WARNING), since=alert().since - timedelta(hours=1))
    cause = alert("cause", severity=Severity.INFO)
    consequence = msgspec.structs.replace(alert(), caused_by=cause.id, told=())
    further = msgspec.structs.replace(alert("further", severity=Severity.WARNING), caused_by=consequence.id, told=())
    pending = alert("other", state=AlertState.PENDING)
    info = alert("info", severity=Severity.INFO)
    found = verdicts.by_importance([pending, further, consequence, older, info, cause])
    assert found == [cause, older, info, consequence, further, pending]


@pytest.mark.parametrize("kind", sorted(verdicts.OWN_KINDS))
def test_what_concerns_the_supervisor_is_not_held_against_the_stack(kind: SubjectKind) -> None:
    """An alert about a receiver or about the daemon degrades the daemon, which goes on, and leaves the stack alone."""
    own = msgspec.structs.replace(alert(), subject=Subject(kind, "x"), summary="it is so")
    assert judged(World(), own) == Verdict(State.HEALTHY)
    found = verdicts.daemon([], 0.0, GOOD_STORE, [own, alert()])
    assert (found.state, found.good) == (State.DEGRADED, True)
    assert (found.reasons, found.untold) == ((f"{kind.value}:x: it is so",), ())


@pytest.mark.parametrize(
    ("kind", "fact"),
    [(SubjectKind.SERVICE, "state"), (SubjectKind.NATS, "healthy"), (SubjectKind.SEMSTREAMS, "status")],
)
def test_what_is_not_known_is_not_good(kind: SubjectKind, fact: str) -> None:
    """A fact that was looked at in vain makes the stack unknown, with the reason."""
    world = World()
    world.see(kind, "nats", {fact: Unknown("timed out")}, source="look")
    found = judged(world)
    assert (found.state, found.good) == (State.UNKNOWN, False)
    assert found.reasons == (f"{kind.value}:nats: {fact} is unknown (timed out)",)


def test_an_engine_that_does_not_answer_leaves_the_stack_unknown() -> None:
    """The engine's own error is among the reasons."""
    world = World()
    world.see(SubjectKind.ENGINE, "docker", {"reachable": False}, source="events", evidence={"error": "refused"})
    found = judged(world)
    assert (found.state, found.reasons) == (State.UNKNOWN, ("engine:docker does not answer: refused",))


def test_why_nothing_is_known_is_said_once() -> None:
    """What cannot be seen for the same reason is one line, without the reason if an alert or the engine told it."""
    world = World()
    world.see(SubjectKind.ENGINE, "docker", {"reachable": False}, source="events", evidence={"error": "no socket"})
    for kind, fact in ((SubjectKind.NATS, "reachable"), (SubjectKind.SEMSTREAMS, "reachable")):
        world.see(kind, "nats", {fact: Unknown("no socket")}, source="look")
    spot = "nats:nats, semstreams:nats: reachable is unknown"
    assert judged(world).reasons == ("engine:docker does not answer: no socket", spot)
    told = msgspec.structs.replace(alert(), subject=Subject(SubjectKind.ENGINE, "docker"), summary="docker: no socket")
    assert judged(world, told).reasons == ("docker: no socket", spot)
    assert judged(world, told).untold == (spot,)


def test_a_stack_nobody_looked_at_is_unknown() -> None:
    """Before the first look nothing is good."""
    found = verdicts.stack({}, (), [], [], 0.0, 30.0)
    assert (found.state, found.reasons) == (State.UNKNOWN, ("the Docker engine has not been looked at yet",))


def test_a_stack_that_was_not_looked_at_in_full_is_unknown() -> None:
    """As long as a first check is under way, what was seen so far proves nothing."""
    known = merged(World().latest.values())
    found = verdicts.stack(known, ("the check nats has not ended",), [], [], World().clock.monotonic(), 30.0)
    assert (found.state, found.reasons) == (State.UNKNOWN, ("the check nats has not ended",))


def test_a_stack_without_containers_is_unhealthy() -> None:
    """An engine that answers and has no container of the project leaves no doubt, whoever took them away."""
    world = World()
    world.latest = {key: one for key, one in world.latest.items() if key[0].kind is SubjectKind.ENGINE}
    found = judged(world)
    assert (found.state, found.reasons) == (State.UNHEALTHY, ("no container of the stack exists",))
    world.see(SubjectKind.NATS, "nats", {"reachable": False})
    reasons = ("no container of the stack exists", "nats:nats does not answer")
    assert (judged(world).reasons, judged(world).untold) == (reasons, reasons)


def test_what_was_seen_too_long_ago_is_not_known() -> None:
    """After three intervals without a look, how it was says nothing of how it is."""
    world = World()
    world.clock.advance(31.0)
    world.see(SubjectKind.SERVICE, "nats", {"state": "running"}, source="containers")
    found = judged(world)
    assert found.state is State.UNKNOWN
    assert found.reasons == (
        "service:semstreams, nats:nats, semstreams:semstreams: last seen at 2026-03-01 12:00:00 UTC",
    )


def test_a_fault_outweighs_what_is_unknown() -> None:
    """With both, the stack is unhealthy and all reasons are told."""
    world = World()
    world.see(SubjectKind.SERVICE, "nats", {"died": True}, source="look")
    world.see(SubjectKind.NATS, "nats", {"healthy": Unknown("garbage")}, source="look")
    found = judged(world)
    assert found.state is State.UNHEALTHY
    assert len(found.reasons) == 2


@given(
    st.dictionaries(
        st.tuples(
            st.sampled_from(sorted(SubjectKind)),
            st.sampled_from(["state", "died", "reachable", "healthy", "status", "nats_connected"]),
        ),
        st.one_of(st.booleans(), st.integers(), st.floats(), st.text(), st.builds(Unknown, st.text())),
        max_size=8,
    )
)
def test_bad_and_unknown_always_have_a_reason(facts: dict[tuple[SubjectKind, str], FactValue]) -> None:
    """Whatever was seen, the stack is healthy exactly when there is nothing to say against it."""
    world = World()
    for number, ((kind, fact), value) in enumerate(facts.items()):
        world.see(kind, "nats", {fact: value}, source=f"look {number}")
    found = judged(world)
    assert (found.state is State.HEALTHY) == (not found.reasons)
