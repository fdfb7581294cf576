"""What is told, and what is not, of what happens to NATS and to what it stores, by doing it to servers of each kind."""

from __future__ import annotations

import signal

import pytest

from tests.support.nats_acts import (
    ACCOUNT,
    PIECE,
    Crowd,
    Publisher,
    close_monitor,
    fill_memory,
    leave_waiting,
    limited,
    nats,
    open_monitor,
    remove,
    slow_client,
    use,
)
from tests.support.nats_faults import churn, fill_stream, redeliver, stick_consumer
from tests.support.rows import (
    NATS,
    NATS_UNREACHABLE,
    SEMSTREAMS,
    STOPPED,
    UNREACHABLE,
    Plays,
    Row,
    compose,
    docker,
    files,
    fresh,
    from_host,
    idle,
    one_after_another,
    up_as,
    within_seconds,
)
from tests.support.scene import both

pytestmark = [pytest.mark.integration, pytest.mark.table, pytest.mark.timeout(600)]

SERVER = "nats:nats"
UNHEALTHY = ("container_unhealthy", SEMSTREAMS)
DISCONNECTED = ("semstreams_nats_disconnected", "semstreams:semstreams")

FILL_AND_REFUSE = nats(fill_stream, "LEDGER", max_bytes=1_000_000, discard="new", most=2000)
# What is small beside what surrounds it goes past the older generation's policy.
EVICT_SMALL = nats(fill_stream, "LEDGER", max_bytes=10_000, discard="new", payload=b"x", most=500)
# With a store of its own: what a newer server has written is not for an older one.
OLD = one_after_another(fresh, up_as(NATS_IMAGE="semsupervisor-demo/nats:2.9"))
INSIDE_ONLY = files("docker-compose.hardened.yml")
SOON = 'stream_refuses_writes.for = "1s"\nstream_at_ceiling.for = "1s"\nconsumer_ack_pending_high.for = "1s"\n'
CROWDED = 'nats_connections_high.for = "1s"\nnats_connections_full.for = "1s"\n'
FULL = "".join(f'jetstream_{tier}_full.for = "1s"\n' for tier in ("storage", "memory", "account_storage"))
LEDGER = "stream:LEDGER"
WORKER = "consumer:WORK/stuck"
many, nearly_all = Crowd(18), Crowd(22)
others = Publisher("semstreams.entities")

