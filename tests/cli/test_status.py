"""`semsupervisor status`."""

from __future__ import annotations

from datetime import timedelta

import msgspec

from semsupervisor.alerts.lifecycle import AlertState
from semsupervisor.alerts.rules import Severity, Verdict
from semsupervisor.health.observation import Subject, SubjectKind, Unknown
from semsupervisor.jobs.progress import Progress
from semsupervisor.jobs.record import JobState
from semsupervisor.kit.tasks import LoopHealth
from tests.support.api_world import ServiceStandIn, World, alert, depth, message, probe
from tests.support.command_line import CommandLine
from tests.support.job_world import a_schedule, job, snapshot


def test_a_healthy_stack_is_one_screen(command: CommandLine) -> None:
    """Every chapter is there in 24 lines of 80 columns, with ages, and the exit code is 0."""
    command.world.clock.advance(3)
    said = command("status")
    assert said.code == 0
    assert len(said.lines) <= 24
    assert max(map(len, said.lines)) <= 80
    assert said.lines[0] == "edge-7: project semstreams in /opt/semstreams, semsupervisor 0.1.0"
    for expected in (
        "stack       healthy",
        "alerts      none",
        "engine      docker 20.10.24, events followed for 3 s, seen 3 s ago",
        "services    nats        running 2 h 5 min  350 MiB (34 %)  3 s ago",
        "semstreams  semstreams  healthy  3 s ago  v1.2.0",
        "nats        nats  healthy  3 s ago  2.14.0, 2 connections",
        "disks       /  42 % used  8.0 GiB free  3 s ago",
        "host        memory 50 % of 4.0 GiB available, seen 3 s ago",
        "receivers   ops   7 delivered since start",
        "supervisor  healthy, started 3 s ago",
        "findings    -  no receiver is set: set one",
    ):
        assert expected in said.lines


def test_backups_and_jobs_are_shown(command: CommandLine, world: World) -> None:
    """How old the newest good snapshot is, the last jobs, and what is under way or stuck."""
    assert "backup      no good snapshot is known" in command("status").lines
    world.work.snapshots = [snapshot("20260301-130000", complete=False), snapshot()]
    world.work.jobs = [job("j1")]
    assert command("status").code == 0
    world.work.jobs = [job("j2", JobState.STUCK), job("j1")]
    said = command("status")
    lines = said.lines
    assert said.code == 1
    assert "backup      20260301-120000, taken 0 s ago" in lines
    assert "jobs        j2  stuck  0 s ago  hot backup" in lines
    assert any("j1" in line for line in lines)


def test_schedules_are_shown(command: CommandLine, world: World) -> None:
    """When each is due next, and what it did last; none is no chapter."""
    assert not any("schedules" in line for line in command("status").lines)
    world.work.schedules = [a_schedule()]
    assert "schedules   backup  next in 14 h (2026-03-02 02:00:00Z)  never yet" in command("status").lines


def test_a_job_that_goes_on_says_how_far_it_is(command: CommandLine, world: World) -> None:
    """In its line."""
    world.work.jobs = [job("j1", JobState.RUNNING)]
    world.work.progress["j1"] = Progress("streams", "pieces", 3.0, 4.0, 0.0, 3.0)
    told = "hot backup: Copy the streams: 3 pieces of 4 pieces"
    assert told in " ".join(" ".join(command("status").lines).split())


def test_json_is_the_daemons_own_answer(command: CommandLine) -> None:
    """Programs get everything, with the same exit code."""
    said = command("status", "--json")
    assert said.code == 0
    assert said.json["services"][0]["facts"]["memory_limit_bytes"] == 2**30


def test_what_is_wrong_stands_on_top(command: CommandLine, world: World) -> None:
    """What no alert tells and alerts come first, each thing once, and the exit code is 1."""
    world.see(SubjectKind.SERVICE, "semstreams", {"paused": True}, source="look")
    world.alerts = [
        alert(),
        msgspec.structs.replace(alert("nats_unreachable"), caused_by=alert().id),
        msgspec.structs.replace(
            alert("memory_high", severity=Severity.WARNING, state=AlertState.PENDING), last_verdict=Verdict.UNKNOWN
        ),
    ]
    said = command("status")
    assert said.code == 1
    assert said.lines[1:8] == [
        "stack       unhealthy",
        "            -  service:semstreams is paused",
        "alerts      critical  5 min  nats ended with code 137. From it follows: nats",
        "                             unreachable.",
        "            pending   5 min  not seen since 5 min ago: service:nats: memory high",
        "            evidence, and what to type next: semsupervisor alerts",
        "engine      docker 20.10.24, events followed for 0 s, seen 0 s ago",
    ]


def test_a_daemon_that_is_unwell_is_a_finding_too(command: CommandLine, world: World) -> None:
    """The stack may be fine: a supervisor that is not exits 1 and says why."""
    world.loops["watching"] = LoopHealth("watching", 7, 7, "EngineError: gone")
    world.probes["containers"] = probe("containers", None)
    said = command("status")
    assert said.code == 1
    assert "supervisor  unhealthy, not ready yet, started 0 s ago" in said.lines
    assert "            -  the loop watching failed 7 times in a row: EngineError: gone" in said.lines


def test_services_say_how_they_are(command: CommandLine, world: World) -> None:
    """State, intent, health and crash loops are in words; unknown is said."""
    world.services["nats"] = ServiceStandIn(world.clock.now() - timedelta(minutes=3), "stopped by hand")
    world.see(SubjectKind.SERVICE, "nats", {"state": "exited"}, source="events")
    world.see(SubjectKind.SERVICE, "semstreams", {"unhealthy": True, "restarting": True}, source="events")
    world.see(SubjectKind.SERVICE, "new", {"state": Unknown("no answer")}, source="events")
    lines = command("status").lines
    at = next(number for number, line in enumerate(lines) if "nats        exited 3 min " in line)
    assert lines[at + 1] == "              stopped by hand"
    assert any(line.split()[:2] == ["new", "unknown"] for line in lines)
    assert "unhealthy, restarts again and again" in " ".join(" ".join(lines).split())


