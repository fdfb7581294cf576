"""Every fact as a metric."""

from __future__ import annotations

import math

import pytest
from prometheus_client import generate_latest
from prometheus_client.parser import text_string_to_metric_families

from semsupervisor.alerts.facts import FACTS
from semsupervisor.api.fact_metrics import FREE_TEXTS, OWN_KINDS, FactFamilies
from semsupervisor.api.families import Rendering
from semsupervisor.health.observation import UNLIMITED, FactValue, SubjectKind, Unknown
from tests.support.api_world import World

Samples = dict[tuple[str, frozenset[tuple[str, str]]], float]


def rendered(world: World) -> str:
    """Return the facts of a world as a page."""
    return b"".join(Rendering(generate_latest).render(FactFamilies().of(world.readings()))).decode()


def samples(world: World) -> Samples:
    """Return every sample by its name and labels."""
    read = text_string_to_metric_families(rendered(world))
    return {(one.name, frozenset(one.labels.items())): one.value for family in read for one in family.samples}


def labels(**given: str) -> frozenset[tuple[str, str]]:
    """Return labels as they are in the keys of `samples`."""
    return frozenset(given.items())


def test_numbers_and_answers_are_gauges() -> None:
    """A number is itself, yes is 1 and no is 0; services go by their name, file systems by their mount point."""
    found = samples(World())
    assert found["semsupervisor_service_memory_limit_bytes", labels(service="nats")] == 2**30
    assert found["semsupervisor_service_died", labels(service="semstreams")] == 0
    assert found["semsupervisor_nats_reachable", labels(service="nats")] == 1
    assert found["semsupervisor_filesystem_used_ratio", labels(mountpoint="/")] == 0.42
    assert found["semsupervisor_engine_reachable", labels(engine="docker")] == 1


def test_a_limit_that_there_is_none_of_is_infinite() -> None:
    """In one family with those that are numbers."""
    world = World()
    world.see(SubjectKind.SERVICE, "semstreams", {"memory_limit_bytes": UNLIMITED}, source="look")
    found = samples(world)
    limits = [found["semsupervisor_service_memory_limit_bytes", labels(service=one)] for one in ("nats", "semstreams")]
    assert limits == [2**30, math.inf]


def test_a_state_has_a_series_for_each_that_it_may_have() -> None:
    """Exactly one of the known states is 1, and a state that nobody foresaw is `other`."""
    world = World()
    world.see(SubjectKind.SERVICE, "semstreams", {"state": "levitating"}, source="look")
    found = samples(world)
    states = {key: value for key, value in found.items() if key[0] == "semsupervisor_service_state"}
    assert {key[1] for key, value in states.items() if value} == {
        labels(service="nats", state="running"),
        labels(service="semstreams", state="other"),
    }
    known = FACTS[SubjectKind.SERVICE]["state"]
    assert isinstance(known, tuple)
    assert len(states) == 2 * (len(known) + 1)


def test_free_text_is_no_label() -> None:
    """What SemStreams says of its flows, and what is new with each start or image: no metric holds it."""
    world = World()
    world.see(SubjectKind.SEMSTREAMS, "semstreams", {"flows": "3 of 7 running"})
    world.see(SubjectKind.NATS, "nats", {"server_id": "NA366VWJBQ"}, source="a")
    world.see(SubjectKind.HOST, "host", {"boot_id": "7f1c2f0e"})
    world.see(SubjectKind.SERVICE, "nats", {"image_id": "sha256:0a1b"}, source="a")
    page = rendered(world)
    assert [name for name in ("flows", "server_id", "boot_id", "image_id") if name in page] == []


def test_other_texts_are_labels_of_an_info() -> None:
    """A version is the label of a series that is always 1, and never a long one."""
    world = World()
    world.see(SubjectKind.SEMSTREAMS, "semstreams", {"version": "v" * 500}, source="look")
    found = samples(world)
    assert found["semsupervisor_nats_version_info", labels(service="nats", version="2.14.0")] == 1
    assert found["semsupervisor_semstreams_version_info", labels(service="semstreams", version="v" * 100)] == 1


