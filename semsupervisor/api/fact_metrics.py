"""Every fact as a metric: `semsupervisor_<kind>_<fact>`, with the subject's name as the one label. Pure.

Numbers and yes/no are gauges (1 = yes). A text that is one of a few known states has a series for each of them, 1 for
the one it is in; a time is a gauge of its timestamp; any other text is the label of an `_info` series. A limit that
there is none of is +Inf. What could not be read has no sample: `semsupervisor_fact_unknown` lists it, so that no alert
is built on a number that nobody saw.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from datetime import datetime
from functools import lru_cache

from semsupervisor.alerts.facts import FACTS
from semsupervisor.api.fact_words import WORDS
from semsupervisor.api.families import Family, family
from semsupervisor.api.knowledge import Known, merged
from semsupervisor.api.readings import Readings
from semsupervisor.health.observation import UNLIMITED, FactValue, SubjectKind, Unknown

OTHER_STATE = "other"
LONGEST_LABEL = 100
MOST_NAMES = 1000
# Free text of others, and names that are new at each start or with each image: each would be another series.
FREE_TEXTS = frozenset({"boot_id", "flows", "image_id", "server_id"})

# Those of the supervisor itself have metrics of their own, by the names that its parts go by.
OWN_KINDS = frozenset({SubjectKind.SUPERVISOR, SubjectKind.PROBE, SubjectKind.RECEIVER})

_LABELS = {
    SubjectKind.SERVICE: "service",
    SubjectKind.SEMSTREAMS: "service",
    SubjectKind.NATS: "service",
    SubjectKind.STREAM: "stream",
    SubjectKind.CONSUMER: "consumer",
    SubjectKind.CERTIFICATE: "endpoint",
    SubjectKind.CHECK: "check",
    SubjectKind.BACKUP: "of",
    SubjectKind.FILESYSTEM: "mountpoint",
    SubjectKind.ENGINE: "engine",
    SubjectKind.HOST: "host",
}


Values = Mapping[str, FactValue]


class FactFamilies:
    """Makes the families of the facts, each anew only when a value of it is another one."""

    def __init__(self) -> None:
        self._kept: dict[tuple[SubjectKind, str], tuple[Values, Family]] = {}

    def of(self, readings: Readings) -> list[Family]:
        """Return a family for each fact, sorted by kind and fact."""
        subjects = [one for one in merged(readings.latest().values()).values() if _is_shown(one)]
        before, self._kept = self._kept, {}
        for key, values in sorted(_by_fact(subjects).items()):
            kept = before.get(key)
            self._kept[key] = kept if kept and kept[0] == values else (values, _of_fact(*key, values))
        return [*(made for _, made in self._kept.values()), _unknown(subjects)]


def _is_shown(one: Known) -> bool:
    return one.subject.kind not in OWN_KINDS


def _by_fact(subjects: Iterable[Known]) -> dict[tuple[SubjectKind, str], dict[str, FactValue]]:
    """Return for each kind and fact the values by the subject's name."""
    found: dict[tuple[SubjectKind, str], dict[str, FactValue]] = {}
    for one in subjects:
        for fact, value in one.facts.items():
            if fact in FREE_TEXTS:
                continue
            found.setdefault((one.subject.kind, fact), {})[one.subject.name] = value
    return found


def _of_fact(kind: SubjectKind, fact: str, values: Values) -> Family:
    numbers = {name: number for name, value in values.items() if (number := _number(value)) is not None}
    texts = {name: value for name, value in values.items() if isinstance(value, str)}
    form = FACTS[kind].get(fact)
    if isinstance(form, tuple):
        return _of_states(kind, fact, texts, (*form, OTHER_STATE))
    if fact.endswith("_at"):
        stamps = {name: stamp for name, text in texts.items() if (stamp := _timestamp(text)) is not None}
        return _of_numbers(kind, f"{fact.removesuffix('_at')}_timestamp_seconds", stamps)
    if form is str or (texts and form is None):
        return _of_texts(kind, fact, texts)
    return _of_numbers(kind, fact, numbers)


def _number(value: FactValue) -> float | None:
    if value == UNLIMITED:
        return math.inf
    return float(value) if isinstance(value, (bool, int, float)) else None


def _timestamp(text: str) -> float | None:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return moment.timestamp() if moment.tzinfo else None


def _of_numbers(kind: SubjectKind, fact: str, numbers: Mapping[str, float]) -> Family:
    form = "counter" if fact.endswith("_total") else "gauge"
    samples = (((subject,), number) for subject, number in numbers.items())
    return family(_name(kind, fact.removesuffix("_total")), _words(kind, fact), form, (_LABELS[kind],), samples)


def _of_states(kind: SubjectKind, fact: str, texts: Mapping[str, str], states: tuple[str, ...]) -> Family:
    samples = [
        ((subject, state), float(state == (text if text in states else OTHER_STATE)))
        for subject, text in texts.items()
        for state in states
    ]
    return family(_name(kind, fact), _words(kind, fact), "gauge", (_LABELS[kind], fact), samples)


def _of_texts(kind: SubjectKind, fact: str, texts: Mapping[str, str]) -> Family:
    samples = (((subject, text[:LONGEST_LABEL]), 1.0) for subject, text in texts.items())
    return family(_name(kind, fact), _words(kind, fact), "info", (_LABELS[kind], _clean(fact)), samples)


def _unknown(subjects: Iterable[Known]) -> Family:
    samples = (
        ((one.subject.kind.value, one.subject.name, fact), 1.0)
        for one in subjects
        for fact, value in one.facts.items()
        if isinstance(value, Unknown)
    )
    words = "Facts that were looked at in vain: they have no sample of their own."
    return family("fact_unknown", words, "gauge", ("kind", "name", "fact"), samples)


@lru_cache(maxsize=MOST_NAMES)
def _name(kind: SubjectKind, fact: str) -> str:
    return f"{kind.value}_{_clean(fact)}"


def _clean(fact: str) -> str:
    return re.sub(r"[^a-z0-9_]", "_", fact.lower())


@lru_cache(maxsize=MOST_NAMES)
def _words(kind: SubjectKind, fact: str) -> str:
    return f"{kind.value}: {WORDS.get(fact, f'the fact {fact}.')}"
