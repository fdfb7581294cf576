"""The probes of SemStreams' metrics and flows against the demo's stand-in, which is connected to a real NATS server."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Sequence

import pytest

from semsupervisor.health.masking import masked
from semsupervisor.health.observation import Observation, Outcome, Unknown
from semsupervisor.health.probes.semstreams_flows import Expecting, SemstreamsFlows
from semsupervisor.health.probes.semstreams_metrics import SemstreamsMetrics
from semsupervisor.health.reaching import Endpoint
from semsupervisor.health.targets import Target, beside, parse
from semsupervisor.health.usual import UsualNumber
from semsupervisor.kit.clock import SystemClock
from semsupervisor.kit.looplag import LoopLag
from semsupervisor.systems.http import HttpClient
from semsupervisor.systems.semstreams_flows import PATHS
from tests.support.clock import ManualClock
from tests.support.nats_server import NatsServer
from tests.support.standin import StandIn
from tests.support.waiting import eventually

pytestmark = pytest.mark.integration

TIMEOUT_SECONDS = 2.0
FLOWS = 3


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StandIn]:
    """Return one stand-in with its NATS server for all tests."""
    with NatsServer("2.14", tmp_path_factory.mktemp("nats")) as server:
        one = StandIn(tmp_path_factory.mktemp("semstreams"), server.url)
        yield one
        one.stop()


@pytest.fixture
def semstreams(shared: StandIn) -> Iterator[StandIn]:
    """Return the stand-in without faults; what a test switches on is switched off after it."""
    yield shared
    shared.clear_faults()


class Watch:
    """Both probes on one stand-in, with a clock that the test moves on by itself."""

    def __init__(self, semstreams: StandIn) -> None:
        self.clock = ManualClock()
        self.http = HttpClient(SystemClock())
        self.lag = LoopLag(SystemClock())
        health = parse(semstreams.health)
        pages = [beside(health, "/metrics", port) for port in (None, semstreams.metrics_port)]
        lists = [beside(health, path) for path in PATHS]
        self.metrics = SemstreamsMetrics(self.clock, self._places(pages), "semstreams", TIMEOUT_SECONDS)
        expecting = Expecting(settings=FLOWS, stored=self._nothing, usual=UsualNumber(None))
        self.flows = SemstreamsFlows(
            self.clock,
            self._places(lists),
            lambda: self.metrics.flows_active,
            expecting,
            "semstreams",
            TIMEOUT_SECONDS,
        )

    def _places(self, targets: Sequence[Target]) -> list[Endpoint]:
        return [
            Endpoint(
                SystemClock(),
                self.http.get,
                target,
                lambda _: None,
                lag_since=self.lag.largest_since,
                mask=masked,
            )
            for target in targets
        ]

    async def _nothing(self) -> None:
        return None

    async def see(self, after_seconds: float = 10.0) -> Observation:
        """Return what the metrics say, so long after the look before."""
        self.clock.advance(after_seconds)
        (observation,) = await self.metrics.observe()
        return observation

    async def see_flows(self) -> Observation:
        """Return what is said of the flows, the metrics looked at first."""
        await self.see()
        (observation,) = await self.flows.observe()
        return observation


@pytest.fixture
async def watch(semstreams: StandIn) -> AsyncIterator[Watch]:
    """Return both probes."""
    one = Watch(semstreams)
    yield one
    await one.http.close()


@pytest.mark.parametrize("openmetrics", [False, True])
@pytest.mark.parametrize(
    ("names", "only"), [("runbook", "messages_pending"), ("shipped", "storage_pressure"), ("both", "messages_pending")]
)
async def test_either_set_of_names_is_read(
    semstreams: StandIn, watch: Watch, names: str, only: str, openmetrics: bool
) -> None:
    """The common figures are there by each set, those of one set with that one, in either form."""
    semstreams.fault("metrics", names=names, openmetrics=openmetrics)
    seen = await watch.see()
    assert seen.outcome is Outcome.OK
    assert {"messages_total", "errors_total", "resident_memory_bytes", only} <= seen.facts.keys()
    assert seen.facts["nats_connected_by_metrics"] is True
    assert float(str(seen.facts["resident_memory_bytes"])) > 2**20
    assert ("messages_pending" in seen.facts) is (names != "shipped")


@pytest.mark.parametrize(
    ("fault", "parameters", "outcome", "error"),
    [
        ("garbage", {}, Outcome.UNKNOWN, "no page of metrics"),
        ("huge", {}, Outcome.UNKNOWN, "larger than"),
        ("redirect", {"location": "http://192.0.2.1/metrics"}, Outcome.UNKNOWN, "another host"),
        ("hang", {}, Outcome.DOWN, "no answer within"),
        ("not_offered", {}, Outcome.NOT_OFFERED, "not offered"),
    ],
)
async def test_a_bad_page_is_unknown(
    semstreams: StandIn, watch: Watch, fault: str, parameters: dict[str, str], outcome: Outcome, error: str
) -> None:
    """What was read before is unknown then, with what came in place of it, and known again after it."""
    await watch.see()
    semstreams.fault(fault, paths=["/metrics"], **parameters)
    seen = await watch.see()
    semstreams.clear_faults()
    assert seen.outcome is outcome
    assert isinstance(seen.facts["messages_total"], Unknown)
    assert error in seen.evidence["error"]
    assert (await watch.see()).outcome is Outcome.OK


async def test_failing_messages_show_in_their_share(semstreams: StandIn, watch: Watch) -> None:
    """All messages fail: so says the share, over what happened since."""
    semstreams.fault("failures", ratio=1.0)
    for _ in range(4):
        await watch.see(50.0)

    async def most() -> bool:
        # The clock moves so little that no message leaves the window of five minutes again.
        ratio = (await watch.see(0.01)).facts.get("error_ratio")
        return isinstance(ratio, float) and ratio > 0.5

    await eventually(most, within_seconds=60)


async def test_a_restart_is_no_negative_rate(semstreams: StandIn, watch: Watch) -> None:
    """Counters that begin anew leave a throughput of zero or more."""
    for _ in range(9):
        await watch.see()
    semstreams.fault("restart")
    rate = (await watch.see()).facts["messages_per_second"]
    assert isinstance(rate, float)
    assert rate >= 0.0


async def test_flows_are_seen_in_metrics_and_list(semstreams: StandIn, watch: Watch) -> None:
    """All run; then one is slow; then only one is left; then there is no list, and the metrics' number stays."""
    well = await watch.see_flows()
    assert (well.facts["flows_active"], well.facts["flows_missing"], well.facts["flows_slow"]) == (FLOWS, 0, 0)
    semstreams.fault("slow_flow")
    assert (await watch.see_flows()).facts["flows_slow"] == 1
    semstreams.fault("drop_flows", keep=1)
    assert (await watch.see_flows()).facts["flows_missing"] == FLOWS - 1
    semstreams.fault("not_offered", paths=list(PATHS))
    assert (await watch.see_flows()).facts["flows_active"] == 1
