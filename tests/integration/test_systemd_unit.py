"""The unit as systemd itself understands it, and as it runs the daemon."""

from __future__ import annotations

import json
import re
import shutil
import sys
from pathlib import Path

import pytest

from tests.support.commands import REPOSITORY, run
from tests.support.systemd_host import SystemdHost
from tests.support.waiting import eventually_sync

pytestmark = pytest.mark.integration

SYSTEMD = REPOSITORY / "systemd"
PROGRAM = "/opt/semsupervisor/bin/semsupervisor"
DROP_INS = "/etc/systemd/system/semsupervisor.service.d"
MOST_EXPOSURE = 3.0

# Stands where the daemon does: says that it is ready, and what it was given.
PROBE = f"""#!{sys.executable}
import json, os, pathlib, signal, socket
folder = pathlib.Path(os.environ.get("CREDENTIALS_DIRECTORY", "/nonexistent"))
secrets = {{file.name: file.read_text() for file in folder.iterdir()}} if folder.is_dir() else {{}}
pathlib.Path("/run/semsupervisor/seen.json").write_text(json.dumps(secrets))
with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as way:
    way.sendto(b"READY=1", os.environ["NOTIFY_SOCKET"])
signal.pause()
"""


# Looks as the daemon does where its sandbox could forbid it, at a network that is made after it has started.
LOOK = """
import asyncio, json, os, pathlib, signal, socket, time
from semsupervisor.kit.clock import SystemClock
from semsupervisor.systems import cgroups, commands, host, host_figures, netns
def inside():
    for _ in range(100):
        try:
            (made,) = netns.sockets_within("/run/netns/other", [socket.SOCK_STREAM])
            return "entered"
        except netns.NetworkForbidden:
            return "forbidden"
        except netns.NetworkGone:
            time.sleep(0.1)
async def own_check():
    return await commands.Program(["/bin/sh", "-c", "sleep 0.2; nice"], SystemClock()).run(10)
def set_host_name():
    try:
        socket.sethostname("x")
    except OSError as error:
        return error.strerror
with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as way:
    way.sendto(b"READY=1", os.environ["NOTIFY_SOCKET"])
figures = host_figures.read()
seen = {
    "clock": figures.clock_is_kept is not None,
    "memory": figures.memory.size_bytes > 0,
    "pressures": sorted(figures.pressures),
    "inside": inside(),
    "own_check": asyncio.run(own_check()).output.decode(),
    "set_host_name": set_host_name(),
    "root_is_read_only": host.filesystem_of("/", host.mounts()).read_only,
    "network": cgroups._network(pathlib.Path("/proc/1/net/dev")) is not None,
}
file = pathlib.Path("/run/semsupervisor/seen.json")
file.with_suffix(".new").write_text(json.dumps(seen))
file.with_suffix(".new").rename(file)
signal.pause()
"""


@pytest.fixture
def units(tmp_path: Path) -> Path:
    """Return a folder with the unit and its drop-in, as installed, but for a program that exists."""
    if not shutil.which("systemd-analyze"):
        pytest.skip("no systemd-analyze")
    folder = tmp_path / "units"
    (folder / "semsupervisor.service.d").mkdir(parents=True)
    unit = (SYSTEMD / "semsupervisor.service").read_text()
    (folder / "semsupervisor.service").write_text(unit.replace(PROGRAM, "/bin/true"))
    example = SYSTEMD / "semsupervisor.service.d" / "credentials.conf.example"
    shutil.copy(example, folder / "semsupervisor.service.d" / "credentials.conf")
    return folder


