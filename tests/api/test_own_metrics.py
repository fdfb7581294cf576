"""What the supervisor tells of itself as metrics."""

from __future__ import annotations

import msgspec
from prometheus_client import generate_latest
from prometheus_client.parser import text_string_to_metric_families

from semsupervisor.alerts.lifecycle import AlertState
from semsupervisor.alerts.rules import Severity
from semsupervisor.api.fact_metrics import OWN_KINDS
from semsupervisor.api.families import Rendering
from semsupervisor.api.own_metrics import families
from semsupervisor.api.readings import StoreReading
from semsupervisor.health.observation import SubjectKind
from semsupervisor.jobs.record import JobState
from semsupervisor.kit.tasks import LoopHealth
from tests.support.api_world import World, alert, depth, probe, rule
from tests.support.clock import ManualClock
from tests.support.job_world import a_schedule, job


def samples(world: World) -> dict[str, float]:
    """Return every sample by its name and labels as they stand on the page."""
    page = b"".join(Rendering(generate_latest).render(families(world.readings()))).decode()
    read = text_string_to_metric_families(page)
    return {_written(one.name, one.labels): one.value for family in read for one in family.samples}


def _written(name: str, labels: dict[str, str]) -> str:
    inside = ",".join(f'{label}="{value}"' for label, value in sorted(labels.items()))
    return f"semsupervisor_{name.removeprefix('semsupervisor_')}{{{inside}}}" if inside else name


def test_alerts_are_counted_by_rule_and_severity() -> None:
    """Every enabled rule has its series from the start, pending and muted ones while there are any."""
    world = World()
    world.rules.append(msgspec.structs.replace(rule("switched_off"), enabled=False))
    world.alerts = [
        alert(),
        msgspec.structs.replace(alert(), id="two", muted_by="its cause fires"),
        alert("memory_high", state=AlertState.PENDING, severity=Severity.WARNING),
    ]
    found = samples(world)
    assert found['semsupervisor_alerts_firing{rule="container_died",severity="critical"}'] == 2
    assert found['semsupervisor_alerts_muted{rule="container_died",severity="critical"}'] == 1
    assert found['semsupervisor_alerts_pending{rule="memory_high",severity="warning"}'] == 1
    assert found['semsupervisor_alerts_firing{rule="memory_high",severity="warning"}'] == 0
    assert not any("switched_off" in name for name in found)
    others = [name for name in found if name.startswith(("semsupervisor_alerts_pending", "semsupervisor_alerts_muted"))]
    assert len(others) == 2


def test_checks_are_counted_by_outcome_with_a_histogram() -> None:
    """Each outcome has its series; buckets count up to the number of runs."""
    found = samples(World())
    assert found['semsupervisor_probe_runs_total{outcome="ok",probe="containers"}'] == 2
    assert found['semsupervisor_probe_runs_total{outcome="not_offered",probe="containers"}'] == 0
    assert found['semsupervisor_probe_duration_seconds_bucket{le="0.01",probe="containers"}'] == 1
    assert found['semsupervisor_probe_duration_seconds_bucket{le="2.5",probe="containers"}'] == 2
    assert found['semsupervisor_probe_duration_seconds_bucket{le="+Inf",probe="containers"}'] == 3
    assert found['semsupervisor_probe_duration_seconds_count{probe="containers"}'] == 3
    assert round(found['semsupervisor_probe_duration_seconds_sum{probe="containers"}'], 3) == 30.024
    assert found['semsupervisor_probe_interval_seconds{probe="containers"}'] == 10


def test_a_check_that_never_ended_has_no_last_run() -> None:
    """There is no timestamp for what did not happen yet."""
    world = World()
    world.probes["containers"] = probe("containers", None)
    found = samples(world)
    assert 'semsupervisor_probe_last_run_timestamp_seconds{probe="containers"}' not in found
    now = world.clock.now().timestamp()
    assert found['semsupervisor_probe_last_run_timestamp_seconds{probe="semstreams_health"}'] == now


def test_the_outbox_shows_its_depth_and_the_oldest_message() -> None:
    """Ages are timestamps, so that a page that was kept is still true; an empty queue has no oldest message."""
    world = World()
    world.depths["ops"] = depth(queued=4, dead=2)
    found = samples(world)
    assert found['semsupervisor_outbox_queued{receiver="ops"}'] == 4
    assert found['semsupervisor_outbox_dead_letters{receiver="ops"}'] == 2
    oldest = world.clock.now().timestamp() - 180
    assert found['semsupervisor_outbox_oldest_queued_timestamp_seconds{receiver="ops"}'] == oldest
    assert 'semsupervisor_outbox_oldest_queued_timestamp_seconds{receiver="mail"}' not in found
    assert found['semsupervisor_deliveries_total{outcome="delivered",receiver="mail"}'] == 7
    assert found['semsupervisor_deliveries_total{outcome="failed",receiver="mail"}'] == 1


