"""What its cause explains is not told: the tree by table, and that no set of alerts mutes itself altogether."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from semsupervisor.alerts import ruleset
from semsupervisor.alerts.lifecycle import Alert, AlertState
from semsupervisor.alerts.muting import (
    SETTLE_SECONDS,
    Ended,
    Hold,
    Mute,
    Topology,
    expected,
    held,
    leads_back,
    mute,
    upstream,
)
from semsupervisor.alerts.rules import LONGEST_COUNTED_GAP_SECONDS, Rule, Verdict
from semsupervisor.health.observation import Subject, SubjectKind
from tests.support.alerting import (
    AT,
    DIED,
    DISK,
    DOWN,
    ENGINE,
    FILLING,
    FULL,
    HOST,
    NATS,
    NATS_SERVICE,
    SEMSTREAMS,
    SERVICE,
    TOPOLOGY,
    alert,
    changed,
)

PENDING, FIRING = AlertState.PENDING, AlertState.FIRING
NATS_DOWN = changed(DOWN, name="nats_unreachable", kind=SubjectKind.NATS, title="NATS unreachable")
ENGINE_DOWN = changed(DOWN, name="engine_unreachable", kind=SubjectKind.ENGINE, title="Engine", consequence=False)
STALE = changed(DOWN, name="observation_stale", kind=SubjectKind.PROBE, title="Stale", cause=False)
RULES = {rule.name: rule for rule in (DIED, DOWN, NATS_DOWN, ENGINE_DOWN, STALE, FILLING, FULL)}


def probe(name: str) -> Subject:
    """Return the probe of that name as a subject."""
    return Subject(SubjectKind.PROBE, name)


def muted(about: Alert, *others: Alert, ended: tuple[Ended, ...] = (), now: float = AT.monotonic) -> Mute | None:
    """Return why an alert is not told while others are open and some have just ended."""
    return mute(about, RULES, [about, *others], ended, TOPOLOGY, now)


@pytest.mark.parametrize(
    ("subject", "chain"),
    [
        (HOST, []),
        (DISK, []),
        (Subject(SubjectKind.SUPERVISOR, "loops"), [ENGINE, HOST]),
        (Subject(SubjectKind.RECEIVER, "mail"), []),
        (ENGINE, [HOST]),
        (Subject(SubjectKind.STREAM, "SENSORS"), [NATS, NATS_SERVICE, ENGINE, HOST]),
        (Subject(SubjectKind.CONSUMER, "SENSORS/flow"), [SEMSTREAMS, SERVICE, NATS, NATS_SERVICE, ENGINE, HOST]),
        (Subject(SubjectKind.CERTIFICATE, "nats"), []),
        (Subject(SubjectKind.CHECK, "gateway"), []),
        (NATS_SERVICE, [NATS, ENGINE, HOST]),
        (NATS, [NATS_SERVICE, ENGINE, HOST]),
        (SERVICE, [SEMSTREAMS, NATS, NATS_SERVICE, ENGINE, HOST]),
        (Subject(SubjectKind.SERVICE, "semembed"), [ENGINE, HOST]),
        (SEMSTREAMS, [SERVICE, NATS, NATS_SERVICE, ENGINE, HOST]),
        (probe("semstreams_health"), [SEMSTREAMS, SERVICE, NATS, NATS_SERVICE, ENGINE, HOST]),
        (
            probe("semstreams_metrics"),
            [probe("semstreams_health"), SEMSTREAMS, SERVICE, NATS, NATS_SERVICE, ENGINE, HOST],
        ),
        (probe("nats_health"), [NATS, NATS_SERVICE, ENGINE, HOST]),
        (probe("nats_varz"), [probe("nats_health"), NATS, NATS_SERVICE, ENGINE, HOST]),
        (probe("containers"), [ENGINE, HOST]),
        (probe("filesystems"), []),
    ],
)
def test_the_tree(subject: Subject, chain: list[Subject]) -> None:
    """What a subject depends on, nearest first: host > engine > NATS > SemStreams."""
    assert list(upstream(subject, TOPOLOGY)) == chain


def test_services_may_have_other_names() -> None:
    """The tree follows the settings' names of the two services."""
    renamed = Topology("streams", "bus")
    assert upstream(Subject(SubjectKind.SERVICE, "streams"), renamed)[1] == Subject(SubjectKind.NATS, "bus")
    assert upstream(SERVICE, renamed) == (ENGINE, HOST)


