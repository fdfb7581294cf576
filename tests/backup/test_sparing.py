"""What a flaw in one snapshot means for the older ones."""

from __future__ import annotations

from datetime import timedelta

from semsupervisor.backup.sparing import why
from semsupervisor.backup.verdicts import Look
from tests.support.clock import START
from tests.support.job_world import snapshot

HOUR = timedelta(hours=1)
OLD = snapshot("20260228-120000", host="edge-7").entry
SUSPICIOUS = snapshot(host="edge-7", suspicions=("stream EV is gone",)).entry
DAMAGED = {OLD.id: Look(START, 3, ("EV: a record is torn",))}


def test_what_is_damaged_or_suspicious_holds_the_others() -> None:
    """In words; where neither is known nothing is held."""
    assert why([OLD], {OLD.id: Look(START, 3)}, "edge-7", None) == ""
    assert why([OLD, SUSPICIOUS], {}, "edge-7", None) == f"{SUSPICIOUS.id} is suspicious (stream EV is gone)"
    assert why([OLD], DAMAGED, "edge-7", None) == f"{OLD.id} was found damaged (EV: a record is torn)"


def test_what_somebody_has_settled_since_holds_nothing() -> None:
    """What was found after that does."""
    for settled_at, holds in ((START - HOUR, True), (START + HOUR, False)):
        assert bool(why([SUSPICIOUS], {}, "edge-7", settled_at)) == holds
        assert bool(why([OLD], DAMAGED, "edge-7", settled_at)) == holds


def test_what_another_host_took_or_nobody_knows_holds_nothing() -> None:
    """It is not removed by itself either."""
    assert why([SUSPICIOUS, OLD], DAMAGED, "edge-8", None) == ""
    assert why([snapshot(host="", suspicions=("gone",), taken_at=None).entry], {}, "", None) == ""
