"""The demo stack has the runbook's layout, and each of its faults does what its name says."""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import pytest

from tests.support.demo_stack import Answer, DemoStack, DemoStackFactory
from tests.support.engine import Engine
from tests.support.waiting import eventually_sync

pytestmark = pytest.mark.integration

MEMORY_BYTES = 128 * 1024 * 1024


@pytest.fixture(scope="module")
def shared(demo_stacks: DemoStackFactory) -> Iterator[DemoStack]:
    """Return one stack for all tests of this file that leave it as they found it."""
    stack = demo_stacks("demo", SEMSTREAMS_MEMORY="128M")
    yield stack
    stack.down()


@pytest.fixture
def stack(shared: DemoStack) -> Iterator[DemoStack]:
    """Return the shared stack, ready; its faults are cleared afterwards."""
    shared.wait_until_ready()
    yield shared
    eventually_sync(lambda: shared.answers("/_fault"), within_seconds=60)
    shared.clear_faults()
    shared.restart_afresh()


class Deaths:
    """The events of the SemStreams container from its beginning to its end, and its state; use it as a context manager.

    They are followed and not asked for afterwards: the engine remembers 256 events, those of all health checks counted.
    """

    def __init__(self, stack: DemoStack) -> None:
        self._stack = stack
        self._restarts = self.restarts
        self._output = stack.folder / "events"
        self._events: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        engine = self._stack.engine
        since = engine.docker("info", "--format", "{{.SystemTime}}")
        container = f"container={self._stack.container('semstreams')}"
        command = ("docker", "events", "--since", since, "--filter", container, "--format", "{{json .}}")
        with self._output.open("wb") as output:
            self._events = subprocess.Popen(command, env={**os.environ, **engine.environment}, stdout=output)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._events is not None
        self._events.kill()
        self._events.wait(30)

    @property
    def restarts(self) -> int:
        """How often the restart policy has acted in all."""
        return int(self._stack.inspect("semstreams")["RestartCount"])

    def restarted(self, times: int = 1) -> bool:
        """Whether the policy has acted so often since, and the service is ready again."""
        return self.restarts >= self._restarts + times and self._stack.answers()

    def events(self) -> list[str]:
        """The events so far, those of health checks and networks left out; a death with its exit code."""
        whole = self._output.read_text().rpartition("\n")[0]
        told = [_told(json.loads(line)) for line in whole.splitlines()]
        return [event for event in told if not event.startswith(("exec_", "health_status", "network"))]


def _told(event: dict[str, Any]) -> str:
    code = event["Actor"]["Attributes"].get("exitCode")
    return f"{event['Action']} {code}" if code else str(event["Action"])


def _health_of(stack: DemoStack) -> str:
    return str(stack.inspect("semstreams")["State"]["Health"]["Status"])


def _messages(stack: DemoStack) -> int:
    """How many messages the JetStream server holds."""
    return int(stack.ask("/jsz", service="nats", port=8222).value["messages"])


def _metric(stack: DemoStack, name: str, port: int = 8080) -> float:
    lines = stack.ask("/metrics", port=port).body.decode().splitlines()
    return next(float(line.split()[1]) for line in lines if line.startswith(f"{name} "))


def test_the_layout_is_the_runbooks(stack: DemoStack) -> None:
    """Labels, volumes, limits, restart policy, health checks and logging are those of a production host."""
    for service, target in (("nats", "/data"), ("semstreams", "/data")):
        container = stack.inspect(service)
        labels = container["Config"]["Labels"]
        host = container["HostConfig"]
        volumes = {mount["Destination"]: mount.get("Name") for mount in container["Mounts"]}
        assert labels["com.docker.compose.project"] == stack.project
        assert labels["com.docker.compose.service"] == service
        assert volumes[target] == f"{stack.project}_{service}-data"
        assert host["Memory"] == host["MemorySwap"] > 0
        assert host["RestartPolicy"]["Name"] == "unless-stopped"
        assert host["LogConfig"]["Type"] == "json-file"
        assert container["Config"]["Healthcheck"]["Test"]


def test_messages_keep_flowing(stack: DemoStack) -> None:
    """SemStreams is a client called semstreams that publishes to JetStream and consumes what it published."""
    before, consumed = _messages(stack), _metric(stack, "semstreams_messages_total")
    eventually_sync(lambda: _messages(stack) > before + 3)
    eventually_sync(lambda: _metric(stack, "semstreams_messages_total") > consumed + 3)
    clients = stack.ask("/connz", service="nats", port=8222).value["connections"]
    assert [client["name"] for client in clients] == ["semstreams"]