def test_a_certificate_depends_on_the_service_that_shows_it() -> None:
    """And on what that depends on; one that something else shows depends on nothing that is known."""
    topology = Topology("semstreams", "nats", {"broker": "nats", "web": "grafana"})
    broker, web, other = (Subject(SubjectKind.CERTIFICATE, name) for name in ("broker", "web", "other"))
    assert upstream(broker, topology) == (NATS_SERVICE, NATS, ENGINE, HOST)
    assert upstream(web, topology) == (Subject(SubjectKind.SERVICE, "grafana"), ENGINE, HOST)
    assert upstream(other, topology) == ()
    died, away = alert(DIED, NATS_SERVICE), alert(DOWN, broker)
    assert mute(away, RULES, [away, died], (), topology, AT.monotonic) == Mute(
        died.id, "consequence of container_died of service:nats"
    )


def test_a_consequence_is_muted_by_its_cause() -> None:
    """With the container dead, its unreachable endpoint is not told, and the reason names the cause."""
    cause = alert(DIED, SERVICE)
    assert muted(alert(DOWN, SEMSTREAMS), cause) == Mute(
        cause.id, "consequence of container_died of service:semstreams"
    )


def test_the_root_is_named() -> None:
    """Of several causes the one that explains the others is named, whatever their order."""
    root, between = alert(ENGINE_DOWN, ENGINE), alert(DIED, NATS_SERVICE)
    for others in ((root, between), (between, root)):
        found = muted(alert(DOWN, SEMSTREAMS), *others)
        assert found is not None
        assert found.cause_id == root.id


def test_a_pending_cause_counts_already() -> None:
    """What will probably be explained in a moment is not told first."""
    assert muted(alert(DOWN, SEMSTREAMS), alert(NATS_DOWN, NATS, PENDING))


@pytest.mark.parametrize("seen", [None, AT.monotonic - LONGEST_COUNTED_GAP_SECONDS - 1])
def test_a_pending_cause_that_nobody_looks_at_does_not_count(seen: float | None) -> None:
    """A cause whose check has stopped, or that was only loaded, mutes nothing for ever."""
    assert muted(alert(DOWN, SEMSTREAMS), alert(NATS_DOWN, NATS, PENDING, seen_monotonic=seen)) is None


def test_a_firing_cause_that_cannot_be_seen_still_counts() -> None:
    """It was told, so it stands for what follows from it."""
    assert muted(alert(DOWN, SEMSTREAMS), alert(NATS_DOWN, NATS, seen_monotonic=None))


@pytest.mark.parametrize(
    ("about", "other"),
    [
        (alert(DOWN, SEMSTREAMS), alert(DIED, Subject(SubjectKind.SERVICE, "semembed"))),
        (alert(DIED, SERVICE), alert(NATS_DOWN, NATS)),
        (alert(NATS_DOWN, NATS), alert(DOWN, SEMSTREAMS)),
        (alert(DOWN, SEMSTREAMS), alert(FILLING, DISK)),
        (alert(FULL, DISK), alert(FILLING, DISK)),
        (alert(FILLING, DISK), alert(FULL, Subject(SubjectKind.FILESYSTEM, "/data"))),
        (alert(DOWN, SEMSTREAMS), alert(changed(DIED, name="forgotten"), SERVICE)),
    ],
)
def test_what_is_no_consequence_is_told(about: Alert, other: Alert) -> None:
    """Nothing is muted by another's trouble, by what lies below it, or if its rule is no consequence."""
    assert muted(about, other) is None


def test_the_worse_says_it_already() -> None:
    """On the same subject a rule mutes those that it names."""
    assert muted(alert(FILLING, DISK), alert(FULL, DISK)) == Mute(
        "filesystem_full-/", "filesystem_full of filesystem:/ says it already"
    )


SHIPPED = {rule.name: rule for rule in ruleset.defaults()}
STUCK = alert(SHIPPED["consumer_stuck"], Subject(SubjectKind.CONSUMER, "ORDERS/billing"), answered=True)


def by_shipped(about: Alert, other: Alert) -> Mute | None:
    """Return why an alert is not told beside another one, by the rules as shipped."""
    return mute(about, SHIPPED, [about, other], (), TOPOLOGY, AT.monotonic)


@pytest.mark.parametrize("away", ["engine_unreachable", "engine_forbidden"])
def test_what_a_server_says_itself_is_not_for_want_of_an_engine(away: str) -> None:
    """NATS that answers is told of whatever becomes of the engine; what cannot be seen, or SemStreams, is not."""
    engine = alert(SHIPPED[away], ENGINE)
    full = alert(SHIPPED["stream_refuses_writes"], Subject(SubjectKind.STREAM, "LEDGER"), answered=True)
    assert [by_shipped(about, engine) for about in (STUCK, full)] == [None, None]
    unseen = msgspec.structs.replace(full, answered=False)
    down = alert(SHIPPED["nats_unreachable"], NATS)
    unwell = alert(SHIPPED["semstreams_unhealthy"], SEMSTREAMS, answered=True)
    assert None not in [by_shipped(about, engine) for about in (unseen, down, unwell)]
    back = msgspec.structs.replace(engine, last_verdict=Verdict.CLEAR)
    assert by_shipped(STUCK, back) is not None


