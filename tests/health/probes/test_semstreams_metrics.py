"""The probe of SemStreams' metrics: pages in, observations out."""

from __future__ import annotations

import msgspec
import pytest

from semsupervisor.errors import EngineError, SupervisorError
from semsupervisor.health.observation import FactValue, Observation, Outcome, Unknown
from semsupervisor.health.probes.semstreams_metrics import ERRORS_SECONDS, SemstreamsMetrics
from semsupervisor.health.targets import TargetAbsent
from semsupervisor.systems.connecting import Refused
from semsupervisor.systems.http import Answer, BodyTooLarge
from tests.support.asked import ELAPSED_SECONDS, Answering, answer

INTERVAL_SECONDS = 10.0


def page(**figures: float) -> Answer:
    """Return a page with these of SemStreams' metrics."""
    lines = [f"semstreams_{name} {value}" for name, value in figures.items()]
    return answer("\n".join(lines).encode() + b"\n")


class Looks:
    """A probe that looks again and again at what the test lays out."""

    def __init__(self) -> None:
        self.answering = Answering(page(flow_active=1))
        self.probe = SemstreamsMetrics(self.answering.clock, [self.answering.endpoint], "semstreams", 3.0)

    async def see(self, outcome: Answer | SupervisorError) -> Observation:
        """Return what is seen of an answer, an interval after the look before."""
        self.answering.clock.advance(INTERVAL_SECONDS - ELAPSED_SECONDS)
        self.answering.answers = [outcome]
        (observation,) = await self.probe.observe()
        return observation

    async def fact(self, name: str, **figures: float) -> FactValue | None:
        """Return one fact of what is seen of a page."""
        return (await self.see(page(**figures))).facts.get(name)


async def test_figures_are_facts() -> None:
    """What stands there as it is becomes a fact; who is connected and what flows is said by others as well."""
    observation = await Looks().see(
        page(messages_total=9, messages_pending=4, nats_connection_status=1, storage_resource_pressure=2)
    )
    assert observation.outcome is Outcome.OK
    assert observation.facts == {
        "metrics_offered": True,
        "messages_total": 9.0,
        "messages_pending": 4.0,
        "nats_connected_by_metrics": True,
        "storage_pressure": 2.0,
    }
    assert observation.evidence == {}


async def test_flows_are_handed_to_the_probe_of_the_flows() -> None:
    """How many flows run is no fact of this probe; what could not be read any more is unknown."""
    looks = Looks()
    told = [looks.probe.flows_active]
    for outcome in (page(flow_active=3), Refused("refused")):
        assert "flows_active" not in (await looks.see(outcome)).facts
        told.append(looks.probe.flows_active)
    assert told == [None, 3.0, Unknown("refused")]


async def test_throughput_is_the_rise_of_the_messages() -> None:
    """It is known once half of its window is seen, and a counter that begins anew was reset, not run backwards."""
    looks = Looks()
    seen = [await looks.fact("messages_per_second", messages_total=50 * number) for number in range(12)]
    assert seen[:8] == [None] * 8
    assert seen[8:] == [pytest.approx(5.0)] * 4
    after_reset = await looks.fact("messages_per_second", messages_total=50)
    assert after_reset == pytest.approx(5.0)


async def test_a_series_that_vanishes_is_no_reset() -> None:
    """Neither when the flow that it is of is removed nor when it is back does anything seem to have been processed."""
    looks = Looks()

    def flows(number: int) -> Answer:
        shown = [b'{flow="small"} %d' % number] + ([] if 8 <= number < 12 else [b'{flow="large"} 1000000'])
        return answer(b"\n".join(b"semstreams_messages_total" + line for line in shown) + b"\n")

    seen = [await looks.see(flows(number)) for number in range(20)]
    rates = [one.facts.get("messages_per_second") for one in seen]
    assert rates[8:] == [pytest.approx(1 / INTERVAL_SECONDS)] * 12
    assert [one.facts["messages_total"] for one in seen] == [1_000_000.0 + number for number in range(20)]


async def test_error_ratio_is_of_what_happened_lately() -> None:
    """A quarter of the messages of the last minutes failed, whatever the totals since the start."""
    looks = Looks()
    ratios = [
        await looks.fact("error_ratio", messages_total=1_000_000 + 40 * number, messages_errors_total=5 + 10 * number)
        for number in range(20)
    ]
    assert ratios[0] is None
    assert ratios[-1] == pytest.approx(0.25)


@pytest.mark.parametrize(
    ("messages", "errors", "ratio"), [(3, 3, 0.0), (19, 19, 0.0), (20, 5, 0.25), (0, 0, 0.0), (0, 40, 1.0)]
)
async def test_error_ratio_of_few_messages(messages: float, errors: float, ratio: float) -> None:
    """Of fewer than 20 no share is taken, and errors without messages are all that happened."""
    looks = Looks()
    await looks.see(page(messages_total=0, messages_errors_total=0))
    ratios = [await looks.fact("error_ratio", messages_total=messages, messages_errors_total=errors) for _ in range(17)]
    assert ratios[-1] == pytest.approx(ratio)


