"""What becomes of the engine itself: restarted, killed, hung, its stream cut or silent. On engines that may be hurt."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.private_engine import PrivateEngine
from tests.support.small_images import SmallImages
from tests.support.socket_proxy import SocketProxy
from tests.support.waiting import eventually
from tests.support.watcher import ENGINE, MakeServices, Services, Watcher

pytestmark = pytest.mark.integration

FOREVER = "trap 'exit 0' TERM; while :; do sleep 0.1; done"


@pytest.fixture
def hurt(private_engine: PrivateEngine, small_images: SmallImages, make_services: MakeServices) -> Services:
    """Return services on an engine that a test may hurt."""
    small_images.load_into(private_engine)
    return make_services(private_engine)


@pytest.fixture
def live_restoring(
    docker_client_config: Path, small_images: SmallImages, make_services: MakeServices
) -> Iterator[Services]:
    """Return services on an engine whose containers outlive it."""
    if reason := PrivateEngine.unavailable():
        pytest.skip(reason)
    with PrivateEngine(docker_client_config, live_restore=True) as engine:
        small_images.load_into(engine)
        yield make_services(engine)


def engine_of(services: Services) -> PrivateEngine:
    """Return the engine of services that may be hurt."""
    assert isinstance(services.engine, PrivateEngine)
    return services.engine


async def test_an_engine_that_is_restarted_kills_nobody(hurt: Services, tmp_path: Path) -> None:
    """An engine that ends in order and comes back: unreachable, then all runs; no death, no stop; one note says so."""
    await hurt.start("app", FOREVER)
    async with Watcher(hurt.engine.socket, hurt.project, tmp_path) as watcher:
        await asyncio.to_thread(engine_of(hurt).stop)
        await watcher.until(ENGINE, "reachable", False)
        await asyncio.to_thread(engine_of(hurt).start)
        await watcher.until(ENGINE, "reachable", True)
        await watcher.until("app", "state", "running")
        await watcher.settled()
        await watcher.probe()
        told = watcher.record.values("app", "died") + watcher.record.values("app", "stopped_on_request")
        assert True not in told
        await eventually(lambda: len(watcher.record.noted("engine.restarted")) == 1)
        assert "stopped its containers" in watcher.record.noted("engine.restarted")[0]


async def test_an_engine_that_takes_long_to_end_is_no_operator(hurt: Services, tmp_path: Path) -> None:
    """While an engine waits for its slowest container to end, those that ended at once were stopped by nobody else."""
    await hurt.start("quick", FOREVER)
    await hurt.start("slow", "trap '' TERM; while :; do sleep 0.1; done", "--stop-timeout=6")
    async with Watcher(hurt.engine.socket, hurt.project, tmp_path) as watcher:
        await asyncio.to_thread(engine_of(hurt).stop)
        await asyncio.to_thread(engine_of(hurt).start)
        for service in ("quick", "slow"):
            await watcher.until(service, "state", "running")
        await watcher.settled()
        for service in ("quick", "slow"):
            told = watcher.record.values(service, "died") + watcher.record.values(service, "stopped_on_request")
            assert True not in told


async def test_what_no_policy_starts_again_is_left_by_a_restarted_engine(hurt: Services, tmp_path: Path) -> None:
    """A container without a restart policy has died when its engine was restarted."""
    await hurt.start("app", FOREVER, restart="no")
    async with Watcher(hurt.engine.socket, hurt.project, tmp_path) as watcher:
        await asyncio.to_thread(engine_of(hurt).stop)
        await asyncio.to_thread(engine_of(hurt).start)
        await watcher.until("app", "died", True)
        assert True not in watcher.record.values("app", "stopped_on_request")
        assert "not started again" in watcher.watching.services["app"].intent


async def test_an_engine_restarted_in_the_supervisors_absence(hurt: Services, tmp_path: Path) -> None:
    """What an engine stopped and started again while the supervisor was away has neither died nor been stopped."""
    await hurt.start("app", FOREVER)
    async with Watcher(hurt.engine.socket, hurt.project, tmp_path):
        pass
    await asyncio.to_thread(engine_of(hurt).stop)
    await asyncio.to_thread(engine_of(hurt).start)
    async with Watcher(hurt.engine.socket, hurt.project, tmp_path) as watcher:
        await watcher.until("app", "state", "running")
        await watcher.settled()
        told = watcher.record.values("app", "died") + watcher.record.values("app", "stopped_on_request")
        assert True not in told
        await eventually(lambda: len(watcher.record.noted("engine.restarted")) == 1)
        assert watcher.record.noted("service.restarted") == []


async def test_an_engine_that_is_killed_leaves_containers_stopped(hurt: Services, tmp_path: Path) -> None:
    """What the next engine leaves stopped has died, though the engine used a stop; the note names what happened."""
    await hurt.start("app", FOREVER)
    async with Watcher(hurt.engine.socket, hurt.project, tmp_path) as watcher:
        await asyncio.to_thread(engine_of(hurt).kill)
        await watcher.until(ENGINE, "reachable", False)
        await asyncio.to_thread(engine_of(hurt).start)
        await watcher.until("app", "died", True)
        await watcher.settled()
        assert True not in watcher.record.values("app", "stopped_on_request")
        await eventually(lambda: watcher.record.noted("engine.killed"))
        assert "left stopped: app" in watcher.record.noted("engine.killed")[0]
        await hurt.do("start", "app")
        await watcher.until("app", "died", False)


async def test_a_request_outlives_the_engine(hurt: Services, tmp_path: Path) -> None:
    """What was stopped on request stays so when the engine is restarted, also when it is killed."""
    await hurt.start("app", FOREVER)
    async with Watcher(hurt.engine.socket, hurt.project, tmp_path) as watcher:
        await hurt.do("stop", "app")
        await watcher.until("app", "stopped_on_request", True)
        await asyncio.to_thread(engine_of(hurt).stop)
        await asyncio.to_thread(engine_of(hurt).start)
        await watcher.until(ENGINE, "reachable", True)
        await asyncio.to_thread(engine_of(hurt).kill)
        await asyncio.to_thread(engine_of(hurt).start)
        await watcher.until(ENGINE, "reachable", True)
        await watcher.settled()
        await watcher.probe()
        assert watcher.record.last("app", "stopped_on_request") is True
        assert True not in watcher.record.values("app", "died")


async def test_containers_that_outlive_their_engine_are_left_in_peace(live_restoring: Services, tmp_path: Path) -> None:
    """With live-restore an engine that is killed and comes back has hurt nobody, and the note says so."""
    await live_restoring.start("app", FOREVER)
    async with Watcher(live_restoring.engine.socket, live_restoring.project, tmp_path) as watcher:
        await asyncio.to_thread(engine_of(live_restoring).kill)
        await watcher.until(ENGINE, "reachable", False)
        await asyncio.to_thread(engine_of(live_restoring).start)
        await watcher.until(ENGINE, "reachable", True)
        await watcher.settled()
        assert True not in watcher.record.values("app", "died")
        await eventually(lambda: watcher.record.noted("engine.restarted"))
        assert "kept running" in watcher.record.noted("engine.restarted")[0]


async def test_what_vanished_while_nobody_watched_is_missing(hurt: Services, tmp_path: Path) -> None:
    """A container that is gone when the supervisor comes back, and that nobody was seen to remove, is missing."""
    await hurt.start("app", FOREVER)
    async with Watcher(hurt.engine.socket, hurt.project, tmp_path):
        pass
    await hurt.do("rm", "app", "--force")
    await asyncio.to_thread(engine_of(hurt).stop)  # with it goes what it remembers of the removal
    await asyncio.to_thread(engine_of(hurt).start)
    async with Watcher(hurt.engine.socket, hurt.project, tmp_path) as watcher:
        await watcher.until("app", "missing", True)
        await hurt.start("app", FOREVER)
        await watcher.until("app", "missing", False)
        assert watcher.record.last("app", "state") == "running"


async def test_an_engine_that_hangs_is_unreachable_and_its_containers_unknown(hurt: Services, tmp_path: Path) -> None:
    """A hung engine is found by a ping; nothing is said of its containers; what died meanwhile is told afterwards."""
    await hurt.start("app", FOREVER)
    pid = await hurt.pid("app")
    async with Watcher(hurt.engine.socket, hurt.project, tmp_path, timeout=1.0) as watcher:
        engine_of(hurt).hang()
        try:
            await watcher.until(ENGINE, "reachable", False)
            unknown = next(one for one in watcher.record.of("app")[::-1])
            assert all(str(value).startswith("unknown") for value in unknown.facts.values())
            os.kill(pid, signal.SIGKILL)
        finally:
            engine_of(hurt).resume()
        await watcher.until(ENGINE, "reachable", True)
        await eventually(lambda: True in watcher.record.values("app", "died"))
        await watcher.until("app", "state", "running")
        await eventually(lambda: any("hung" in text for text in watcher.record.noted("engine.back")))
        assert True not in watcher.record.values("app", "stopped_on_request")


async def test_a_stream_that_is_cut_loses_nothing(services: Services, tmp_path: Path) -> None:
    """A death while the stream is down is told when it is back; the engine was reachable all the time."""
    await services.start("app", FOREVER)
    async with (
        SocketProxy(services.engine.socket, tmp_path / "proxy.sock") as proxy,
        Watcher(proxy.path, services.project, tmp_path) as watcher,
    ):
        proxy.cut()
        os.kill(await services.pid("app"), signal.SIGKILL)
        await eventually(lambda: True in watcher.record.values("app", "died"))
        await watcher.until("app", "died", False)
        assert watcher.watching.stream.reconnects_total >= 1
        assert watcher.record.last("app", "deaths_recent") == 1


async def test_a_stream_that_is_silent_is_found_out(services: Services, tmp_path: Path) -> None:
    """A death that the stream does not tell is found by the next look, told once, and the stream is followed anew."""
    await services.start("app", FOREVER)
    async with (
        SocketProxy(services.engine.socket, tmp_path / "proxy.sock") as proxy,
        Watcher(proxy.path, services.project, tmp_path) as watcher,
    ):
        proxy.stall()
        os.kill(await services.pid("app"), signal.SIGKILL)
        await eventually(lambda: services.healed("app"))
        await watcher.probe()
        await eventually(lambda: True in watcher.record.values("app", "died"))
        await watcher.until("app", "died", False)
        await eventually(lambda: watcher.watching.stream.connected_since)
        assert watcher.watching.stream.silent_total == 1
        await eventually(lambda: len(watcher.record.noted("engine.silent")) == 1)
        os.kill(await services.pid("app"), signal.SIGKILL)
        await eventually(lambda: watcher.record.last("app", "deaths_recent") == 2)
        assert watcher.record.values("app", "died")[:4] == [False, True, False, True]


async def test_an_engine_that_was_never_there_is_told(tmp_path: Path) -> None:
    """Without a socket the engine is unreachable, and the evidence names what is missing."""
    async with Watcher(tmp_path / "none.sock", "project", tmp_path) as watcher:
        await watcher.until(ENGINE, "reachable", False)
        assert "there is no socket" in watcher.record.of(ENGINE)[-1].evidence["error"]