def test_a_time_is_a_timestamp() -> None:
    """A fact that is a moment is its seconds since 1970; a text that is none has no sample."""
    world = World()
    world.see(SubjectKind.NATS, "nats", {"started_at": "2026-03-01T12:00:00Z"}, source="a")
    world.see(SubjectKind.NATS, "naive", {"started_at": "2026-03-01T12:00:00"}, source="a")
    world.see(SubjectKind.NATS, "late", {"started_at": "soon"}, source="a")
    found = [key for key in samples(world).items() if key[0][0] == "semsupervisor_nats_started_timestamp_seconds"]
    assert found == [
        (("semsupervisor_nats_started_timestamp_seconds", labels(service="nats")), world.clock.now().timestamp())
    ]


@pytest.mark.parametrize(("fact", "value"), [("memory_used_bytes", 5), ("state", "running"), ("image", "nats:2")])
def test_what_could_not_be_read_has_no_sample(fact: str, value: FactValue) -> None:
    """An unknown fact is listed as unknown and has no value, not even the last one."""
    world = World()
    world.latest = {}
    world.see(SubjectKind.SERVICE, "nats", {fact: value}, source="look")
    assert len(samples(world)) >= 1
    world.see(SubjectKind.SERVICE, "nats", {fact: Unknown("no answer")}, source="look")
    assert samples(world) == {
        ("semsupervisor_fact_unknown", labels(kind="service", name="nats", fact=fact)): 1.0,
    }


def test_the_supervisors_own_facts_are_left_to_its_own_metrics() -> None:
    """Probes, receivers and the supervisor itself do not come twice."""
    world = World()
    for kind in OWN_KINDS:
        world.see(kind, "x", {"failing": True})
    assert not any("failing" in name for name, _ in samples(world))


def test_a_fact_nobody_foresaw_is_a_metric_too() -> None:
    """A new fact needs no change here: a number is a gauge, and one that counts up is a counter."""
    world = World()
    world.see(SubjectKind.HOST, "edge-7", {"load.1": 0.5, "boots_total": 3})
    page = rendered(world)
    assert '# TYPE semsupervisor_host_load_1 gauge\nsemsupervisor_host_load_1{host="edge-7"} 0.5' in page
    assert '# TYPE semsupervisor_host_boots_total counter\nsemsupervisor_host_boots_total{host="edge-7"} 3.0' in page


def test_names_are_escaped() -> None:
    """A mount point with quotes, a line break and a backslash is read back as it was."""
    world = World()
    name = '/mnt/"a"\n\\b'
    world.see(SubjectKind.FILESYSTEM, name, {"used_ratio": 0.5})
    assert samples(world)["semsupervisor_filesystem_used_ratio", labels(mountpoint=name)] == 0.5


def test_every_fact_of_the_vocabulary_is_a_metric() -> None:
    """Each fact that a rule may ask about has a family with words of its own."""
    world = World()
    for kind in SubjectKind:
        facts: dict[str, FactValue] = {
            fact: (form[0] if isinstance(form, tuple) else "2026-03-01T12:00:00Z" if form is str else True)
            for fact, form in FACTS[kind].items()
        }
        world.see(kind, "x", facts)
    page = rendered(world)
    for kind in set(SubjectKind) - OWN_KINDS:
        for fact in FACTS[kind].keys() - FREE_TEXTS:
            assert f"semsupervisor_{kind.value}_{fact.removesuffix('_at')}" in page
    assert "the fact " not in page


def test_only_families_whose_values_changed_are_made_again() -> None:
    """The others are the very same ones; what nobody sees any more is left out."""
    world = World()
    made = FactFamilies()
    before = {one.name: one for one in made.of(world.readings())}
    world.see(SubjectKind.FILESYSTEM, "/", {"used_ratio": 0.97, "free_bytes": 8 * 2**30})
    after = {one.name: one for one in made.of(world.readings())}
    changed = {name for name, one in after.items() if one is not before.get(name)}
    assert changed == {"semsupervisor_filesystem_used_ratio", "semsupervisor_fact_unknown"}
    assert after["semsupervisor_filesystem_used_ratio"].numbers == (0.97,)
    assert before.keys() - after.keys() == {"semsupervisor_filesystem_size_bytes"}
