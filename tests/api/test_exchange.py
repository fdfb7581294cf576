"""One question over a Unix socket and its answer."""

from __future__ import annotations

import re
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from semsupervisor.api import exchange as module
from semsupervisor.api.exchange import LARGEST_BODY_BYTES, LARGEST_HEAD_BYTES, NoAnswer, exchange
from tests.support.api_world import World, served_beside
from tests.support.speaking import speaking

JSON = "application/json"
OK = b"HTTP/1.0 200 OK\r\n"
WHOLE = OK + b"Content-Type: application/json; charset=utf-8\r\nContent-Length: 7\r\n\r\n[1, 2]\n"
PATIENCE = 60.0


def asked(path: Path, seconds: float = PATIENCE) -> tuple[int, str, bytes]:
    """Ask whoever listens beside a test."""
    return exchange(str(path / "s"), "GET", "/v1/x", JSON, seconds)


@pytest.mark.parametrize(("method", "target", "status"), [("GET", "/v1/status", 200), ("POST", "/v1/none", 404)])
def test_the_daemon_answers(tmp_path: Path, method: str, target: str, status: int) -> None:
    """What is asked in this way is answered by the real server, whole and with its type."""
    with served_beside(World(), tmp_path) as path:
        said, form, body = exchange(path, method, target, JSON, PATIENCE)
    assert (said, form) == (status, JSON)
    assert body.startswith(b"{")
    assert body.endswith(b"}")


def test_the_question_is_of_the_plainest(tmp_path: Path) -> None:
    """It asks for one answer that is not in chunks: HTTP/1.0, with no body and nothing to be remembered by."""
    with speaking(tmp_path / "s", WHOLE) as questions:
        asked(tmp_path)
    assert questions == [
        b"GET /v1/x HTTP/1.0\r\nHost: localhost\r\nAccept: application/json\r\nContent-Length: 0\r\n\r\n"
    ]


def test_an_answer_comes_in_any_pieces(tmp_path: Path) -> None:
    """Where one piece ends and the next begins means nothing."""
    pieces = [WHOLE[at : at + 1] for at in range(len(WHOLE))]
    with speaking(tmp_path / "s", *pieces, pause_seconds=0.001):
        assert asked(tmp_path) == (200, JSON, b"[1, 2]\n")


def test_an_answer_is_over_where_it_says_so(tmp_path: Path) -> None:
    """Whoever answers and does not hang up is not waited for."""
    with speaking(tmp_path / "s", WHOLE, holds=True):
        assert asked(tmp_path) == (200, JSON, b"[1, 2]\n")


