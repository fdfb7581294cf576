"""The vocabulary of facts."""

from __future__ import annotations

import re

from semsupervisor.alerts.facts import FACTS
from semsupervisor.health.observation import SubjectKind
from semsupervisor.health.services import ServiceState
from semsupervisor.systems.containers import Health
from semsupervisor.systems.semstreams import Status


def test_every_kind_of_subject_has_its_facts() -> None:
    """A kind without a line would refuse every rule about it."""
    assert set(FACTS) == set(SubjectKind)


def test_names_say_their_unit() -> None:
    """What ends in a unit is a number, and names are snake_case."""
    for facts in FACTS.values():
        for name, form in facts.items():
            assert re.fullmatch("[a-z][a-z0-9_]*", name)
            if name.endswith(("_ratio", "_bytes", "_seconds")):
                assert form is float


def test_the_words_for_states_are_those_that_are_observed() -> None:
    """A rule can ask for every state of a service and of SemStreams, and for no other."""
    assert FACTS[SubjectKind.SERVICE]["state"] == tuple(ServiceState)
    assert FACTS[SubjectKind.SERVICE]["health"] == tuple(Health)
    assert FACTS[SubjectKind.SEMSTREAMS]["status"] == tuple(Status)
