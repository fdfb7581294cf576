"""What is told, and what is not, of SemStreams' flows and figures, by making it show them."""

from __future__ import annotations

import pytest

from tests.support.rows import Plays, Row, behave, fault
from tests.support.scene import both

pytestmark = [pytest.mark.integration, pytest.mark.timeout(300)]

SEMSTREAMS = "semstreams:semstreams"
DEGRADED = ("semstreams_degraded", SEMSTREAMS)
PRESSURE = "semstreams_storage_resource_pressure"

ROWS = {
    "flows-fewer": Row(
        fault("drop_flows", keep=1),
        both("semstreams_flows_missing", SEMSTREAMS),
        behave,
        muted=(DEGRADED,),
        words="1 of 3 flows of semstreams run.",
        over="All flows of semstreams that are expected run.",
        rules='semstreams_flows_missing.for = "2s"',
    ),
    "flow-slow": Row(
        fault("slow_flow"),
        both("semstreams_flows_slow", SEMSTREAMS),
        behave,
        muted=(DEGRADED,),
        words="1 of the flows of semstreams do not keep up: ingest",
        over="All flows of semstreams keep up.",
        rules='semstreams_flows_slow.for = "2s"',
    ),
    "flows-stopped-in-a-healthy-body": Row(
        fault("dialect", flows="stopped"),
        both("semstreams_flows_stopped", SEMSTREAMS),
        behave,
        muted=(DEGRADED,),
        words="semstreams says that its flows do not run: they are stopped.",
        over="semstreams does not say any more that its flows do not run.",
        rules='semstreams_flows_stopped.for = "2s"',
    ),
    "storage-pressed": Row(
        fault("metrics", values={PRESSURE: 3}),
        both("semstreams_storage_critical", SEMSTREAMS),
        behave,
        muted=(("semstreams_storage_pressed", SEMSTREAMS),),
        words="semstreams says that its storage is pressed to the utmost.",
        over="semstreams says that its storage is pressed no more than 0 of 3.",
        rules='semstreams_storage_critical.for = "2s"\nsemstreams_storage_pressed.for = "2s"',
    ),
    "metrics-gone": Row(
        fault("not_offered", paths=["/metrics"]),
        both("semstreams_metrics_gone", SEMSTREAMS),
        behave,
        words="semstreams does not offer its metrics any more",
        over="semstreams offers its metrics again.",
        rules='semstreams_metrics_gone.for = "2s"',
    ),
    "metrics-garbage": Row(
        fault("garbage", paths=["/metrics"]),
        both("observation_stale", "probe:semstreams_metrics"),
        behave,
        words="The check semstreams_metrics has said nothing certain for",
        over="The check semstreams_metrics sees again.",
        evidence={"error": "no page of metrics"},
    ),
    "started-anew": Row(
        fault("restart"),
        both("semstreams_restarted", SEMSTREAMS),
        words="The program in semstreams was started anew, though its container was not",
        over="semstreams was not started anew lately.",
    ),
}


@pytest.mark.parametrize("row", ROWS.values(), ids=ROWS)
def test_each_thing_is_told_once(row: Row, plays: Plays) -> None:
    """What the figures say brings exactly its own messages."""
    plays.hold(row)