def test_endpoints_say_how_they_are(command: CommandLine, world: World) -> None:
    """Unreachable, unhealthy and unknown ends are told apart, with their errors and latencies."""
    world.see(SubjectKind.NATS, "nats", {"reachable": False}, source="x", evidence={"error": "connection refused"})
    world.see(SubjectKind.NATS, "leaf", {"reachable": True, "healthy": Unknown("garbage")}, source="x")
    world.see(SubjectKind.NATS, "hub", {"reachable": True, "healthy": False}, source="x")
    world.see(SubjectKind.SEMSTREAMS, "semstreams", {"latency_seconds": 0.0123, "nats_connected": False}, source="x")
    world.see(SubjectKind.SEMSTREAMS, "other", {"reachable": False}, source="x", evidence={"error": "timed out"})
    lines = command("status").lines
    assert any("nats  unreachable  0 s ago  2.14.0, 2 connections, connection" in line for line in lines)
    assert any(line.split()[:2] == ["leaf", "unknown"] for line in lines)
    assert any(line.split()[-5:-3] == ["hub", "unhealthy"] for line in lines)
    assert any("v1.2.0, 12 ms, NATS not connected" in line for line in lines)
    assert any("unreachable" in line and "timed out" in line for line in lines)


def test_an_engine_that_does_not_answer_is_told_with_its_error(command: CommandLine, world: World) -> None:
    """The engine's own words stand beside it; one that was never looked at is said to be so."""
    world.stream.connected_since = None
    assert "events are not followed" in command("status").out
    world.see(SubjectKind.ENGINE, "docker", {"reachable": False}, source="events", evidence={"error": "refused"})
    assert "engine      does not answer: refused" in command("status").lines
    world.alerts = [msgspec.structs.replace(alert(), subject=Subject(SubjectKind.ENGINE, "docker"))]
    assert "engine      does not answer" in command("status").lines
    world.alerts = []
    world.latest = {}
    said = command("status")
    assert "engine      not looked at yet" in said.lines
    assert "services    none is known" in said.lines


def test_receivers_say_what_waits(command: CommandLine, world: World) -> None:
    """Waiting and lost messages are told with the last error; with no receiver that is said."""
    world.depths["ops"] = depth(queued=3, dead=1)
    world.queued = [message(1, last_error="410 Gone")]
    shown = " ".join(command("status").out.split())
    assert (
        "ops 7 delivered since start 3 waiting for 3 min, 1 given up (semsupervisor outbox): 410 Gone mail 7" in shown
    )
    world.receivers = []
    assert "receivers   none: nobody is told of anything" in command("status").lines


def test_the_addresses_of_a_receiver_stand_below_it(command: CommandLine, world: World) -> None:
    """The receiver is one row; of its addresses those in trouble are named, with why."""
    world.receivers = ["hook", "ops/a@example.org", "ops/b@example.org"]
    world.depths = {name: depth() for name in world.receivers}
    world.depths["ops/b@example.org"] = depth(queued=2)
    world.queued = [message(1, "ops/b@example.org", last_error="451 come back later")]
    lines = command("status").lines
    at = lines.index("receivers   hook  7 delivered since start")
    assert lines[at + 1 : at + 5] == [
        "            ops   14 delivered to 2 addresses since start",
        "              b@example.org",
        "                2 waiting for 3 min: 451 come back later",
        "supervisor  healthy, started 0 s ago",
    ]


def test_what_an_alert_tells_is_not_told_again(command: CommandLine, world: World) -> None:
    """The error of an endpoint is left to the alert about it, and the supervisor points to the alerts about itself."""
    world.see(SubjectKind.NATS, "nats", {"reachable": False}, source="x", evidence={"error": "refused"})
    assert "refused" in command("status").out
    about_nats = msgspec.structs.replace(alert("nats_unreachable"), subject=Subject(SubjectKind.NATS, "nats"))
    world.alerts = [
        about_nats,
        msgspec.structs.replace(alert(), subject=Subject(SubjectKind.RECEIVER, "ops"), summary="ops is away"),
    ]
    said = command("status")
    assert "refused" not in said.out
    assert "supervisor  degraded, see the alerts, started 0 s ago" in said.lines


def test_disks_that_cannot_be_read_say_so(command: CommandLine, world: World) -> None:
    """A file system whose fill is unknown is unknown."""
    world.see(SubjectKind.FILESYSTEM, "/", {"used_ratio": Unknown("?"), "free_bytes": Unknown("?")}, source="test")
    assert "disks       /  unknown    0 s ago" in command("status").lines


def test_no_name_can_play_tricks_with_the_terminal(command: CommandLine, world: World) -> None:
    """Escape sequences in what came from outside are not written."""
    world.see(SubjectKind.FILESYSTEM, "/\x1b[2J\x9b31m", {"used_ratio": 0.5})
    assert "\x1b" not in command("status").out


def test_the_host_says_what_it_knows(command: CommandLine, world: World) -> None:
    """Processors and temperature are told where they are known; before the first look nothing is."""
    world.see(SubjectKind.HOST, "host", {"cpu_used_ratio": 0.38, "temperature_celsius": 61.3}, source="more")
    said = " ".join(" ".join(command("status").lines).split())
    assert "host memory 50 % of 4.0 GiB available, processors 38 % busy, 61 °C, seen 0 s ago" in said
    world.latest.clear()
    assert "host        not looked at yet" in command("status").lines
