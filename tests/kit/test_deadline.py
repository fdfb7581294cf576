"""An end for waiting that takes several steps."""

from __future__ import annotations

import pytest

from semsupervisor.kit.deadline import Deadline


def test_what_is_left_gets_less() -> None:
    """It is never more than was given, and never more than before."""
    deadline = Deadline(1000.0)
    first = deadline.left()
    assert 0 < deadline.left() <= first <= 1000.0


@pytest.mark.parametrize("seconds", [0.0, -1.0])
def test_an_end_that_is_past_is_an_error(seconds: float) -> None:
    """Whoever would wait on is told that the time is over."""
    with pytest.raises(TimeoutError, match="the time is over"):
        Deadline(seconds).left()
