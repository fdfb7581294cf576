"""From what the daemon knows to the answers."""

from __future__ import annotations

import json

import msgspec

from semsupervisor.alerts.lifecycle import AlertState
from semsupervisor.alerts.rules import Severity, Verdict
from semsupervisor.api import present
from semsupervisor.api.verdicts import State
from semsupervisor.health.observation import SubjectKind, Unknown
from tests.support.api_world import ServiceStandIn, World, alert, entry


def test_the_status_shows_every_chapter() -> None:
    """Stack, services, SemStreams, NATS, disks, alerts, receivers, checks and findings are on one screen."""
    world = World()
    world.alerts = [alert()]
    shown = present.status(world.readings())
    assert (shown.host, shown.project, shown.directory) == ("edge-7", "semstreams", "/opt/semstreams")
    assert shown.status is State.UNHEALTHY
    assert [one.name for one in shown.services] == ["nats", "semstreams"]
    assert [one.name for one in shown.semstreams] == ["semstreams"]
    assert [one.name for one in shown.nats] == ["nats"]
    assert [one.name for one in shown.filesystems] == ["/"]
    assert shown.host_seen is not None
    assert shown.host_seen.facts["memory_size_bytes"] == 2**32
    assert [one.rule for one in shown.alerts] == ["container_died"]
    assert [one.name for one in shown.receivers] == ["ops", "mail"]
    assert [one.name for one in shown.probes] == ["containers", "semstreams_health"]
    assert [one.name for one in shown.findings] == ["no_receiver"]
    assert shown.engine is not None
    assert shown.engine.facts["version"] == "20.10.24"
    assert shown.daemon.ready


def test_facts_that_nobody_could_see_stand_apart() -> None:
    """An unknown fact has its reason and no value."""
    world = World()
    world.see(SubjectKind.SERVICE, "nats", {"state": Unknown("no answer"), "restarts": 2}, source="look")
    nats = present.status(world.readings()).services[0]
    assert nats.unknown == {"state": "no answer"}
    assert "state" not in nats.facts
    assert nats.facts["restarts"] == 2


def test_a_service_says_since_when_and_why() -> None:
    """What watching knows of a service goes along; a service that it does not know has neither."""
    world = World()
    world.services = {"nats": ServiceStandIn(world.clock.now(), "stopped by hand")}
    nats, semstreams = present.status(world.readings()).services
    assert (nats.since, nats.intent) == (world.clock.now(), "stopped by hand")
    assert (semstreams.since, semstreams.intent) == (None, "")


def test_an_alert_carries_what_its_rule_says() -> None:
    """Diagnosis and next steps come from the rule, with the subject's name put in."""
    world = World()
    world.alerts = [alert()]
    shown = present.open_alerts(world.readings()).alerts[0]
    assert (shown.value, shown.diagnosis) == ("yes", "its process ended")
    assert shown.next_steps == ("docker logs nats",)
    assert shown.known


def test_an_alert_of_a_rule_that_is_gone_is_still_shown() -> None:
    """Without its rule an episode has no diagnosis, and that is all."""
    world = World()
    world.rules = []
    unseen = msgspec.structs.replace(alert(), last_verdict=Verdict.UNKNOWN)
    shown = present.alerts(world.readings(), [unseen]).alerts[0]
    assert (shown.diagnosis, shown.next_steps, shown.known) == ("", (), False)


def test_only_open_alerts_are_open() -> None:
    """A resolved episode is history."""
    world = World()
    world.alerts = [alert(state=AlertState.RESOLVED), alert("memory_high", state=AlertState.PENDING)]
    assert [one.rule for one in present.open_alerts(world.readings()).alerts] == ["memory_high"]


def test_the_most_important_alerts_come_first() -> None:
    """What follows from another alert stands behind it and says so; receivers are named once."""
    world = World()
    cause = msgspec.structs.replace(alert("memory_high", severity=Severity.WARNING), told=("ops/a@b.c", "ops/d@e.f"))
    world.alerts = [msgspec.structs.replace(alert(), caused_by=cause.id), cause]
    first, second = present.open_alerts(world.readings()).alerts
    assert (first.rule, first.told, first.caused_by) == ("memory_high", ("ops",), None)
    assert (second.rule, second.caused_by) == ("container_died", first.id)


def test_what_follows_is_put_under_the_first_cause() -> None:
    """Through any number of steps; a cause that is not there, or a circle, is none."""
    world = World()
    first, second, third = (
        msgspec.structs.replace(alert(name), caused_by=cause)
        for name, cause in (("one", "id-gone"), ("two", "id-one"), ("three", "id-two"))
    )
    shown = present.alerts(world.readings(), [third, second, first]).alerts
    assert [one.caused_by for one in shown] == ["id-one", "id-one", None]
    circle = [first, msgspec.structs.replace(second, caused_by="id-three"), third]
    assert [one.caused_by for one in present.alerts(world.readings(), circle).alerts] == [None, None, None]


def test_the_settings_say_where_each_value_came_from() -> None:
    """Every effective setting is there with its origin, as its own type."""
    shown = present.settings(World().loaded)
    by_key = {one.key: one for one in shown.settings}
    assert (by_key["checks.interval"].value, by_key["checks.interval"].origin) == ("10s", "default")
    assert shown.file is None


def test_the_timeline_keeps_its_order() -> None:
    """Entries stay as they were found, with the number that asks for the next page."""
    shown = present.timeline(World().readings(), [entry(3), entry(2)], 2)
    assert [one.id for one in shown.entries] == [3, 2]
    assert shown.before == 2


def test_a_stream_that_is_not_followed_has_no_beginning() -> None:
    """While there is no stream, it says so, and the whole status is still JSON."""
    world = World()
    world.stream.connected_since = None
    shown = present.status(world.readings())
    assert shown.stream.connected_since is None
    assert json.loads(msgspec.json.encode(shown))["stream"]["reconnects_total"] == 2
