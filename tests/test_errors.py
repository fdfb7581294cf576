"""Whether trying again can help is a type, and an error's text is what a person is shown."""

from __future__ import annotations

import pytest

from semsupervisor.errors import (
    EngineError,
    EngineForbidden,
    PermanentError,
    SettingsError,
    StoreError,
    SupervisorError,
    TemporaryError,
)
from semsupervisor.store.database import StateLocked, StateTooNew


@pytest.mark.parametrize(
    ("error", "retryable"),
    [
        (EngineError, True),
        (StoreError, True),
        (EngineForbidden, False),
        (SettingsError, False),
        (StateLocked, False),
        (StateTooNew, False),
    ],
)
def test_an_error_is_temporary_or_permanent(error: type[SupervisorError], retryable: bool) -> None:
    """Each error that is raised on purpose is of exactly one of the two kinds."""
    assert issubclass(error, TemporaryError) is retryable
    assert issubclass(error, PermanentError) is not retryable


def test_refused_settings_show_all_that_is_wrong() -> None:
    """The text has every problem on a line of its own."""
    error = SettingsError(("a: wrong", "b: wrong"))
    assert (str(error), error.problems) == ("a: wrong\nb: wrong", ("a: wrong", "b: wrong"))
