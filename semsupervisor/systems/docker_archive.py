"""The files of a container as the engine gives and takes them: one tar, over a connection of a thread's own.

A thread reads it twice as fast as the event loop can, and the engine compresses for whoever does not say that he wants
nothing of the kind; both count while the stack is stopped for it.
"""

from __future__ import annotations

import http.client
import importlib
import socket
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from typing import Any
from urllib.parse import quote

from semsupervisor.errors import EngineError
from semsupervisor.systems.docker_errors import of_status

PIECE_BYTES = 1024 * 1024
# An engine that says nothing for so long does not go on.
SILENCE_SECONDS = 30.0
_MOST_WORDS = 4096


class Archive:
    """One folder of a container, which need not run. `read` blocks: it is for a thread; `abort` is for any other."""

    def __init__(self, engine_socket: str, container_id: str, folder: str) -> None:
        self._socket = engine_socket
        self._what = f"read {folder} of container {container_id[:12]}"
        self._path = f"/containers/{container_id}/archive?path={quote(folder, safe='')}"
        self._connection = _Connection(engine_socket)
        self._aborted = False

    def read(self, take: Callable[[memoryview], None]) -> None:
        """Hand the tar to `take`, piece by piece; a piece is valid until `take` returns.

        Raises: EngineError when the engine does not give all of it, or no tar to `take`; ContainerGone; what else
        `take` raises.
        """
        try:
            self._connection.request("GET", self._path, headers={"Accept-Encoding": "identity"})
            answer = _expected(self._connection.getresponse(), self._what, self._socket)
            self._hand_over(answer, take)
        except (http.client.HTTPException, OSError, ValueError, AttributeError) as error:
            if self._aborted:
                raise EngineError(f"{self._what}: it was given up") from error
            raise EngineError(f"{self._what}: it broke off: {str(error) or type(error).__name__}") from error
        finally:
            self._connection.close()

    def names(self, wanted: Callable[[str], bool]) -> Sequence[str]:
        """Return the paths of the plain files in it that are `wanted`; all of it is passed through for that.

        Raises: EngineError when the engine does not give all of it; ContainerGone.
        """
        found: list[str] = []
        tarfile: Any = importlib.import_module("tarfile")  # not wanted in the memory before
        try:
            self._connection.request("GET", self._path, headers={"Accept-Encoding": "identity"})
            answer = _expected(self._connection.getresponse(), self._what, self._socket)
            with tarfile.open(fileobj=answer, mode="r|", bufsize=PIECE_BYTES) as tar:
                while member := tar.next():
                    tar.members.clear()
                    if member.isfile() and wanted(member.name):
                        found.append(member.name)
        except (http.client.HTTPException, OSError, ValueError, AttributeError, tarfile.TarError) as error:
            raise EngineError(f"{self._what}: it broke off: {str(error) or type(error).__name__}") from error
        finally:
            self._connection.close()
        return found

    def abort(self) -> None:
        """Let `read` or `names` fail soon, wherever it is."""
        self._aborted = True
        self._connection.shut()

    def _hand_over(self, answer: http.client.HTTPResponse, take: Callable[[memoryview], None]) -> None:
        piece = memoryview(bytearray(PIECE_BYTES))
        while length := answer.readinto(piece):
            take(piece[:length])
            if self._aborted:
                break
        if self._aborted:
            raise EngineError(f"{self._what}: it was given up")


class Placing:
    """A tar that is unpacked into a container, which need not run. `write` blocks: it is for a thread."""

    def __init__(self, engine_socket: str, container_id: str, folder: str) -> None:
        self._socket = engine_socket
        self._what = f"write {folder} of container {container_id[:12]}"
        self._path = f"/containers/{container_id}/archive?path={quote(folder, safe='')}"
        self._connection = _Connection(engine_socket)

    def write(self, pieces: Iterable[bytes]) -> None:
        """Send a tar, and return when it is unpacked. Raises: EngineError, ContainerGone; what making `pieces` does."""
        headers = {"Content-Type": "application/x-tar", "Transfer-Encoding": "chunked"}
        try:
            with suppress(BrokenPipeError, ConnectionResetError):  # who refuses does not hear all of it
                self._connection.request("PUT", self._path, pieces, headers, encode_chunked=True)
            _expected(self._connection.getresponse(), self._what, self._socket)
        except (http.client.HTTPException, OSError, AttributeError) as error:
            raise EngineError(f"{self._what}: it broke off: {str(error) or type(error).__name__}") from error
        finally:
            self._connection.close()

    def abort(self) -> None:
        """Let `write` fail soon; from any thread."""
        self._connection.shut()


def _expected(answer: http.client.HTTPResponse, what: str, engine_socket: str) -> http.client.HTTPResponse:
    """Return an answer that is no refusal. Raises: as `of_status` says."""
    if answer.status >= 400:
        words = answer.read(_MOST_WORDS).decode(errors="replace")
        raise of_status(what, engine_socket, answer.status, words)
    return answer


class _Connection(http.client.HTTPConnection):
    """HTTP over the engine's socket."""

    def __init__(self, path: str) -> None:
        super().__init__("docker")
        self._path = path

    def connect(self) -> None:
        """Connect to the engine."""
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
        self.sock.settimeout(SILENCE_SECONDS)
        self.sock.connect(self._path)

    def shut(self) -> None:
        """Let whoever reads from it come back."""
        with suppress(OSError, AttributeError):
            self.sock.shutdown(socket.SHUT_RDWR)
