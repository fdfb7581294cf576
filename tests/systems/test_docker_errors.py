"""What goes wrong between us and an engine, and what to do about it."""

from __future__ import annotations

import asyncio
import errno
import os
import pwd
from pathlib import Path

import aiohttp
import msgspec
import pytest
from aiodocker.exceptions import DockerError

from semsupervisor.errors import EngineError, EngineForbidden
from semsupervisor.systems.docker_errors import ContainerGone, translated


async def failing(socket: str, error: BaseException | None = None) -> str:
    """Return what becomes of an error within the border."""
    with pytest.raises((EngineError, EngineForbidden)) as caught:
        await _ask(socket, error)
    return f"{type(caught.value).__name__}: {caught.value}"


async def _ask(socket: str, error: BaseException | None) -> None:
    async with translated("ask", socket, 0.05):
        if error:
            raise error
        await asyncio.sleep(10)


async def test_no_answer_in_time() -> None:
    """An engine that hangs is an engine that fails for now, and the way to restart it is told."""
    said = await failing("/docker.sock")
    assert said.startswith("EngineError: the Docker engine at /docker.sock did not answer within 0.05 s (ask)")
    assert "systemctl restart docker" in said


@pytest.mark.parametrize("code", [errno.ENOENT, errno.ENOTDIR])
async def test_a_missing_socket(code: int) -> None:
    """Where there is no socket it is told how to get one: start, install, name, or pass it on."""
    said = await failing("/none/docker.sock", OSError(code, "missing"))
    assert said.startswith("SocketMissing: there is no socket /none/docker.sock")
    for way in ("systemctl start docker", '[docker] socket = "/path"', "BindPaths=/none/docker.sock"):
        assert way in said


@pytest.mark.parametrize("code", [errno.EACCES, errno.EPERM])
async def test_a_forbidden_socket(tmp_path: Path, code: int) -> None:
    """A socket of which the group may write says which group, which command and which setting of the service."""
    socket = tmp_path / "docker.sock"
    socket.touch()
    if os.geteuid() == 0:
        os.chown(socket, -1, 1)
    socket.chmod(0o660)
    group = socket.group()
    said = await failing(str(socket), PermissionError(code, "denied"))
    assert said.startswith(f"EngineForbidden: user {_me()} may not open {socket}, and its group is {group}; ")
    assert f"SupplementaryGroups={group}" in said
    assert f"usermod --append --groups {group} {_me()}" in said


@pytest.mark.parametrize("mode", [0o600, None])
async def test_a_forbidden_socket_that_no_group_may_open(tmp_path: Path, mode: int | None) -> None:
    """A socket that helps no group, or cannot even be looked at, needs a group first."""
    socket = tmp_path / "docker.sock"
    if mode is not None:
        socket.touch(mode)
    said = await failing(str(socket), PermissionError(errno.EACCES, "denied"))
    assert f"chgrp docker {socket}; chmod 660 {socket}" in said


async def test_nobody_listens() -> None:
    """A socket on which nobody listens is left of an engine that ended."""
    said = await failing("/docker.sock", ConnectionRefusedError(errno.ECONNREFUSED, "refused"))
    assert said.startswith("EngineError: nobody listens on /docker.sock")
    assert "systemctl start docker" in said


async def test_a_connection_that_breaks_off() -> None:
    """A connection that is lost in the middle is an engine that fails for now."""
    for error in (ConnectionResetError(errno.ECONNRESET, "reset"), aiohttp.ServerDisconnectedError()):
        assert "broke off" in await failing("/docker.sock", error)


async def test_an_error_that_aiodocker_wraps() -> None:
    """The reason for which aiodocker could not connect is found within its own error."""
    wrapped = DockerError(900, "cannot connect")
    wrapped.__context__ = aiohttp.ClientConnectionError("lost")
    assert "broke off (ask): lost" in await failing("/docker.sock", wrapped)


@pytest.mark.parametrize(
    ("status", "kind", "words"),
    [
        (404, "ContainerGone", "no such container"),
        (403, "EngineForbidden", "let it pass GET on"),
        (401, "EngineForbidden", "let it pass GET on"),
        (500, "EngineError", "the Docker engine answered 500"),
        (409, "EngineError", "the Docker engine answered 409"),
    ],
)
async def test_an_engine_that_refuses(status: int, kind: str, words: str) -> None:
    """A container that is gone, a refusal and a failure of the engine's own are told apart."""
    said = await failing("/docker.sock", DockerError(status, "no such container"))
    assert said.startswith(kind)
    assert words in said


@pytest.mark.parametrize("error", [ValueError("no JSON"), msgspec.ValidationError("no inspection")])
async def test_an_answer_that_is_none_of_an_engine(error: Exception) -> None:
    """What cannot be read comes from something else than an engine."""
    assert "is none of a Docker engine" in await failing("/docker.sock", error)


async def test_what_is_not_foreseen_is_not_hidden() -> None:
    """An error of our own goes through as it is, and so does one that is ours already."""
    for error in (RuntimeError("defect"), ContainerGone("gone")):
        with pytest.raises(type(error)):
            await _ask("/docker.sock", error)


def _me() -> str:
    return pwd.getpwuid(os.geteuid()).pw_name


async def test_groups_and_users_without_a_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a user or a group has only a number, the number is told."""
    if os.geteuid() != 0:
        pytest.skip("only root gives a file to a group that does not exist")
    socket = tmp_path / "docker.sock"
    socket.touch()
    os.chown(socket, -1, 54321)
    socket.chmod(0o660)
    monkeypatch.setattr(os, "geteuid", lambda: 54322)
    said = await failing(str(socket), PermissionError(errno.EACCES, "denied"))
    assert "user 54322 may not open" in said
    assert "its group is 54321" in said
