"""The sentences about facts."""

from __future__ import annotations

from semsupervisor.alerts.facts import FACTS
from semsupervisor.api.fact_metrics import FREE_TEXTS, OWN_KINDS
from semsupervisor.api.fact_words import WORDS


def test_every_fact_is_explained() -> None:
    """Each fact that becomes a metric has its sentence, and there is none for what is no fact."""
    facts = {fact for kind, names in FACTS.items() if kind not in OWN_KINDS for fact in names} - FREE_TEXTS
    metrics = {f"{fact.removesuffix('_at')}_timestamp_seconds" if fact.endswith("_at") else fact for fact in facts}
    assert metrics - WORDS.keys() == set()
    assert WORDS.keys() - metrics == set()


def test_a_sentence_is_one() -> None:
    """Each is one line that ends like a sentence."""
    assert [words for words in WORDS.values() if not words.endswith(".") or "\n" in words] == []
