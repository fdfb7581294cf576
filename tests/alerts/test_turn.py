"""One batch of observations as a whole: who is told of what, why others are not, and what has to reach the disk."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from semsupervisor.alerts.judging import Key
from semsupervisor.alerts.lifecycle import Alert, AlertState
from semsupervisor.alerts.muting import SETTLE_SECONDS, Ended, Hold
from semsupervisor.alerts.notification import Notification, NotificationKind
from semsupervisor.alerts.routing import Route
from semsupervisor.alerts.rules import Rule, Severity
from semsupervisor.alerts.turn import Policy, Turn
from semsupervisor.health.observation import FactValue, Observation, SubjectKind
from semsupervisor.kit.clock import Instant
from tests.support.alerting import (
    AT,
    DIED,
    DISK,
    DOWN,
    ENGINE,
    FILLING,
    FULL,
    MAIL,
    NATS,
    NATS_SERVICE,
    SEMSTREAMS,
    SERVICE,
    TOPOLOGY,
    UNKNOWN,
    WEBHOOK,
    alert,
    changed,
    gone,
    ids,
    moment,
    saw,
)
from tests.support.clock import START

PENDING, FIRING, RESOLVED = AlertState.PENDING, AlertState.FIRING, AlertState.RESOLVED
NATS_DOWN = changed(DOWN, name="nats_unreachable", kind=SubjectKind.NATS, title="NATS unreachable", for_seconds=30.0)
ENGINE_DOWN = changed(
    DOWN, name="engine_unreachable", kind=SubjectKind.ENGINE, title="Engine unreachable", consequence=False
)
STOPPED = changed(DIED, name="container_stopped", fact="stopped", severity=Severity.INFO, title="Container stopped")
RULES = (DIED, STOPPED, DOWN, NATS_DOWN, ENGINE_DOWN, FILLING, FULL)
Sent = tuple[str, NotificationKind, str]


def policy(*rules: Rule, routes: Sequence[Route] = (WEBHOOK, MAIL)) -> Policy:
    """Return a policy with some rules, all of the test's by default."""
    return Policy("edge-7", rules or RULES, routes, TOPOLOGY)


class Run:
    """The pipeline's part in turns: what is in memory, on the disk, and was sent."""

    def __init__(self, policy: Policy) -> None:
        self.policy = policy
        self.alerts: dict[Key, Alert] = {}
        self.ended: list[Ended] = []
        self.disk: dict[str, Alert] = {}
        self.sent: list[Sent] = []
        self.messages: list[Notification] = []
        self.notes: list[tuple[str, str]] = []
        self.seconds = 0.0
        self._new_id = ids()

    def turn(self) -> Turn:
        """Begin a turn at the present moment."""
        return Turn(self.policy, self.alerts, self.ended, self.now())

    def now(self) -> Instant:
        """Return the present moment."""
        return moment(self.seconds)

    def take(self, *observations: Observation, after_seconds: float = 0.0) -> Turn:
        """Let time pass and take a batch that is seen then."""
        self.seconds += after_seconds
        at = self.now()
        stamped = [
            Observation(one.source, one.subject, at, one.facts, one.evidence, gone=one.gone) for one in observations
        ]
        turn = self.turn()
        turn.take(stamped, self._new_id)
        self.commit(turn)
        return turn

    def commit(self, turn: Turn) -> None:
        """Make a turn true."""
        self.alerts, self.ended = turn.alerts, turn.ended
        self.disk.update(turn.saved)
        self.sent += [(receiver, message.kind, message.alerts[0].id) for receiver, message in turn.messages]
        self.messages += [message for _, message in turn.messages]
        self.notes += [(note.kind, note.text) for note in turn.notes]

    def restart(self) -> None:
        """Forget all that is not on the disk."""
        self.ended = []
        self.alerts = {(one.rule, one.subject): one for one in self.disk.values() if one.open}

    def open(self, rule: Rule) -> Alert:
        """Return the only open alert of a rule."""
        (found,) = [one for one in self.alerts.values() if one.rule == rule.name]
        return found


