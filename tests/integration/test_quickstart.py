"""deploy/quickstart shows the main job from a checkout alone, and leaves nothing behind."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import tempfile
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.commands import REPOSITORY
from tests.support.engine import Engine
from tests.support.images import DemoImages
from tests.support.waiting import eventually_sync

# The first run builds a virtual environment from PyPI.
pytestmark = [pytest.mark.integration, pytest.mark.timeout(300)]

RUN_SECONDS = 180.0
NEEDED = ("deploy", "semsupervisor", "pyproject.toml", "requirements.txt", "README.md", "LICENSE")
NOBODY = 65534


class Quickstart:
    """One run of deploy/quickstart in a session of its own; all that it says goes into a file."""

    def __init__(self, folder: Path, *arguments: str, prefix: tuple[str, ...] = (), **environment: str) -> None:
        self._said = folder / "said"
        with self._said.open("wb") as said:
            self._process = subprocess.Popen(
                [*prefix, folder / "checkout/deploy/quickstart", *arguments],
                env={
                    **os.environ,
                    "SEMSUPERVISOR_QUICKSTART": str(folder / "kept"),
                    "TMPDIR": str(folder),
                    **environment,
                },
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=said,
                start_new_session=True,
            )

    @property
    def said(self) -> str:
        """Return all that it has said so far."""
        return self._said.read_text()

    def press_ctrl_c(self) -> None:
        """Send what a terminal sends to every process in the foreground."""
        os.killpg(self._process.pid, signal.SIGINT)

    def kill(self) -> None:
        """End it without a word."""
        self._process.kill()
        self._process.wait()

    def code(self) -> int:
        """Wait for its end and return its exit code."""
        try:
            return self._process.wait(RUN_SECONDS)
        except subprocess.TimeoutExpired:
            self.press_ctrl_c()
            raise AssertionError(f"did not end:\n{self.said}") from None


@pytest.fixture(scope="module")
def folder(demo_images: DemoImages) -> Iterator[Path]:
    """Return a folder that an ordinary user may enter: a checkout, and beside it what one run keeps for the next."""
    assert demo_images.tags
    with tempfile.TemporaryDirectory(prefix="semt-quickstart-") as name:
        made = Path(name)
        made.chmod(0o755)
        (made / "checkout").mkdir()
        for needed in NEEDED:
            _copy(REPOSITORY / needed, made / "checkout" / needed)
        yield made


def _copy(source: Path, target: Path) -> None:
    if source.is_dir():
        shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
    else:
        shutil.copy(source, target)


def _left(engine: Engine, project: str) -> list[str]:
    """Name the containers, volumes and networks of a project that are there."""
    label = f"label=com.docker.compose.project={project}"
    listings = (
        ("container", "ls", "--all", "--format", "{{.Names}}"),
        ("volume", "ls", "--format", "{{.Name}}"),
        ("network", "ls", "--format", "{{.Name}}"),
    )
    return [name for listing in listings for name in engine.docker(*listing, "--filter", label).split()]


def test_once_and_once_more(folder: Path, engine: Engine, run_prefix: str) -> None:
    """It tells of the crash and the recovery, exits 0 and leaves nothing; so does a second run."""
    project = f"{run_prefix}quick"
    for _ in range(2):
        run = Quickstart(folder, "--once", "--project", project, DOCKER_HOST=engine.address)
        assert run.code() == 0, run.said
        assert re.search(r"\] ALERT received \d+ ms after", run.said)
        assert "ended with exit code 3" in run.said
        assert re.search(r"\] RECOVERY received [\d.]+ s after", run.said)
        assert _left(engine, project) == []
        assert list(folder.glob("semsupervisor-demo-*")) == []


def test_it_stays_up_until_ctrl_c(folder: Path, engine: Engine, run_prefix: str) -> None:
    """Without --once the daemon answers at the addresses shown until Ctrl-C, which takes everything down."""
    project = f"{run_prefix}stay"
    run = Quickstart(folder, "--project", project, DOCKER_HOST=engine.address)
    eventually_sync(lambda: "until Ctrl-C" in run.said and "metrics  " in run.said, within_seconds=RUN_SECONDS)
    addresses = re.findall(r"(?:status|metrics) +(http://\S+)", run.said)
    assert [urllib.request.urlopen(address, timeout=10).status for address in addresses] == [200, 200]
    run.press_ctrl_c()
    assert run.code() == 0, run.said
    assert _left(engine, project) == []
    assert list(folder.glob("semsupervisor-demo-*")) == []


def test_interrupted_half_way(folder: Path, engine: Engine, run_prefix: str) -> None:
    """Ctrl-C while the stack comes up takes down what is there and exits 130."""
    project = f"{run_prefix}half"
    run = Quickstart(folder, "--once", "--project", project, DOCKER_HOST=engine.address)
    eventually_sync(lambda: len(_left(engine, project)) > 3, within_seconds=RUN_SECONDS)
    run.press_ctrl_c()
    assert run.code() == 130, run.said
    assert _left(engine, project) == []


def test_killed(folder: Path, engine: Engine, run_prefix: str) -> None:
    """A quickstart that is killed takes its stack and its daemon along, and the next removes its folder."""
    project = f"{run_prefix}killed"
    run = Quickstart(folder, "--project", project, DOCKER_HOST=engine.address)
    eventually_sync(lambda: "until Ctrl-C" in run.said, within_seconds=RUN_SECONDS)
    run.kill()
    eventually_sync(lambda: _left(engine, project) == [], within_seconds=30)
    assert list(folder.glob("semsupervisor-demo-*")) != []
    assert Quickstart(folder, "--once", "--project", project, DOCKER_HOST=engine.address).code() == 0
    assert list(folder.glob("semsupervisor-demo-*")) == []


def test_a_stack_that_is_here_is_left_alone(folder: Path, engine: Engine, run_prefix: str) -> None:
    """A volume of the project's name that quickstart did not make stops it, with what to do, and stays."""
    project = f"{run_prefix}real"
    volume = f"{project}_nats-data"
    engine.docker("volume", "create", volume)
    run = Quickstart(folder, "--once", "--project", project, DOCKER_HOST=engine.address)
    assert run.code() == 1
    assert "what to do: give another name" in run.said
    assert volume in engine.docker("volume", "ls", "--format", "{{.Name}}").split()
    engine.docker("volume", "rm", volume)


