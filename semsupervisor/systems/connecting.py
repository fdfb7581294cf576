"""What every client over the network shares: how a connection can fail, whom TLS trusts, and one line of reasons."""

from __future__ import annotations

import os
import socket
import ssl
from functools import partial

from semsupervisor.errors import TemporaryError
from semsupervisor.kit.blocking import BlockingCalls, Hanging

LONGEST_REASON = 200
TRUST_SECONDS = 2.0


class Unanswered(TemporaryError):
    """A server gave no whole answer."""


class Refused(Unanswered):
    """No connection came about: refused, no route, or the name is not known."""


class TimedOut(Unanswered):
    """The answer was not there in time."""


class TlsFailed(Unanswered):
    """No trusted connection came about.

    It counts as temporary: certificates get renewed, and on a host that starts in 1970 none is valid yet.
    """


class Broken(Unanswered):
    """The connection ended in the middle, or what came back is not of the protocol."""


class Garbled(Broken):
    """What came back is not of the protocol: something answers there, and it says nothing about what was asked for."""


class Trust:
    """The certificates that TLS trusts: the system's, or those of a file, read once until `forget`."""

    def __init__(self) -> None:
        self._contexts: dict[str, ssl.SSLContext] = {}
        self._files = BlockingCalls()

    async def context(self, ca_file: str = "") -> ssl.SSLContext:
        """Return what checks a server's certificate and host name; no file means the system's. Raises: TlsFailed."""
        if ca_file not in self._contexts:
            read = partial(ssl.create_default_context, cafile=ca_file or None)
            try:
                made = await self._files.run_in_turn(trusted(ca_file), read, TRUST_SECONDS)
            except Hanging as error:
                raise TlsFailed(f"cannot read {error}") from error
            except OSError as error:
                raise TlsFailed(f"cannot read the certificates to trust in {ca_file}: {reason(error)}") from error
            self._contexts[ca_file] = made
        return self._contexts[ca_file]

    def forget(self, ca_file: str = "") -> None:
        """Read the file again next time: after a failure, as it may have been renewed."""
        self._contexts.pop(ca_file, None)


def trusted(ca_file: str) -> str:
    """Return what to call the certificates of a file, or the system's."""
    return f"the certificates to trust in {ca_file}" if ca_file else "the system's certificates"


def reason(error: BaseException) -> str:
    """Return the words for what went wrong on one line, the system's own where there are any."""
    match error:
        case ssl.SSLCertVerificationError():
            words = error.verify_message
        case socket.gaierror() | ssl.SSLError():
            words = error.strerror or str(error)
        case OSError() if error.errno:
            words = os.strerror(error.errno)
        case _:
            words = str(error)
    return " ".join(words.split())[:LONGEST_REASON] or type(error).__name__