BOOLEANS: st.SearchStrategy[FactValue] = st.sampled_from([True, False, UNKNOWN])
RATIOS: st.SearchStrategy[FactValue] = st.sampled_from([0.5, 0.78, 0.85, 0.95, UNKNOWN])
SIGHTS = st.one_of(
    st.builds(
        lambda subject, died, stopped: saw(subject, {"died": died, "stopped": stopped}),
        st.sampled_from([SERVICE, NATS_SERVICE]),
        BOOLEANS,
        BOOLEANS,
    ),
    st.builds(
        lambda subject, there: saw(subject, {"reachable": there}), st.sampled_from([SEMSTREAMS, NATS, ENGINE]), BOOLEANS
    ),
    st.builds(lambda ratio: saw(DISK, {"used_ratio": ratio}), RATIOS),
    st.builds(gone, st.sampled_from([SERVICE, NATS, DISK])),
)
BATCHES = st.lists(st.tuples(st.lists(SIGHTS, max_size=4), st.sampled_from([0.0, 10.0, 31.0, 300.0])), max_size=25)
ROUTES = st.sampled_from([(WEBHOOK, MAIL), (MAIL,), (WEBHOOK,), ()])


def played(batches: list[tuple[list[Observation], float]], routes: Sequence[Route]) -> list[tuple[Run, Turn]]:
    """Return the run after each of some batches, with the turn that it took."""
    run = Run(policy(routes=routes))
    return [(run, run.take(*batch, after_seconds=seconds)) for batch, seconds in batches]


@given(BATCHES, ROUTES)
def test_every_firing_alert_is_told_or_says_why_not(
    batches: list[tuple[list[Observation], float]], routes: Sequence[Route]
) -> None:
    """At the end of each turn an alert that fires has receivers who were told, or a reason on record: never both."""
    for _, turn in played(batches, routes):
        for one in turn.alerts.values():
            if one.state is FIRING:
                assert bool(one.told) != bool(one.muted_by)
            else:
                assert not one.told


@given(BATCHES, ROUTES)
def test_the_end_goes_to_those_who_heard_of_the_beginning(
    batches: list[tuple[list[Observation], float]], routes: Sequence[Route]
) -> None:
    """Each receiver gets one beginning of an alert and at most one end of it, in this order, and never an end alone."""
    run = Run(policy(routes=routes))
    for batch, seconds in batches:
        run.take(*batch, after_seconds=seconds)
    assert len(set(run.sent)) == len(run.sent)
    open_ids = {one.id for one in run.alerts.values()}
    begun = [(receiver, about) for receiver, kind, about in run.sent if kind is NotificationKind.FIRING]
    ended = [(receiver, about) for receiver, kind, about in run.sent if kind is NotificationKind.RESOLVED]
    assert set(ended) == {(receiver, about) for receiver, about in begun if about not in open_ids}
    for receiver, about in ended:
        first = run.sent.index((receiver, NotificationKind.FIRING, about))
        assert first < run.sent.index((receiver, NotificationKind.RESOLVED, about))


@given(BATCHES, ROUTES)
def test_keys_are_unique_for_each_receiver(
    batches: list[tuple[list[Observation], float]], routes: Sequence[Route]
) -> None:
    """No receiver ever sees one key for two messages."""
    keys = [(receiver, message.key) for _, turn in played(batches, routes) for receiver, message in turn.messages]
    assert len(set(keys)) == len(keys)


