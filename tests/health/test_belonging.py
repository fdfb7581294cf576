"""Which container counts, and who has to be there."""

from __future__ import annotations

import pytest

from semsupervisor.health.belonging import FORGET_REMOVED_SECONDS, by_name, is_long_gone, needed, present_one
from semsupervisor.health.services import Ending
from semsupervisor.systems.containers import ContainerState, Owner
from tests.support.container_words import container, instant, moment, running

EXITED = ContainerState.EXITED


def test_containers_are_found_by_their_services() -> None:
    """Two of one service stand together; a run by hand, and a container of no service, are nobody's."""
    one, two, other = container(), container(id="b2"), container(id="n1", owner=Owner("project", "nats", 2))
    nobody = container(owner=Owner("project", "")), container(owner=Owner("project", "app", oneoff=True))
    assert by_name([one, other, two, *nobody]) == {"app": [one, two], "nats@2": [other]}


def test_of_two_the_running_one_counts_then_the_known_then_the_newest() -> None:
    """A service that is being recreated has two containers; one that was never stamped is older than any other."""
    old, new = container(EXITED), container(id="b2", created_at=moment(3))
    assert present_one(running(), [old, new]).id == "b2"
    created = container(ContainerState.CREATED, id="b2", created_at=None)
    assert present_one(running(), [created, old]).id == "a1"
    assert present_one(None, [created, old, container(EXITED, id="c3", created_at=moment(5))]).id == "c3"


def test_only_what_runs_needs_others() -> None:
    """What depends on something and does not run needs nothing."""
    needy = container(depends_on={"nats": "service_healthy"})
    assert needed([needy]) == {"nats": "app"}
    assert needed([container(EXITED, depends_on={"nats": ""}), container()]) == {}


@pytest.mark.parametrize(
    ("ending", "seconds", "gone"),
    [
        (Ending.REQUESTED, FORGET_REMOVED_SECONDS + 1, True),
        (Ending.COMPLETED, FORGET_REMOVED_SECONDS + 1, True),
        (Ending.VANISHED, FORGET_REMOVED_SECONDS + 1, True),
        (Ending.VANISHED, FORGET_REMOVED_SECONDS, False),
        (Ending.ASKED, FORGET_REMOVED_SECONDS + 1, False),
    ],
)
def test_what_is_gone_for_a_day_is_long_gone(ending: Ending, seconds: float, gone: bool) -> None:
    """Once it is known why it has no container, and after a day."""
    known = running(ending=ending, ended_monotonic=instant(0).monotonic)
    assert is_long_gone(known, instant(seconds)) is gone