def test_the_shipped_dialect(stack: DemoStack) -> None:
    """The shipped /health is a tree of components without a version; NATS tells its round trip."""
    value = stack.ask("/health").value
    nats = next(part for part in value["sub_statuses"] if part["component"] == "nats")
    assert (value["component"], value["status"], value["healthy"]) == ("system", "healthy", True)
    assert nats["message"].startswith("Connected (RTT: ")
    assert "version" not in value


@pytest.mark.parametrize(("pretty", "nats"), [(False, b'"nats":"connected"'), (True, b'"nats": "connected"')])
def test_the_runbooks_dialect(stack: DemoStack, pretty: bool, nats: bytes) -> None:
    """The runbook's /health names version, uptime and components, compact or pretty."""
    stack.fault("dialect", value="runbook", pretty=pretty)
    answer = stack.ask("/health")
    assert set(answer.value) == {"status", "version", "uptime", "components"}
    assert answer.value["version"] == "v1.0.0"
    assert nats in answer.body


def test_the_offline_dialect(stack: DemoStack) -> None:
    """The offline variant holds three keys and counts what could not be published."""
    stack.fault("dialect", value="offline")
    assert stack.ask("/health").value == {"status": "healthy", "nats_connected": True, "buffered_messages": 0}


def test_a_dialect_of_the_environment(demo_stacks: DemoStackFactory) -> None:
    """SEMSTREAMS_DIALECT and SEMSTREAMS_JSON choose the dialect for the container's life."""
    stack = demo_stacks("dialect", SEMSTREAMS_DIALECT="runbook", SEMSTREAMS_JSON="pretty")
    assert b'"status": "healthy"' in stack.ask("/health").body
    stack.down()


def test_the_other_endpoints(stack: DemoStack) -> None:
    """What the runbook and the shipped software serve beside /health is there."""
    assert stack.ask("/healthz").body == b"OK"
    assert stack.ask("/readyz").body == b"READY"
    assert stack.ask("/services").value["count"] == 3
    assert stack.ask("/services/health").value["component"] == "system"
    assert stack.ask("/api/config").value["version"] == "1.0.0"
    assert [flow["status"] for flow in stack.ask("/api/flows").value] == ["running"] * 3
    assert stack.ask("/nowhere").status == 404


def test_metrics_of_both_generations_on_both_ports(stack: DemoStack) -> None:
    """The runbook's and the shipped names are on 8080 and on 9090."""
    for port in (8080, 9090):
        assert _metric(stack, "semstreams_nats_connection_status", port) == 1
        assert _metric(stack, "semstreams_nats_connected", port) == 1
        assert _metric(stack, "process_resident_memory_bytes", port) > 1_000_000


@pytest.mark.parametrize(("dialect", "status"), [("shipped", "unhealthy"), ("runbook", "unhealthy")])
def test_status_503(stack: DemoStack, dialect: str, status: str) -> None:
    """A 503 comes with the dialect's body, turns the container unhealthy, and goes when cleared."""
    stack.fault("dialect", value=dialect)
    stack.fault("status_503")
    answer = stack.ask("/health")
    assert (answer.status, answer.value["status"]) == (503, status)
    eventually_sync(lambda: _health_of(stack) == "unhealthy", within_seconds=60)
    stack.clear_faults()
    eventually_sync(lambda: _health_of(stack) == "healthy", within_seconds=60)


def test_degraded(stack: DemoStack) -> None:
    """Degraded is told with 200."""
    stack.fault("degraded")
    answer = stack.ask("/health")
    assert (answer.status, answer.value["status"], answer.value["healthy"]) == (200, "degraded", False)


SPOILED: list[tuple[str, dict[str, object], Callable[[Answer], bool]]] = [
    ("garbage", {}, lambda answer: answer.status == 200 and b"\x00" in answer.body),
    ("huge", {}, lambda answer: len(answer.body) > 10_000_000),
    ("redirect", {"location": "/x"}, lambda answer: (answer.status, answer.headers["Location"]) == (302, "/x")),
    ("not_offered", {}, lambda answer: answer.status == 404),
    ("failing", {"status": 503, "body": "gone"}, lambda answer: (answer.status, answer.body) == (503, b"gone")),
]


@pytest.mark.parametrize(
    ("name", "parameters", "holds"), SPOILED, ids=lambda value: value if type(value) is str else ""
)
def test_a_spoiled_answer(
    stack: DemoStack, name: str, parameters: dict[str, object], holds: Callable[[Answer], bool]
) -> None:
    """A fault of the answer spoils /health and nothing else."""
    stack.fault(name, **parameters)
    assert holds(stack.ask("/health"))
    assert stack.ask("/healthz").body == b"OK"