@given(BATCHES, ROUTES)
def test_the_disk_knows_all_that_was_decided(
    batches: list[tuple[list[Observation], float]], routes: Sequence[Route]
) -> None:
    """After each turn the disk has every firing alert with who was told and why not: a kill there loses nothing."""
    run = Run(policy(routes=routes))
    for batch, seconds in batches:
        run.take(*batch, after_seconds=seconds)
        on_disk = {one.id: (one.told, one.muted_by, one.consequences) for one in run.disk.values() if one.open}
        in_memory = {
            one.id: (one.told, one.muted_by, one.consequences) for one in run.alerts.values() if one.state is FIRING
        }
        assert on_disk == in_memory


@given(BATCHES, st.integers(0, 25))
def test_a_restart_neither_repeats_nor_forgets(batches: list[tuple[list[Observation], float]], place: int) -> None:
    """Killed and loaded between any two batches, a run sends no message twice and every end that is due."""
    run = Run(policy())
    for number, (batch, seconds) in enumerate(batches):
        if number == place:
            run.restart()
        run.take(*batch, after_seconds=seconds)
    assert len(set(run.sent)) == len(run.sent)
    told = {(receiver, one.id) for one in run.disk.values() for receiver in one.told}
    assert told == {(receiver, about) for receiver, kind, about in run.sent if kind is NotificationKind.FIRING}
    ended = {(receiver, one.id) for one in run.disk.values() if not one.open for receiver in one.told}
    assert ended == {(receiver, about) for receiver, kind, about in run.sent if kind is NotificationKind.RESOLVED}


@given(BATCHES)
def test_muting_loses_nothing_that_still_holds(batches: list[tuple[list[Observation], float]]) -> None:
    """When the causes have been away for longer than the settling, all that still holds has been told."""
    run = Run(policy())
    for batch, seconds in batches:
        run.take(*batch, after_seconds=seconds)
    run.take(
        saw(ENGINE, {"reachable": True}),
        saw(NATS, {"reachable": True}),
        *(saw(subject, {"died": False, "stopped": False}) for subject in (SERVICE, NATS_SERVICE)),
        saw(SEMSTREAMS, {"reachable": False}),
    )
    run.take(saw(SEMSTREAMS, {"reachable": False}), after_seconds=SETTLE_SECONDS)
    assert run.open(DOWN).told == ("hook", "mail")
    assert (run.open(DOWN).muted_by, run.open(DOWN).caused_by) == ("", "")


@pytest.mark.parametrize("order", [1, -1])
def test_the_cause_of_a_batch_mutes_its_consequences(order: int) -> None:
    """Seen at the same moment, the dead container is told and its endpoint is not, whichever comes first."""
    run = Run(policy())
    run.take(*[saw(SEMSTREAMS, {"reachable": False}), saw(SERVICE, {"died": True})][::order])
    assert [(receiver, kind) for receiver, kind, _ in run.sent] == [
        ("hook", NotificationKind.FIRING),
        ("mail", NotificationKind.FIRING),
    ]
    assert {message.alerts[0].rule for message in run.messages} == {"container_died"}
    assert run.open(DOWN).muted_by == "consequence of container_died of service:semstreams"
    assert run.open(DOWN).caused_by == run.open(DIED).id


def test_what_fires_and_ends_in_one_batch_is_told() -> None:
    """A container that Docker restarted before anybody looked is told, with its end."""
    run = Run(policy())
    turn = run.take(saw(SERVICE, {"died": True}), saw(SERVICE, {"died": False}))
    assert [(receiver, kind) for receiver, kind, _ in run.sent] == [
        ("hook", NotificationKind.FIRING),
        ("mail", NotificationKind.FIRING),
        ("hook", NotificationKind.RESOLVED),
        ("mail", NotificationKind.RESOLVED),
    ]
    assert [one.told for one in turn.told] == [("hook", "mail")]
    assert run.alerts == {}