@pytest.fixture
def installed(systemd_host: SystemdHost) -> SystemdHost:
    """Return a host on which the unit, its group and its folders are installed, and nothing is started."""
    systemd_host.systemctl("stop", "semsupervisor", check=False)
    systemd_host.systemctl("reset-failed", "semsupervisor", check=False)
    systemd_host.run("rm", "-rf", "/etc/credstore", "/etc/semsupervisor", DROP_INS)
    systemd_host.write("/etc/systemd/system/semsupervisor.service", (SYSTEMD / "semsupervisor.service").read_text())
    systemd_host.run("systemd-sysusers", SYSTEMD / "semsupervisor.sysusers")
    systemd_host.run("systemd-tmpfiles", "--create", SYSTEMD / "semsupervisor.tmpfiles")
    systemd_host.write(PROGRAM, PROBE, mode="755")
    # Checkout and interpreter may lie in /tmp, of which the unit has its own.
    paths = " ".join(str(path) for path in systemd_host.shown)
    systemd_host.write(f"{DROP_INS}/tests.conf", f"[Service]\nBindReadOnlyPaths={paths}\n")
    systemd_host.systemctl("daemon-reload")
    return systemd_host


def test_systemd_has_no_complaint(units: Path) -> None:
    """`systemd-analyze verify` says nothing about the unit with its drop-in."""
    done = run(
        ["systemd-analyze", "verify", units / "semsupervisor.service"], environment={"SYSTEMD_UNIT_PATH": f"{units}:"}
    )
    assert done.stdout + done.stderr == ""


def test_the_unit_is_hardened(units: Path) -> None:
    """`systemd-analyze security` finds an exposure of no more than 3.0."""
    said = run(["systemd-analyze", "security", "--offline=yes", units / "semsupervisor.service"]).stdout
    overall = re.search(r"Overall exposure level for semsupervisor.service: ([0-9.]+)", said)
    assert overall is not None
    assert float(overall[1]) <= MOST_EXPOSURE


def test_a_missing_credential_does_not_stop_the_unit(installed: SystemdHost) -> None:
    """With the drop-in for credentials and none of their files the daemon starts, and is given none."""
    add_credentials(installed)
    installed.systemctl("start", "semsupervisor")
    assert installed.property("semsupervisor", "ActiveState") == "active"
    assert installed.run("cat", "/run/semsupervisor/seen.json") == "{}"


def test_a_credential_reaches_the_daemon(installed: SystemdHost) -> None:
    """A secret in /etc/credstore is in the daemon's credentials folder, beside none of the missing ones."""
    add_credentials(installed)
    installed.write("/etc/credstore/smtp-password", "s3cret", mode="600")
    installed.systemctl("start", "semsupervisor")
    assert installed.run("cat", "/run/semsupervisor/seen.json") == '{"smtp-password": "s3cret"}'


def test_the_socket_folder_is_the_groups(installed: SystemdHost) -> None:
    """The group may enter /run/semsupervisor, others may not, and the state is root's alone."""
    installed.systemctl("start", "semsupervisor")
    shown = installed.run(
        "stat", "--format", "%n %U:%G %a", "/run/semsupervisor", "/var/lib/semsupervisor", "/etc/semsupervisor"
    )
    assert shown.splitlines() == [
        "/run/semsupervisor root:semsupervisor 750",
        "/var/lib/semsupervisor root:semsupervisor 700",
        "/etc/semsupervisor root:semsupervisor 750",
    ]


def test_no_engine_is_no_reason_not_to_start(installed: SystemdHost) -> None:
    """The unit comes up on a host without docker.service: that there is none is for the supervisor to tell."""
    assert installed.property("docker.service", "ActiveState") == "inactive"
    installed.systemctl("start", "semsupervisor")
    assert installed.property("semsupervisor", "ActiveState") == "active"
    assert installed.property("semsupervisor", "MemoryMax") == str(96 * 1024 * 1024)


def test_the_daemon_works_in_its_sandbox(installed: SystemdHost) -> None:
    """On a bare host the daemon is ready, gives its socket to its group, reloads, and ends by itself when stopped."""
    install_daemon(installed)
    installed.systemctl("start", "semsupervisor")
    assert installed.run("stat", "--format", "%U:%G %a", "/run/semsupervisor/control.sock") == "root:semsupervisor 660"
    before = installed.property("semsupervisor", "MainPID")
    installed.systemctl("reload", "semsupervisor")
    eventually_sync(lambda: installed.property("semsupervisor", "ActiveState") == "active")
    assert installed.property("semsupervisor", "MainPID") == before
    installed.systemctl("stop", "semsupervisor")
    assert installed.property("semsupervisor", "Result") == "success"
    assert installed.property("semsupervisor", "ExecMainStatus") == "0"


