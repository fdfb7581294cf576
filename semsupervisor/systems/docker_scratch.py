"""Containers that are made to try something out, and removed: labelled as ours, alone in a network of their own.

Whoever finds one knows by its labels which supervisor made it, by the folder of its state, and for which job. What the
image itself says of a compose project is taken back, so that none is ever taken for a service of the stack. Errors are
those of `docker`.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from typing import Any

import msgspec

from semsupervisor.errors import PermanentError
from semsupervisor.systems.containers import Container
from semsupervisor.systems.docker import Docker
from semsupervisor.systems.docker_errors import ContainerGone, decoded

OWNER_LABEL = "semsupervisor.scratch.owner"
JOB_LABEL = "semsupervisor.scratch.job"
PREFIX = "semsupervisor-scratch-"
MEMORY_BYTES = 512 * 2**20
MOST_PROCESSES = 256
# Half of what a container of the stack gets, where there is not enough for all.
CPU_SHARES = 512
# Where the host's memory does not suffice all the same, the kernel takes this one first.
FIRST_TO_BE_KILLED = 1000
# Beyond this the server's runtime collects, before the kernel counts it as too much.
ENVIRONMENT = ("GOMEMLIMIT=400MiB",)
# Where the engine leaves images and the layers of containers to containerd, they are here, and not below its own root.
CONTAINERD_ROOT = "/var/lib/containerd"
_CONTAINERD = "io.containerd.snapshotter.v1"
LOG_SIZE = "1m"
ACT_SECONDS = 60.0
STOP_SECONDS = 30
# Compose and Swarm label images too, and a container has the labels of its image unless it has others.
_OF_STACKS = ("com.docker.compose.", "com.docker.stack.", "com.docker.swarm.")


class _Config(msgspec.Struct, rename="pascal"):
    labels: dict[str, str] | None = None
    entrypoint: list[str] | None = None
    cmd: list[str] | None = None


class _Image(msgspec.Struct, rename="pascal"):
    config: _Config | None = None


class _Info(msgspec.Struct, rename="pascal"):
    driver_status: list[tuple[str, str]] | None = None


class _Made(msgspec.Struct, rename="pascal"):
    id: str


class _Listed(msgspec.Struct, rename="pascal"):
    id: str
    labels: dict[str, str] | None = None


class Scratches:
    """The containers that one supervisor makes so; `owner` is the folder of its state."""

    def __init__(self, docker: Docker, owner: str) -> None:
        self._docker = docker
        self._owner = owner

    async def make(self, job_id: str, image_id: str, arguments: Sequence[str]) -> str:
        """Make a container that does not run yet, and return its id: the image's own program with these arguments.

        Raises also: PermanentError where the image does not say which program that is.
        """
        name = f"{PREFIX}{job_id}"
        image = await self._image(image_id)
        labels = {OWNER_LABEL: self._owner, JOB_LABEL: job_id}
        network = {"Name": name, "Internal": True, "CheckDuplicate": True, "Labels": labels}
        await self._ask(f"make the network {name}", "POST", "/networks/create", body=network)
        wanted = {
            "Image": image_id,
            "Cmd": _command(image_id, image, arguments),
            "User": "0",
            "Env": list(ENVIRONMENT),
            "Labels": {**{label: "" for label in image.labels or {} if label.startswith(_OF_STACKS)}, **labels},
            "Healthcheck": {"Test": ["NONE"]},
            "HostConfig": _limits(name),
        }
        what = f"make the container {name}"
        made = await self._ask(what, "POST", "/containers/create", {"name": name}, body=wanted)
        return decoded(what, made, _Made).id

    async def roots(self, engine_root: str) -> Sequence[str]:
        """Return the folders in which the engine, whose own root is told, has what a container holds."""
        what = "say where the layers are"
        info = decoded(what, await self._ask(what, "GET", "/info"), _Info)
        is_elsewhere = any(value == _CONTAINERD for _, value in info.driver_status or [])
        return (engine_root, CONTAINERD_ROOT) if is_elsewhere else (engine_root,)

    async def start(self, container_id: str) -> None:
        """Start it."""
        await self._ask("start a scratch container", "POST", f"/containers/{container_id}/start")

    async def stop(self, container_id: str) -> None:
        """Ask it to end, and return when it has ended or was killed after a while."""
        patience = {"t": str(STOP_SECONDS)}
        await self._ask("stop a scratch container", "POST", f"/containers/{container_id}/stop", patience)

    async def inspect(self, container_id: str) -> Container:
        """Return what the engine knows of it."""
        return await self._docker.inspect(container_id)

    async def log(self, container_id: str, lines: int) -> Sequence[str]:
        """Return the last lines of its output."""
        return await self._docker.logs(container_id, lines)

    async def remove(self, job_id: str) -> None:
        """Remove all that was made for a job, running or not; there may be nothing."""
        await self._remove_found([f"{OWNER_LABEL}={self._owner}", f"{JOB_LABEL}={job_id}"], ())

    async def remove_all(self, besides: Collection[str] = ()) -> Collection[str]:
        """Remove all that was ever made, but for these jobs; return for which jobs it was."""
        return await self._remove_found([f"{OWNER_LABEL}={self._owner}"], besides)

    async def _remove_found(self, labels: Sequence[str], besides: Collection[str]) -> Collection[str]:
        """Remove the containers of these labels before the networks, which they hold."""
        filters = json.dumps({"label": labels})
        return {
            *await self._remove_listed("containers", "/containers/json", {"all": "true", "filters": filters}, besides),
            *await self._remove_listed("networks", "/networks", {"filters": filters}, besides),
        }

    async def _remove_listed(
        self, kind: str, path: str, query: Mapping[str, str], besides: Collection[str]
    ) -> Collection[str]:
        what = f"list the scratch {kind}"
        removed = set()
        for one in decoded(what, await self._ask(what, "GET", path, query), list[_Listed]):
            job_id = (one.labels or {}).get(JOB_LABEL, "")
            if job_id not in besides:
                removed.add(job_id)
                wholly = {"force": "true", "v": "true"} if kind == "containers" else {}
                with suppress(ContainerGone):
                    await self._ask(f"remove one of the scratch {kind}", "DELETE", f"/{kind}/{one.id}", wholly)
        return removed

    async def _image(self, image_id: str) -> _Config:
        what = f"inspect the image {image_id}"
        found = await self._ask(what, "GET", f"/images/{image_id}/json")
        return decoded(what, found, _Image).config or _Config()

    async def _ask(
        self,
        what: str,
        method: str,
        path: str,
        query: Mapping[str, str] | None = None,
        body: Mapping[str, Any] | None = None,
    ) -> bytes:
        return await self._docker.request(what, method, path, query, body=body, timeout_seconds=ACT_SECONDS)


def _command(image_id: str, image: _Config, arguments: Sequence[str]) -> list[str]:
    """Return what comes after the image's entry point: its program, if it names one there, and the arguments."""
    program = [word for word in (image.cmd or [])[:1] if not word.startswith("-")]
    if not program and not image.entrypoint:
        raise PermanentError(f"the image {image_id} does not say which program is to be run")
    return [*program, *arguments]


def _limits(network: str) -> Mapping[str, Any]:
    return {
        "NetworkMode": network,
        "RestartPolicy": {"Name": "no"},
        "Memory": MEMORY_BYTES,
        "MemorySwap": MEMORY_BYTES,
        "PidsLimit": MOST_PROCESSES,
        "CpuShares": CPU_SHARES,
        "OomScoreAdj": FIRST_TO_BE_KILLED,
        "CapDrop": ["ALL"],
        "SecurityOpt": ["no-new-privileges"],
        "LogConfig": {"Type": "json-file", "Config": {"max-size": LOG_SIZE, "max-file": "1"}},
    }
