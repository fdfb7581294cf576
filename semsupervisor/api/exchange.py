"""One question over a Unix socket and its answer: as much of HTTP/1.0 as the daemon's own answers need.

The standard library's client loads all of e-mail and TLS, which takes longer than everything else that `status` does,
and `status` is promised within a tenth of a second. In HTTP/1.0 one answer comes, never in chunks, and then the other
side hangs up. Nothing but that is taken: whatever else comes is no answer.
"""

from __future__ import annotations

import socket

from semsupervisor.kit.deadline import Deadline

LARGEST_HEAD_BYTES = 64 * 1024
LARGEST_BODY_BYTES = 64 * 2**20
LONGEST_QUOTE_BYTES = 80
_AT_ONCE_BYTES = 256 * 1024
_PROTOCOL = b"HTTP/1."
_END_OF_HEAD = b"\r\n\r\n"


class NoAnswer(Exception):
    """What came is no answer of HTTP, or not the whole of one; the text says what it was."""


def exchange(path: str, method: str, target: str, accept: str, seconds: float) -> tuple[int, str, bytes]:
    """Ask at the socket `path` and return status, media type (in lower case, empty if none is said) and body.

    `target` is path and query, quoted. All of it takes `seconds` at most.
    Raises: NoAnswer; OSError, which is a TimeoutError when the answer was not whole in time.
    """
    lines = [f"{method} {target} HTTP/1.0", "Host: localhost", f"Accept: {accept}", "Content-Length: 0", "", ""]
    question = "\r\n".join(lines).encode("ascii")
    deadline = Deadline(seconds)
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as control:
        control.settimeout(deadline.left())
        control.connect(path)
        control.sendall(question)
        arriving = _Arriving(control, deadline)
        status, headers = _head(arriving)
        return status, headers.get("content-type", "").partition(";")[0].strip().lower(), _body(arriving, headers)


class _Arriving:
    """What has come and was not taken yet."""

    def __init__(self, control: socket.socket, deadline: Deadline) -> None:
        self._control = control
        self._deadline = deadline
        self.held = bytearray()

    def more(self) -> bool:
        """Wait for more; return False if the other side has hung up. Raises: OSError."""
        self._control.settimeout(self._deadline.left())
        piece = self._control.recv(_AT_ONCE_BYTES)
        self.held += piece
        return bool(piece)


def _head(arriving: _Arriving) -> tuple[int, dict[str, str]]:
    """Take the head of an answer and return its status and its headers, their names in lower case."""
    held = arriving.held
    while (end := held.find(_END_OF_HEAD, 0, LARGEST_HEAD_BYTES)) < 0:
        if held[: len(_PROTOCOL)] != _PROTOCOL[: len(held)]:
            raise NoAnswer(_quoted(held))
        if len(held) >= LARGEST_HEAD_BYTES:
            raise NoAnswer(f"more than {LARGEST_HEAD_BYTES} bytes of headers")
        if not arriving.more():
            raise NoAnswer(f"it hung up after {_quoted(held)}" if held else "it hung up without an answer")
    first, *lines = held[:end].decode("latin-1").split("\r\n")
    del held[: end + len(_END_OF_HEAD)]
    headers = {}
    for line in lines:
        name, colon, value = line.partition(":")
        if not colon:
            raise NoAnswer(f"the header {_quoted(line.encode('latin-1'))}")
        headers[name.lower()] = value.strip()
    return _status(first), headers


def _status(line: str) -> int:
    """Return the status that the first line of an answer names."""
    version, _, said = line.partition(" ")
    code = said[:3]
    known = version in ("HTTP/1.0", "HTTP/1.1") and said[3:4] in ("", " ") and code.isascii() and code.isdecimal()
    if not known or not 200 <= int(code) <= 599:
        raise NoAnswer(_quoted(line.encode("latin-1")))
    return int(code)


def _body(arriving: _Arriving, headers: dict[str, str]) -> bytes:
    """Take the body, which is as long as its header says, or goes on until the other side hangs up."""
    if "transfer-encoding" in headers:
        raise NoAnswer(f"an answer in the encoding {_quoted(headers['transfer-encoding'].encode('latin-1'))}")
    length = _length(headers.get("content-length"))
    held = arriving.held
    while len(held) < (LARGEST_BODY_BYTES + 1 if length is None else length) and arriving.more():
        pass
    if length is None and len(held) > LARGEST_BODY_BYTES:
        raise NoAnswer(f"more than {LARGEST_BODY_BYTES} bytes")
    if length is not None and len(held) != length:
        raise NoAnswer(f"{len(held)} bytes where {length} were announced")
    return bytes(held)


def _length(said: str | None) -> int | None:
    """Return how many bytes an answer's header announces, None without it."""
    if said is None:
        return None
    digits = said.isascii() and said.isdecimal() and len(said) <= LONGEST_QUOTE_BYTES
    if not digits or int(said) > LARGEST_BODY_BYTES:
        raise NoAnswer(f"an answer of {_quoted(said.encode('latin-1'))} bytes")
    return int(said)


def _quoted(text: bytes | bytearray) -> str:
    return repr(bytes(text[:LONGEST_QUOTE_BYTES]))
