"""What a value may be beyond its type."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from semsupervisor.settings import allowed

TESTS: list[tuple[Callable[[str], bool], list[str], list[str]]] = [
    (allowed.is_port, ["1", "8080", "65535"], ["0", "65536", "", "x", "-1", "٣", "000080"]),
    (allowed.is_ip, ["10.0.0.7", "::1", "fe80::1"], ["10.0.0", "[::1]", "localhost", ""]),
    (
        allowed.is_host,
        ["localhost", "mail.example.org", "mail.example.org.", "edge-7", "10.0.0.7", "::1", "3com.example"],
        [
            "",
            "-a",
            "a-",
            "a..b",
            "a b",
            "10.0.0",
            "10.0.0.256",
            "1.2.3.4.5",
            "a" * 64,
            "é.example",
            "a.b" * 100,
            "[::1]",
        ],
    ),
    (
        allowed.is_mail_address,
        ["ops@example.org", "root@localhost", "first.last+tag@a.b-c.d"],
        [
            "",
            "ops",
            "ops@",
            "@a",
            "a b@c",
            "a@b c",
            ".a@b",
            "a.@b",
            "a..b@c",
            "Ops <a@b>",
            "a@b,c@d",
            "a@b\n",
            "a@10.0.0.300",
        ],
    ),
    (
        allowed.is_url,
        ["http://a", "https://hooks.example.org/x?y=z", "http://[::1]:8080/a", "http://10.0.0.7:1/"],
        [
            "",
            "a",
            "ftp://a",
            "HTTP://a",
            "http://",
            "http:///x",
            "https://user@a",
            "https://user:password@a",
            "http://a:0",
            "http://a:99999",
            "http://a:x",
            "http://[::1",
            "http://a b",
            "http://a/\n",
        ],
    ),
    (
        allowed.is_target,
        ["http://a:8080/health", "container:nats:8222", "container:my.nats_1@2:8222/healthz"],
        [
            "container:nats",
            "container:nats:0",
            "container:nats:70000",
            "container::8222",
            "container:n:8222x",
            "nats:8222",
        ],
    ),
    (
        allowed.is_root_target,
        ["http://a:8222", "http://a:8222/", "container:nats:8222"],
        ["http://a/x", "http://a?x", "container:nats:8222/healthz", "container:nats:0"],
    ),
    (
        allowed.is_endpoint,
        ["nats.lan:4222", "[::1]:4222", "10.0.0.7:443", "container:nats:4222"],
        ["", "nats.lan", "nats.lan:0", "container:nats", "container:nats:0", "container:nats:4222/x", "https://a"],
    ),
    (allowed.is_pattern, ["", "ok|fine", "^x$"], ["(", "[", "a{99999999999999999999}"]),
    (
        allowed.is_listen_address,
        ["127.0.0.1:9797", "[::1]:9797", "localhost:0", "0.0.0.0:9797", "edge7.lan:80"],
        [
            "",
            "9797",
            ":9797",
            "127.0.0.1",
            "127.0.0.1:",
            "127.0.0.1:x",
            "127.0.0.1:65536",
            "::1:9797",
            "[127.0.0.1]:80",
            "[x]:1",
        ],
    ),
    (allowed.is_host_header, ["edge7.lan", "edge7.lan:9797", "[::1]", "[::1]:80"], ["", "a b", "http://a", "a:x"]),
    (allowed.is_absolute_path, ["/", "/a b", "/ä"], ["", "a", "./a", "/a\nb", "/a\x00"]),
    (allowed.is_socket_path, ["/run/a.sock", "/" + "a" * 106], ["a.sock", "/" + "a" * 107, "/" + "ä" * 54]),
    (allowed.is_line, ["a", "ä b"], ["", "  ", "a\nb", "a\x7f"]),
]


@pytest.mark.parametrize(("test", "text"), [(test, text) for test, good, _ in TESTS for text in good])
def test_what_is_allowed_is_taken(test: Callable[[str], bool], text: str) -> None:
    """Each test takes what an operator may write."""
    assert test(text)


@pytest.mark.parametrize(("test", "text"), [(test, text) for test, _, bad in TESTS for text in bad])
def test_what_is_not_allowed_is_refused(test: Callable[[str], bool], text: str) -> None:
    """Each test refuses what would fail later, or at once but less clearly."""
    assert not test(text)


def test_a_command_is_a_program_by_its_path_and_its_arguments() -> None:
    """What a shell would have to find or to split is refused; an argument may be empty."""
    assert allowed.is_command(["/bin/true", "", "a b"])
    assert [allowed.is_command(words) for words in ([], ["true"], ["/bin/x", "a\nb"])] == [False, False, False]


def test_a_value_that_stands_twice_is_found() -> None:
    """Upper and lower case make no difference: both would get the same mail."""
    assert allowed.each_once(["a@b", "c@d"])
    assert not allowed.each_once(["a@b", "A@B"])


def test_limits_include_their_ends() -> None:
    """A range takes its least and its most."""
    limit = allowed.between(1, 60, "from 1 to 60")
    assert [limit.test(number) for number in (0.9, 1, 60, 60.1)] == [False, True, True, False]


def test_a_pattern_matches_the_whole_text() -> None:
    """A pattern that fits only a part of a text refuses it."""
    limit = allowed.matching("[a-z]+", "letters")
    assert limit.test("abc")
    assert not limit.test("abc1")
    assert not limit.test("abc\n")
