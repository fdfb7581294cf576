"""Every single fact with its age and its source, and what an endpoint last said."""

from __future__ import annotations

import fnmatch
from collections.abc import Iterator

from semsupervisor.alerts.rules import value_text
from semsupervisor.api.answers import Answer, Moment
from semsupervisor.api.knowledge import merged
from semsupervisor.api.readings import Readings
from semsupervisor.health.last_answers import LastAnswer
from semsupervisor.health.observation import FactValue, Observation, Subject, Unknown

_WILD = "*?["


class FactAnswer(Answer, frozen=True, kw_only=True):
    """One fact of a subject: its value, null while it is `unknown` for a reason, and `text` for people.

    `age_seconds` is counted by a clock that nobody sets; `source` is the probe, or the event stream, that saw it.
    """

    subject: str
    fact: str
    value: bool | int | float | str | None
    text: str
    source: str
    seen_at: Moment
    age_seconds: float
    unknown: str = ""


class FactsAnswer(Answer, frozen=True, kw_only=True):
    """The facts that were asked for, sorted by subject and fact."""

    now: Moment
    facts: tuple[FactAnswer, ...]


class RawAnswer(Answer, frozen=True, kw_only=True):
    """What an endpoint last answered, as it came but for secrets, which are masked.

    `size_bytes` is the whole body's; `cut` says that its end is not in `body`. `failure` is why asking has failed
    since, empty while it has not.
    """

    source: str
    url: str
    seen_at: Moment
    age_seconds: float
    status: int
    content_type: str
    size_bytes: int
    cut: bool
    failure: str
    body: str


def facts(readings: Readings, pattern: str) -> FactsAnswer:
    """Return the facts whose subject or name the pattern means; the empty pattern means all."""
    now = readings.clock.instant()
    found = (_fact(*one, now.monotonic) for one in _seen(readings) if _means(pattern, str(one[0].subject), one[1]))
    return FactsAnswer(now=now.wall, facts=tuple(found))


def raw(readings: Readings, source: str, answer: LastAnswer) -> RawAnswer:
    """Return what an endpoint last answered; to be called in a thread, as masking a large body takes a while."""
    return RawAnswer(
        source=source,
        url=answer.url,
        seen_at=answer.at.wall,
        age_seconds=_age(readings.clock.monotonic(), answer.at.monotonic),
        status=answer.status,
        content_type=answer.content_type,
        size_bytes=answer.size_bytes,
        cut=answer.cut,
        failure=answer.failure,
        body=answer.text(),
    )


def _seen(readings: Readings) -> Iterator[tuple[Observation, str, FactValue]]:
    """Yield each fact that is known of a subject, with the newest observation that has it."""
    latest = readings.latest()
    of_subject: dict[Subject, list[Observation]] = {}
    for observation in sorted(latest.values(), key=lambda one: one.at.monotonic):
        of_subject.setdefault(observation.subject, []).append(observation)
    for subject, known in merged(latest.values()).items():
        for fact in sorted(known.facts):
            by = next(one for one in reversed(of_subject[subject]) if fact in one.facts)
            yield by, fact, known.facts[fact]


def _fact(by: Observation, fact: str, value: FactValue, now: float) -> FactAnswer:
    unknown = value.reason if isinstance(value, Unknown) else ""
    return FactAnswer(
        subject=str(by.subject),
        fact=fact,
        value=None if isinstance(value, Unknown) else value,
        text="unknown" if isinstance(value, Unknown) else value_text(fact, value),
        source=by.source,
        seen_at=by.at.wall,
        age_seconds=_age(now, by.at.monotonic),
        unknown=unknown,
    )


def _age(now: float, at: float) -> float:
    return round(max(0.0, now - at), 1)


def _means(pattern: str, subject: str, fact: str) -> bool:
    """Tell whether a pattern means a fact: a shell pattern on the subject, the fact or both, or a part of them."""
    names = (subject.lower(), fact.lower(), f"{subject} {fact}".lower())
    wanted = pattern.lower()
    if any(letter in wanted for letter in _WILD):
        return any(fnmatch.fnmatchcase(name, wanted) for name in names)
    return wanted in names[-1]