@pytest.mark.parametrize(
    ("lines", "inside"),
    [((), "entered"), (("CapabilityBoundingSet=", "CapabilityBoundingSet=CAP_DAC_READ_SEARCH"), "forbidden")],
)
def test_the_sandbox_lets_the_daemon_see(installed: SystemdHost, lines: tuple[str, ...], inside: str) -> None:
    """Clock, pressure, file systems, own checks, other networks; without its capability only the last is not seen."""
    program = f"#!/bin/sh\nPYTHONPATH={REPOSITORY} exec {sys.executable} /opt/look.py\n"
    installed.write(PROGRAM, program, mode="755")
    installed.write("/opt/look.py", LOOK)
    installed.write(f"{DROP_INS}/test.conf", "\n".join(("[Service]", *lines, "")))
    installed.systemctl("daemon-reload")
    installed.systemctl("start", "semsupervisor")
    installed.run("ip", "netns", "add", "other")
    try:
        said = eventually_sync(
            lambda: installed.run("cat", "/run/semsupervisor/seen.json", check=False), within_seconds=30
        )
    finally:
        installed.run("ip", "netns", "delete", "other")
    assert json.loads(said) == {
        "clock": True,
        "memory": True,
        "pressures": sorted(one.name for one in Path("/proc/pressure").glob("*") if one.name != "irq"),
        "inside": inside,
        "own_check": "0\n",
        "set_host_name": "Operation not permitted",
        "root_is_read_only": False,
        "network": True,
    }


def test_a_daemon_that_hangs_is_started_again(installed: SystemdHost) -> None:
    """The watchdog notices a daemon that stands still, and systemd starts a new one; one that runs is left alone."""
    install_daemon(installed, "WatchdogSec=2", "RestartSec=100ms")
    installed.systemctl("start", "semsupervisor")
    hung = installed.property("semsupervisor", "MainPID")
    installed.systemctl("kill", "--signal=SIGSTOP", "semsupervisor")
    eventually_sync(lambda: installed.property("semsupervisor", "NRestarts") == "1", within_seconds=30)
    eventually_sync(lambda: installed.property("semsupervisor", "ActiveState") == "active")
    assert installed.property("semsupervisor", "MainPID") != hung


def test_settings_that_are_refused_are_not_tried_again(installed: SystemdHost) -> None:
    """A settings file with a mistake ends the daemon with code 2, and systemd leaves it at that."""
    install_daemon(installed)
    installed.write("/etc/semsupervisor/semsupervisor.toml", "[checks]\ninterval = -1\n")
    installed.systemctl("start", "semsupervisor", check=False)
    eventually_sync(lambda: installed.property("semsupervisor", "ActiveState") == "failed")
    assert installed.property("semsupervisor", "ExecMainStatus") == "2"
    assert installed.property("semsupervisor", "NRestarts") == "0"


def add_credentials(host: SystemdHost) -> None:
    """Install the example drop-in as an operator would."""
    example = SYSTEMD / "semsupervisor.service.d" / "credentials.conf.example"
    host.write("/etc/systemd/system/semsupervisor.service.d/credentials.conf", example.read_text())
    host.systemctl("daemon-reload")


def install_daemon(host: SystemdHost, *service_lines: str) -> None:
    """Install the real daemon, run from the checkout, with these lines laid over its unit."""
    program = f'#!/bin/sh\nPYTHONPATH={REPOSITORY} exec {sys.executable} -m semsupervisor "$@"\n'
    host.write(PROGRAM, program, mode="755")
    if service_lines:
        drop_in = "\n".join(("[Service]", *service_lines, ""))
        host.write("/etc/systemd/system/semsupervisor.service.d/test.conf", drop_in)
        host.systemctl("daemon-reload")
