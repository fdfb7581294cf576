"""The daemon as a whole, without an engine: it starts, says what is missing, and ends in order."""

from __future__ import annotations

import asyncio
import shutil
import sys

from tests.support.daemon_here import Received, Surroundings, kinds
from tests.support.waiting import eventually


async def test_missing_engine_is_told_and_the_daemon_is_ready(surroundings: Surroundings, received: Received) -> None:
    """Without a Docker socket the daemon is ready, and what it tells says which socket is missing."""
    async with surroundings.running():
        await eventually(lambda: ("engine_unreachable", "firing") in kinds(received))
        await eventually(lambda: surroundings.says("/readyz", "healthy"))
        status = await surroundings.get("/v1/status")
    assert "absent.sock" in received[0]["alerts"][0]["summary"]
    assert status["status"] != "healthy"


async def test_restart_repeats_nothing(surroundings: Surroundings, received: Received) -> None:
    """A daemon that ended in order and starts again does not tell again what still holds."""
    async with surroundings.running():
        await eventually(lambda: ("engine_unreachable", "firing") in kinds(received))
    async with surroundings.running():
        await eventually(lambda: surroundings.get("/v1/alerts"))
        entries = (await surroundings.get("/v1/timeline"))["entries"]
    assert kinds(received).count(("engine_unreachable", "firing")) == 1
    assert any("ended in order (SIGTERM)" in entry["text"] for entry in entries)


async def test_a_state_that_is_removed_is_begun_anew(surroundings: Surroundings, received: Received) -> None:
    """With its folder removed the daemon says so, tells what is new, and forgets nothing that it had told."""
    state = surroundings.folder / "state"
    async with surroundings.running():
        await eventually(lambda: ("engine_unreachable", "firing") in kinds(received))
        await asyncio.to_thread(shutil.rmtree, state)
        surroundings.write("mistake = 1\n")
        await surroundings.post("/v1/settings/reload")
        await eventually(lambda: ("supervisor_settings_refused", "firing") in kinds(received))
        await eventually(lambda: ("supervisor_store_removed", "firing") in kinds(received))
        assert await asyncio.to_thread((state / "state.db").is_file)
        entries = (await surroundings.get("/v1/timeline"))["entries"]
    assert "daemon.state_removed" in {entry["kind"] for entry in entries}
    surroundings.write()
    async with surroundings.running():
        firing = {alert["rule"] for alert in (await surroundings.get("/v1/alerts"))["alerts"]}
        entries = (await surroundings.get("/v1/timeline"))["entries"]
    assert "engine_unreachable" in firing
    assert kinds(received).count(("engine_unreachable", "firing")) == 1
    assert any("ended in order (SIGTERM)" in entry["text"] for entry in entries)


async def test_second_daemon_on_the_same_state_is_refused(surroundings: Surroundings) -> None:
    """Two daemons on one state directory would tell everything twice: the second ends with a clear error."""
    async with surroundings.running():
        second = await asyncio.create_subprocess_exec(
            sys.executable,
            *("-m", "semsupervisor", "run", "--settings", str(surroundings.settings)),
            stdout=asyncio.subprocess.PIPE,
        )
        said, _ = await second.communicate()
        assert second.returncode == 1
        assert b"in use: another semsupervisor runs with this state directory" in said
        assert await surroundings.says("/healthz", "healthy")