def test_the_event_stream_shows_whether_it_is_followed() -> None:
    """Connection, reconnects and lag are there; before the first event there is no lag."""
    world = World()
    found = samples(world)
    assert found["semsupervisor_event_stream_connected"] == 1
    assert found["semsupervisor_event_stream_reconnects_total"] == 2
    assert found["semsupervisor_event_stream_lag_seconds"] == 0.003
    world.stream.connected_since = world.stream.last_lag_seconds = None
    found = samples(world)
    assert found["semsupervisor_event_stream_connected"] == 0
    assert "semsupervisor_event_stream_lag_seconds" not in found


def test_loops_and_store_show_what_ails_them() -> None:
    """A failing loop, a lagging one and a store that takes no changes are seen, also in the verdict."""
    world = World()
    world.loops["watching"] = LoopHealth("watching", 4, 9, "EngineError: gone")
    world.lag_seconds = 0.25
    world.store = StoreReading(problem="full", size_bytes=42, waiting_changes=7, set_aside="/x")
    found = samples(world)
    assert found['semsupervisor_loop_failing{loop="watching"}'] == 1
    assert found['semsupervisor_loop_failing{loop="deliver.ops"}'] == 0
    assert found['semsupervisor_loop_failures_total{loop="watching"}'] == 9
    assert found["semsupervisor_loop_lag_seconds"] == 0.25
    assert found["semsupervisor_store_writable"] == 0
    assert found["semsupervisor_store_size_bytes"] == 42
    assert found["semsupervisor_store_waiting_changes"] == 7
    assert found["semsupervisor_store_set_aside"] == 1
    assert found["semsupervisor_healthy"] == 0


def test_the_stack_is_in_exactly_one_state() -> None:
    """One of the four states is 1."""
    world = World()
    assert samples(world)['semsupervisor_stack_state{state="healthy"}'] == 1
    world.see(SubjectKind.SERVICE, "nats", {"died": True})
    found = samples(world)
    states = {name: value for name, value in found.items() if name.startswith("semsupervisor_stack_state")}
    assert sum(states.values()) == 1
    assert states['semsupervisor_stack_state{state="unhealthy"}'] == 1


def test_each_look_has_its_time() -> None:
    """Every source of every subject says when it last looked; the supervisor's own looks at itself do not."""
    world = World()
    for kind in OWN_KINDS:
        world.see(kind, "x", {"failing": False})
    world.clock.advance(5)
    world.see(SubjectKind.SERVICE, "nats", {"died": False}, source="events")
    found = samples(world)
    name = 'semsupervisor_observation_timestamp_seconds{{kind="service",name="nats",source="{}"}}'
    assert found[name.format("events")] - found[name.format("containers")] == 5
    assert not any('name="x"' in name for name in found)


def test_what_runs_says_which_version_it_is() -> None:
    """Build, start and findings of the set-up are there."""
    world = World()
    found = samples(world)
    assert any(name.startswith("semsupervisor_build_info{python=") for name in found)
    assert found["semsupervisor_started_timestamp_seconds"] == world.clock.now().timestamp()
    assert found['semsupervisor_setup_finding{finding="no_receiver"}'] == 1
    assert found["semsupervisor_ready"] == 1


def test_schedules_tell_when_they_are_due_and_how_it_went() -> None:
    """What never did anything, or goes on, has no outcome; one that is off is not due."""
    world = World()
    world.work.schedules = [
        a_schedule(last=job(state=JobState.DONE), waits="the host sleeps"),
        a_schedule(name="verify", last=job(state=JobState.UNDONE)),
        a_schedule(name="other", last=job(state=JobState.RUNNING)),
        a_schedule(name="drill", next_at=None),
    ]
    found = samples(world)
    at = ManualClock().now().timestamp()
    assert {name: value for name, value in found.items() if "schedule_" in name} == {
        'semsupervisor_schedule_next_run_timestamp_seconds{schedule="backup"}': at + 14 * 3600,
        'semsupervisor_schedule_next_run_timestamp_seconds{schedule="verify"}': at + 14 * 3600,
        'semsupervisor_schedule_next_run_timestamp_seconds{schedule="other"}': at + 14 * 3600,
        'semsupervisor_schedule_waiting{schedule="backup"}': 1,
        'semsupervisor_schedule_waiting{schedule="verify"}': 0,
        'semsupervisor_schedule_waiting{schedule="other"}': 0,
        'semsupervisor_schedule_waiting{schedule="drill"}': 0,
        'semsupervisor_schedule_last_run_timestamp_seconds{schedule="backup"}': at,
        'semsupervisor_schedule_last_run_timestamp_seconds{schedule="verify"}': at,
        'semsupervisor_schedule_last_run_timestamp_seconds{schedule="other"}': at,
        'semsupervisor_schedule_last_run_done{schedule="backup"}': 1,
        'semsupervisor_schedule_last_run_done{schedule="verify"}': 0,
    }
