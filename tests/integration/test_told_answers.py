"""What is told, and what is not, of whatever SemStreams may answer: health in each dialect, metrics by each name."""

from __future__ import annotations

import pytest

from tests.support.rows import Plays, Row, behave, fault, idle, one_after_another, up_as, within_seconds
from tests.support.scene import both

pytestmark = [pytest.mark.integration, pytest.mark.table, pytest.mark.timeout(600)]

HEALTH = "semstreams:semstreams"
UNHEALTHY = ("container_unhealthy", "service:semstreams")
STALE = both("observation_stale", "probe:semstreams_health")
NOT_OFFERED = both("semstreams_health_not_offered", HEALTH)
CONNECTED = ("semstreams_nats_connected", "semstreams_nats_connection_status")
REPORTED_AT = "semstreams_storage_report_collected_timestamp_seconds"
RUNBOOK = up_as(SEMSTREAMS_DIALECT="runbook", SEMSTREAMS_JSON="pretty")

ROWS = {
    "ten-megabytes": Row(
        fault("huge"),
        STALE,
        behave,
        before=up_as(SEMSTREAMS_MEMORY="512M"),
        evidence={"error": "the body is larger than"},
    ),
    "redirect-elsewhere": Row(
        fault("redirect", location="http://192.0.2.1/health"),
        (*STALE, *both(*UNHEALTHY)),
        behave,
        evidence={"error": "another host"},
    ),
    "fails-at-its-health": Row(
        fault("failing", body="database is locked"),
        both("semstreams_health_failing", HEALTH),
        behave,
        muted=(UNHEALTHY,),
        rules='semstreams_health_failing.for = "2s"\n',
        words="semstreams answers HTTP 500 in place of its health, with database is locked",
    ),
    "a-word-that-is-not-known": Row(
        fault("dialect", flows="purple"),
        both("semstreams_status_strange", HEALTH),
        behave,
        rules='semstreams_status_strange.for = "2s"\n',
        words="it says what is not known here: flows is 'purple'",
    ),
    "redirect-to-nothing": Row(fault("redirect"), NOT_OFFERED, behave, muted=(UNHEALTHY,)),
    "a-minute-of-silence": Row(
        fault("hang", for_seconds=60.0), both("semstreams_unreachable", HEALTH), within_seconds=90.0
    ),
    "slow-but-in-time": Row(one_after_another(fault("slow", seconds=0.7), idle(8.0), behave)),
    "runbook-dialect-is-well": Row(idle(15.0), before=RUNBOOK, patient=True),
    "runbook-dialect-nats-connection": Row(
        fault("nats_disconnect"),
        both("semstreams_nats_disconnected", HEALTH),
        behave,
        before=RUNBOOK,
        words="semstreams says that its connection to NATS is down",
    ),
    "runbook-dialect-garbage": Row(fault("garbage"), STALE, behave, before=RUNBOOK, evidence={"error": "JSON"}),
    "metrics-by-the-runbooks-names": Row(one_after_another(fault("metrics", names="runbook"), idle(10.0), behave)),
    "metrics-by-the-shipped-names": Row(one_after_another(fault("metrics", names="shipped"), idle(10.0), behave)),
    "metrics-in-the-other-form": Row(one_after_another(fault("metrics", openmetrics=True), idle(10.0), behave)),
    "backlog": Row(
        fault("backlog"),
        both("semstreams_backlog_growing", HEALTH),
        behave,
        rules=within_seconds("semstreams_backlog_growing"),
    ),
    "errors-in-the-log": Row(
        fault("log_spam", lines_per_second=50.0, seconds=12.0),
        both("semstreams_log_errors", HEALTH),
        rules=within_seconds("semstreams_log_errors"),
    ),
    "connection-lost-by-the-metrics-alone": Row(
        fault("metrics", values=dict.fromkeys(CONNECTED, 0)),
        both("semstreams_nats_disconnected_by_metrics", HEALTH),
        behave,
        rules='semstreams_nats_disconnected_by_metrics.for = "2s"\n',
        words="The metrics of semstreams say that its connection to NATS is down",
    ),
    "a-service-inside-failed": Row(
        fault("metrics", values={"semstreams_service_status": 4}),
        both("semstreams_service_failed", HEALTH),
        behave,
        rules='semstreams_service_failed.for = "2s"\n',
        words="2 of the services inside semstreams failed",
    ),
    "no-new-report-on-storage": Row(
        fault("metrics", values={REPORTED_AT: 1.7e9}),
        both("semstreams_storage_report_old", HEALTH),
        behave,
        rules='semstreams_storage_report_old.above = "6s"\n',
        words="semstreams has made no new report on its storage for",
    ),
    "nothing-passes": Row(
        fault("backlog"),
        both("semstreams_idle", HEALTH),
        behave,
        rules='semstreams_idle.enabled = true\nsemstreams_idle.above = "6s"\n',
        words="semstreams has processed no message for",
    ),
    "offline-dialect-is-well": Row(idle(15.0), before=up_as(SEMSTREAMS_DIALECT="offline"), patient=True),
}


@pytest.mark.parametrize("row", ROWS.values(), ids=ROWS)
def test_each_thing_is_told_once(row: Row, plays: Plays) -> None:
    """What the endpoint answers brings exactly its own messages; no answer that cannot be read is taken for health."""
    plays.hold(row)