def test_expected_and_observed_consequences() -> None:
    """The beginning names what may follow; the end names what did, as told from the muted ones."""
    run = Run(policy())
    run.take(saw(NATS_SERVICE, {"died": True}))
    assert run.messages[-1].alerts[0].consequences == ("NATS unreachable", "SemStreams unreachable")
    run.take(saw(SEMSTREAMS, {"reachable": False}), after_seconds=10)
    run.take(saw(SEMSTREAMS, {"reachable": True}), after_seconds=10)
    run.take(saw(SEMSTREAMS, {"reachable": False}), after_seconds=10)
    run.take(saw(NATS_SERVICE, {"died": False}), after_seconds=10)
    end = run.messages[-1]
    assert (end.kind, end.alerts[0].consequences) == (NotificationKind.RESOLVED, ("SemStreams unreachable",))
    assert {kind for _, kind, _ in run.sent[:-2]} == {NotificationKind.FIRING}


def test_a_cause_told_in_the_same_turn_keeps_its_consequences() -> None:
    """Whichever of the two stands first among the open alerts, the cause remembers what it mutes."""
    run = Run(policy(changed(DOWN, for_seconds=5.0), changed(DIED, for_seconds=5.0)))
    sights = [saw(SEMSTREAMS, {"reachable": False}), saw(SERVICE, {"died": True})]
    run.take(*sights)
    run.take(*sights, after_seconds=5)
    assert run.open(DIED).told
    assert run.open(DIED).consequences == ("SemStreams unreachable",)
    assert run.disk[run.open(DIED).id].consequences == ("SemStreams unreachable",)


def test_a_pending_cause_is_kept_in_memory_only() -> None:
    """A pending alert that mutes remembers its consequence, and still leaves no row behind when it goes."""
    run = Run(policy(DOWN, NATS_DOWN))
    run.take(saw(NATS, {"reachable": False}), saw(SEMSTREAMS, {"reachable": False}))
    pending = run.open(NATS_DOWN)
    assert (pending.state, pending.consequences) == (PENDING, ("SemStreams unreachable",))
    run.take(saw(NATS, {"reachable": True}), after_seconds=10)
    assert [one.rule for one in run.disk.values()] == [DOWN.name]
    assert run.open(DOWN).told


def test_alerts_that_explain_each_other_are_told() -> None:
    """Rules of an operator that mute each other in a circle lose no alert: each of the circle is told."""
    restarting = changed(
        DIED, name="restarting", fact="restarting", consequence=True, cause=False, inhibits=(DIED.name,)
    )
    run = Run(policy(restarting, DIED, DOWN))
    run.take(saw(SERVICE, {"restarting": True, "died": True}), saw(SEMSTREAMS, {"reachable": False}))
    assert {one.told for one in run.alerts.values()} == {("hook", "mail")}


def test_the_end_of_a_muted_alert_is_only_a_note() -> None:
    """Who was not told of the beginning is not told of the end; the timeline has both, with the reason."""
    run = Run(policy())
    run.take(saw(SERVICE, {"died": True}), saw(SEMSTREAMS, {"reachable": False}))
    before = len(run.sent)
    run.take(saw(SEMSTREAMS, {"reachable": True}))
    assert len(run.sent) == before
    why = "consequence of container_died of service:semstreams"
    assert run.notes[-1] == (
        "alert.resolved",
        f"SemStreams unreachable: semstreams: reachable is yes. Nobody was told: {why}.",
    )
    kinds = [kind for kind, _ in run.notes]
    assert kinds == ["alert.firing", "alert.firing", "alert.told", "alert.muted", "alert.resolved"]


def test_what_is_over_with_its_cause_is_not_told() -> None:
    """A muted alert that waits to be sure of its end is no news when its cause ends; it is when it holds again."""
    run = Run(policy(changed(FILLING, for_seconds=0.0), FULL))
    run.take(saw(DISK, {"used_ratio": 0.95}))
    told = len(run.sent)
    run.take(saw(DISK, {"used_ratio": 0.5}), after_seconds=10)
    assert [kind for _, kind, _ in run.sent[told:]] == [NotificationKind.RESOLVED] * 2
    assert run.open(FILLING).told == ()
    run.take(saw(DISK, {"used_ratio": 0.85}), after_seconds=10)
    assert run.open(FILLING).told == ("hook", "mail")


