"""The vocabulary of facts."""

from __future__ import annotations

import re

from semsupervisor.alerts.facts import FACTS
from semsupervisor.health.observation import SubjectKind


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