@pytest.mark.parametrize(
    ("name", "subject"),
    [("container_stopped", SERVICE), ("container_died", SERVICE), ("semstreams_unreachable", SEMSTREAMS)],
)
def test_a_consumer_that_is_apart_is_told_while_semstreams_is_away(name: str, subject: Subject) -> None:
    """What does not follow from it is told beside it and just after it; NATS explains it all the same."""
    cause = alert(SHIPPED[name], subject)
    apart = msgspec.structs.replace(STUCK, apart=True)
    assert by_shipped(STUCK, cause) is not None
    assert by_shipped(apart, cause) is None
    ended = (Ended(cause, AT.monotonic),)
    assert mute(STUCK, SHIPPED, [STUCK], ended, TOPOLOGY, AT.monotonic) is not None
    assert mute(apart, SHIPPED, [apart], ended, TOPOLOGY, AT.monotonic) is None
    assert by_shipped(apart, alert(SHIPPED["container_stopped"], NATS_SERVICE)) is not None


def test_a_job_that_holds_semstreams_holds_back_its_own_consumers_only() -> None:
    """What another program takes is told while SemStreams is stopped for a while."""
    rule = SHIPPED["consumer_stuck"]
    hold = Hold("job", "held by a job", frozenset({"semstreams"}), AT.monotonic - 1.0)
    about = msgspec.structs.replace(STUCK, since_monotonic=AT.monotonic)
    assert held(about, rule, hold, TOPOLOGY) == Mute("job", "held by a job")
    assert held(msgspec.structs.replace(about, apart=True), rule, hold, TOPOLOGY) is None


def test_a_health_endpoint_that_is_not_there_stops_no_consumer() -> None:
    """Only what says that SemStreams does not do its work does; Docker's own check of it depends on the endpoint."""
    no_endpoint = alert(SHIPPED["semstreams_health_not_offered"], SEMSTREAMS)
    assert by_shipped(STUCK, no_endpoint) is None
    assert by_shipped(STUCK, alert(SHIPPED["semstreams_unreachable"], SEMSTREAMS)) is not None
    assert by_shipped(alert(SHIPPED["container_unhealthy"], SERVICE), no_endpoint) is not None


def test_what_is_about_to_end_says_nothing_of_what_comes_meanwhile() -> None:
    """An alert that is open only until it has been clear for long enough mutes nothing else of its subject."""
    ending = msgspec.structs.replace(alert(FULL, DISK), last_verdict=Verdict.CLEAR)
    assert muted(alert(FILLING, DISK), ending) is None
    unseen = msgspec.structs.replace(ending, last_verdict=Verdict.UNKNOWN)
    assert muted(alert(FILLING, DISK), unseen) is not None


@pytest.mark.parametrize(
    ("ago_seconds", "is_muted"), [(0.0, True), (SETTLE_SECONDS - 0.1, True), (SETTLE_SECONDS, False), (-1.0, False)]
)
def test_what_has_just_come_back_may_settle(ago_seconds: float, is_muted: bool) -> None:
    """For a while after the cause ended, by monotonic time, its consequences may still go away by themselves."""
    ended = (Ended(alert(DIED, NATS_SERVICE), AT.monotonic - ago_seconds),)
    found = muted(alert(DOWN, SEMSTREAMS), ended=ended)
    assert (found is not None) is is_muted
    assert muted(alert(NATS_DOWN, Subject(SubjectKind.NATS, "other")), ended=ended) is None


@pytest.mark.parametrize(
    ("causes", "start", "circle"),
    [
        ({"a": None}, "a", False),
        ({"a": "b", "b": None}, "a", False),
        ({"a": "told"}, "a", False),
        ({"a": "b", "b": "a"}, "a", True),
        ({"a": "b", "b": "c", "c": "a"}, "b", True),
        ({"a": "b", "b": "c", "c": "b"}, "a", False),
    ],
)
def test_a_circle_is_found(causes: dict[str, str | None], start: str, circle: bool) -> None:
    """Only who is in a circle leads back to itself; who hangs on one is muted by those who are told then."""
    mutes = {about: Mute(cause, "") if cause else None for about, cause in causes.items()}
    assert leads_back(mutes, start) is circle