def test_what_is_kept_is_removed_though_an_image_stays(folder: Path) -> None:
    """An image that another stack uses keeps nothing else from being removed, and is told."""
    kept, programs = folder / "to-remove", folder / "engine-that-removes-nothing"
    for made in (kept, programs):
        made.mkdir()
    docker = programs / "docker"
    docker.write_text('#!/bin/sh\n[ "$1" = version ]\n')
    docker.chmod(0o755)
    run = Quickstart(folder, "--remove", SEMSUPERVISOR_QUICKSTART=str(kept), PATH=f"{programs}:{os.environ['PATH']}")
    assert run.code() == 0, run.said
    assert "an image stays" in run.said
    assert not kept.exists()


def test_no_engine(folder: Path) -> None:
    """Without an engine at the address given it says so, with what to do, and starts none."""
    run = Quickstart(folder, "--once", DOCKER_HOST="unix:///nowhere/docker.sock")
    assert run.code() == 1
    assert "no Docker engine answers at DOCKER_HOST=unix:///nowhere/docker.sock" in run.said
    assert "what to do: " in run.said


def test_help(folder: Path) -> None:
    """--help says how to use it and exits 0."""
    run = Quickstart(folder, "--help")
    assert run.code() == 0
    assert run.said.startswith("usage: deploy/quickstart")


@pytest.mark.parametrize(
    ("arguments", "wrong"),
    [
        (("--nonsense",), "there is no option '--nonsense'"),
        (("--project",), "--project needs a name"),
        (("--project", "--once"), "--project: found '--once'; allowed: "),
        (("--once", "--project", "Semstreams"), "--project: found 'Semstreams'; allowed: "),
        (("--remove", "--once"), "--remove goes with no other option"),
    ],
)
def test_wrong_usage(folder: Path, arguments: tuple[str, ...], wrong: str) -> None:
    """What cannot be meant ends with 2 at once: how to use it, and below that what was wrong."""
    run = Quickstart(folder, *arguments)
    assert run.code() == 2
    assert run.said.startswith("usage: deploy/quickstart")
    assert run.said.splitlines()[-1].startswith(f"quickstart: {wrong}")


def test_no_room_for_what_it_writes(folder: Path) -> None:
    """Where it cannot even begin it says so, with what to do."""
    run = Quickstart(folder, "--once", TMPDIR="/nowhere")
    assert run.code() == 1
    assert "FAILED: cannot make a folder in /nowhere" in run.said
    assert "what to do: " in run.said


def test_a_command_that_nobody_expected_to_fail(folder: Path) -> None:
    """Whatever fails, the last lines say that it did and what to do, and nothing of the run is left."""
    (folder / "bin").mkdir()
    broken = folder / "bin/sha256sum"
    broken.write_text("#!/bin/sh\nexit 1\n")
    broken.chmod(0o755)
    run = Quickstart(folder, "--once", PATH=f"{folder / 'bin'}:{os.environ['PATH']}")
    assert run.code() == 1
    assert "FAILED: " in run.said.splitlines()[-2]
    assert "what to do: " in run.said.splitlines()[-1]
    assert list(folder.glob("semsupervisor-demo-*")) == []


def test_an_ordinary_user(folder: Path, engine: Engine, run_prefix: str) -> None:
    """A user who may use the engine needs no root; one who may not is told at once how to get there."""
    if os.geteuid() != 0:
        pytest.skip("only root can become another user")
    home = folder / "home"
    home.mkdir()
    os.chown(home, NOBODY, NOBODY)
    shutil.copytree(folder / "checkout", home / "checkout")
    group = engine.socket.stat().st_gid
    user = ("setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}")
    project = f"{run_prefix}user"
    run = Quickstart(home, "--once", "--project", project, prefix=(*user, f"--groups={group}"), HOME=str(home))
    assert run.code() == 0, run.said
    assert _left(engine, project) == []
    fresh = str(home / "fresh")
    run = Quickstart(home, "--once", prefix=(*user, "--clear-groups"), HOME=str(home), SEMSUPERVISOR_QUICKSTART=fresh)
    assert run.code() == 1
    assert "usermod -aG docker" in run.said
    assert "Python environment" not in run.said
