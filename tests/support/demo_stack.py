"""A demo stack of a test's own on the machine's engine: names, ports and volumes that meet no other stack's."""

from __future__ import annotations

import http.client
import json
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import pytest

from tests.support.commands import REPOSITORY, run
from tests.support.engine import Engine
from tests.support.images import DemoImages
from tests.support.waiting import eventually_sync

FILES = (".env", "config.json", "docker-compose.hardened.yml", "docker-compose.yml", "nats.conf")
PORTS = ("SEMSTREAMS_PORT", "METRICS_PORT", "NATS_PORT", "NATS_MONITOR_PORT")
ANSWER_SECONDS = 30.0
COMPOSE_SECONDS = 120.0


@dataclass(frozen=True)
class Answer:
    """What a service of the stack answered."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def value(self) -> Any:
        """Return the body as JSON."""
        return json.loads(self.body)


class DemoStack:
    """One compose project made of the demo's files; use it as a context manager, so that nothing of it is left."""

    def __init__(self, engine: Engine, folder: Path, project: str, **environment: str) -> None:
        """`environment` sets what the compose file leaves open: `SEMSTREAMS_MEMORY="128M"`."""
        self.engine = engine
        self.folder = folder
        self.project = project
        self.files = ["docker-compose.yml"]
        self.environment = {
            **dict.fromkeys(PORTS, ""),
            "COMPOSE_PROJECT_NAME": project,
            "SEMSTREAMS_CONTAINER": f"{project}-semstreams",
            "NATS_CONTAINER": f"{project}-nats",
            "HEALTH_INTERVAL": "1s",
            **environment,
        }
        for name in FILES:
            shutil.copy(REPOSITORY / "deploy" / "demo" / name, folder / name)

    def __enter__(self) -> Self:
        try:
            self.up()
        except BaseException:
            self.down()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.down()

    def compose(self, *arguments: str) -> str:
        """Run `docker compose ARGUMENTS` in the stack's folder and return its output."""
        files = [word for name in self.files for word in ("--file", str(self.folder / name))]
        environment = {**self.engine.environment, **self.environment}
        done = run(["docker", "compose", *files, *arguments], environment=environment, timeout_seconds=COMPOSE_SECONDS)
        return done.stdout

    def up(self) -> None:
        """Bring the stack up, as it is configured now, and wait until both services are healthy."""
        self.compose("up", "--detach", "--wait")

    def down(self) -> None:
        """Remove the stack's containers, volumes and networks."""
        self.compose("down", "--volumes", "--timeout", "2", "--remove-orphans")

    def container(self, service: str) -> str:
        """Return the name of a service's container."""
        return f"{self.project}-{service}"

    def inspect(self, service: str) -> Any:
        """Return all that the engine knows of a service's container."""
        return json.loads(self.engine.docker("inspect", self.container(service)))[0]

    def healthy(self, service: str) -> bool:
        """Tell whether a service's container runs and passes its health check."""
        state = self.inspect(service)["State"]
        return bool(state["Status"] == "running" and state["Health"]["Status"] == "healthy")

    def restart_afresh(self) -> None:
        """Start those containers anew on which the restart policy has acted: at each death it waits longer than before.

        The engine forgets that only when a container is started by hand, or has lived for 10 s.
        """
        for service in ("nats", "semstreams"):
            if self.inspect(service)["RestartCount"]:
                self.engine.docker("restart", "--time", "2", self.container(service))

    def address(self, service: str) -> str:
        """Return a network address of a service's container; empty while it has none. It changes at each start."""
        networks = self.inspect(service)["NetworkSettings"]["Networks"].values()
        return next((str(network["IPAddress"]) for network in networks if network["IPAddress"]), "")

    def ask(
        self, path: str, *, service: str = "semstreams", port: int = 8080, method: str = "GET", body: object = None
    ) -> Answer:
        """Send one request to a service of the stack; redirects are not followed."""
        connection = http.client.HTTPConnection(self.address(service), port, timeout=ANSWER_SECONDS)
        try:
            connection.request(method, path, body=None if body is None else json.dumps(body))
            answer = connection.getresponse()
            return Answer(answer.status, dict(answer.getheaders()), answer.read())
        finally:
            connection.close()

    def fault(self, name: str, **parameters: object) -> None:
        """Make SemStreams misbehave; deploy/demo/semstreams_standin/faults.py lists how."""
        answer = self.ask("/_fault", method="POST", body={"fault": name, **parameters})
        assert answer.status == 202, answer.body

    def clear_faults(self) -> None:
        """Let SemStreams behave again, now and after its next start."""
        assert self.ask("/_fault", method="DELETE").status == 200

    def answers(self, path: str = "/readyz") -> bool:
        """Whether SemStreams is there and says 200 on that path: by default when it is connected and ready."""
        try:
            return self.ask(path).status == 200
        except (OSError, http.client.HTTPException):
            return False

    def wait_until_ready(self, within_seconds: float = 60.0) -> None:
        """Wait until SemStreams is ready."""
        eventually_sync(self.answers, within_seconds=within_seconds)


DemoStackFactory = Callable[..., DemoStack]


@pytest.fixture(scope="session")
def demo_stacks(
    engine: Engine, demo_images: DemoImages, run_prefix: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[DemoStackFactory]:
    """Return what brings up a demo stack of one's own: `demo_stacks("name", SEMSTREAMS_MEMORY="128M")`.

    All are removed when the run ends; a test that is done with its stack calls `down()` before.
    """
    assert demo_images.tags

    with ExitStack() as stack:

        def start(name: str, **environment: str) -> DemoStack:
            folder = tmp_path_factory.mktemp(name)
            return stack.enter_context(DemoStack(engine, folder, f"{run_prefix}{name}", **environment))

        yield start
