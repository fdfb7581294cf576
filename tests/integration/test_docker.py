"""A real engine, asked and followed as the supervisor does it."""

from __future__ import annotations

import asyncio
import io
import os
import tarfile
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from semsupervisor.errors import EngineError, EngineForbidden
from semsupervisor.systems import cgroups
from semsupervisor.systems.containers import Action, ContainerState, RestartPolicy
from semsupervisor.systems.docker import Docker
from semsupervisor.systems.docker_acts import ContainerActs
from semsupervisor.systems.docker_archive import Archive
from semsupervisor.systems.docker_errors import ContainerGone
from tests.support.socket_proxy import SocketProxy
from tests.support.waiting import eventually
from tests.support.watcher import Services

pytestmark = pytest.mark.integration

TALK = "echo out; exec sleep 1000"
NOBODY = 65534


@pytest.fixture
async def docker(services: Services) -> AsyncIterator[Docker]:
    """Return the machine's engine, as the supervisor asks it."""
    docker = Docker(str(services.engine.socket), 5.0)
    await docker.open()
    yield docker
    await docker.close()


async def test_containers_of_a_project(docker: Docker, services: Services) -> None:
    """All containers of the project are listed with what their inspections say, and no others."""
    identity = await services.start("app", TALK, "--memory=64m", "--env=A=1", restart="always")
    await services.start("done", "sleep 0.2; exit 3", restart="no")
    await eventually(lambda: "exited" in services.engine.docker("inspect", services.name("done")))
    listed = {one.owner.name: one for one in await docker.containers(services.project)}
    assert sorted(listed) == ["app", "done"]
    app, done = listed["app"], listed["done"]
    assert (app.id, app.name, app.image) == (identity, services.name("app"), services.images.first)
    assert (app.state, app.restart_policy) == (ContainerState.RUNNING, RestartPolicy.ALWAYS)
    assert app.memory_limit_bytes == 64 * 2**20
    assert "A=1" in app.environment
    assert app.pid == await services.pid("app")
    assert (done.state, done.exit_code, done.pid) == (ContainerState.EXITED, 3, 0)
    assert done.started_at
    assert done.finished_at
    assert done.started_at <= done.finished_at


@pytest.mark.parametrize("options", [(), ("--tty",)])
async def test_the_last_lines_of_the_log(docker: Docker, services: Services, options: tuple[str, ...]) -> None:
    """Both streams' last lines are read, with and without a terminal, and one without an end too."""
    identity = await services.start("app", "echo out; echo err >&2; printf 'no end'", *options, restart="no")

    async def said() -> bool:
        return sorted(await docker.logs(identity, 50)) == ["err", "no end", "out"]

    await eventually(said)
    assert len(await docker.logs(identity, 1)) == 1


async def test_a_log_that_cannot_be_read(docker: Docker, services: Services) -> None:
    """A container without a log says so."""
    identity = await services.start("app", TALK, "--log-driver=none")
    with pytest.raises(EngineError, match="logging driver does not support reading"):
        await docker.logs(identity, 50)


async def test_memory_is_the_same_from_the_control_group_and_from_the_engine(
    docker: Docker, services: Services
) -> None:
    """The engine's measure, for hosts where control groups cannot be read, is the kernel's."""
    identity = await services.start("app", TALK)
    pid = await services.pid("app")

    async def same() -> bool:
        asked, read = await asyncio.gather(docker.use(identity), asyncio.to_thread(cgroups.read_use, pid))
        assert asked is not None
        assert read is not None
        assert read.memory.oom_kills == 0
        return abs(asked.memory.used_bytes - read.memory.used_bytes) < 2**19

    await eventually(same)
    await services.do("stop", "app", "--time=0")
    assert await docker.use(identity) is None


async def test_a_container_is_stopped_in_its_own_time_and_started(docker: Docker, services: Services) -> None:
    """Who does not end by himself is killed after his grace; stopped or started twice is as once."""
    acts = ContainerActs(docker)
    await services.start("polite", "trap 'exit 0' TERM; while :; do sleep 0.1; done")
    await services.start("deaf", "trap '' TERM; while :; do sleep 0.1; done", "--stop-timeout=1")
    listed = {one.owner.name: one for one in await acts.containers(services.project)}
    assert listed["deaf"].stop_grace_seconds == 1
    assert listed["polite"].stop_grace_seconds == 10
    for one in (*listed.values(), *listed.values()):
        await acts.stop(one)
    assert {one.owner.name: one.exit_code for one in await acts.containers(services.project)} == {
        "polite": 0,
        "deaf": 137,
    }
    for one in (*listed.values(), *listed.values()):
        await acts.start(one)
    assert {one.state for one in await acts.containers(services.project)} == {ContainerState.RUNNING}
    assert await acts.swarm_tasks(services.project) == []


