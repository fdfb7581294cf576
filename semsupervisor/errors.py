"""The errors that cross a border between two parts of the supervisor.

Whether trying again can help is a type: everything raised on purpose is either temporary or permanent.
"""

from __future__ import annotations


class SupervisorError(Exception):
    """The root of all errors raised on purpose; its text says what was tried, what came back and what to do."""


class TemporaryError(SupervisorError):
    """Trying the same again later may succeed: a timeout, a refused connection, a full disk."""


class PermanentError(SupervisorError):
    """Trying the same again will fail again until somebody changes something: a bad setting, a refused login."""


class EngineError(TemporaryError):
    """The Docker engine did not answer, or answered with a failure of its own."""


class EngineForbidden(PermanentError):
    """The Docker engine's socket is missing or may not be opened; the text says how to grant access."""


class StoreError(TemporaryError):
    """The state database cannot be written now: its disk is full or failing."""


class SettingsError(PermanentError):
    """The settings were refused; `problems` lists every fault found, not only the first."""

    def __init__(self, problems: tuple[str, ...]) -> None:
        self.problems = problems
        super().__init__("\n".join(problems))
