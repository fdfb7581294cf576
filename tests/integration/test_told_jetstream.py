"""What is told, and what is not, of JetStream as it fills, is switched off or fails, by doing it to a real server."""

from __future__ import annotations

import signal
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import pytest
from nats.js import JetStreamContext
from nats.js.api import StorageType

from tests.support.daemon_process import IMPATIENT
from tests.support.demo_stack import DemoStack
from tests.support.nats_acts import (
    CONFIGURATION,
    PIECE,
    Crowd,
    Publisher,
    fill_memory,
    let_out,
    limited,
    nats,
    remove,
    shut_in,
    use,
)
from tests.support.nats_faults import fill_stream
from tests.support.rows import (
    Act,
    Plays,
    Row,
    conf,
    files,
    fresh,
    one_after_another,
    restored,
    within_seconds,
)
from tests.support.scene import Scene, both, watched
from tests.support.waiting import eventually_sync

pytestmark = [pytest.mark.integration, pytest.mark.table, pytest.mark.timeout(600)]

SERVER = "nats:nats"
SEMSTREAMS = "semstreams:semstreams"
UNHEALTHY = ("container_unhealthy", "service:semstreams")
DISCONNECTED = ("semstreams_nats_disconnected", SEMSTREAMS)
OFF = "server_name: semstreams-nats\nport: 4222\nhttp_port: 8222\njetstream: disabled\n"
GHOST = "/data/jetstream/$G/streams/GHOST"
SMALL_ACCOUNT = """
no_auth_user: app
accounts { APP { jetstream { max_mem: 10MB, max_file: 500MB }, users: [{user: app, password: app}] } }
"""
AHEAD = ('full_within = "3h"', 'over = "40s"', 'for = "1s"', 'clear_for = "1s"')
FILLING = "".join(f'jetstream_{tier}.for = "1s"\n' for tier in ("storage_filling", "storage_full", "memory_filling"))
# Its own server comes and goes within its container, which is not what SemStreams is to be told of for.
RESTARTABLE = """
services:
  nats:
    entrypoint: ["/bin/sh", "-c", "while :; do nats-server --config /etc/nats/nats.conf; done"]
"""


def bulk(storage: StorageType) -> Act:
    """Make a stream without a limit of its own."""

    async def make(js: JetStreamContext) -> None:
        await js.add_stream(name="BULK", subjects=["BULK.>"], storage=storage)

    return use(make)


def reread(text: str) -> Act:
    """Have the running server read another configuration."""

    def act(stack: DemoStack) -> None:
        (stack.folder / "nats.conf").write_text(text)
        stack.engine.signal_from_host(stack.container("nats"), signal.SIGHUP)

    return act


def within_nats(*command: str) -> Act:
    """Run a command in the server's container."""
    return lambda stack: stack.engine.docker("exec", stack.container("nats"), *command)


def restartable(stack: DemoStack) -> None:
    """Have the server run under a shell that starts it again, and containers looked at rarely."""
    (stack.folder / "restartable.yml").write_text(RESTARTABLE)
    stack.environment["HEALTH_INTERVAL"] = "10s"
    files("restartable.yml")(stack)


def soon_full(tier: str, storage: StorageType) -> Row:
    """Return the row of a tier that fills steadily, and then not any more; each has a publisher of its own."""
    growing = Publisher("BULK.a", payload=b"x" * 20_000)
    return Row(
        one_after_another(bulk(storage), growing.begin),
        both(f"jetstream_{tier}_full_soon", SERVER),
        one_after_another(growing.end, remove("BULK")),
        rules=within_seconds(f"jetstream_{tier}_full_soon", *AHEAD),
        words="if it goes on as in the last 40 s" if tier == "storage" else "are at their limit in",
    )


ROWS = {
    "storage-filling": Row(
        nats(fill_stream, "BULK", payload=PIECE, most=75),
        both("jetstream_storage_filling", SERVER),
        remove("BULK"),
        before=limited(storage="80MB"),
        rules=FILLING,
        words="JetStream of nats uses 8",
    ),
    "memory-filling": Row(
        use(partial(fill_memory, pieces=9)),
        both("jetstream_memory_filling", SERVER),
        remove("BULK"),
        before=limited(memory="10MB"),
        rules=FILLING,
        words="Streams in memory of nats use 8",
    ),
    "account-memory-full": Row(
        use(fill_memory),
        both("jetstream_account_memory_full", SERVER),
        remove("BULK"),
        before=one_after_another(fresh, limited(SMALL_ACCOUNT)),
        rules='jetstream_account_memory_full.for = "1s"\n',
        words="The account APP of nats is near its own limit for streams in memory",
    ),
    "storage-full-soon": soon_full("storage", StorageType.FILE),
    "memory-full-soon": soon_full("memory", StorageType.MEMORY),
    "stream-nearly-full": Row(
        nats(fill_stream, "LEDGER", max_bytes=1_000_000, discard="new", most=900),
        both("stream_nearly_full", "stream:LEDGER"),
        remove("LEDGER"),
        rules='stream_nearly_full.for = "1s"\n',
        words="at it new ones are refused (discard = new)",
    ),
    "full-check-fails": Row(
        within_nats("mkdir", "-p", GHOST),
        both("nats_full_check_failed", SERVER),
        within_nats("rmdir", GHOST),
        words="GHOST' could not be recovered",
    ),
    "switched-off": Row(
        reread(OFF),
        both("jetstream_disabled", SERVER),
        reread(CONFIGURATION.format(more="", memory="256MB", storage="1GB")),
        before=limited(),
        rules='jetstream_disabled.for = "1s"\nsemstreams_nats_disconnected.for = "30s"\n',
    ),
    "started-anew-in-its-container": Row(
        within_nats("killall", "nats-server"),
        both("nats_restarted", SERVER),
        before=restartable,
        rules='semstreams_nats_disconnected.for = "30s"\nnats_unreachable.for = "30s"\n',
        words="nats was started anew, or is another server",
    ),
    "shut-in": Row(
        shut_in,
        both("nats_unreachable_inside", SEMSTREAMS),
        let_out,
        rules='nats_unreachable_inside.for = "1s"\n',
        words="From inside the network of semstreams NATS is not reached",
    ),
}


