"""The demo's compose project on the local engine, kept apart from a real stack that may be there."""

from __future__ import annotations

import http.client
import json
import shutil
import time
from dataclasses import dataclass
from pathlib import Path

from demonstration import ports
from demonstration.commands import run
from demonstration.progress import Trouble, say

DEMO = Path(__file__).resolve().parents[1]
FILES = ("docker-compose.yml", "config.json", "nats.conf")
PROJECT = "semstreams"
APART = "semstreams-demo"
MARK = "semsupervisor-demo.by"
COMPOSE_SECONDS = 120.0
ADVICE = "look at the lines above, then start deploy/quickstart again: it begins anew"


@dataclass(frozen=True)
class Stack:
    """The demo's project: its name, its folder and the ports it publishes on loopback."""

    project: str
    folder: Path
    semstreams_port: int
    metrics_port: int
    nats_port: int
    monitor_port: int

    @property
    def semstreams(self) -> str:
        """Return the name of SemStreams' container."""
        return self.project

    def deploy(self) -> None:
        """Make the project's folder, as /opt/semstreams is on a host: with an .env that fills in the compose file."""
        self.folder.mkdir()
        for name in FILES:
            shutil.copy(DEMO / name, self.folder / name)
        values = "".join(f"{name}={value}\n" for name, value in self._environment.items())
        (self.folder / ".env").write_text((DEMO / ".env").read_text() + values)

    @property
    def _environment(self) -> dict[str, str]:
        return {
            "COMPOSE_PROJECT_NAME": self.project,
            "SEMSTREAMS_CONTAINER": self.semstreams,
            "NATS_CONTAINER": f"{self.project}-nats",
            "SEMSTREAMS_PORT": str(self.semstreams_port),
            "METRICS_PORT": str(self.metrics_port),
            "NATS_PORT": str(self.nats_port),
            "NATS_MONITOR_PORT": str(self.monitor_port),
            "DEMO_BY": "quickstart",
            "HEALTH_INTERVAL": "1s",
        }

    def up(self) -> None:
        """Bring the project up and wait until both services are healthy."""
        self._compose("up", "--detach", "--wait")

    def down(self) -> None:
        """Remove the project's containers, volumes and networks."""
        self._compose("down", "--volumes", "--timeout", "5", "--remove-orphans")

    def crash(self) -> None:
        """Make SemStreams crash with exit code 3, through its fault endpoint."""
        connection = http.client.HTTPConnection(ports.LOOPBACK, self.semstreams_port, timeout=10)
        try:
            connection.request("POST", "/_fault", json.dumps({"fault": "crash", "exit_code": 3}))
            status = connection.getresponse().status
        except OSError as error:
            raise Trouble(f"SemStreams' fault endpoint does not answer: {error}", ADVICE) from error
        finally:
            connection.close()
        if status != http.client.ACCEPTED:
            raise Trouble(f"SemStreams' fault endpoint answered {status}", ADVICE)

    def died_at(self, since: float) -> float | None:
        """Return the stamp (Unix time in s) of the engine's first `die` event of SemStreams after `since`."""
        filters = ("--filter", f"container={self.semstreams}", "--filter", "event=die")
        window = ("--since", f"{since:.9f}", "--until", f"{time.time():.9f}")
        lines = run("docker", "events", *window, *filters, "--format", "{{.TimeNano}}", advice=ADVICE)
        return int(lines.split()[0]) / 1e9 if lines else None

    def restarts(self) -> int:
        """Return how often the restart policy has brought SemStreams back."""
        return int(run("docker", "inspect", "--format", "{{.RestartCount}}", self.semstreams, advice=ADVICE))

    def _compose(self, *arguments: str) -> None:
        command = ("docker", "compose", "--project-directory", str(self.folder), "--project-name", self.project)
        run(*command, *arguments, advice=ADVICE, timeout_seconds=COMPOSE_SECONDS)


def choose(folder: Path, wanted: str = "") -> Stack:
    """Choose names and ports that meet nothing on this host; what an earlier run left is taken down first.

    Raises: Trouble when there is a stack of the wanted name already, or of both usual ones.
    """
    projects = (wanted,) if wanted else (PROJECT, APART)
    for project in projects:
        foreign, left = _found(project)
        if foreign:
            say(f"{foreign[0]} is here already and not the demonstration's: leaving project {project} alone")
            continue
        if left:
            say(f"taking down what an earlier run left: {', '.join(left)}")
            Stack(project, DEMO, 0, 0, 0, 0).down()
        return Stack(
            project,
            folder,
            semstreams_port=ports.choose(8080, "SemStreams"),
            metrics_port=ports.choose(9090, "SemStreams' metrics"),
            nats_port=ports.choose(4222, "NATS"),
            monitor_port=ports.choose(8222, "NATS monitoring"),
        )
    raise Trouble(f"there is a stack of the name {' and '.join(projects)}", "give another name: --project NAME")


def _found(project: str) -> tuple[list[str], list[str]]:
    """Return what there is of a project, by name or label: what is not the demonstration's, and what is."""
    label = f"label=com.docker.compose.project={project}"
    listings = (
        ("container", "ls", "--all", "--filter", label, "--format", _row("Names")),
        ("container", "ls", "--all", "--filter", f"name=^/{project}(-nats)?$", "--format", _row("Names")),
        ("volume", "ls", "--filter", label, "--format", _row("Name")),
        ("volume", "ls", "--filter", f"name=^{project}_(nats|semstreams)-data$", "--format", _row("Name")),
    )
    foreign: list[str] = []
    left: list[str] = []
    for listing in listings:
        for line in run("docker", *listing, advice=ADVICE).splitlines():
            name, _, mark = line.partition("\t")
            found = left if mark == "quickstart" else foreign
            if f"{listing[0]} {name}" not in found:
                found.append(f"{listing[0]} {name}")
    return foreign, left


def _row(name: str) -> str:
    return f'{{{{.{name}}}}}\t{{{{.Label "{MARK}"}}}}'
