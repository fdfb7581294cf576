"""The Docker engine of the machine, used as an operator uses it, and left as it was found."""

from __future__ import annotations

import os
import secrets
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.commands import DEFAULT_TIMEOUT_SECONDS, run

DEFAULT_SOCKET = "unix:///var/run/docker.sock"


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

    def remove_by_prefix(self, prefix: str) -> None:
        """Remove the containers, volumes, networks and image tags whose names begin with `prefix`, and nothing else."""
        for kind, listing in (
            ("container", ("container", "ls", "--all", "--format", "{{.Names}}")),
            ("volume", ("volume", "ls", "--format", "{{.Name}}")),
            ("network", ("network", "ls", "--format", "{{.Name}}")),
            ("image", ("image", "ls", "--format", "{{.Repository}}:{{.Tag}}")),
        ):
            names = [name for name in self.docker(*listing).split() if name.startswith(prefix)]
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


@pytest.fixture(scope="session")
def run_prefix(engine: Engine) -> Iterator[str]:
    """Return what the names of all containers, volumes, networks and compose projects of this run begin with.

    What is left of them at the end is removed.
    """
    prefix = f"semt{os.getpid()}x{secrets.token_hex(2)}-"
    yield prefix
    engine.remove_by_prefix(prefix)
