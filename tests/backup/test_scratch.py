"""What a scratch server is told; what it does is seen in tests/integration."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from semsupervisor.backup import scratch
from semsupervisor.backup.scratch import ScratchFailed, ScratchServer, configuration, made
from semsupervisor.backup.unpacking import NotPossible
from semsupervisor.systems.docker import Docker
from semsupervisor.systems.docker_scratch import Scratches
from semsupervisor.systems.http import Answer, BodyTooLarge
from tests.support.broken_engine import speaking

IMAGE = {"Config": {"Entrypoint": ["/nats-server"]}}


def test_the_default_account_needs_no_other() -> None:
    """One user, with a password."""
    text = configuration({"$G"}, "secret").decode()
    assert 'authorization { user: "semsupervisor", password: "secret" }' in text
    assert "accounts" not in text
    assert configuration((), "secret").decode() == text


def test_each_account_has_a_user() -> None:
    """Named as it is, whatever that is."""
    text = configuration({'A"B', "C"}, "secret").decode()
    assert '"A\\"B" { jetstream: enabled, users: [ { user: "A\\"B", password: "secret" } ] }' in text
    assert '"C" { jetstream: enabled' in text
    assert "authorization" not in text


def test_the_default_account_beside_others_is_not_tried() -> None:
    """A server refuses such a configuration."""
    with pytest.raises(NotPossible, match=r"\$G and of other accounts"):
        configuration({"$G", "APP"}, "secret")


class Host:
    """An engine that makes one container, of which it says that it ended so, and the lists of what there is."""

    def __init__(self, folder: Path, state: dict[str, Any], lists: Iterator[int]) -> None:
        self._path = folder / "docker.sock"
        self._state = state
        self._lists = lists

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        if request.path == "/containers/json":
            return web.json_response([], status=next(self._lists))
        if request.path.endswith("/c1/json"):
            return web.json_response({"Id": "c1", "State": self._state, "Config": {}, "NetworkSettings": {}})
        answers = {"/networks": [], "/images/i/json": IMAGE, "/containers/create": {"Id": "c1"}}
        return web.json_response(answers.get(request.path, {"ApiVersion": "1.41"}))

    async def use(self, error: Exception | None) -> str:
        """Have a server there, of which something fails, or not; return what was learned."""
        docker = Docker(str(self._path), 2.0)
        await docker.open()
        try:
            async with speaking(self._path, self._answer):
                means = scratch.Means(Scratches(docker, "/state"), str(self._path), refused)
                async with made(means, "j1", "i"):
                    if error is not None:
                        raise error
                    return "learned"
        finally:
            await docker.close()


async def refused(url: str, timeout_seconds: float, most_bytes: int) -> Answer:
    """Say that there is more than may be read."""
    raise BodyTooLarge(f"{url} goes on", Answer(status=200, headers={}, body=b"", elapsed_seconds=0.1))


@pytest.mark.parametrize(
    ("state", "error"),
    [
        ({"Status": "exited", "ExitCode": 1, "OOMKilled": True}, NotPossible),
        ({"Status": "exited", "ExitCode": 137}, NotPossible),
        ({"Status": "exited", "ExitCode": 1}, ScratchFailed),
        ({"Status": "running"}, ScratchFailed),
        ({"Status": "flying"}, ScratchFailed),
    ],
)
async def test_one_that_is_killed_tells_nothing(tmp_path: Path, state: dict[str, Any], error: type[Exception]) -> None:
    """The snapshot is no worse for it; everything else that fails stays what it is."""
    with pytest.raises(error):
        await Host(tmp_path, state, iter((200, 200))).use(ScratchFailed("it went away"))


async def test_what_was_learned_counts_though_nothing_can_be_removed(tmp_path: Path, logs: Any) -> None:
    """That is logged, and left to the sweep."""
    assert await Host(tmp_path, {}, iter((200, 500))).use(None) == "learned"
    assert [line["event"] for line in logs] == ["scratch.not_removed"]


async def test_more_than_can_be_read_is_no_failure(tmp_path: Path) -> None:
    """As of thousands of consumers."""
    means = scratch.Means(Scratches(Docker("", 1.0), "/state"), "", refused)
    with pytest.raises(NotPossible, match="more streams and consumers than can be read"):
        await ScratchServer(means, "c1").held()
