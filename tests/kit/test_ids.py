"""Names of things: unique, of one shape, and in the order of their time."""

from __future__ import annotations

import re
from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from semsupervisor.kit.ids import new_id
from tests.support.clock import START

ANY_TIME = st.integers(-(2**31), 2**33).map(lambda seconds: datetime.fromtimestamp(seconds, UTC))
SINCE_1970 = st.floats(0, 2**33).map(lambda seconds: datetime.fromtimestamp(seconds, UTC))


@given(ANY_TIME)
def test_an_id_has_one_shape(at: datetime) -> None:
    """Whatever the clock says, before 1970 too, an id is 20 hexadecimal digits."""
    assert re.fullmatch("[0-9a-f]{20}", new_id(at))


@given(st.lists(SINCE_1970, max_size=9))
def test_ids_sort_by_their_time(moments: list[datetime]) -> None:
    """The milliseconds come first, so that sorting by name sorts by time."""
    by_time = [new_id(at)[:12] for at in sorted(moments)]
    assert by_time == sorted(by_time)


def test_ids_of_one_moment_differ() -> None:
    """Chance tells apart what is named in the same millisecond."""
    assert len({new_id(START) for _ in range(500)}) == 500
