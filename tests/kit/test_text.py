"""Lists, durations and near matches."""

from __future__ import annotations

import pytest

from semsupervisor.kit.text import (
    about,
    did_you_mean,
    duration_text,
    encodable,
    listed,
    nearest,
    shortened,
)


@pytest.mark.parametrize(
    ("words", "text"), [([], ""), (["a"], "a"), (["a", "b"], "a or b"), (["a", "b", "c"], "a, b or c")]
)
def test_a_list_reads_as_a_sentence(words: list[str], text: str) -> None:
    """The last two words are joined by a word, the others by commas."""
    assert listed(words) == text


def test_the_last_two_can_be_joined_by_another_word() -> None:
    """What must all be there is joined by `and`."""
    assert listed(["a", "b"], "and") == "a and b"


@pytest.mark.parametrize(
    ("subject", "sentence", "text"),
    [
        ("service:nats", "nats is paused.", "nats is paused."),
        ("service:nats", "It is paused.", "service:nats: It is paused."),
        ("filesystem:/data", "/data is full", "/data is full"),
    ],
)
def test_a_sentence_names_its_subject_once(subject: str, sentence: str, text: str) -> None:
    """What does not name its subject gets it in front."""
    assert about(subject, sentence) == text


def test_a_mistyped_name_finds_the_known_one() -> None:
    """A name with a letter missing is recognised, one that is like none is not."""
    known = ["memory_high", "memory_critical", "filesystem_full"]
    assert nearest("memry_high", known)[0] == "memory_high"
    assert did_you_mean("filesystem_ful", known) == "did you mean filesystem_full?"
    assert did_you_mean("zzz", known) == ""


def test_a_long_text_is_cut_with_an_ellipsis() -> None:
    """A shortened text is never longer than asked for and says that something is missing."""
    assert shortened("abcdef", 6) == "abcdef"
    assert shortened("abcdefg", 6) == "abcde…"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.0, "less than 1 s"),
        (0.99, "less than 1 s"),
        (1.0, "1 s"),
        (2.4, "2 s"),
        (59.4, "59 s"),
        (59.6, "1 min"),
        (60, "1 min"),
        (200, "3 min 20 s"),
        (3600, "1 h"),
        (3600 + 59, "1 h"),
        (7500, "2 h 5 min"),
        (86400, "1 d"),
        (3 * 86400 + 4 * 3600 + 59, "3 d 4 h"),
        (400 * 86400, "400 d"),
    ],
)
def test_durations_are_for_people(seconds: float, text: str) -> None:
    """At most two units, none of them zero."""
    assert duration_text(seconds) == text


@pytest.mark.parametrize(("text", "told"), [("/data", "/data"), ("/dätä", "/dätä"), ("caf\udce9", "caf\\udce9")])
def test_what_was_no_utf_8_is_told_as_escapes(text: str, told: str) -> None:
    """Only what cannot be encoded is written otherwise, and two such texts stay different ones."""
    assert encodable(text) == told