ROWS = {
    "connections-many": Row(
        many.come,
        both("nats_connections_high", SERVER),
        many.leave,
        before=limited("max_connections: 24"),
        rules=CROWDED,
        words="of those that it allows",
    ),
    "connections-nearly-out": Row(
        nearly_all.come,
        both("nats_connections_full", SERVER),
        nearly_all.leave,
        before=limited("max_connections: 24"),
        rules=CROWDED,
        words="soon it refuses new ones",
    ),
    "clients-that-come-and-go": Row(
        nats(churn, 60),
        both("nats_connections_unstable", SERVER),
        rules=within_seconds("nats_connections_unstable", 'rate_above = "2/s"'),
    ),
    "slow-client": Row(
        slow_client,
        both("nats_slow_consumers", SERVER),
        rules='nats_slow_consumers.over = "10s"\nnats_slow_consumers.clear_for = "1s"\n',
    ),
    "storage-full": Row(
        nats(fill_stream, "BULK", payload=PIECE, most=84),
        both("jetstream_storage_full", SERVER),
        remove("BULK"),
        before=limited(storage="80MB"),
        rules=FULL,
    ),
    "memory-full": Row(
        use(fill_memory),
        both("jetstream_memory_full", SERVER),
        remove("BULK"),
        before=limited(memory="10MB"),
        rules=FULL,
    ),
    "account-full": Row(
        nats(fill_stream, "BULK", payload=PIECE, most=74),
        both("jetstream_account_storage_full", SERVER),
        remove("BULK"),
        before=one_after_another(fresh, limited(ACCOUNT)),
        rules=FULL,
    ),
    "stream-refuses": Row(
        FILL_AND_REFUSE,
        both("stream_refuses_writes", LEDGER),
        remove("LEDGER"),
        rules=SOON,
        words="its policy is to refuse new ones",
    ),
    "stream-evicts": Row(
        nats(fill_stream, "LEDGER", max_bytes=1_000_000, most=2000),
        both("stream_at_ceiling", LEDGER),
        remove("LEDGER"),
        rules=SOON,
    ),
    "stream-with-room": Row(nats(fill_stream, "LEDGER", max_bytes=4_000_000, most=1000), rules=SOON),
    "old-stream-evicts-against-its-policy": Row(
        one_after_another(EVICT_SMALL, idle(7.0), EVICT_SMALL),
        both("stream_at_ceiling", LEDGER),
        remove("LEDGER"),
        before=OLD,
        rules='stream_at_ceiling.for = "1s"\n',
    ),
    "old-stream-evicts": Row(
        nats(fill_stream, "LEDGER", max_bytes=1_000_000, most=2000),
        both("stream_at_ceiling", LEDGER),
        remove("LEDGER"),
        before=OLD,
        rules=SOON,
    ),
    "nobody-acknowledges": Row(
        nats(stick_consumer, "WORK"),
        both("consumer_ack_pending_high", WORKER),
        remove("WORK"),
        rules=SOON,
    ),
    "nobody-asks": Row(
        use(leave_waiting),
        both("consumer_stuck", WORKER),
        remove("WORK"),
        rules='consumer_stuck.above = "2s"\n',
        words="5 messages are pending, and nobody asks for any",
    ),
    "monitoring-port-refuses": Row(
        close_monitor,
        both(*NATS_UNREACHABLE),
        open_monitor,
        words="Connection refused",
        over="The monitoring endpoint of nats answers again.",
    ),
    "again-and-again": Row(
        one_after_another(nats(redeliver, "WORK", 1), idle(7.0), nats(redeliver, "WORK", 20)),
        both("consumer_redelivering", "consumer:WORK/again"),
        remove("WORK"),
        rules='consumer_redelivering.above = "5s"\nconsumer_redelivering.for = "1s"\n',
    ),
    "taker-stopped-while-others-publish": Row(
        one_after_another(docker("stop", "semstreams", "--time", "2"), others.begin),
        STOPPED,
        one_after_another(others.end, docker("start", "semstreams")),
        muted=(UNREACHABLE, ("consumer_backlog_growing", "consumer:SEMSTREAMS/semstreams-flows")),
        rules=within_seconds("consumer_backlog_growing", 'rate_above = "1/s"'),
    ),
    "stopped-by-hand": Row(
        docker("stop", "nats", "--time", "2"),
        both("container_stopped", NATS),
        docker("start", "nats"),
        muted=(NATS_UNREACHABLE, DISCONNECTED, UNHEALTHY),
    ),
    "paused": Row(
        docker("pause", "nats"),
        both("container_paused", NATS),
        docker("unpause", "nats"),
        muted=(NATS_UNREACHABLE,),
        words="nats is paused",
    ),
    "recreated": Row(
        compose("up", "--detach", "--wait", "--force-recreate", "--no-deps", "nats"),
        noted={"service.recreated": "nats was recreated: it has a new container"},
        patient=True,
    ),
    "old-killed": Row(from_host("nats", signal.SIGKILL), both("container_died", NATS), before=OLD),
    "old-stands-still": Row(
        from_host("nats", signal.SIGSTOP),
        both(*NATS_UNREACHABLE),
        from_host("nats", signal.SIGCONT),
        muted=(("container_unhealthy", NATS),),
        before=OLD,
    ),
    "old-is-well": Row(idle(15.0), before=OLD, patient=True),
    "inside-only-killed": Row(from_host("nats", signal.SIGKILL), both("container_died", NATS), before=INSIDE_ONLY),
    "inside-only-stands-still": Row(
        from_host("nats", signal.SIGSTOP),
        both(*NATS_UNREACHABLE),
        from_host("nats", signal.SIGCONT),
        muted=(("container_unhealthy", NATS),),
        before=INSIDE_ONLY,
    ),
    "inside-only-is-well": Row(idle(15.0), before=INSIDE_ONLY, patient=True),
}


@pytest.mark.parametrize("row", ROWS.values(), ids=ROWS)
def test_each_thing_is_told_once(row: Row, plays: Plays) -> None:
    """What happens to a server, its streams or its clients brings exactly its own messages."""
    plays.hold(row)
