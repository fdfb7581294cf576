"""What is known of each subject, put together from the latest observation of each of its sources. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import msgspec

from semsupervisor.health.observation import FactValue, Observation, Subject, SubjectKind
from semsupervisor.kit.clock import Instant


class Known(msgspec.Struct, frozen=True, kw_only=True):
    """All facts of one subject, each from the newest observation that has it; `at` is the newest of them.

    `looks` tells for each source when it last looked.
    """

    subject: Subject
    at: Instant
    facts: Mapping[str, FactValue]
    evidence: Mapping[str, str]
    looks: Mapping[str, Instant]


def merged(latest: Iterable[Observation]) -> dict[Subject, Known]:
    """Return what is known of each subject, sorted by subject; one that was removed is not among them."""
    known: dict[Subject, Known] = {}
    for observation in sorted(latest, key=lambda one: one.at.monotonic):
        if observation.gone:
            known.pop(observation.subject, None)
        else:
            known[observation.subject] = _laid_over(known.get(observation.subject), observation)
    return dict(sorted(known.items()))


def of_kind(known: Mapping[Subject, Known], kind: SubjectKind) -> list[Known]:
    """Return what is known of the subjects of one kind, sorted by name."""
    return [one for subject, one in known.items() if subject.kind is kind]


def _laid_over(old: Known | None, observation: Observation) -> Known:
    return Known(
        subject=observation.subject,
        at=observation.at,
        facts={**(old.facts if old else {}), **observation.facts},
        evidence={**(old.evidence if old else {}), **observation.evidence},
        looks={**(old.looks if old else {}), observation.source: observation.at},
    )
