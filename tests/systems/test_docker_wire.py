"""The engine's JSON: as a real engine writes it, with things missing, and as nobody should write it."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest

from semsupervisor.systems import docker_wire
from semsupervisor.systems.containers import Action, ContainerState, Health, Owner, RestartPolicy
from tests.support.container_words import moment

LABELS = {
    "com.docker.compose.project": "semstreams",
    "com.docker.compose.service": "nats",
    "com.docker.compose.container-number": "2",
    "com.docker.compose.oneoff": "False",
    "com.docker.compose.project.config_files": "/opt/s/docker-compose.yml,/opt/s/more.yml",
    "com.docker.compose.depends_on": "a:service_healthy:false,b:service_completed_successfully:true,c",
}
INSPECTION: dict[str, Any] = {
    "Id": "43d851ca2865",
    "Created": "2026-03-01T11:59:59.474556254Z",
    "Name": "/semstreams-nats",
    "Image": "sha256:ac7d",
    "RestartCount": 4,
    "State": {
        "Status": "running",
        "Pid": 4711,
        "ExitCode": 0,
        "Error": "",
        "OOMKilled": True,
        "StartedAt": "2026-03-01T12:00:00.70156122Z",
        "FinishedAt": "0001-01-01T00:00:00Z",
        "Health": {
            "Status": "unhealthy",
            "Log": [{"End": "2026-03-01T12:00:02Z", "ExitCode": 1, "Output": "refused"}],
        },
    },
    "HostConfig": {"Memory": 67108864, "RestartPolicy": {"Name": "unless-stopped", "MaximumRetryCount": 0}},
    "Config": {"Image": "nats:2.14", "Env": ["A=1"], "Labels": LABELS, "StopSignal": "SIGUSR2"},
    "NetworkSettings": {
        "Networks": {
            "z": {"IPAddress": "172.18.0.2"},
            "six": {"IPAddress": "", "GlobalIPv6Address": "fd00::2"},
            "none": {"IPAddress": ""},
        }
    },
}
EVENT = {
    "Type": "container",
    "Action": "die",
    "Actor": {
        "ID": "43d8",
        "Attributes": {**LABELS, "exitCode": "137", "image": "nats:2.14", "name": "semstreams-nats"},
    },
    "time": 1772366400,
    "timeNano": 1772366400123456789,
}


def told(**changes: object) -> bytes:
    """Return a line of the event stream."""
    return json.dumps({**EVENT, **changes}).encode()


def test_an_inspection() -> None:
    """All that is used of an inspection is read."""
    seen = docker_wire.container(INSPECTION)
    assert (seen.id, seen.name, seen.image, seen.image_id) == (
        "43d851ca2865",
        "semstreams-nats",
        "nats:2.14",
        "sha256:ac7d",
    )
    assert seen.owner == Owner("semstreams", "nats", number=2)
    assert (seen.state, seen.pid, seen.exit_code, seen.oom_killed) == (ContainerState.RUNNING, 4711, 0, True)
    assert (seen.started_at, seen.finished_at) == (moment(0.701561), None)
    assert (seen.restart_count, seen.restart_policy) == (4, RestartPolicy.UNLESS_STOPPED)
    assert seen.restart_retries == 0
    assert seen.stop_signal == 12
    assert seen.health is Health.UNHEALTHY
    assert [(check.at, check.exit_code, check.output) for check in seen.health_log] == [(moment(2), 1, "refused")]
    assert seen.memory_limit_bytes == 64 * 2**20
    assert seen.addresses == {"six": "fd00::2", "z": "172.18.0.2"}
    assert seen.environment == ("A=1",)
    assert seen.compose_files == ("/opt/s/docker-compose.yml", "/opt/s/more.yml")
    assert seen.depends_on == {"a": "service_healthy", "b": "service_completed_successfully", "c": ""}


def test_a_container_on_the_hosts_network_is_reached_on_the_host() -> None:
    """With the host's network a container has no address of its own."""
    settings = {"Networks": {"host": {"IPAddress": ""}}}
    assert docker_wire.container({**INSPECTION, "NetworkSettings": settings}).addresses == {"host": "127.0.0.1"}


@pytest.mark.parametrize(("streak", "health"), [(0, Health.STARTING), (3, Health.UNHEALTHY)])
def test_a_container_whose_checks_were_stopped_is_not_unhealthy(streak: int, health: Health) -> None:
    """The engine calls a paused container unhealthy although no check of it failed."""
    state = {**INSPECTION["State"], "Health": {"Status": "unhealthy", "FailingStreak": streak, "Log": None}}
    assert docker_wire.container({**INSPECTION, "State": state}).health is health


@pytest.mark.parametrize(
    ("image", "label", "version"),
    [
        ("ghcr.io/c360/semstreams:v1.2.3", None, "v1.2.3"),
        ("registry:5000/semstreams:1.2.3-rc1@sha256:ac7d", None, "1.2.3-rc1"),
        ("registry:5000/semstreams", None, ""),
        ("semstreams:latest", None, ""),
        ("semstreams:latest", "v1.2.4\n", "v1.2.4"),
        ("semstreams:v1.2.3", "v1.2.4", "v1.2.4"),
        ("sha256:ac7d", None, ""),
    ],
)
def test_the_version_of_an_image(image: str, label: str | None, version: str) -> None:
    """By its label, else by its tag if that is one."""
    config = {"Image": image, "Labels": {} if label is None else {"org.opencontainers.image.version": label}}
    assert docker_wire.container({**INSPECTION, "Config": config}).version == version


