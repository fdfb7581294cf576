"""What is told, and what is not, of what SemStreams and NATS say of themselves, by making them say it."""

from __future__ import annotations

import signal

import pytest

from tests.support.rows import (
    NATS,
    NATS_UNREACHABLE,
    SEMSTREAMS,
    Plays,
    Row,
    behave,
    docker,
    fault,
    from_host,
    one_after_another,
)
from tests.support.scene import both

pytestmark = [pytest.mark.integration, pytest.mark.timeout(300)]

HEALTH = "semstreams:semstreams"
UNHEALTHY = ("container_unhealthy", SEMSTREAMS)
DISCONNECTED = ("semstreams_nats_disconnected", HEALTH)

ROWS = {
    "503": Row(
        fault("status_503"),
        both("semstreams_unhealthy", HEALTH),
        behave,
        muted=(UNHEALTHY,),
        named=("Container unhealthy",),
        observed=("Container unhealthy",),
        words="semstreams says that it is unhealthy: graph-processor is unhealthy: Made unhealthy on request",
        over="semstreams says that it is healthy.",
    ),
    "degraded": Row(
        fault("degraded"),
        both("semstreams_degraded", HEALTH),
        behave,
        words="semstreams works with limits: graph-processor is degraded",
        over="semstreams says that it is healthy.",
    ),
    "garbage": Row(
        fault("garbage"),
        both("observation_stale", "probe:semstreams_health"),
        behave,
        words="The check semstreams_health has said nothing certain for",
        over="The check semstreams_health sees again.",
        evidence={"error": "JSON"},
    ),
    "404": Row(
        fault("not_offered"),
        both("semstreams_health_not_offered", HEALTH),
        behave,
        muted=(UNHEALTHY,),
        named=("Container unhealthy",),
        observed=("Container unhealthy",),
        words="there is none for us: not offered (HTTP 404)",
        over="semstreams offers its health endpoint again.",
    ),
    "hang": Row(
        fault("hang"),
        both("semstreams_unreachable", HEALTH),
        behave,
        words="The health endpoint of semstreams does not answer",
        over="The health endpoint of semstreams answers again.",
    ),
    "nats-connection": Row(
        fault("nats_disconnect"),
        both("semstreams_nats_disconnected", HEALTH),
        behave,
        muted=(("semstreams_unhealthy", HEALTH), UNHEALTHY),
        observed=("SemStreams unhealthy",),
        words="semstreams says that its connection to NATS is down",
        over="semstreams is connected to NATS again.",
    ),
    "nats-killed": Row(
        from_host("nats", signal.SIGKILL),
        both("container_died", NATS),
        words="nats ended with exit code 137, and nobody had asked for it.",
        over="nats runs again.",
    ),
    "nats-killed-for-good": Row(
        one_after_another(docker("update", "nats", "--restart", "no"), from_host("nats", signal.SIGKILL)),
        both("container_died", NATS),
        one_after_another(docker("update", "nats", "--restart", "unless-stopped"), docker("start", "nats")),
        muted=(NATS_UNREACHABLE, DISCONNECTED, UNHEALTHY),
        named=("NATS unreachable", "SemStreams is not connected to NATS", "Container unhealthy"),
        observed=("NATS unreachable", "Container unhealthy"),
        over="nats runs again.",
    ),
    "nats-stands-still": Row(
        from_host("nats", signal.SIGSTOP),
        both(*NATS_UNREACHABLE),
        from_host("nats", signal.SIGCONT),
        muted=(("container_unhealthy", NATS), DISCONNECTED),
        named=("Container unhealthy", "SemStreams is not connected to NATS"),
        observed=("Container unhealthy",),
        words="The monitoring endpoint of nats does not answer",
        over="The monitoring endpoint of nats answers again.",
    ),
}


@pytest.mark.parametrize("row", ROWS.values(), ids=ROWS)
def test_each_thing_is_told_once(row: Row, plays: Plays) -> None:
    """What a check finds brings exactly its own messages; what only follows from it is named and not told."""
    plays.hold(row)
