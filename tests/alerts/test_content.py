"""What a notification says to people."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from semsupervisor.alerts.content import (
    LONGEST_BLOCK_LINE,
    LONGEST_SUBJECT,
    MOST_BLOCK_LINES,
    Message,
    Part,
    Style,
    Tone,
    clean,
    compose,
    moment_text,
    subject_line,
    thing_text,
)
from semsupervisor.alerts.notification import AlertFacts, Notification, NotificationKind
from semsupervisor.alerts.rules import Severity
from semsupervisor.health.observation import Subject, SubjectKind
from tests.support.clock import START
from tests.support.told import DIED, MEMORY, told

FIRING, RESOLVED, UPDATE, TEST = (
    NotificationKind.FIRING,
    NotificationKind.RESOLVED,
    NotificationKind.UPDATE,
    NotificationKind.TEST,
)
CET = timezone(timedelta(hours=1), "CET")


def in_utc(at: datetime) -> datetime:
    """Return the time of a host that lives in UTC."""
    return at.astimezone(UTC)


def in_cet(at: datetime) -> datetime:
    """Return the time of a host one hour ahead."""
    return at.astimezone(CET)


def words(notification: Notification, late: timedelta = timedelta(seconds=1)) -> Message:
    """Put a notification into words on a host in UTC."""
    return compose(notification, notification.at + late, in_utc)


def rows(message: Message) -> dict[str, str]:
    """Return the rows of the first story."""
    return dict(message.stories[0].rows)


def parts(message: Message) -> dict[str, Part]:
    """Return the parts of the first story by their heading."""
    return {part.heading: part for part in message.stories[0].parts}


@pytest.mark.parametrize(
    ("notification", "line"),
    [
        (told(FIRING), "[CRITICAL] edge-7: semstreams ended with exit code 137, and nobody had asked for it"),
        (told(FIRING, MEMORY), "[WARNING] edge-7: nats uses 83 % of its memory limit (850.0 MiB of 1.0 GiB)"),
        (
            told(RESOLVED),
            "[RESOLVED] edge-7: semstreams runs again, after 2 s",
        ),
        (told(UPDATE), "[UPDATE] edge-7: semstreams ended with exit code 137, and nobody had asked for it"),
        (told(TEST), "[TEST] edge-7: semstreams ended with exit code 137, and nobody had asked for it"),
        (
            told(FIRING, MEMORY, DIED),
            "[CRITICAL] edge-7: 2 alerts: nats uses 83 % of its memory limit (850.0 MiB of 1.0 GiB)",
        ),
        (
            told(RESOLVED, MEMORY, DIED),
            "[RESOLVED] edge-7: 2 alerts: semstreams runs again",
        ),
        (
            msgspec.structs.replace(told(TEST), alerts=()),
            "[TEST] edge-7: a test message, nothing is wrong",
        ),
    ],
)
def test_the_subject_line_says_what_and_where(notification: Notification, line: str) -> None:
    """Severity or end, host, and the sentence of the rule: for what is over that of its end."""
    assert subject_line(notification) == line


@given(summary=st.text(max_size=500), host=st.text(max_size=20), kind=st.sampled_from(NotificationKind))
def test_the_subject_line_is_one_line_of_bounded_length(summary: str, host: str, kind: NotificationKind) -> None:
    """Whatever a program wrote into an error, no second header line and no endless subject comes of it."""
    line = subject_line(told(kind, msgspec.structs.replace(DIED, summary=summary), host=host))
    assert len(line) <= LONGEST_SUBJECT + len("[] : ")
    assert "\n" not in line
    assert line.isprintable() or not summary.isprintable() or not host.isprintable()


@pytest.mark.parametrize(
    ("at", "text"),
    [
        (START, "2026-03-01 12:00:00 UTC (13:00:00 CET on edge-7)"),
        (datetime(2026, 3, 1, 23, 30, tzinfo=UTC), "2026-03-01 23:30:00 UTC (2026-03-02 00:30:00 CET on edge-7)"),
    ],
)
def test_a_moment_is_told_in_both_times(at: datetime, text: str) -> None:
    """UTC first, then the host's own time, with its date where that is another."""
    assert moment_text(at, "edge-7", in_cet) == text


def test_a_host_in_utc_has_one_time() -> None:
    """Nothing is said twice."""
    assert moment_text(START, "edge-7", in_utc) == "2026-03-01 12:00:00 UTC"