def test_what_another_check_sees_is_told_only_if_it_holds_still() -> None:
    """What ended is seen by each check at its own look: the lesser is told if it holds at its next, and not before."""
    slow = changed(DIED, name="slow", fact="slow", cause=False, inhibits=("unhealthy",))
    unhealthy = changed(DIED, name="unhealthy", fact="unhealthy", cause=False)
    for holds in (False, True):
        run = Run(policy(slow, unhealthy))
        run.take(saw(SERVICE, {"slow": True}), saw(SERVICE, {"unhealthy": True}))
        told = len(run.sent)
        run.take(saw(SERVICE, {"slow": False}), after_seconds=10)
        assert [kind for _, kind, _ in run.sent[told:]] == [NotificationKind.RESOLVED] * 2
        assert run.open(unhealthy).muted_by == "slow of service:semstreams has just ended"
        run.take(saw(SERVICE, {"unhealthy": holds}), after_seconds=1)
        assert [kind for _, kind, _ in run.sent[told + 2 :]] == [NotificationKind.FIRING] * 2 * holds


def test_a_reason_is_noted_once() -> None:
    """As long as an alert is muted by the same, no turn writes anything."""
    run = Run(policy(DIED, DOWN, routes=(MAIL,)))
    down = saw(SEMSTREAMS, {"reachable": False})
    assert not run.take(saw(SERVICE, {"died": True}), down).empty
    assert run.take(down, after_seconds=10).empty


def test_without_a_receiver_the_reason_is_that() -> None:
    """An alert that no receiver takes is muted by it, noted once, and told as soon as a receiver takes it."""
    run = Run(policy(routes=(MAIL,)))
    stopped = saw(SERVICE, {"stopped": True})
    run.take(stopped)
    assert run.open(STOPPED).muted_by == "no receiver takes alerts of severity info"
    assert run.take(stopped, after_seconds=10).empty
    run.policy = policy(routes=(MAIL, WEBHOOK))
    run.take(stopped, after_seconds=10)
    assert run.open(STOPPED).told == ("hook",)


@pytest.mark.parametrize(
    "rules", [[DOWN], [changed(DIED, enabled=False), DOWN], [changed(DIED, subjects=("nats",)), DOWN]]
)
def test_the_alerts_of_a_rule_that_went_away_end(rules: list[Rule]) -> None:
    """Removed, switched off, or no longer about the subject: those told hear of the end, and why; pending ones go."""
    run = Run(policy())
    run.take(saw(SERVICE, {"died": True}), saw(DISK, {"used_ratio": 0.85}), saw(SEMSTREAMS, {"reachable": False}))
    run.policy = policy(*rules)
    turn = run.turn()
    turn.end_orphans()
    run.commit(turn)
    assert [one.rule for one in run.alerts.values()] == [DOWN.name]
    assert run.sent[-2:] == [("hook", NotificationKind.RESOLVED, "a1"), ("mail", NotificationKind.RESOLVED, "a1")]
    assert run.messages[-1].alerts[0].resolved_because == "The rule container_died is no longer in the settings."
    assert {one.rule: one.state for one in run.disk.values()} == {DIED.name: RESOLVED, DOWN.name: FIRING}


def test_alerts_of_an_earlier_run_go_on() -> None:
    """What is taken up goes on as it was; of several episodes of the same the last goes on and the others end."""
    first, second, third = (alert(DIED, SERVICE, id=name, told=("hook",)) for name in ("e1", "e2", "e3"))
    pending = alert(FILLING, DISK, PENDING, id="e4")
    overtaken = alert(FILLING, DISK, PENDING, id="e0")
    run = Run(policy())
    turn = run.turn()
    turn.take_up([overtaken, first, second, third, pending])
    run.commit(turn)
    assert {one.id for one in run.alerts.values()} == {"e3", "e4"}
    assert run.sent == [("hook", NotificationKind.RESOLVED, "e1"), ("hook", NotificationKind.RESOLVED, "e2")]
    assert run.messages[0].alerts[0].resolved_because == "Container died: a later episode of it goes on."


