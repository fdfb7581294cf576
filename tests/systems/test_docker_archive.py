"""An archive that breaks off is never taken for a whole one; the real engine's is read in tests/integration."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from semsupervisor.errors import EngineError
from semsupervisor.systems.docker_archive import Archive, Placing
from semsupervisor.systems.docker_errors import ContainerGone
from tests.support.archives import tar

HEAD = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
PIECE = b"5\r\nhello\r\n"
SENT = b"0\r\n\r\n"


@contextmanager
def answering(path: Path, answer: bytes, hold: threading.Event | None = None, *, end: bytes = b"") -> Iterator[None]:
    """Answer one connection with these bytes when it has sent that, and hang up; after `hold` is set if it is given."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listening:
        listening.bind(str(path))
        listening.listen()

        def serve() -> None:
            connection, _ = listening.accept()
            with connection, suppress(ConnectionError):
                heard = connection.recv(65536)
                while not heard.endswith(end):
                    heard += connection.recv(65536)
                connection.sendall(answer)
                if hold is not None:
                    hold.wait(30)

        thread = threading.Thread(target=serve)
        thread.start()
        yield
        thread.join()


def read(path: Path) -> bytes:
    """Return the whole archive."""
    pieces: list[bytes] = []
    Archive(str(path), "a1", "/data").read(lambda piece: pieces.append(bytes(piece)))
    return b"".join(pieces)


def test_a_whole_archive(tmp_path: Path) -> None:
    """It is what was sent."""
    path = tmp_path / "docker.sock"
    with answering(path, HEAD + PIECE + PIECE + b"0\r\n\r\n"):
        assert read(path) == b"hellohello"


@pytest.mark.parametrize("answer", [HEAD + PIECE, HEAD + PIECE + b"5\r\nhel", b"", b"nonsense\r\n\r\n"])
def test_an_archive_that_breaks_off(tmp_path: Path, answer: bytes) -> None:
    """That is an error, wherever it does."""
    path = tmp_path / "docker.sock"
    with answering(path, answer), pytest.raises(EngineError, match="broke off"):
        read(path)


def test_an_engine_that_is_not_there_or_refuses(tmp_path: Path) -> None:
    """What came back is said."""
    path = tmp_path / "docker.sock"
    with pytest.raises(EngineError, match="No such file"):
        read(path)
    refusal = b'HTTP/1.1 404 Not Found\r\nContent-Length: 23\r\n\r\n{"message": "no folder"}'
    with answering(path, refusal), pytest.raises(ContainerGone, match="no folder"):
        read(path)


def test_a_reader_is_called_back(tmp_path: Path) -> None:
    """An engine that is silent holds nobody who was called back, before the first piece or later."""
    for number, answer in enumerate((b"", HEAD + PIECE)):
        path, hold = tmp_path / f"docker{number}.sock", threading.Event()
        archive = Archive(str(path), "a1", "/data")
        errors: list[str] = []

        def reading(archive: Archive = archive, errors: list[str] = errors) -> None:
            try:
                archive.read(lambda _: archive.abort())
            except EngineError as error:
                errors.append(str(error))

        with answering(path, answer, hold):
            thread = threading.Thread(target=reading)
            thread.start()
            while thread.is_alive():
                archive.abort()
                thread.join(0.05)
            hold.set()
        assert errors == ["read /data of container a1: it was given up"]


def test_the_names_in_an_archive(tmp_path: Path) -> None:
    """Those that are wanted; an archive that is none, or breaks off, is an error."""
    path, content = tmp_path / "docker.sock", tar({"store/1.idx": b"x" * 600, "store/1.blk": b"x"})
    whole = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(content)
    with answering(path, whole + content):
        assert Archive(str(path), "a1", "/data").names(lambda name: name.endswith(".idx")) == ["store/1.idx"]
    for answer in (whole + content[:700], HEAD + PIECE + b"0\r\n\r\n"):
        path.unlink()
        with answering(path, answer), pytest.raises(EngineError, match="broke off"):
            Archive(str(path), "a1", "/data").names(lambda _: True)


def test_what_is_placed_is_unpacked_or_refused(tmp_path: Path) -> None:
    """An engine that refuses says why; one that goes away, or is not wanted any more, is an error."""
    path = tmp_path / "docker.sock"
    with answering(path, b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", end=SENT):
        Placing(str(path), "a1", "/").write([b"piece"])
    refusal = b'HTTP/1.1 404 Not Found\r\nContent-Length: 23\r\n\r\n{"message": "no folder"}'
    path.unlink()
    with answering(path, refusal, end=SENT), pytest.raises(ContainerGone, match="no folder"):
        Placing(str(path), "a1", "/").write([b"piece"])
    path.unlink()
    with answering(path, b""), pytest.raises(EngineError, match="broke off"):
        Placing(str(path), "a1", "/").write([b"piece"])


def test_a_writer_is_called_back(tmp_path: Path) -> None:
    """An engine that is silent holds nobody who was called back."""
    path, hold = tmp_path / "docker.sock", threading.Event()
    with answering(path, b"", hold):
        placing = Placing(str(path), "a1", "/")

        def pieces() -> Iterator[bytes]:
            yield b"piece"
            placing.abort()

        with pytest.raises(EngineError, match="broke off"):
            placing.write(pieces())
        hold.set()
