"""Settings without a schedule."""

from __future__ import annotations

import tomllib

import pytest

from tests.support.unscheduled import unscheduled


@pytest.mark.parametrize(
    "text", ["", "[backup.keep]\nlast = 1\n", '[backup]\ndirectory = "/b"\n[backup.keep]\nlast = 1\n']
)
def test_the_schedules_are_off(text: str) -> None:
    """Whatever else stands in the table."""
    backup = tomllib.loads(unscheduled(text))["backup"]
    assert (backup["schedule"], backup["verify"]["schedule"]) == ("off", "off")


def test_what_is_said_stays() -> None:
    """A schedule, and what cannot be read."""
    assert tomllib.loads(unscheduled('[backup]\nschedule = "02:00"\n'))["backup"]["schedule"] == "02:00"
    said = '[backup.verify]\nschedule = "02:00"\n'
    assert tomllib.loads(unscheduled(said))["backup"]["verify"]["schedule"] == "02:00"
    assert unscheduled("[broken") == "[broken"
