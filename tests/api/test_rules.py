"""The rules in force, and how each stands."""

from __future__ import annotations

import json

import msgspec

from semsupervisor.alerts import ruleset
from semsupervisor.alerts.lifecycle import AlertState
from semsupervisor.alerts.rules import Comparison, Origin, Rule
from semsupervisor.api import rules
from semsupervisor.api.rules import RuleAnswer
from semsupervisor.health.observation import Subject, SubjectKind, Unknown
from semsupervisor.health.series import Series
from semsupervisor.settings.forms import Duration
from tests.support.api_world import World, alert, rule

DISK = Subject(SubjectKind.FILESYSTEM, "/")
GROWING = msgspec.structs.replace(
    rule("full_soon"),
    kind=SubjectKind.FILESYSTEM,
    fact="used_ratio",
    comparison=Comparison.FULL_WITHIN,
    limit=3600.0,
    clear=5400.0,
    over_seconds=100.0,
)


def shown(world: World, *known: Rule) -> list[RuleAnswer]:
    """Return the rules as they are shown."""
    world.rules = list(known)
    return list(rules.rules(world.readings()).rules)


def states(answer: RuleAnswer) -> dict[str, tuple[str, str]]:
    """Return state and value by subject."""
    return {one.subject: (one.state.value, one.value) for one in answer.states}


def test_the_condition_is_one_text() -> None:
    """Comparison, limit and window for people, and where it clears."""
    (died, growing) = shown(World(), rule("container_died"), GROWING)
    assert (died.condition, died.until, died.over_seconds) == ("equals yes", "", 0.0)
    assert (growing.condition, growing.until) == ("full within 1 h over 1 min 40 s", "1 h 30 min")


def test_each_subject_has_its_state() -> None:
    """What fires or is pending by its alert, anything else by what the rule finds in the newest look."""
    world = World()
    world.see(SubjectKind.SERVICE, "web", {"died": Unknown("the engine does not answer")})
    world.see(SubjectKind.SERVICE, "db", {"died": True})
    world.alerts = [alert(state=AlertState.PENDING)]
    (died,) = shown(world, rule("container_died"))
    assert states(died) == {
        "service:db": ("holds", "yes"),
        "service:nats": ("pending", "no"),
        "service:semstreams": ("clear", "no"),
        "service:web": ("unknown", "the engine does not answer"),
    }
    world.alerts = [alert(), alert(state=AlertState.RESOLVED)]
    assert states(shown(world, rule("container_died"))[0])["service:nats"] == ("firing", "no")


def test_a_rule_stands_only_with_what_it_is_about() -> None:
    """Not with subjects that its patterns leave out, nor without the fact, nor while it is switched off."""
    died = rule("container_died")
    only, other, off = shown(
        World(),
        msgspec.structs.replace(died, subjects=("nat*",)),
        msgspec.structs.replace(died, fact="unhealthy"),
        msgspec.structs.replace(died, enabled=False),
    )
    assert (list(states(only)), states(other), states(off)) == (["service:nats"], {}, {})


def test_a_course_is_shown_as_what_it_says() -> None:
    """The time until it is full, as far as enough was seen."""
    world = World()
    assert states(shown(world, GROWING)[0]) == {"filesystem:/": ("unknown", "too few readings so far")}
    series = world.courses[("full_soon", DISK)] = Series(100.0)
    for number in range(11):
        series.add(world.clock.monotonic() - 100.0 + number * 10.0, 0.32 + number * 0.01)
    assert states(shown(world, GROWING)[0]) == {"filesystem:/": ("holds", "9 min 40 s")}


def test_rules_made_of_settings_have_a_json_form() -> None:
    """Durations of the settings, and every shipped rule, can be told to programs."""
    changed = msgspec.structs.replace(
        rule("container_died"), for_seconds=Duration(30), clear=Duration(1), over_seconds=Duration(60)
    )
    told = [json.loads(msgspec.json.encode(one)) for one in shown(World(), changed, *ruleset.defaults())]
    assert (told[0]["for_seconds"], told[0]["clear"], told[0]["over_seconds"]) == (30.0, 1.0, 60.0)
    assert {one["origin"] for one in told} == {Origin.SHIPPED.value}
    assert len(told) == 1 + len(ruleset.defaults())