def test_what_goes_on_already_overtakes_an_earlier_run() -> None:
    """An episode of this run stays when the earlier ones can only be read later; an episode is not its own rival."""
    run = Run(policy())
    run.take(saw(SERVICE, {"died": True}))
    mine = run.open(DIED)
    turn = run.turn()
    turn.take_up([alert(DIED, SERVICE, id="e1", told=("mail",)), mine])
    run.commit(turn)
    assert run.open(DIED) is mine
    assert run.sent[-1] == ("mail", NotificationKind.RESOLVED, "e1")


def late(run: Run, knowing: frozenset[str]) -> Turn:
    """Add evidence to the alert of the dead container."""
    turn = run.turn()
    turn.update(run.open(DIED), {"last_log_lines": "panic"}, knowing)
    run.commit(turn)
    return turn


def test_late_evidence_goes_to_those_who_left_without() -> None:
    """Of those told, only who wants updates and does not know yet gets one; the alert keeps the evidence."""
    run = Run(policy(routes=(WEBHOOK, MAIL, Route("second", Severity.INFO, wants_updates=True))))
    run.take(saw(SERVICE, {"died": True}, evidence={"exit_code": "3"}))
    turn = late(run, frozenset({"second"}))
    ((receiver, message),) = turn.messages
    assert (receiver, message.kind) == ("hook", NotificationKind.UPDATE)
    assert message.alerts[0].evidence == {"exit_code": "3", "last_log_lines": "panic"}
    assert run.open(DIED).evidence == message.alerts[0].evidence
    assert run.disk[run.open(DIED).id].evidence == message.alerts[0].evidence


def test_late_evidence_for_nobody_is_kept_all_the_same() -> None:
    """Where everybody knows, no message is made, and the record still gets the evidence."""
    run = Run(policy(routes=(MAIL,)))
    run.take(saw(SERVICE, {"died": True}))
    assert late(run, frozenset()).messages == []
    assert run.disk[run.open(DIED).id].evidence == {"last_log_lines": "panic"}


def test_settling_ends_by_itself() -> None:
    """Causes that ended long ago are forgotten; a clock that seems to run backwards does not keep them."""
    run = Run(policy())
    run.take(saw(SERVICE, {"died": True}))
    run.take(saw(SERVICE, {"died": False}), after_seconds=10)
    assert len(run.ended) == 1
    run.take(after_seconds=SETTLE_SECONDS)
    assert run.ended == []
    future = [Ended(alert(DIED, SERVICE), run.now().monotonic + 1)]
    assert Turn(run.policy, {}, future, run.now()).ended == []


def test_only_a_cause_lets_others_settle() -> None:
    """The end of an alert that explains nothing delays nothing."""
    unhealthy = changed(DIED, name="container_unhealthy", fact="unhealthy", cause=False)
    run = Run(policy(unhealthy, DOWN))
    run.take(saw(SERVICE, {"unhealthy": True}))
    run.take(saw(SERVICE, {"unhealthy": False}), saw(SEMSTREAMS, {"reachable": False}), after_seconds=10)
    assert run.open(DOWN).told


def test_messages_carry_the_time_of_the_turn() -> None:
    """What is told says when it was decided and on which host."""
    run = Run(policy())
    at = Instant(START + timedelta(seconds=5), 5.0)
    turn = Turn(run.policy, {}, [], at)
    turn.take([saw(SERVICE, {"died": True}, moment(0))], ids())
    assert {(message.host, message.at) for _, message in turn.messages} == {("edge-7", at.wall)}
    assert turn.alerts[DIED.name, SERVICE].since == START


