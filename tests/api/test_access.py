"""Who may ask what."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from semsupervisor.api.access import Access, Caller, Peer, Policy, host_name, named, peer_of, refusal

POLICY = Policy(own_uid=990, group="semsupervisor", group_gid=980, hosts=frozenset({"edge.example"}))


def over_tcp(host: str | None = "127.0.0.1:9797", origin: str | None = None, local: str = "127.0.0.1") -> Caller:
    """Return a caller over TCP."""
    return Caller(peer=None, local_address=local, host=host, origin=origin)


def on_socket(uid: int, *gids: int) -> Caller:
    """Return a caller on the control socket."""
    return Caller(peer=Peer(42, uid, frozenset(gids)), local_address="", host="localhost", origin=None)


@pytest.mark.parametrize("caller", [on_socket(0), on_socket(990), on_socket(1000, 1000, 980)])
@pytest.mark.parametrize("access", list(Access))
def test_root_the_daemons_user_and_the_group_have_all(caller: Caller, access: Access) -> None:
    """Root, the daemon's own user and members of the group may read and control."""
    assert refusal(POLICY, access, caller) is None


def test_who_asks_has_a_name() -> None:
    """On the control socket; over TCP nobody knows."""
    assert [named(one) for one in (on_socket(0), on_socket(1000), over_tcp())] == [
        "root",
        "the user with the number 1000",
        "",
    ]


@pytest.mark.parametrize("access", list(Access))
def test_others_are_not_let_in_by_the_control_socket(access: Access) -> None:
    """Somebody who got past the file's mode is refused, and told which group to join."""
    refused = refusal(POLICY, access, on_socket(1000, 1000, 27))
    assert refused is not None
    assert "group semsupervisor" in refused.remedy


def test_without_the_group_nobody_is_in_it() -> None:
    """A group that does not exist lets nobody in."""
    policy = Policy(own_uid=990, group="semsupervisor", group_gid=None, hosts=frozenset())
    assert refusal(policy, Access.READ, on_socket(1000, 1000)) is not None


def test_tcp_is_for_reading() -> None:
    """Over TCP anybody reads and nobody controls."""
    assert refusal(POLICY, Access.READ, over_tcp()) is None
    refused = refusal(POLICY, Access.CONTROL, over_tcp())
    assert refused is not None
    assert "control socket" in refused.error


@pytest.mark.parametrize(
    "host",
    ["localhost", "LOCALHOST:9797", "127.0.0.1", "127.8.9.1:1", "[::1]:9797", "edge.example:80", "Edge.Example."],
)
def test_the_daemons_own_names_are_known(host: str) -> None:
    """Loopback names and the names in the settings are this daemon's, whatever the port and the case."""
    assert refusal(POLICY, Access.READ, over_tcp(host)) is None


@pytest.mark.parametrize(
    "host",
    [
        None,
        "",
        "evil.example",
        "localhost.evil.example",
        "127.0.0.1.evil.example",
        "edge.example.evil",
        "localhost@evil.example",
        "evil.example#localhost",
        "localhost evil.example",
        "localhost:99999999",
        "localhost:",
        "[::1",
        "[evil.example]",
        "0.0.0.0",
        "2130706433",
        "0x7f.1",
        "192.168.1.5",
        "localhost,evil.example",
        "lócalhost",
        "localhost\n",
    ],
)
def test_a_name_that_was_made_to_point_here_is_refused(host: str | None) -> None:
    """A foreign Host header (DNS rebinding) is refused, on both doors and with the setting that would allow it."""
    for caller in (over_tcp(host), Caller(peer=Peer(1, 0, frozenset()), local_address="", host=host, origin=None)):
        refused = refusal(POLICY, Access.READ, caller)
        assert refused is not None
        assert "hosts" in refused.remedy


def test_the_address_that_was_called_is_known() -> None:
    """Where the daemon listens on all addresses, each of them is its own name, and no other."""
    assert refusal(POLICY, Access.READ, over_tcp("192.168.1.5:9797", local="192.168.1.5")) is None
    assert refusal(POLICY, Access.READ, over_tcp("192.168.1.5:9797", local="::ffff:192.168.1.5")) is None
    assert refusal(POLICY, Access.READ, over_tcp("[fe80::1]:9797", local="fe80::1%eth0")) is None
    assert refusal(POLICY, Access.READ, over_tcp("192.168.1.6:9797", local="192.168.1.5")) is not None


@pytest.mark.parametrize("origin", ["http://127.0.0.1:9797", "https://127.0.0.1:9797"])
def test_the_daemons_own_page_may_ask(origin: str) -> None:
    """A request from a page that came from the same host and port is answered."""
    assert refusal(POLICY, Access.READ, over_tcp(origin=origin)) is None


@pytest.mark.parametrize(
    "origin", ["http://evil.example", "null", "", "http://127.0.0.1:8080", "http://127.0.0.1", "file://127.0.0.1:9797"]
)
@pytest.mark.parametrize("access", list(Access))
def test_other_sites_pages_may_not_ask(origin: str, access: Access) -> None:
    """A page of another site, another port included, is refused, also through a forwarded control socket."""
    assert refusal(POLICY, access, over_tcp(origin=origin)) is not None
    forwarded = Caller(peer=Peer(1, 0, frozenset()), local_address="", host="127.0.0.1:9797", origin=origin)
    assert refusal(POLICY, access, forwarded) is not None


@given(st.text(max_size=60))
def test_any_host_header_is_judged(header: str) -> None:
    """No header whatsoever breaks the check, and what is accepted as a name holds no separator."""
    name = host_name(header)
    assert name is None or not set(name) & set("/@#? \r\n,")
    refusal(POLICY, Access.READ, over_tcp(header))


def test_the_kernel_says_who_is_there(tmp_path: Path) -> None:
    """The peer of a Unix socket is this process, with all its groups."""
    path = str(tmp_path / "s")
    with socket.socket(socket.AF_UNIX) as listening, socket.socket(socket.AF_UNIX) as calling:
        listening.bind(path)
        listening.listen()
        calling.connect(path)
        accepted, _ = listening.accept()
        with accepted:
            peer = peer_of(accepted)
    assert (peer.pid, peer.uid) == (os.getpid(), os.geteuid())
    assert peer.gids == {os.getegid(), *os.getgroups()}
