"""Asking a running daemon."""

from __future__ import annotations

import os
import re
import socket
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from semsupervisor.api import client as api_client
from semsupervisor.api.client import Client, NotReachable, RequestRefused, default_socket
from tests.support.api_world import World, entry, message, served_beside
from tests.support.commands import run
from tests.support.speaking import speaking


@pytest.fixture
def world() -> World:
    """Return a healthy small stack."""
    return World()


@pytest.fixture
def client(world: World, tmp_path: Path) -> Iterator[Client]:
    """Return a client of a daemon that serves the world."""
    with served_beside(world, tmp_path) as path:
        yield Client(path)


def test_an_answer_is_plain_data(client: Client) -> None:
    """What is asked for comes back as dictionaries and lists."""
    assert client.get("/v1/status")["host"] == "edge-7"


def test_only_what_is_given_is_asked_for(client: Client, world: World) -> None:
    """Parameters that are None are left out; the others are quoted."""
    world.entries = [entry(1), entry(2, subject="service:a&b c")]
    found = client.get("/v1/timeline", {"limit": 10, "subject": "service:a&b c", "before": None})
    assert [one["id"] for one in found["entries"]] == [2]


def test_a_bad_verdict_is_an_answer(client: Client, world: World) -> None:
    """503 of /v1/health is what was asked for, not an error."""
    world.latest = {}
    assert client.get("/v1/health")["status"] == "unknown"


def test_an_act_is_quoted(client: Client, world: World) -> None:
    """A name with a slash in it is one part of the path."""
    world.dead = [message(5)]
    assert client.post("v1", "outbox", "5", "retry")["done"] == ["dead letter 5 was queued again"]
    with pytest.raises(RequestRefused, match=r"there is no receiver 'a/b'"):
        client.post("v1", "alerts", "test", "a/b")


def test_an_act_takes_parameters(client: Client, world: World) -> None:
    """They are quoted too, and left out where there is none."""
    client.post("v1", "backups", query={"note": "a & b"})
    client.post("v1", "backups", query={"note": None})
    assert [one.split(" by ")[0] for one in world.work.asked] == ["back up hot 'a & b'", "back up hot ''"]


def test_a_refusal_has_its_parts(client: Client, world: World) -> None:
    """Status, reason, remedy and every problem are there for the command to show."""
    world.store_fails = True
    with pytest.raises(RequestRefused) as refused:
        client.post("v1", "settings", "reload")
    assert (refused.value.status, len(refused.value.problems)) == (422, 2)
    assert "correct the file" in refused.value.what_to_do


def test_a_daemon_that_was_never_there_is_named(tmp_path: Path) -> None:
    """Without a socket the message says how to start it and how to name another socket."""
    with pytest.raises(NotReachable, match=r"does not run here.*systemctl start semsupervisor.*--socket"):
        Client(str(tmp_path / "none")).get("/v1/status")


def test_a_daemon_that_died_is_named(tmp_path: Path) -> None:
    """A socket on which nobody listens means that it is not running, and where its log is."""
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(tmp_path / "s"))
    with pytest.raises(NotReachable, match=r"not running: nobody listens.*journalctl"):
        Client(str(tmp_path / "s")).get("/v1/status")