@pytest.mark.parametrize("row", ROWS.values(), ids=ROWS)
def test_each_thing_is_told_once(row: Row, plays: Plays) -> None:
    """What happens to JetStream brings exactly its own messages."""
    plays.hold(row)


LOGIN = """
nats_client_not_let_in.for = "1s"
[checks.nats]
client_username = "watch"
client_password_file = "{file}"
"""
USERS = """
no_auth_user: app
accounts {{ APP {{ jetstream: enabled, users: [{{user: app, password: app}}, {{user: {name}, password: known}}] }} }}
"""
EXPECTED = """
nats_expected_client_missing.for = "1s"
[checks.nats]
expected_clients = ["semstreams", "uplink-*"]
"""


def users(name: str) -> str:
    """Return the configuration of a server that knows its usual clients, and one more by its name."""
    return CONFIGURATION.format(more=USERS.format(name=name), memory="256MB", storage="1GB")


def test_a_server_that_does_not_let_us_in_is_told(healthy_stack: DemoStack, tmp_path: Path) -> None:
    """A server that forgets the supervisor's login is told, though nobody else notices, and that it knows it again."""
    refused = both("nats_client_not_let_in", SERVER)
    secret = tmp_path / "password"
    secret.write_text("known\n")
    with restored(healthy_stack):
        one_after_another(fresh, conf(users("watch")))(healthy_stack)
        with watched(healthy_stack, tmp_path, IMPATIENT, LOGIN.format(file=secret)) as scene:
            scene.await_looks("nats_client")
            reread(users("other"))(healthy_stack)
            scene.await_told(refused[0])
            reread(users("watch"))(healthy_stack)
            scene.await_told(*refused)
            scene.await_calm()
            assert scene.told == [*refused]


def test_a_client_that_should_be_there_is_missed(healthy_stack: DemoStack, tmp_path: Path) -> None:
    """Of the clients that the settings name the one that leaves is told by its pattern, and that it is back."""
    missed = both("nats_expected_client_missing", SERVER)
    with ExitStack() as leaving:
        uplink = Crowd(1, "uplink-7")
        leaving.callback(uplink.leave, healthy_stack)
        uplink.come(healthy_stack)
        with watched(healthy_stack, tmp_path, IMPATIENT, EXPECTED) as scene:
            scene.await_looks("nats_connz")
            uplink.leave(healthy_stack)
            scene.await_told(missed[0])
            assert scene.alert(missed[0])["summary"].endswith("are not: uplink-*.")
            uplink.come(healthy_stack)
            scene.await_told(*missed)
            scene.await_calm()
            assert scene.told == [*missed]


def reloaded(scene: Scene, times: int) -> bool:
    """Tell whether the settings were read again so often."""
    return len(scene.daemon.timeline("settings.loaded")) >= times


def test_a_reload_neither_ends_nor_repeats_what_fires(healthy_stack: DemoStack, tmp_path: Path) -> None:
    """While a stream refuses the settings are read again, as they were and changed: only its end is told after it."""
    full = both("stream_refuses_writes", "stream:LEDGER")
    rules = 'stream_refuses_writes.for = "1s"\nstream_at_ceiling.for = "1s"\n'
    with watched(healthy_stack, tmp_path, IMPATIENT, rules) as scene:
        nats(fill_stream, "LEDGER", max_bytes=1_000_000, discard="new", most=2000)(healthy_stack)
        scene.await_told(full[0])
        text = scene.daemon.settings.read_text()
        for number, changed in enumerate((text, text.replace('interval = "1s"', 'interval = "1200ms"')), start=1):
            scene.daemon.settings.write_text(changed)
            scene.daemon.ask_to_reload()
            eventually_sync(partial(reloaded, scene, number))
            scene.await_looks("nats_jetstream", times=3)
            assert full[0][1:] in scene.firing()
        assert scene.told == [full[0]]
        remove("LEDGER")(healthy_stack)
        scene.await_told(*full)
        scene.await_calm()
        assert scene.told == [*full]
