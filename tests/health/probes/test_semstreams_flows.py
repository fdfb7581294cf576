"""The probe of SemStreams' flows: lists and numbers in, observations out."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from semsupervisor.errors import EngineError, SupervisorError, TemporaryError
from semsupervisor.health.observation import FactValue, Observation, Outcome, Unknown
from semsupervisor.health.probes.semstreams_flows import STORED_SECONDS, Expecting, SemstreamsFlows
from semsupervisor.health.targets import TargetAbsent
from semsupervisor.health.usual import FIRST_SECONDS, UsualNumber
from semsupervisor.systems.connecting import Refused
from semsupervisor.systems.http import Answer
from tests.support.asked import Answering, answer

MISSING = answer(b"", 404)


def listing(**flows: str) -> Answer:
    """Return a list of flows with their states."""
    return answer([{"name": name, "status": status} for name, status in flows.items()])


class Looks:
    """A probe that looks at what the test lays out."""

    def __init__(self, *, settings: int | None = None, active: FactValue | None = None) -> None:
        self.answering = Answering(MISSING)
        self.active = active
        self.stored: Sequence[bytes] | SupervisorError | None = None
        self.probe = SemstreamsFlows(
            self.answering.clock,
            [self.answering.endpoint],
            lambda: self.active,
            Expecting(settings=settings, stored=self._stored, usual=UsualNumber(None)),
            "semstreams",
            3.0,
        )

    async def _stored(self) -> Sequence[bytes] | None:
        if isinstance(self.stored, SupervisorError):
            raise self.stored
        return self.stored

    async def see(self, outcome: Answer | SupervisorError = MISSING, after_seconds: float = 10.0) -> Observation:
        """Return what is seen of an answer, some time after the look before."""
        self.answering.clock.advance(after_seconds)
        self.answering.answers = [outcome]
        (observation,) = await self.probe.observe()
        return observation


async def test_flows_of_the_list_are_counted() -> None:
    """A slow flow runs; the names of those that are slow or idle are evidence."""
    seen = await Looks(settings=4).see(listing(ingest="running", graph="slow", export="error"))
    assert seen.outcome is Outcome.OK
    assert seen.facts == {"flows_active": 2.0, "flows_slow": 1, "flows_expected": 4.0, "flows_missing": 2.0}
    assert seen.evidence == {
        "slow_flows": "graph",
        "idle_flows": "export (error)",
        "flows_expected_from": "checks.semstreams.expected_flows",
    }


async def test_a_flow_of_which_nothing_is_known_is_not_counted_as_running() -> None:
    """How many run is unknown then, and which is not clear is said; what is certainly missing is missing."""
    looks = Looks(settings=2)
    seen = await looks.see(listing(ingest="running", graph="purple", export=""))
    why = Unknown("whether a flow runs is not clear of graph (purple), export (no state)")
    assert seen.facts == {"flows_active": why, "flows_slow": 0, "flows_expected": 2.0, "flows_missing": why}
    assert seen.evidence["unclear_flows"] == "graph (purple), export (no state)"
    seen = await looks.see(listing(graph="purple", export="stopped"))
    assert (isinstance(seen.facts["flows_active"], Unknown), seen.facts["flows_missing"]) == (True, 1.0)


async def test_the_metrics_number_stands_beside_flows_that_are_not_clear() -> None:
    """What is counted there needs no word of the list."""
    seen = await Looks(settings=2, active=2.0).see(listing(ingest="running", graph="purple"))
    assert (seen.facts["flows_active"], seen.facts["flows_missing"]) == (2.0, 0.0)
    assert seen.evidence["unclear_flows"] == "graph (purple)"


async def test_what_the_metrics_say_of_the_number_counts() -> None:
    """The runbook reads the number there; without a list nothing is said of slow ones."""
    seen = await Looks(settings=3, active=3.0).see()
    assert seen.facts == {"flows_active": 3.0, "flows_expected": 3.0, "flows_missing": 0.0}


async def test_more_flows_than_expected_miss_nothing() -> None:
    """The number of missing flows is never below zero."""
    assert (await Looks(settings=1, active=3.0).see()).facts["flows_missing"] == 0.0


async def test_stored_flows_are_expected_without_a_setting() -> None:
    """They are counted once a minute; while they cannot be read the last count holds, and the evidence says so."""
    looks = Looks(active=2.0)
    looks.stored = [b"{}", b"{}", b'{"enabled": false}', b"{}"]
    seen = await looks.see()
    assert (seen.facts["flows_expected"], seen.facts["flows_missing"]) == (3.0, 1.0)
    looks.stored = TemporaryError("NATS is away")
    seen = await looks.see(after_seconds=STORED_SECONDS)
    assert seen.facts["flows_expected"] == 3.0
    assert "NATS is away" in seen.evidence["flows_expected_from"]
    looks.stored = [b"{}", b"{}"]
    assert (await looks.see()).facts["flows_expected"] == 2.0
    looks.stored = [b"{}"]
    assert (await looks.see(after_seconds=STORED_SECONDS - 1)).facts["flows_expected"] == 2.0
    assert (await looks.see(after_seconds=1.0)).facts["flows_expected"] == 1.0


async def test_else_the_usual_number_is_expected() -> None:
    """Where nothing is stored what held for ten minutes is missed when it is gone."""
    looks = Looks(active=3.0)
    assert "flows_missing" not in (await looks.see()).facts
    await looks.see(after_seconds=FIRST_SECONDS)
    looks.active = 1.0
    assert (await looks.see()).facts["flows_missing"] == 2.0


async def test_a_number_that_is_unknown_misses_nothing() -> None:
    """Unknown flows are neither there nor missing."""
    seen = await Looks(settings=3, active=Unknown("no metrics now")).see()
    assert seen.facts["flows_missing"] == Unknown("no metrics now")


@pytest.mark.parametrize("active", [None, 2.0])
async def test_a_strange_list_is_unknown(active: float | None) -> None:
    """Its first bytes are evidence, masked; what the metrics say counts still."""
    seen = await Looks(settings=2, active=active).see(answer(b"<hunter2>"))
    assert seen.outcome is Outcome.UNKNOWN
    assert seen.evidence["body"] == "<***>"
    assert seen.facts.get("flows_missing") == (None if active is None else 0.0)


@pytest.mark.parametrize(
    ("outcome", "result"),
    [
        (Refused("refused"), Outcome.DOWN),
        (EngineError("away"), Outcome.UNKNOWN),
        (TargetAbsent("no such service"), Outcome.NOT_OFFERED),
        (MISSING, Outcome.NOT_OFFERED),
    ],
)
async def test_what_was_seen_before_is_unknown_when_it_cannot_be_seen(
    outcome: SupervisorError, result: Outcome
) -> None:
    """No flow is missing for want of an answer; what was never offered is left out."""
    fresh = await Looks(settings=2).see(outcome)
    assert (fresh.outcome, fresh.facts) == (result, {})
    looks = Looks(settings=2)
    await looks.see(listing(ingest="running", graph="running"))
    seen = await looks.see(outcome)
    assert set(seen.facts) == {"flows_active", "flows_slow", "flows_expected", "flows_missing"}
    assert all(isinstance(value, Unknown) for value in seen.facts.values())