def test_a_firing_alert_says_all_that_is_needed() -> None:
    """What, since when, evidence, meaning, commands, what was done and what may follow: each in its place."""
    message = words(told(FIRING))
    assert (message.tone, message.heading, message.remarks) == (Tone.CRITICAL, "CRITICAL on edge-7", ())
    assert message.stories[0].headline == DIED.summary
    assert rows(message) == {
        "Since": "2026-03-01 12:00:00 UTC",
        "Concerns": "service semstreams",
        "Exit code": "137",
    }
    assert list(parts(message).values()) == [
        Part("What it means", Style.PROSE, (DIED.diagnosis,)),
        Part("What to type next", Style.COMMANDS, DIED.next_steps),
        Part("What semsupervisor did", Style.POINTS, ("Nothing: it has watched and told.",)),
        Part("What may follow from it, and is not told one by one", Style.POINTS, ("SemStreams unreachable",)),
        Part("Last log lines, the newest at the end", Style.BLOCK, ("first line", "last <line> & more")),
    ]
    assert message.footer == (
        "On edge-7: semsupervisor status, semsupervisor timeline",
        "Rule container_died, alert 0195-died",
        "Sent by semsupervisor on edge-7",
    )


def test_a_measured_value_stands_beside_its_limit() -> None:
    """A number is told with what it was held against; a plain yes is in the sentence already."""
    assert rows(words(told(FIRING, MEMORY)))["Measured"] == "83 % (alert: above 80 %)"
    assert [part.heading for part in words(told(FIRING, MEMORY)).stories[0].parts] == ["What semsupervisor did"]


def test_what_was_done_is_told() -> None:
    """Acts of the supervisor are listed, at the end of an alert as well."""
    acted = msgspec.structs.replace(DIED, done=("started semstreams again",))
    for kind in (FIRING, RESOLVED):
        assert parts(words(told(kind, acted)))["What semsupervisor did"].lines == ("started semstreams again",)


def test_an_alert_that_is_over_says_why_and_how_long() -> None:
    """The end, its reason, how bad it was and what did follow; no commands any more."""
    message = words(told(RESOLVED))
    assert (message.tone, message.heading) == (Tone.RESOLVED, "RESOLVED on edge-7, after 2 s")
    assert message.stories[0].headline == "semstreams runs again"
    assert rows(message) == {
        "Since": "2026-03-01 12:00:00 UTC",
        "Over since": "2026-03-01 12:00:02 UTC",
        "Was": "critical: semstreams ended with exit code 137, and nobody had asked for it.",
        "Concerns": "service semstreams",
        "Exit code": "137",
    }
    assert list(parts(message)) == ["What followed from it", "Last log lines, the newest at the end"]


@pytest.mark.parametrize("resolved_at", [None, START - timedelta(seconds=1), START + timedelta(days=56 * 365)])
def test_nonsense_of_a_clock_that_was_set_is_not_told(resolved_at: datetime | None) -> None:
    """No duration is shown that only a jump of the wall clock explains."""
    over = msgspec.structs.replace(told(RESOLVED).alerts[0], resolved_at=resolved_at, resolved_because="")
    notification = msgspec.structs.replace(told(RESOLVED), alerts=(over,))
    assert subject_line(notification).endswith("nobody had asked for it")
    assert ("Over since" in rows(words(notification))) == (resolved_at is not None)


@pytest.mark.parametrize(
    ("late", "told_late"),
    [
        (timedelta(seconds=119), ""),
        (timedelta(hours=3, minutes=12), "Told 3 h 12 min late, as you could not be reached. It was so at"),
        (timedelta(days=-1), ""),
        (timedelta(days=56 * 365), ""),
    ],
)
def test_a_late_message_says_so(late: timedelta, told_late: str) -> None:
    """What comes after an outage of the uplink does not look as if it were now, unless only the clock was set."""
    assert "".join(words(told(FIRING), late).remarks).startswith(told_late)
    assert bool(words(told(FIRING), late).remarks) == bool(told_late)


def test_updates_and_tests_say_what_they_are() -> None:
    """Neither is taken for a new alert."""
    assert "adds evidence" in words(told(UPDATE)).remarks[0]
    assert words(told(UPDATE)).tone is Tone.CRITICAL
    test = words(msgspec.structs.replace(told(TEST), alerts=()))
    assert "This is a test" in test.remarks[0]
    assert (test.tone, test.stories, test.footer) == (Tone.TEST, (), ("Sent by semsupervisor on edge-7",))


@pytest.mark.parametrize("severity", Severity)
def test_the_tone_is_that_of_the_worst(severity: Severity) -> None:
    """Several alerts in one message are as bad as the worst of them."""
    other = msgspec.structs.replace(MEMORY, severity=severity)
    mild = msgspec.structs.replace(MEMORY, severity=Severity.INFO)
    assert words(told(FIRING, mild, other)).tone.value == severity.value