ALL_RULES = {rule.name: rule for rule in ruleset.defaults()}
SUBJECTS = [HOST, ENGINE, NATS_SERVICE, NATS, SERVICE, SEMSTREAMS, DISK, probe("nats_health"), probe("containers")]
SUBJECTS += [Subject(SubjectKind.SERVICE, "semembed"), Subject(SubjectKind.SUPERVISOR, "loops")]


def possible() -> list[tuple[Rule, Subject]]:
    """Return every alert that the shipped rules can make about a usual stack."""
    return [(rule, subject) for rule in ALL_RULES.values() for subject in SUBJECTS if rule.concerns(subject)]


@given(
    st.lists(st.tuples(st.sampled_from(possible()), st.sampled_from([PENDING, FIRING])), unique_by=lambda one: one[0])
)
def test_no_set_of_alerts_mutes_itself(chosen: list[tuple[tuple[Rule, Subject], AlertState]]) -> None:
    """Whatever is wrong at once, every muted alert leads to one that is told, or still pending: none is lost."""
    alerts = {one.id: one for one in (alert(rule, subject, state) for (rule, subject), state in chosen)}
    mutes = {
        one.id: mute(one, ALL_RULES, alerts.values(), (), TOPOLOGY, AT.monotonic)
        for one in alerts.values()
        if one.state is FIRING
    }
    for start, first in mutes.items():
        seen, at = [start], first
        while at is not None:
            assert at.cause_id not in seen
            seen.append(at.cause_id)
            at = mutes.get(at.cause_id)


def test_a_cause_names_what_will_follow() -> None:
    """A dead NATS announces the consequences on everything below it, each title once and only of enabled rules."""
    rules = [DIED, DOWN, NATS_DOWN, STALE, FILLING]
    assert expected(alert(DIED, NATS_SERVICE), rules, TOPOLOGY) == ("NATS unreachable", "SemStreams unreachable")
    assert expected(alert(DIED, SERVICE), rules, TOPOLOGY) == ("SemStreams unreachable",)
    assert expected(alert(DOWN, SEMSTREAMS), rules, TOPOLOGY) == ()
    assert expected(alert(DIED, SERVICE), [DIED, changed(DOWN, enabled=False)], TOPOLOGY) == ()


def test_what_is_no_cause_announces_nothing() -> None:
    """A filling disk, and an alert whose rule is gone, have no consequences to expect."""
    assert expected(alert(FILLING, DISK), [FILLING, DOWN], TOPOLOGY) == ()
    assert expected(alert(DIED, SERVICE), [DOWN], TOPOLOGY) == ()


HOLD = Hold("j1", "cold backup (job j1) holds the stack", frozenset(("nats",)), AT.monotonic)
STOPPED = changed(DIED, name="container_stopped", fact="stopped_on_request")


@pytest.mark.parametrize(
    ("rule", "subject", "is_muted"),
    [
        (STOPPED, NATS_SERVICE, True),
        (STOPPED, SERVICE, False),
        (DIED, NATS_SERVICE, False),
        (changed(DIED, consequence=True), NATS_SERVICE, True),
        (NATS_DOWN, NATS, True),
        (DOWN, SEMSTREAMS, True),
        (changed(DOWN, consequence=False), SEMSTREAMS, False),
        (changed(DOWN, kind=SubjectKind.PROBE), probe("nats_health"), True),
        (changed(DOWN, kind=SubjectKind.PROBE), probe("host"), False),
        (FULL, DISK, False),
    ],
)
def test_what_a_job_causes_is_not_told(rule: Rule, subject: Subject, *, is_muted: bool) -> None:
    """That is the stop itself and what follows from it; a crash of what it holds is told, and so is all else."""
    about = alert(rule, subject, since_monotonic=AT.monotonic)
    assert held(about, rule, HOLD, TOPOLOGY) == (Mute(HOLD.job_id, HOLD.reason) if is_muted else None)


def test_what_began_before_a_job_is_told() -> None:
    """It is no consequence of it, unless a run before this one knew it for one."""
    before = alert(STOPPED, NATS_SERVICE, since_monotonic=AT.monotonic - 1)
    assert held(before, STOPPED, HOLD, TOPOLOGY) is None
    assert held(alert(STOPPED, NATS_SERVICE, since_monotonic=None), STOPPED, HOLD, TOPOLOGY) is None
    known = alert(STOPPED, NATS_SERVICE, since_monotonic=None, muted_by=HOLD.reason)
    assert held(known, STOPPED, HOLD, TOPOLOGY) is not None
