"""A Docker engine of a test's own, in its own network namespace: it may be stopped, killed and hung."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from types import TracebackType
from typing import Self

import pytest

from tests.support.commands import run
from tests.support.engine import Engine
from tests.support.waiting import eventually_sync

CGROUPS = Path("/sys/fs/cgroup")
CGROUP_PARENT = "semsupervisor-tests"
NEEDED_COMMANDS = ("dockerd", "ip", "iptables", "nsenter")
START_SECONDS = 60.0
STOP_SECONDS = 30.0


class PrivateEngine(Engine):
    """An engine that a test may hurt. Needs root; use it as a context manager, so that nothing of it is left."""

    def __init__(self, client_config: Path, **daemon_settings: object) -> None:
        """`daemon_settings` go into its daemon.json, with `_` for `-`: `live_restore=True`."""
        self.name = f"semt{secrets.token_hex(3)}"
        # Short on purpose: containerd's socket lies some folders below, and a socket's path holds 107 characters.
        self.folder = Path(tempfile.mkdtemp(prefix="semt-"))
        super().__init__(self.folder / "docker.sock", client_config)
        self._process: subprocess.Popen[bytes] | None = None
        settings = {key.replace("_", "-"): value for key, value in daemon_settings.items()}
        (self.folder / "daemon.json").write_text(json.dumps(settings))

    @staticmethod
    def unavailable() -> str:
        """Say why no private engine can run here; empty when it can."""
        if os.geteuid() != 0:
            return "a private Docker engine needs root"
        missing = [command for command in NEEDED_COMMANDS if not shutil.which(command)]
        return f"a private Docker engine needs {', '.join(missing)}" if missing else ""

    @property
    def enter(self) -> tuple[str, ...]:
        """Return the words before a command that has to reach the containers' addresses: they are its namespace's."""
        return ("nsenter", f"--net={self.namespace}")

    @property
    def namespace(self) -> Path:
        """Return its network namespace."""
        return Path("/run/netns", self.name)

    @property
    def log(self) -> str:
        """Return all that the engine has logged."""
        return (self.folder / "dockerd.log").read_text(errors="replace")

    def __enter__(self) -> Self:
        try:
            run(["ip", "netns", "add", self.name])
            run(["ip", "-n", self.name, "link", "set", "lo", "up"])
            self.start()
        except BaseException:
            self.remove()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.remove()

    def start(self) -> None:
        """Start the engine, after `stop` and `kill` as well, and wait until it answers."""
        # Stale after a SIGKILL: the next start would wait 15 s for a containerd that is gone.
        (self.folder / "exec/containerd/containerd.pid").unlink(missing_ok=True)
        (self.folder / "docker.pid").unlink(missing_ok=True)
        with (self.folder / "dockerd.log").open("ab") as log:
            # `ip netns exec` would hide the cgroup mounts. The cgroupfs driver takes any parent, also under systemd.
            self._process = subprocess.Popen(
                [*self.enter, *self._dockerd()],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        eventually_sync(self._answers, within_seconds=START_SECONDS)

    def stop(self) -> None:
        """End the engine by SIGTERM, as an upgrade or a host's shutdown does: it stops its containers first."""
        self._signal(signal.SIGTERM)
        self._wait()

    def kill(self) -> None:
        """End the engine by SIGKILL: no word to anybody."""
        self._signal(signal.SIGKILL)
        self._wait()

    def hang(self) -> None:
        """Stop the engine in its tracks: connects succeed and calls hang until `resume`."""
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Let a hung engine go on."""
        self._signal(signal.SIGCONT)

    def remove(self) -> None:
        """End the engine with all its containers, and remove its namespace, mounts, control groups and files."""
        if self._process and self._process.poll() is None:
            self.resume()
            self.kill()
        eventually_sync(self._no_process_left, within_seconds=STOP_SECONDS)
        for mount in self._mounts():
            run(["umount", "--lazy", mount], check=False)
        run(["ip", "netns", "delete", self.name], check=False)
        for group in self.control_groups():
            with suppress(FileNotFoundError):
                group.rmdir()
        for parent in (*CGROUPS.glob(CGROUP_PARENT), *CGROUPS.glob(f"*/{CGROUP_PARENT}")):
            with suppress(OSError):  # another run's engine is in it
                parent.rmdir()
        shutil.rmtree(self.folder)

    def _dockerd(self) -> Sequence[str]:
        folder = self.folder
        return (
            *("dockerd", "--config-file", f"{folder}/daemon.json", "--host", self.address),
            *("--data-root", f"{folder}/data", "--exec-root", f"{folder}/exec", "--pidfile", f"{folder}/docker.pid"),
            *("--cgroup-parent", f"/{CGROUP_PARENT}/{self.name}", "--exec-opt", "native.cgroupdriver=cgroupfs"),
        )

    def _answers(self) -> bool:
        if self._process is None or self._process.poll() is not None:
            raise AssertionError(f"the private engine ended at its start:\n{self.log[-4000:]}")
        return self.socket.exists() and not self.trouble()

    def _signal(self, number: signal.Signals) -> None:
        if self._process is None:
            raise AssertionError("the private engine was never started")
        self._process.send_signal(number)

    def _wait(self) -> None:
        if self._process is not None:
            self._process.wait(STOP_SECONDS)

    def _no_process_left(self) -> bool:
        """Kill what outlives its engine: shims name its folder, its groups hold containers. True if none is left."""
        left = {pid for group in self.control_groups() for pid in _processes(group)}
        for process in Path("/proc").glob("[0-9]*"):
            try:
                command = (process / "cmdline").read_bytes()
            except OSError:
                continue
            if f"{self.folder}/".encode() in command:
                left.add(int(process.name))
        left.discard(os.getpid())
        for pid in left:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        return not left

    def control_groups(self) -> list[Path]:
        """Return its control groups, the deepest first, on version 1 those of all hierarchies."""
        roots = [*CGROUPS.glob(f"{CGROUP_PARENT}/{self.name}"), *CGROUPS.glob(f"*/{CGROUP_PARENT}/{self.name}")]
        # os.walk and not rglob: groups vanish while they are looked at.
        return [Path(group) for root in roots for group, _, _ in os.walk(root, topdown=False)]

    def _mounts(self) -> list[str]:
        points = [line.split()[4] for line in Path("/proc/self/mountinfo").read_text().splitlines()]
        return [point for point in reversed(points) if point.startswith(f"{self.folder}/")]


def _processes(group: Path) -> list[int]:
    try:
        return [int(pid) for pid in (group / "cgroup.procs").read_text().split()]
    except OSError:  # the group is gone
        return []


PrivateEngineFactory = Callable[..., PrivateEngine]


@pytest.fixture(scope="session")
def private_engines(docker_client_config: Path) -> Iterator[PrivateEngineFactory]:
    """Return what starts a private engine, with daemon settings if given; all are removed when the run ends."""
    if reason := PrivateEngine.unavailable():
        pytest.skip(reason)
    with ExitStack() as stack:
        yield lambda **settings: stack.enter_context(PrivateEngine(docker_client_config, **settings))


@pytest.fixture
def private_engine(docker_client_config: Path) -> Iterator[PrivateEngine]:
    """Return a private engine, started for this test and removed after it."""
    if reason := PrivateEngine.unavailable():
        pytest.skip(reason)
    with PrivateEngine(docker_client_config) as started:
        yield started
