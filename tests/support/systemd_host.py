"""systemd as process 1 in namespaces of its own: units really start, with their sandbox, limits and credentials."""

from __future__ import annotations

import os
import secrets
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

import pytest

from tests.support.commands import REPOSITORY, run
from tests.support.waiting import eventually_sync

SCRIPT = Path(__file__).with_name("systemd-host")
SYSTEMD = Path("/lib/systemd/systemd")
CGROUPS = Path("/sys/fs/cgroup")
VERSION_1_HIERARCHIES = ("systemd", "memory", "pids", "cpu", "devices")
START_SECONDS = 60.0
STOP_SECONDS = 20.0


class SystemdHost:
    """A running systemd with the machine's programs, the checkout, and none of the machine's services or sockets."""

    def __init__(self) -> None:
        self.name = f"semt{secrets.token_hex(3)}"
        self.folder = Path(tempfile.mkdtemp(prefix="semt-"))
        self.shown = sorted({REPOSITORY, Path(sys.prefix), Path(sys.base_prefix)} - {Path("/usr")})
        self._outer: subprocess.Popen[bytes] | None = None
        self._init = 0

    @staticmethod
    def unavailable() -> str:
        """Say why no systemd can run here; empty when it can."""
        if os.geteuid() != 0:
            return "systemd as process 1 needs root"
        if not SYSTEMD.exists():
            return f"no {SYSTEMD}"
        return "" if shutil.which("nsenter") and shutil.which("unshare") else "no nsenter and unshare"

    def __enter__(self) -> Self:
        try:
            self._start()
        except BaseException:
            self._remove()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._remove()

    def run(self, *command: str | Path, check: bool = True, text_in: str | None = None) -> str:
        """Run a command on this host as root and return what it printed, without the last line end."""
        inside = ("nsenter", "--target", str(self._init), "--all", *command)
        return run(inside, check=check, text_in=text_in).stdout.rstrip("\n")

    def systemctl(self, *arguments: str, check: bool = True) -> str:
        """Run `systemctl ARGUMENTS` on this host."""
        return self.run("systemctl", *arguments, check=check)

    def property(self, unit: str, name: str) -> str:
        """Return one property of a unit, as `systemctl show` prints it."""
        return self.systemctl("show", "--property", name, "--value", unit)

    def write(self, path: str, text: str, mode: str = "644") -> None:
        """Write a file of this host; the machine's own stays as it is."""
        self.run("install", "-D", "-m", mode, "/dev/stdin", path, text_in=text)

    def _start(self) -> None:
        groups = [group / self.name for group in self._hierarchies()]
        for group in groups:
            group.mkdir()
        namespaces = ("--pid", "--mount", "--uts", "--ipc", "--net", "--cgroup")
        enter = (
            'for group; do [ "$group" = -- ] && break; shift; echo $$ > "$group/cgroup.procs"; done; shift; exec "$@"'
        )
        unshare = ("unshare", *namespaces, "--fork", "--kill-child=KILL", "--propagation", "private")
        with (self.folder / "systemd.log").open("ab") as log:
            self._outer = subprocess.Popen(
                ["sh", "-c", enter, "sh", *groups, "--", *unshare, SCRIPT, self.folder, *self.shown],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        self._init = eventually_sync(self._child, within_seconds=START_SECONDS)
        # Out of the group that is systemd's root: version 2 lets no group have both processes and limited children.
        for group in groups:
            (group.parent / "cgroup.procs").write_text(str(self._outer.pid))
        eventually_sync(self._is_up, within_seconds=START_SECONDS)

    def _child(self) -> int:
        """Return the pid that is process 1 inside, once it is there."""
        outer = self._outer
        if outer is None or outer.poll() is not None:
            raise AssertionError(f"systemd ended at its start:\n{self._log()}")
        children = Path(f"/proc/{outer.pid}/task/{outer.pid}/children").read_text().split()
        return int(children[0]) if children else 0

    def _is_up(self) -> bool:
        self._child()
        with suppress(OSError):
            if Path(f"/proc/{self._init}/comm").read_text().strip() == "systemd":
                return self.systemctl("is-system-running", check=False) in {"running", "degraded"}
        return False

    def _log(self) -> str:
        return (self.folder / "systemd.log").read_text(errors="replace")[-4000:]

    def _remove(self) -> None:
        if self._outer is not None:
            self._outer.kill()  # which kills process 1 inside, which kills all others
            self._outer.wait(STOP_SECONDS)
        eventually_sync(self._groups_are_gone, within_seconds=STOP_SECONDS)
        shutil.rmtree(self.folder)

    def _hierarchies(self) -> list[Path]:
        if (CGROUPS / "cgroup.controllers").exists():
            return [CGROUPS]
        return [CGROUPS / name for name in VERSION_1_HIERARCHIES]

    def _groups_are_gone(self) -> bool:
        roots = [group / self.name for group in self._hierarchies()]
        for group, _, _ in (step for root in roots for step in os.walk(root, topdown=False)):
            with suppress(OSError):  # a process of it is still ending, or the group is gone
                Path(group).rmdir()
        return not any(root.exists() for root in roots)


@pytest.fixture(scope="module")
def systemd_host() -> Iterator[SystemdHost]:
    """Return a host with nothing but systemd running; what a test leaves on it is gone with its module."""
    if reason := SystemdHost.unavailable():
        pytest.skip(reason)
    with SystemdHost() as host:
        yield host