def test_a_daemon_that_takes_no_more_is_named(tmp_path: Path) -> None:
    """Where as many wait as may, nobody is told that a resource is temporarily unavailable."""
    path = str(tmp_path / "s")
    with socket.socket(socket.AF_UNIX) as busy, socket.socket(socket.AF_UNIX) as first:
        busy.bind(path)
        busy.listen(0)
        first.connect(path)
        with pytest.raises(NotReachable, match=r"too many wait.*see its log"):
            Client(path).get("/v1/status")


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
def test_a_socket_that_may_not_be_opened_is_named(tmp_path: Path) -> None:
    """Somebody outside the group is told how to join it."""
    path = tmp_path / "control.sock"
    with served_beside(World(), tmp_path):
        child = os.fork()
        if child == 0:
            try:
                os.setgroups([])
                os.setgid(65534)
                os.setuid(65534)
                Client(str(path)).get("/v1/status")
            except NotReachable as error:
                os._exit(0 if "usermod -aG semsupervisor" in str(error) else 1)
            finally:
                os._exit(2)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_a_daemon_that_hangs_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Waiting for an answer has an end."""
    monkeypatch.setattr(api_client, "READING_TIMEOUT_SECONDS", 0.05)
    with socket.socket(socket.AF_UNIX) as hanging:
        hanging.bind(str(tmp_path / "s"))
        hanging.listen()
        with pytest.raises(NotReachable, match=r"did not answer .* within 0\.05 s"):
            Client(str(tmp_path / "s")).get("/v1/status")


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (b"SSH-2.0-OpenSSH\r\n", "b'SSH-2.0-OpenSSH"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", "no media type b'hello'"),
        (b'HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n{"a": 1}', "text/html"),
        (b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 5\r\n\r\n{}", "2 bytes where 5"),
    ],
)
def test_something_else_that_listens_is_named(tmp_path: Path, words: bytes, told: str) -> None:
    """What does not speak as the daemon does is an error of one sentence that quotes it."""
    with (
        speaking(tmp_path / "s", words),
        pytest.raises(NotReachable, match=rf"does not answer as semsupervisor does: .*{re.escape(told)}"),
    ):
        Client(str(tmp_path / "s")).get("/v1/status")


def test_an_answer_that_is_no_json_is_named(tmp_path: Path) -> None:
    """What only says that it is JSON is quoted with its status."""
    words = b"HTTP/1.1 200 OK\r\nContent-Type: application/json; charset=utf-8\r\nContent-Length: 5\r\n\r\n{hi}\n"
    with speaking(tmp_path / "s", words), pytest.raises(NotReachable, match=r"answer \(200\) cannot be read: b'{hi}"):
        Client(str(tmp_path / "s")).get("/v1/status")


def test_a_daemon_of_another_version_is_named(tmp_path: Path) -> None:
    """Between an update and the restart, what the answer lacks is said with what to do, not with a traceback."""
    words = b'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 17\r\n\r\n{"a": {"b": [1]}}'
    with speaking(tmp_path / "s", words):
        answer = Client(str(tmp_path / "s")).get("/v1/status")
    assert answer["a"]["b"] == [1]
    with pytest.raises(NotReachable, match=r"has no 'c': it is of another version.*systemctl restart"):
        answer["a"]["c"]


def test_a_path_that_no_socket_can_have_is_named(tmp_path: Path) -> None:
    """A path that is too long is an error like any other."""
    with pytest.raises(NotReachable, match="cannot be reached"):
        Client(str(tmp_path / ("x" * 200))).get("/v1/status")


def test_the_environment_may_name_the_socket(monkeypatch: pytest.MonkeyPatch) -> None:
    """SEMSUPERVISOR_SOCKET stands in for the usual place."""
    monkeypatch.delenv("SEMSUPERVISOR_SOCKET", raising=False)
    assert default_socket() == "/run/semsupervisor/control.sock"
    monkeypatch.setenv("SEMSUPERVISOR_SOCKET", "/tmp/other.sock")
    assert default_socket() == "/tmp/other.sock"


def test_the_client_is_there_at_once() -> None:
    """Importing it loads no package, and nothing of the standard library that takes long to load."""
    look = (
        "import sys; before = set(sys.modules); import semsupervisor.api.client;"
        "print(*sorted({name.partition('.')[0] for name in set(sys.modules) - before}))"
    )
    loaded = set(run([sys.executable, "-c", look]).stdout.split())
    assert "semsupervisor" in loaded
    assert not loaded & {"aiohttp", "aiodocker", "nats", "apscheduler", "msgspec", "structlog", "prometheus_client"}
    assert not loaded & {"asyncio", "email", "http", "ssl", "urllib"}