async def test_the_files_of_a_stopped_container(docker: Docker, services: Services, tmp_path: Path) -> None:
    """They come as a tar with one folder before all names; who else writes there is known."""
    acts, folder = ContainerActs(docker), tmp_path / "data"
    folder.mkdir()
    identity = await services.start("app", TALK, f"--volume={folder}:/data")
    other = await services.start("other", TALK, f"--volume={folder}:/elsewhere")
    (folder / "one").write_text("1")
    (one,) = [one for one in await acts.containers(services.project) if one.id == identity]
    assert [(mount.source, mount.destination) for mount in one.mounts] == [(str(folder), "/data")]
    assert await acts.users(str(folder), identity) == [services.name("other")]
    assert await acts.users(str(folder / "below"), other) == [services.name("app")]
    assert await acts.users("/nobody", identity) == []
    await acts.stop(one)
    pieces: list[bytes] = []
    archive = Archive(docker.socket, identity, "/data")
    await asyncio.to_thread(archive.read, lambda piece: pieces.append(bytes(piece)))
    with tarfile.open(fileobj=io.BytesIO(b"".join(pieces))) as tar:
        assert sorted(tar.getnames()) == ["data", "data/one"]
    with pytest.raises(ContainerGone):
        await asyncio.to_thread(Archive(docker.socket, identity, "/absent").read, print)


async def test_a_container_that_is_gone(docker: Docker) -> None:
    """Asking for what is not there says so."""
    with pytest.raises(ContainerGone):
        await docker.inspect("nobody")
    with pytest.raises(ContainerGone):
        await docker.logs("nobody", 1)
    assert await docker.use("nobody") is None


async def test_events_are_followed_and_remembered(docker: Docker, services: Services) -> None:
    """What happens is told at once and in order, once; and again by what the engine remembers."""
    began = time.time_ns()
    stream = await docker.events(services.project, began)
    await services.start("app", "trap 'exit 0' TERM; while :; do sleep 0.1; done")
    await services.do("stop", "app")
    followed = [await stream.next(5.0) for _ in range(5)]
    assert [event.action for event in followed if event] == [
        Action.CREATE,
        Action.START,
        Action.KILL,
        Action.DIE,
        Action.STOP,
    ]
    assert await stream.next(0.1) is None
    await stream.close()
    assert await docker.past_events(services.project, began, time.time_ns()) == followed
    kill, die = followed[2], followed[3]
    assert kill
    assert die
    assert (kill.signal, die.exit_code) == (15, 0)
    assert die.owner.project == services.project


async def test_events_since_a_moment_are_told_first(docker: Docker, services: Services) -> None:
    """A stream begins with what the engine remembers since the moment that it is asked for."""
    began = time.time_ns()
    await services.start("app", TALK)
    stream = await docker.events(services.project, began)
    told = [await stream.next(5.0) for _ in range(2)]
    assert [event.action for event in told if event] == [Action.CREATE, Action.START]
    await stream.close()


async def test_which_engine_it_is(docker: Docker, services: Services, tmp_path: Path) -> None:
    """The engine's process tells it from the next one; behind another socket its network does."""
    direct = await docker.engine()
    assert direct.identity.startswith(("process ", "bridge "))
    assert direct.started_at
    assert direct.version
    assert direct.root_directory.startswith("/")
    async with SocketProxy(services.engine.socket, tmp_path / "proxy.sock") as proxy:
        behind = Docker(str(proxy.path), 5.0)
        await behind.open()
        seen = await behind.engine()
        await behind.close()
    assert seen.identity.startswith("bridge ")
    assert seen.started_at
    assert abs((seen.started_at - direct.started_at).total_seconds()) < 30


async def test_a_user_who_may_not(docker: Docker) -> None:
    """A user without the right is told which group has it, and how to become one of it."""
    if os.geteuid() != 0:
        pytest.skip("only root can become somebody who may not")
    os.seteuid(NOBODY)
    try:
        with pytest.raises(EngineForbidden, match=r"may not open .* usermod --append --groups"):
            await docker.ping()
    finally:
        os.seteuid(0)
    await docker.ping()
