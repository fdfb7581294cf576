"""The Docker engine of the machine, used as an operator uses it, and left as it was found."""

from __future__ import annotations

import os
import re
import secrets
import shutil
import signal
import socket
import struct
import subprocess
import sys
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psutil
import pytest

from tests.support.commands import DEFAULT_TIMEOUT_SECONDS, run

DEFAULT_SOCKET = "unix:///var/run/docker.sock"
LISTINGS = {
    "container": ("--all", "--format", "{{.Names}}"),
    "volume": ("--format", "{{.Name}}"),
    "network": ("--format", "{{.Name}}"),
    "image": ("--format", "{{.Repository}}:{{.Tag}}"),
}
CERTAINLY_LATER = timedelta(minutes=1)
RUN_PREFIX = re.compile(r"semt(?P<pid>\d+)x[0-9a-f]{4}-")


class Engine:
    """One Docker engine, reached by its socket through the `docker` and `docker compose` commands."""

    def __init__(self, socket: Path, client_config: Path) -> None:
        self.socket = socket
        self._client_config = client_config

    @property
    def address(self) -> str:
        """Return what DOCKER_HOST has to be to reach this engine."""
        return f"unix://{self.socket}"

    @property
    def environment(self) -> dict[str, str]:
        """Return the variables with which `docker` and `docker compose` reach this engine and no other."""
        return {"DOCKER_HOST": self.address, "DOCKER_CONFIG": str(self._client_config)}

    def docker(self, *arguments: str, check: bool = True, timeout_seconds: float = DEFAULT_TIMEOUT_SECONDS) -> str:
        """Run `docker ARGUMENTS` against this engine and return its output without the last line end."""
        command = ("docker", *arguments)
        done = run(command, environment=self.environment, check=check, timeout_seconds=timeout_seconds)
        return done.stdout.rstrip("\n")

    def compose(self, folder: Path, *arguments: str, project: str, timeout_seconds: float = 120.0) -> str:
        """Run `docker compose ARGUMENTS` for the compose file in `folder` and return its output."""
        command = ("compose", "--project-name", project, "--project-directory", str(folder), *arguments)
        return self.docker(*command, timeout_seconds=timeout_seconds)

    def signal_from_host(self, container: str, number: signal.Signals) -> None:
        """Send a signal to a container's main process from outside of Docker, and to no other process. Needs root."""
        if os.geteuid() != 0:
            pytest.skip("to signal a container's process from the host needs root")
        identity, pid = self.docker("inspect", "--format", "{{.Id}} {{.State.Pid}}", container).split()
        assert pid != "0", f"{container} does not run"
        process = os.pidfd_open(int(pid))
        try:
            # Its number may be another process's by now: what is held open here is looked at before it is sent to.
            assert identity in Path(f"/proc/{pid}/cgroup").read_text(), f"{container} has ended meanwhile"
            signal.pidfd_send_signal(process, number)
        finally:
            os.close(process)

    def trouble(self) -> str:
        """Say why this engine cannot be used; empty when it answers."""
        if not shutil.which("docker"):
            return "no docker command"
        try:
            done = run(
                ["docker", "version", "--format", "{{.Server.Version}}"],
                environment=self.environment,
                check=False,
                timeout_seconds=10,
            )
        except subprocess.TimeoutExpired:
            return f"no answer from {self.address} within 10 s"
        return "" if done.returncode == 0 else (done.stderr.strip() or f"docker version: code {done.returncode}")

    def names(self, kind: str) -> Sequence[str]:
        """Return the names of all containers, volumes, networks or image tags."""
        return self.docker(kind, "ls", *LISTINGS[kind]).split()

    def remove_by_prefix(self, prefix: str) -> None:
        """Remove the containers, volumes, networks and image tags whose names begin with `prefix`, and nothing else."""
        for kind in LISTINGS:
            names = [name for name in self.names(kind) if name.startswith(prefix)]
            removal = ("rm", "--force", "--volumes") if kind == "container" else ("rm",)
            if names:
                self.docker(kind, *removal, *names, check=False)


@pytest.fixture(scope="session")
def docker_client_config(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a DOCKER_CONFIG folder of the run's own, in which the compose plugin is installed."""
    folder = tmp_path_factory.mktemp("docker-config")
    plugins = folder / "cli-plugins"
    plugins.mkdir()
    (plugins / "docker-compose").symlink_to(Path(sys.executable).with_name("docker-compose"))
    return folder


@pytest.fixture(scope="session")
def engine(docker_client_config: Path) -> Engine:
    """Return the machine's engine; tests that ask for it are skipped, and counted, where none answers."""
    address = os.environ.get("DOCKER_HOST", DEFAULT_SOCKET)
    if not address.startswith("unix://"):
        pytest.skip(f"DOCKER_HOST={address} is no unix socket")
    found = Engine(Path(address.removeprefix("unix://")), docker_client_config)
    if trouble := found.trouble():
        pytest.skip(f"no Docker engine: {trouble}")
    return found


def dead_runs(engine: Engine) -> Sequence[str]:
    """Return the prefixes of the runs that are certainly over, and have left something on the engine.

    Their containers come back with the engine. Whoever sees other processes than the engine does can say of no run that
    it is over.
    """
    if not _engine_pid(engine):
        return ()
    names = [name for kind in LISTINGS for name in engine.names(kind)]
    found = {match.group(): int(match["pid"]) for name in names if (match := RUN_PREFIX.match(name))}
    return [prefix for prefix, pid in sorted(found.items()) if _is_over(engine, prefix, pid)]


def _engine_pid(engine: Engine) -> int:
    """Return who listens at the engine's socket; 0 where that process cannot be seen from here."""
    with socket.socket(socket.AF_UNIX) as asking:
        asking.connect(str(engine.socket))
        return int(struct.unpack("3i", asking.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))[0])


def _is_over(engine: Engine, prefix: str, pid: int) -> bool:
    """Tell whether the process of a run is gone, or another has its number."""
    try:
        began = datetime.fromtimestamp(psutil.Process(pid).create_time(), UTC)
    except psutil.NoSuchProcess:
        return True
    containers = [name for name in engine.names("container") if name.startswith(prefix)]
    made = engine.docker("inspect", "--format", "{{.Created}}", *containers, check=False).split() if containers else []
    return is_anothers(began, [datetime.fromisoformat(one) for one in made])


def is_anothers(began: datetime, made: Sequence[datetime]) -> bool:
    """Tell whether a process began certainly after containers were made, and so has not made them.

    When a process began is known to some seconds only.
    """
    return any(began - one > CERTAINLY_LATER for one in made)


@pytest.fixture(scope="session")
def run_prefix(engine: Engine) -> Iterator[str]:
    """Return what the names of all containers, volumes, networks and compose projects of this run begin with.

    What is left of them at the end is removed; what a run that was killed has left is removed before.
    """
    for dead in dead_runs(engine):
        engine.remove_by_prefix(dead)
    prefix = f"semt{os.getpid()}x{secrets.token_hex(2)}-"
    yield prefix
    engine.remove_by_prefix(prefix)
