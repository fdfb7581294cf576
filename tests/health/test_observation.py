"""What was seen: how subjects and unknown values read, and that all of it survives the way through JSON."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from semsupervisor.health.observation import FactValue, Observation, Outcome, Subject, SubjectKind, Unknown
from tests.support.alerting import AT

FACTS: st.SearchStrategy[FactValue] = st.one_of(
    st.booleans(),
    st.integers(-(2**53), 2**53),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(),
    st.builds(Unknown, st.text()),
)

ODD = st.text(st.characters(exclude_categories=()))


def test_a_subject_reads_as_kind_and_name() -> None:
    """The text of a subject is what commands and the timeline show and take."""
    assert str(Subject(SubjectKind.FILESYSTEM, "/var/lib")) == "filesystem:/var/lib"


def test_subjects_sort_by_kind_and_name() -> None:
    """Lists of subjects have one order."""
    subjects = [Subject(SubjectKind.SERVICE, name) for name in "cab"] + [Subject(SubjectKind.ENGINE, "docker")]
    assert [str(subject) for subject in sorted(subjects)] == ["engine:docker", "service:a", "service:b", "service:c"]


def test_unknown_says_why() -> None:
    """Where a value is shown, an unknown one is shown with its reason."""
    assert str(Unknown("no answer within 5 s")) == "unknown (no answer within 5 s)"


@given(FACTS)
def test_a_value_comes_back_from_json_as_it_went(value: FactValue) -> None:
    """Yes is not 1, 1.0 is not 1, a text is not what it looks like, and unknown stays unknown."""
    back = msgspec.json.decode(msgspec.json.encode(value), type=FactValue)
    assert (type(back), back) == (type(value), value)


@given(ODD, ODD, st.dictionaries(ODD, ODD), st.dictionaries(ODD, st.one_of(ODD, st.builds(Unknown, ODD))))
def test_whatever_was_read_can_be_encoded(
    name: str, condition: str, evidence: dict[str, str], facts: dict[str, FactValue]
) -> None:
    """What was no UTF-8 where it was read stays in no text of an observation."""
    subject = Subject(SubjectKind.FILESYSTEM, name)
    seen = Observation("test", subject, AT, facts, evidence, condition=condition)
    assert msgspec.json.encode((seen.subject, seen.facts, seen.evidence, seen.condition))


@pytest.mark.parametrize("name", ["facts", "gone", "at"])
def test_an_observation_cannot_be_changed(name: str) -> None:
    """What was seen was seen: nobody who gets an observation can change it for the others."""
    observation = Observation("test", Subject(SubjectKind.ENGINE, "docker"), AT, {})
    assert (observation.outcome, observation.gone, observation.evidence) == (Outcome.OK, False, {})
    with pytest.raises(AttributeError):
        setattr(observation, name, None)