def test_an_answer_without_a_length_goes_on_to_the_end(tmp_path: Path) -> None:
    """Hanging up ends it then."""
    with speaking(tmp_path / "s", b"HTTP/1.1 503 Unavailable\r\nCONTENT-TYPE: Text/Plain\r\n\r\n", b"no", b"ne"):
        assert asked(tmp_path) == (503, "text/plain", b"none")


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (b"", "it hung up without an answer"),
        (b"SSH-2.0-OpenSSH\r\n", "b'SSH-2.0-OpenSSH\\r\\n'"),
        (b"\x16\x03\x01\x02", "b'\\x16\\x03\\x01\\x02'"),
        (b"HTT", "it hung up after b'HTT'"),
        (b"HTTP/1.1 2", "it hung up after b'HTTP/1.1 2'"),
        (OK + b"Content-Type: application/json\r\n", "it hung up after b'HTTP/1.0 200 OK"),
        (b"HTTP/1.1 2\r\n\r\n", "b'HTTP/1.1 2'"),
        (b"HTTP/1.9 200 OK\r\n\r\n", "b'HTTP/1.9 200 OK'"),
        (b"HTTP/1.1 2000 OK\r\n\r\n", "b'HTTP/1.1 2000 OK'"),
        (b"HTTP/1.1 100 Continue\r\n\r\n", "b'HTTP/1.1 100 Continue'"),
        (b"HTTP/1.1 \xb2\xb2\xb2 OK\r\n\r\n", "b'HTTP/1.1 \\xb2\\xb2\\xb2 OK'"),
        (OK + b"what is this\r\n\r\n", "the header b'what is this'"),
        (OK + b"Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n", "an answer in the encoding b'chunked'"),
        (OK + b"Content-Length: -1\r\n\r\n{}", "an answer of b'-1' bytes"),
        (OK + b"Content-Length: " + b"9" * 5000 + b"\r\n\r\n{}", "an answer of b'999"),
        (OK + b"Content-Length: 67108865\r\n\r\n{}", "an answer of b'67108865' bytes"),
        (OK + b"Content-Length: 5\r\n\r\n{}", "2 bytes where 5 were announced"),
        (OK + b"Content-Length: 1\r\n\r\n{}", "2 bytes where 1 were announced"),
        (OK + b"x: y\r\n" * (LARGEST_HEAD_BYTES // 6) + b"\r\n{}", "more than 65536 bytes of headers"),
        (OK + b"x: " + b"y" * 2 * LARGEST_HEAD_BYTES, "more than 65536 bytes of headers"),
    ],
)
def test_what_is_no_answer_is_quoted(tmp_path: Path, words: bytes, told: str) -> None:
    """Whatever speaks otherwise than the daemon does, or is cut off, is told in a few words."""
    with speaking(tmp_path / "s", words), pytest.raises(NoAnswer, match=re.escape(told)) as caught:
        asked(tmp_path)
    assert len(str(caught.value)) < 400


def test_what_is_no_http_is_not_waited_for(tmp_path: Path) -> None:
    """Something else that greets and then keeps the line is known by its first words."""
    with speaking(tmp_path / "s", b"220 mail", holds=True), pytest.raises(NoAnswer, match="220 mail"):
        asked(tmp_path)


@pytest.mark.parametrize("announced", [True, False])
def test_an_answer_without_an_end_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, announced: bool
) -> None:
    """However much there is to come, only so much is held in memory."""
    monkeypatch.setattr(module, "LARGEST_BODY_BYTES", 1000)
    length = b"Content-Length: 1001\r\n" if announced else b""
    told = "an answer of b'1001' bytes" if announced else "more than 1000 bytes"
    with speaking(tmp_path / "s", OK, length, b"\r\n", b"x" * 2000, holds=True), pytest.raises(NoAnswer, match=told):
        asked(tmp_path)
    assert LARGEST_BODY_BYTES == 64 * 2**20


@pytest.mark.parametrize("said", [b"HTTP/1.0 ", OK + b"\r\n"])
def test_an_answer_that_trickles_has_an_end(tmp_path: Path, said: bytes) -> None:
    """The time is for the whole answer: a byte now and then does not buy more of it."""
    with (
        speaking(tmp_path / "s", said, *[b"x"] * 6000, pause_seconds=0.01),
        pytest.raises(TimeoutError),
    ):
        asked(tmp_path, 0.2)


def test_a_silent_line_has_an_end(tmp_path: Path) -> None:
    """Whoever takes the call and says nothing is waited for only so long."""
    with speaking(tmp_path / "s", holds=True), pytest.raises(TimeoutError):
        asked(tmp_path, 0.05)


def test_nobody_there_is_an_error_of_the_system(tmp_path: Path) -> None:
    """Without a socket the kernel's own error comes through."""
    with pytest.raises(FileNotFoundError):
        asked(tmp_path)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(cut=st.integers(0, len(WHOLE) - 1), changed=st.binary(max_size=6))
def test_no_damaged_answer_breaks_it(tmp_path: Path, cut: int, changed: bytes) -> None:
    """Whatever bytes come, there is an answer or a sentence on why there is none."""
    (tmp_path / "s").unlink(missing_ok=True)
    with speaking(tmp_path / "s", WHOLE[:cut] + changed + WHOLE[cut + len(changed) :]), suppress(NoAnswer):
        assert 200 <= asked(tmp_path)[0] <= 599
