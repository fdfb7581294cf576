"""The errors that cross a border between two parts of the supervisor.

Whether trying again can help is a type: everything raised on purpose is either temporary or permanent.
"""

from __future__ import annotations


class SupervisorError(Exception):
    """The root of all errors raised on purpose; its text says what was tried, what came back and what to do."""

    @property
    def reason(self) -> str:
        """Return what came back; errors whose remedy is long leave that out here."""
        return str(self)


class TemporaryError(SupervisorError):
    """Trying the same again later may succeed: a timeout, a refused connection, a full disk."""


class PermanentError(SupervisorError):
    """Trying the same again will fail again until somebody changes something: a bad setting, a refused login."""


class EngineError(TemporaryError):
    """The Docker engine did not answer, or answered with a failure of its own."""


class EngineForbidden(PermanentError):
    """The Docker engine's socket may not be used; `remedy` says how to grant access."""

    def __init__(self, reason: str, remedy: str) -> None:
        self._reason = reason
        self.remedy = remedy
        super().__init__(f"{reason}; {remedy}")

    @property
    def reason(self) -> str:
        """Return what came back, without the remedy."""
        return self._reason


class SocketMissing(EngineForbidden):
    """There is no socket of a Docker engine; `remedy` says how to come by one."""


class StoreError(TemporaryError):
    """The state database cannot be written now: its disk is full or failing."""


class SettingsError(PermanentError):
    """The settings were refused; `problems` lists every fault found, not only the first."""

    def __init__(self, problems: tuple[str, ...]) -> None:
        self.problems = problems
        super().__init__("\n".join(problems))
