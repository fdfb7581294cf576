"""Every single fact, from the newest look that has it."""

from __future__ import annotations

import json

import pytest

from semsupervisor.api import facts
from semsupervisor.api.facts import FactAnswer
from semsupervisor.health.last_answers import LastAnswers
from semsupervisor.health.observation import SubjectKind, Unknown
from semsupervisor.systems.http import Answer
from tests.support.api_world import World
from tests.support.asked import answer


def found(world: World, pattern: str = "") -> dict[str, FactAnswer]:
    """Return the facts that a pattern means."""
    return {f"{one.subject} {one.fact}": one for one in facts.facts(world.readings(), pattern).facts}


def test_each_fact_has_its_own_age_and_source() -> None:
    """Whoever saw it last; what another source sees later of the same subject does not make it younger."""
    world = World()
    world.clock.advance(10.0)
    world.see(SubjectKind.NATS, "nats", {"connections": 5}, source="varz")
    world.clock.advance(2.5)
    seen = found(world, "nats:nats")
    assert (seen["nats:nats connections"].source, seen["nats:nats connections"].age_seconds) == ("varz", 2.5)
    assert (seen["nats:nats version"].source, seen["nats:nats version"].age_seconds) == ("test", 12.5)
    assert (seen["nats:nats connections"].value, seen["nats:nats connections"].text) == (5, "5")


def test_an_age_is_not_the_wall_clocks() -> None:
    """A clock that is set makes no fact older or younger."""
    world = World()
    world.clock.advance(3.0)
    world.clock.jump(86_400.0)
    assert found(world, "engine")["engine:docker version"].age_seconds == 3.0


def test_what_is_unknown_has_no_value() -> None:
    """But the reason, and who looked in vain."""
    world = World()
    world.see(SubjectKind.NATS, "nats", {"healthy": Unknown("nobody answers")}, source="nats_health")
    seen = found(world, "healthy")["nats:nats healthy"]
    assert (seen.value, seen.text, seen.unknown, seen.source) == (None, "unknown", "nobody answers", "nats_health")


def test_values_are_shown_as_everywhere() -> None:
    """A ratio in percent, bytes in larger units."""
    seen = found(World(), "filesystem")
    assert seen["filesystem:/ used_ratio"].text == "42 %"
    assert seen["filesystem:/ free_bytes"].text == "8.0 GiB"


def test_facts_are_sorted_and_bounded_by_what_is_known() -> None:
    """By subject and name; what a removed subject had is not there."""
    world = World()
    names = [(one.subject, one.fact) for one in facts.facts(world.readings(), "").facts]
    assert names == sorted(names)
    world.see(SubjectKind.FILESYSTEM, "/", {}, gone=True)
    assert found(world, "filesystem") == {}


@pytest.mark.parametrize(
    ("pattern", "names"),
    [
        ("nats:nats", {"connections", "healthy", "reachable", "version"}),
        ("NATS:nats", {"connections", "healthy", "reachable", "version"}),
        ("nats:*", {"connections", "healthy", "reachable", "version"}),
        ("nats:nats h*", {"healthy"}),
        ("h?althy", {"healthy"}),
        ("[vx]ersion", {"version"}),
        ("ersion", {"version"}),
        ("ersio*", set()),
    ],
)
def test_a_pattern_means_a_part_or_the_whole(pattern: str, names: set[str]) -> None:
    """Without wildcards a part will do; with them subject, name or both must match as a whole."""
    assert {one.fact for one in found(World(), pattern).values()} == names


def test_no_pattern_means_all() -> None:
    """As does one that matches anything."""
    assert found(World()) == found(World(), "*")
    assert len(found(World())) > 20


async def test_a_raw_answer_carries_where_and_when() -> None:
    """Secrets masked, its age by the clock that nobody sets."""
    world = World()
    answers = LastAnswers(world.clock)

    async def get(url: str, timeout_seconds: float) -> Answer:
        return answer({"token": "hunter2"}, status=503)

    await answers.recording(get, "http://h:1")("http://h:1/varz", 1.0)
    world.clock.advance(7.0)
    shown = facts.raw(world.readings(), "varz", answers.sources()["varz"])
    assert (shown.source, shown.url, shown.status, shown.age_seconds) == ("varz", "http://h:1/varz", 503, 7.0)
    assert json.loads(shown.body) == {"token": "***"}