def test_long_evidence_is_cut_at_its_beginning() -> None:
    """The newest lines of a log stay, each of bounded length, and it is said how many are missing."""
    log = "\n".join(["old"] * 10 + ["x" * 1000] * MOST_BLOCK_LINES)
    block = parts(words(told(FIRING, msgspec.structs.replace(DIED, evidence={"body": log}))))["Body"]
    assert block.lines[0] == "(10 earlier lines left out)"
    assert {len(line) for line in block.lines[1:]} == {LONGEST_BLOCK_LINE}
    assert len(block.lines) == MOST_BLOCK_LINES + 1


def test_evidence_is_a_row_when_short_and_a_block_when_long() -> None:
    """An empty one is left out, in either place."""
    evidence = {"signal": " SIGKILL \n", "empty": " ", "nothing": "\n\n", "error": "e" * 200}
    message = words(told(FIRING, msgspec.structs.replace(MEMORY, evidence=evidence)))
    assert rows(message)["Signal"] == "SIGKILL"
    assert parts(message)["Error"] == Part("Error", Style.BLOCK, ("e" * 200,))
    assert {"Empty", "Nothing"}.isdisjoint([*rows(message), *parts(message)])


@pytest.mark.parametrize(
    ("raw", "read"),
    [
        ("\x1b[32mINFO\x1b[0m ok", "INFO ok"),
        ("\x1b]0;title\x07text\x1b]8;;http://x\x1b\\link", "textlink"),
        ("a\r\nb\rc", "a\nb\nc"),
        ("a\tb", "a    b"),
        ("nul\x00 bell\x07 lone\ud800 c1\x9b", "nul bell lone c1"),
        ("größer → 世界", "größer → 世界"),
    ],
)
def test_what_mail_programs_choke_on_is_taken_out(raw: str, read: str) -> None:
    """Colours and control characters go, words in any language stay."""
    assert clean(raw) == read


@pytest.mark.parametrize("kind", SubjectKind)
def test_every_kind_of_subject_has_a_name(kind: SubjectKind) -> None:
    """No message says only an identifier."""
    assert thing_text(Subject(kind, "it")).endswith(" it")


texts = st.text(max_size=80)
alerts = st.builds(
    AlertFacts,
    id=texts,
    rule=texts,
    title=texts,
    severity=st.sampled_from(Severity),
    subject=st.builds(Subject, st.sampled_from(SubjectKind), texts),
    summary=texts,
    value=texts,
    limit=texts,
    since=st.datetimes(timezones=st.just(UTC), min_value=datetime(1970, 1, 2), max_value=datetime(2999, 1, 1)),  # noqa: DTZ001
    resolved_at=st.none() | st.datetimes(timezones=st.just(UTC), min_value=datetime(1970, 1, 2)),  # noqa: DTZ001
    resolved_because=texts,
    evidence=st.dictionaries(texts, texts, max_size=3),
    diagnosis=texts,
    done=st.tuples() | st.tuples(texts),
    next_steps=st.tuples() | st.tuples(texts),
    consequences=st.tuples() | st.tuples(texts),
)


@given(kind=st.sampled_from(NotificationKind), about=st.lists(alerts, max_size=3), late=st.integers(-(10**9), 10**9))
def test_nothing_that_was_seen_cannot_be_told(kind: NotificationKind, about: list[AlertFacts], late: int) -> None:
    """Whatever the facts are, a message comes of them, with one story an alert and encodable words only."""
    notification = Notification(key="k", kind=kind, host="edge-7", at=START, alerts=tuple(about))
    message = compose(notification, START + timedelta(seconds=late), in_utc)
    assert len(message.stories) == len(about)
    assert all(row for story in message.stories for row in story.rows)
    assert str(message.stories).encode()


@pytest.mark.parametrize(("lasted_seconds", "after"), [(None, "8 h 2 min"), (125.0, "2 min 5 s")])
def test_what_lasted_is_not_read_from_a_clock_that_was_set(lasted_seconds: float | None, after: str) -> None:
    """With the wall clock set forward meanwhile, real seconds are told where they are known."""
    over = msgspec.structs.replace(
        DIED, resolved_at=START + timedelta(hours=8, minutes=2, seconds=5), lasted_seconds=lasted_seconds
    )
    ended = msgspec.structs.replace(told(RESOLVED), alerts=(over,))
    assert subject_line(ended).endswith(f", after {after}")


@pytest.mark.parametrize(("waited_seconds", "late"), [(None, True), (3.0, False), (7200.0, True)])
def test_late_is_what_waited_and_not_what_a_clock_says(waited_seconds: float | None, late: bool) -> None:
    """A clock that was set makes no message late, and hides no lateness."""
    message = msgspec.structs.replace(told(FIRING), waited_seconds=waited_seconds)
    said = words(message, timedelta(seconds=1) if waited_seconds == 7200.0 else timedelta(hours=3))
    assert any("late" in remark for remark in said.remarks) == late