def test_an_inspection_with_hardly_anything() -> None:
    """What is missing or null has a default: no check, no limit, no policy, an ordinary signal."""
    bare = {"Id": "a", "State": {"Status": "created"}, "Config": {"Env": None, "Labels": None}, "NetworkSettings": {}}
    seen = docker_wire.container(bare)
    assert (seen.health, seen.memory_limit_bytes, seen.restart_policy) == (Health.NONE, None, RestartPolicy.NO)
    assert (seen.stop_signal, seen.owner, seen.addresses) == (15, Owner("", ""), {})


@pytest.mark.parametrize("broken", [{}, {"Id": 7}, {"Id": "a", "State": {"Status": "flying"}}])
def test_what_is_no_inspection_is_refused(broken: dict[str, Any]) -> None:
    """JSON of another shape raises, so that nothing is taken for a container's state that is none."""
    with pytest.raises(msgspec.ValidationError):
        docker_wire.container(broken)


def test_a_death() -> None:
    """A death tells whose container it was, its exit code and the engine's stamp."""
    seen = docker_wire.event(told())
    assert seen is not None
    assert (seen.action, seen.id, seen.exit_code, seen.signal) == (Action.DIE, "43d8", 137, None)
    assert (seen.owner.name, seen.name, seen.image) == ("nats@2", "semstreams-nats", "nats:2.14")
    assert seen.time_nano == 1772366400123456789


@pytest.mark.parametrize(
    ("action", "health"),
    [
        ("health_status: healthy", Health.HEALTHY),
        ("health_status: unhealthy", Health.UNHEALTHY),
        ("health_status: running", None),
    ],
)
def test_a_verdict_on_health(action: str, health: Health | None) -> None:
    """The verdict stands in the action's name."""
    seen = docker_wire.event(told(Action=action))
    assert seen is not None
    assert (seen.action, seen.health) == (Action.HEALTH, health)


def test_actions_that_nobody_listens_to() -> None:
    """Other actions are passed over."""
    assert docker_wire.event(told(Action="exec_create: /bin/true")) is None


@pytest.mark.parametrize("line", [b"", b"{", b"[]", b'{"Action": "die"}'])
def test_what_is_no_event_is_refused(line: bytes) -> None:
    """A line that is no event raises."""
    with pytest.raises(msgspec.DecodeError):
        docker_wire.event(line)


def test_a_one_off_container() -> None:
    """`compose run` marks its containers."""
    assert docker_wire.owner({**LABELS, "com.docker.compose.oneoff": "True"}).oneoff


@pytest.mark.parametrize(
    ("word", "number"),
    [("15", 15), ("SIGTERM", 15), ("kill", 9), ("SIGRTMIN+3", 37), ("", None), ("WHAT", None)],
)
def test_signals_in_all_spellings(word: str, number: int | None) -> None:
    """Signals are written as numbers, with and without SIG, and counted from the first real-time signal."""
    assert docker_wire.signal_number(word) == number


@pytest.mark.parametrize(
    ("limits", "processors"),
    [
        ({}, None),
        ({"NanoCpus": 500_000_000}, 0.5),
        ({"CpuQuota": 150_000, "CpuPeriod": 50_000}, 3.0),
        ({"CpuQuota": 50_000}, 0.5),
        ({"CpuQuota": -1}, None),
        ({"CpusetCpus": "0-2,5"}, 4.0),
        ({"CpusetCpus": "0,1", "NanoCpus": 1_500_000_000}, 1.5),
        ({"CpusetCpus": "0", "NanoCpus": 1_500_000_000}, 1.0),
    ],
)
def test_processors_that_a_container_may_use(limits: dict[str, Any], processors: float | None) -> None:
    """Whichever way the limit was given, the smallest one holds."""
    assert docker_wire.container({**INSPECTION, "HostConfig": limits}).cpu_limit == processors


def test_folders_that_a_container_writes_to() -> None:
    """Volumes and bound folders count unless they are read-only; what lives in memory does not."""
    mounts = [
        {"Type": "volume", "Source": "/var/lib/docker/volumes/data/_data", "RW": True},
        {"Type": "bind", "Source": "/srv/files", "RW": True},
        {"Type": "bind", "Source": "/opt/semstreams/nats.conf", "RW": False},
        {"Type": "tmpfs", "Source": "", "RW": True},
    ]
    found = docker_wire.container({**INSPECTION, "Mounts": mounts})
    assert found.folders == ("/var/lib/docker/volumes/data/_data", "/srv/files")


def test_where_a_container_looks_for_others() -> None:
    """Its network namespace's file and its own list of hosts are known, without what only the engine can resolve."""
    host = {"ExtraHosts": ["nats:10.0.0.5", "six:fd00::2", "host.docker.internal:host-gateway"]}
    settings = {"SandboxKey": "/var/run/docker/netns/e624880fe9bd"}
    found = docker_wire.container({**INSPECTION, "HostConfig": host, "NetworkSettings": settings})
    assert found.sandbox == "/var/run/docker/netns/e624880fe9bd"
    assert found.extra_hosts == {"nats": "10.0.0.5", "six": "fd00::2"}


def test_published_ports_are_those_of_the_host() -> None:
    """Of TCP, and those that were asked for: what the engine chooses changes with each start."""
    bindings = {
        "4222/tcp": [{"HostIp": "", "HostPort": "4222"}, {"HostIp": "127.0.0.1", "HostPort": "14222"}],
        "8222/tcp": [{"HostIp": "", "HostPort": ""}],
        "53/udp": [{"HostIp": "", "HostPort": "53"}],
        "6222/tcp": None,
    }
    host = {**INSPECTION["HostConfig"], "PortBindings": bindings}
    assert docker_wire.container({**INSPECTION, "HostConfig": host}).published == (4222, 14222)
    assert docker_wire.container(INSPECTION).published == ()
