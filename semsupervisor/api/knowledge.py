"""What is known of each subject, put together from the latest observation of each of its sources. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import msgspec

from semsupervisor.health.observation import FactValue, Observation, Subject, SubjectKind
from semsupervisor.kit.clock import Instant

# A service is described as a whole at every look, whoever looks: what a newer look leaves out is not so any more, or
# not decided yet. Only the memory is measured now and then, and means nothing once the service does not run.
WHOLE = "state"
MEASURED = ("memory_used_bytes", "memory_limit_bytes", "memory_used_ratio")
LIVING = ("running", "paused")


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
    if old is None:
        return Known(
            subject=observation.subject,
            at=observation.at,
            facts=observation.facts,
            evidence=observation.evidence,
            looks={observation.source: observation.at},
        )
    return Known(
        subject=observation.subject,
        at=observation.at,
        facts={**_still_true(old, observation), **observation.facts},
        evidence=observation.evidence if _describes_all(observation) else {**old.evidence, **observation.evidence},
        looks={**old.looks, observation.source: observation.at},
    )


def _still_true(old: Known, observation: Observation) -> Mapping[str, FactValue]:
    if not _describes_all(observation):
        return old.facts
    lives = observation.facts[WHOLE] in LIVING
    return {fact: value for fact, value in old.facts.items() if lives and fact in MEASURED}


def _describes_all(observation: Observation) -> bool:
    return observation.subject.kind is SubjectKind.SERVICE and WHOLE in observation.facts