PAGER = Route("pager", Severity.CRITICAL, wants_updates=False)
PAUSED = changed(DIED, name="container_paused", fact="paused", severity=Severity.WARNING, title="Container paused")


def test_a_cause_speaks_only_to_those_who_hear_of_it() -> None:
    """Who takes only what is critical hears of the consequence of a warning; who heard the warning does not."""
    run = Run(policy(PAUSED, DOWN, routes=(WEBHOOK, PAGER)))
    run.take(saw(SERVICE, {"paused": True}))
    run.take(saw(SEMSTREAMS, {"reachable": False}))
    assert run.sent == [("hook", NotificationKind.FIRING, "a1"), ("pager", NotificationKind.FIRING, "a2")]
    run.take(saw(SEMSTREAMS, {"reachable": True}))
    assert run.sent[-1] == ("pager", NotificationKind.RESOLVED, "a2")


def test_what_follows_from_a_request_is_as_intended_as_the_request() -> None:
    """An operator's own stop pages nobody, neither by itself nor by its consequences; why stands on record."""
    run = Run(policy(STOPPED, DOWN, routes=(PAGER,)))
    run.take(saw(SERVICE, {"stopped": True}))
    run.take(saw(SEMSTREAMS, {"reachable": False}))
    assert run.sent == []
    assert run.open(DOWN).muted_by == "consequence of container_stopped of service:semstreams"


def test_a_receiver_that_is_new_hears_of_what_fires() -> None:
    """An alert that fires on is told to a receiver that was added or renamed; one that is gone hears no end."""
    run = Run(policy(routes=(WEBHOOK,)))
    run.take(saw(SERVICE, {"died": True}))
    run.policy = policy(routes=(PAGER,))
    run.take(saw(SERVICE, {"died": True}))
    run.take(saw(SERVICE, {"died": False}))
    assert run.sent == [
        ("hook", NotificationKind.FIRING, "a1"),
        ("pager", NotificationKind.FIRING, "a1"),
        ("pager", NotificationKind.RESOLVED, "a1"),
    ]


def test_what_comes_again_leaves_a_trace() -> None:
    """An alert that was about to end and holds again is no new one: it is noted, and asks for evidence of that time."""
    killed = changed(DIED, name="killed", clear_for_seconds=300.0)
    run = Run(policy(killed))
    run.take(saw(SERVICE, {"died": True}))
    run.take(saw(SERVICE, {"died": False}), after_seconds=10)
    turn = run.take(saw(SERVICE, {"died": True}), after_seconds=10)
    assert [alert.times for alert in turn.told] == [2]
    assert [kind for kind, _ in run.notes].count("alert.again") == 1
    assert run.disk[run.open(killed).id].times == 2
    sent = len(run.sent)
    turn = run.turn()
    turn.update(run.open(killed), {"log": "again"}, frozenset())
    run.commit(turn)
    (update,) = run.messages[sent:]
    assert update.key.endswith("-update-2")
    assert update.alerts[0].summary.endswith("It has happened 2 times since it began.")


def test_what_a_job_causes_is_shown_and_not_told() -> None:
    """The reason is the job; what still holds once it has given the stack back is told then."""
    stopped = changed(DIED, name="container_stopped", fact="stopped_on_request", severity=Severity.INFO)
    hold = Hold("j1", "cold backup (job j1) holds the stack", frozenset(("nats",)), AT.monotonic)
    seen = [saw(NATS_SERVICE, {"stopped_on_request": True})]
    held = Turn(policy(stopped), {}, (), AT, hold=hold)
    held.take(seen, ids())
    (muted,) = held.alerts.values()
    assert (muted.muted_by, muted.told, held.messages) == (hold.reason, (), [])
    free = Turn(policy(stopped), held.alerts, (), moment(60))
    free.take(seen, ids())
    assert [receiver for receiver, _ in free.messages] == ["hook"]