def test_slow(stack: DemoStack) -> None:
    """A slow endpoint answers after the seconds asked for."""
    stack.fault("slow", seconds=0.5)
    begin = time.monotonic()
    assert stack.ask("/health").status == 200
    assert time.monotonic() - begin >= 0.5


def test_hang(stack: DemoStack) -> None:
    """A hung endpoint answers nothing until the fault ends by itself."""
    stack.fault("hang", paths=["/services"], for_seconds=0.5)
    begin = time.monotonic()
    assert stack.ask("/services").status == 200
    assert time.monotonic() - begin >= 0.4


@pytest.mark.parametrize("code", [3, 0])
def test_crash(stack: DemoStack, code: int) -> None:
    """A crash is a death with that code and no word before it; the restart policy brings it back."""
    with Deaths(stack) as deaths:
        stack.fault("crash", exit_code=code)
        eventually_sync(deaths.restarted, within_seconds=60)
        eventually_sync(lambda: deaths.events()[:2] == [f"die {code}", "start"])
    last_lines = stack.engine.docker("logs", stack.container("semstreams"))
    assert ("panic" in last_lines) or code == 0


def test_crash_loop(stack: DemoStack) -> None:
    """A crash loop crashes now and at as many starts as asked for, and then is over."""
    with Deaths(stack) as deaths:
        stack.fault("crash_loop", count=2, exit_code=4)
        eventually_sync(lambda: deaths.restarted(3), within_seconds=60)
        eventually_sync(lambda: deaths.events()[-1] == "start" and deaths.events().count("start") == 3)
        assert deaths.events().count("die 4") == 3
    assert stack.ask("/_fault").value["active"][0]["count"] == 0


def test_out_of_memory(stack: DemoStack) -> None:
    """The main process out of memory: an oom event and death by SIGKILL, told in either order."""
    with Deaths(stack) as deaths:
        stack.fault("oom")
        eventually_sync(deaths.restarted, within_seconds=60)
        eventually_sync(lambda: {"oom", "die 137"} <= set(deaths.events()))


def test_only_a_child_out_of_memory(stack: DemoStack) -> None:
    """A child out of memory: the container runs on, its inspection says nothing, its control group counted it."""
    before = stack.inspect("semstreams")["State"]
    counted = _oom_kills(before["Pid"])
    stack.fault("oom_child")
    eventually_sync(lambda: _oom_kills(before["Pid"]) > counted, within_seconds=60)
    eventually_sync(lambda: "Child process ended" in stack.engine.docker("logs", stack.container("semstreams")))
    after = stack.inspect("semstreams")["State"]
    assert (after["Pid"], after["Status"]) == (before["Pid"], "running")
    assert stack.answers()


def _oom_kills(pid: int) -> int:
    """How often the kernel killed in the control group of a process, on either version of control groups."""
    lines = [line.split(":", 2) for line in Path(f"/proc/{pid}/cgroup").read_text().splitlines()]
    groups = {controllers: group for _, controllers, group in lines}
    if "memory" in groups:
        return _count(Path(f"/sys/fs/cgroup/memory{groups['memory']}/memory.oom_control"))
    return _count(Path(f"/sys/fs/cgroup{groups['']}/memory.events"))


def _count(file: Path) -> int:
    return next(int(line.split()[1]) for line in file.read_text().splitlines() if line.startswith("oom_kill "))


def test_a_leak_that_stops(stack: DemoStack) -> None:
    """A leak fills the memory up to where it was told to stop, and gives it back when cleared."""
    stack.fault("leak", mib_per_second=400, until_mib=100)
    eventually_sync(lambda: _metric(stack, "process_resident_memory_bytes") > 0.6 * MEMORY_BYTES)
    stack.clear_faults()
    eventually_sync(lambda: _metric(stack, "process_resident_memory_bytes") < 0.4 * MEMORY_BYTES)


def test_never_ready(stack: DemoStack) -> None:
    """Never ready is told by /readyz alone."""
    stack.fault("never_ready")
    answer = stack.ask("/readyz")
    assert (answer.status, answer.body) == (503, b"NOT READY")
    assert stack.ask("/health").status == 200


def test_wrong_version(stack: DemoStack) -> None:
    """The health body tells another version than the file in the container."""
    stack.fault("dialect", value="runbook")
    stack.fault("wrong_version", version="v0.0.1")
    assert stack.ask("/health").value["version"] == "v0.0.1"
    version = stack.engine.docker("exec", stack.container("semstreams"), "cat", "/etc/semstreams/VERSION")
    assert version == "v1.0.0"