async def test_another_name_for_a_figure_is_no_jump() -> None:
    """After an update that counts under another name the course begins anew."""
    looks = Looks()
    for _ in range(20):
        await looks.see(page(messages_total=5, messages_errors_total=0))
    after = await looks.see(page(messages_processed_total=4_000_000, errors_total=3_000_000))
    assert "error_ratio" not in after.facts
    assert "messages_per_second" not in after.facts


async def test_idle_is_known_once_something_passed() -> None:
    """Where no message ever passed nothing is missing; then the time since the last one counts."""
    looks = Looks()
    first = await looks.fact("messages_idle_seconds", messages_total=5)
    same = await looks.fact("messages_idle_seconds", messages_total=5)
    moved = await looks.fact("messages_idle_seconds", messages_total=6)
    idle = await looks.fact("messages_idle_seconds", messages_total=6)
    assert (first, same, moved, idle) == (None, None, 0.0, INTERVAL_SECONDS)


async def test_a_collector_that_stands_still_has_an_age() -> None:
    """The age of the report on the storage is counted by our clock since it last changed; none was ever made: none."""
    looks = Looks()
    name = "storage_report_age_seconds"
    never = await looks.fact(name, storage_report_collected_timestamp_seconds=0)
    first = await looks.fact(name, storage_report_collected_timestamp_seconds=1.7e9)
    stood = await looks.fact(name, storage_report_collected_timestamp_seconds=1.7e9)
    fresh = await looks.fact(name, storage_report_collected_timestamp_seconds=1.7e9 + 1)
    assert (never, first, stood, fresh) == (None, 0.0, INTERVAL_SECONDS, 0.0)


async def test_how_long_something_stands_still_is_unsettled_before_it_moved() -> None:
    """What may have stood still before the first look is told as such, rates too, until there is an own figure."""
    looks = Looks()
    stamp = "storage_report_collected_timestamp_seconds"
    first = await looks.see(page(**{stamp: 1.7e9}, messages_total=5, messages_errors_total=1))
    moved = [await looks.see(page(**{stamp: 1.8e9}, messages_total=6, messages_errors_total=1)) for _ in range(20)]
    stands = {"storage_report_age_seconds", "messages_idle_seconds"}
    assert first.unsettled == {*stands, "messages_per_second", "error_ratio"}
    assert moved[0].unsettled == {"messages_per_second", "error_ratio"}
    assert moved[-1].unsettled == set()


async def test_a_figure_that_is_no_count_is_unknown() -> None:
    """NaN is not 0: the fact is unknown with the reason, the others are there, and no rate follows from it."""
    observation = await Looks().see(page(messages_pending=float("nan"), errors_total=3))
    assert observation.facts["messages_pending"] == Unknown("semstreams_messages_pending is nan")
    assert observation.facts["errors_total"] == 3.0


@pytest.mark.parametrize(
    ("outcome", "result", "offered", "body"),
    [
        (answer(b"", 404), Outcome.NOT_OFFERED, False, None),
        (Refused("hunter2 refused"), Outcome.DOWN, False, None),
        (answer(b"<hunter2"), Outcome.UNKNOWN, Unknown("no page of metrics"), "<***"),
        (BodyTooLarge("too large", answer(b"xxx")), Outcome.UNKNOWN, Unknown("too large"), "xxx"),
        (EngineError("away"), Outcome.UNKNOWN, Unknown("away"), None),
        (TargetAbsent("no such service"), Outcome.NOT_OFFERED, Unknown("no such service"), None),
    ],
)
async def test_what_was_read_before_is_unknown_when_it_cannot_be_read(
    outcome: Answer | SupervisorError, result: Outcome, offered: FactValue, body: str | None
) -> None:
    """No figure is 0 for want of an answer; the first bytes of what is none are evidence, without secrets."""
    looks = Looks()
    await looks.see(page(messages_pending=4))
    observation = await looks.see(outcome)
    assert observation.outcome is result
    assert observation.facts["metrics_offered"] == offered
    assert isinstance(observation.facts["messages_pending"], Unknown)
    assert observation.evidence.get("body") == body
    assert observation.evidence["error"]
    assert "hunter2" not in str(msgspec.to_builtins(observation.facts))


@pytest.mark.parametrize("outcome", [answer(b"", 404), Refused("refused"), TargetAbsent("no such service")])
async def test_what_was_never_offered_is_left_out(outcome: Answer | SupervisorError) -> None:
    """A SemStreams without metrics has no facts of them, and nothing is wrong with it."""
    observation = await Looks().see(outcome)
    assert observation.facts == {}
    assert observation.outcome in {Outcome.NOT_OFFERED, Outcome.DOWN}


def test_the_window_of_errors_is_five_minutes() -> None:
    """The window that the fact's description names is the one that is used."""
    assert ERRORS_SECONDS == 300