def test_drop_flows(stack: DemoStack) -> None:
    """Without flows the list is empty, the metric zero and the health degraded."""
    stack.fault("drop_flows")
    assert stack.ask("/api/flows").value == []
    assert _metric(stack, "semstreams_flow_active") == 0
    assert stack.ask("/health").value["status"] == "degraded"


def test_a_slow_flow(stack: DemoStack) -> None:
    """One flow tells that it is slow."""
    stack.fault("slow_flow")
    assert [flow["status"] for flow in stack.ask("/api/flows").value] == ["slow", "running", "running"]


def test_nats_disconnect(stack: DemoStack) -> None:
    """SemStreams without NATS says so in each dialect, with 503 in the shipped one, and connects again when told."""
    stack.fault("nats_disconnect")
    eventually_sync(lambda: _metric(stack, "semstreams_nats_connected") == 0)
    shipped = stack.ask("/health")
    nats = next(part for part in shipped.value["sub_statuses"] if part["component"] == "nats")
    assert shipped.status == 503
    assert nats["message"].startswith("Disconnected: ")
    stack.fault("dialect", value="runbook")
    assert stack.ask("/health").value["components"]["nats"] == "disconnected"
    stack.fault("dialect", value="offline")
    assert stack.ask("/health").value["nats_connected"] is False
    stack.clear_faults()
    stack.wait_until_ready()


def test_publishing_survives_a_restart_of_nats(stack: DemoStack) -> None:
    """After NATS was restarted its messages are still there and new ones come."""
    before = _messages(stack)
    stack.engine.docker("restart", "--time", "2", stack.container("nats"))
    stack.wait_until_ready()
    eventually_sync(lambda: _messages(stack) > before)


def test_log_spam(stack: DemoStack) -> None:
    """A flood of lines goes into the log, at the level asked for, and is counted."""
    stack.fault("log_spam", lines_per_second=500, seconds=0.5, message="password=hunter2 refused")
    name = stack.container("semstreams")
    eventually_sync(lambda: stack.engine.docker("logs", name).count("password=hunter2 refused") > 200)
    assert b'semstreams_log_entries_total{component="graph-processor",level="error"}' in stack.ask("/metrics").body


def test_replaced_metrics(stack: DemoStack) -> None:
    """Any sample can be made to show another value."""
    stack.fault("metrics", values={"semstreams_messages_pending": 12345})
    assert _metric(stack, "semstreams_messages_pending") == 12345


@pytest.mark.parametrize(
    "body", [{}, {"fault": "no_such"}, {"fault": "slow", "seconds": "5"}, {"fault": "crash", "code": 1}]
)
def test_an_unknown_fault_is_refused(stack: DemoStack, body: dict[str, object]) -> None:
    """What is no fault, or no parameter of it, is refused with what there is."""
    answer = stack.ask("/_fault", method="POST", body=body)
    assert answer.status == 400
    assert answer.value["error"]


def test_update_and_configuration(demo_stacks: DemoStackFactory) -> None:
    """A new tag brings a new version; the newer configuration wins, and at a tie the one in KV does."""
    stack = demo_stacks("update")
    image = stack.inspect("semstreams")["Config"]["Labels"]["org.opencontainers.image.version"]
    assert image == "v1.0.0"
    stack.fault("never_ready", persist=True, only_version="v1.1.0")
    assert stack.answers()
    _rewrite(stack.folder / "config.json", version="1.0.0", platform={"id": "ignored"})
    stack.environment["SEMSTREAMS_VERSION"] = "v1.1.0"
    stack.up()
    assert stack.inspect("semstreams")["Config"]["Labels"]["org.opencontainers.image.version"] == "v1.1.0"
    assert not stack.answers()
    eventually_sync(lambda: stack.ask("/api/config").value["platform"] == {"org": "demo", "id": "edge-1"})
    _rewrite(stack.folder / "config.json", version="1.0.10", platform={"id": "edge-2"})
    stack.compose("restart", "semstreams")
    eventually_sync(lambda: stack.answers("/healthz"))
    eventually_sync(lambda: stack.ask("/api/config").value["platform"] == {"id": "edge-2"})
    stack.down()


def _rewrite(file: Path, **changes: object) -> None:
    file.write_text(json.dumps({**json.loads(file.read_text()), **changes}))


def test_the_hardened_layout(demo_stacks: DemoStackFactory, engine: Engine) -> None:
    """With the hardened file NATS has no published port, and the host still reaches it by its network address."""
    stack = demo_stacks("hardened")
    stack.files.append("docker-compose.hardened.yml")
    stack.up()
    assert engine.docker("port", stack.container("nats")) == ""
    assert stack.ask("/healthz", service="nats", port=8222).value == {"status": "ok"}
    stack.wait_until_ready()
    stack.down()
