"""What is told, and what is not, of what becomes of the Docker engine under a stack: on one that may be hurt."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from tests.support.daemon_process import IMPATIENT
from tests.support.demo_stack import DemoStack
from tests.support.images import DemoImages
from tests.support.private_engine import PrivateEngine, PrivateEngineFactory
from tests.support.scene import Told, both, fires, watched

pytestmark = [pytest.mark.integration, pytest.mark.timeout(300)]

ENGINE = ("engine_unreachable", "engine:docker")
SHIPPED_PATIENCE_SECONDS = 10.0
# How much longer or shorter than here an engine may be away in the eyes of a daemon, on a busy machine.
SIGHT_SECONDS = 5.0
# Six intervals are a minute as shipped, and here six seconds: less than an engine takes to start on a busy machine.
AS_STALE_AS_SHIPPED = """
[rules]
observation_stale.above = 60
"""
DEATHS = (*both("container_died", "service:nats"), *both("container_died", "service:semstreams"))


@pytest.fixture(scope="module")
def brittle(
    private_engines: PrivateEngineFactory, demo_images: DemoImages, tmp_path_factory: pytest.TempPathFactory
) -> DemoStack:
    """Return a demo stack on an engine of its own."""
    engine = private_engines()
    demo_images.load_into(engine)
    return DemoStack(engine, tmp_path_factory.mktemp("brittle"), "semstreams")


@pytest.fixture
def stack(brittle: DemoStack) -> DemoStack:
    """Return it healthy."""
    brittle.up()
    return brittle


def engine_of(stack: DemoStack) -> PrivateEngine:
    """Return the engine of a stack that may be hurt."""
    assert isinstance(stack.engine, PrivateEngine)
    return stack.engine


def told_of_engine(away_seconds: float) -> list[tuple[Told, ...]]:
    """Return what may be told of an engine that was away so long: it, its end, or nothing."""
    told: list[tuple[Told, ...]] = [] if away_seconds > SHIPPED_PATIENCE_SECONDS + SIGHT_SECONDS else [()]
    return told if away_seconds < SHIPPED_PATIENCE_SECONDS - SIGHT_SECONDS else [*told, both(*ENGINE)]


def test_a_restart_in_order_is_nobodys_trouble(stack: DemoStack, tmp_path: Path) -> None:
    """With the shipped rules an engine that is restarted, as by an upgrade, brings no message, and one entry."""
    with watched(stack, tmp_path, AS_STALE_AS_SHIPPED, settle="5s") as scene:
        began = time.monotonic()
        engine_of(stack).stop()
        engine_of(stack).start()
        away_seconds = time.monotonic() - began
        scene.await_healthy()
        scene.await_calm()
        assert tuple(scene.told) in told_of_engine(away_seconds)
        (entry,) = scene.daemon.timeline("engine.restarted")
        assert entry.startswith("the Docker engine was restarted")


def test_what_a_killed_engine_leaves_stopped_has_died(stack: DemoStack, tmp_path: Path) -> None:
    """With the shipped rules each container that the next engine leaves stopped is told as died, and nothing else."""
    with watched(stack, tmp_path, AS_STALE_AS_SHIPPED, settle="5s") as scene:
        began = time.monotonic()
        engine_of(stack).kill()
        engine_of(stack).start()
        away_seconds = time.monotonic() - began
        scene.await_told(*(told for told in DEATHS if told.kind == "firing"))
        stack.up()
        scene.await_told(*DEATHS)
        scene.await_calm()
        assert sorted(scene.told) in [sorted((*DEATHS, *more)) for more in told_of_engine(away_seconds)]
        (entry,) = scene.daemon.timeline("engine.killed")
        assert set(entry.partition("left stopped: ")[2].split(", ")) == {"nats", "semstreams"}


def test_an_engine_that_hangs_is_told_and_what_cannot_be_seen_is_not(stack: DemoStack, tmp_path: Path) -> None:
    """A hung engine is one message, in time; that nothing is known of its containers is muted; its return is told."""
    with watched(stack, tmp_path, IMPATIENT) as scene:
        engine_of(stack).hang()
        try:
            scene.await_told(fires(*ENGINE))
            scene.await_muted(("observation_stale", "probe:containers"))
        finally:
            engine_of(stack).resume()
        scene.await_told(*both(*ENGINE))
        scene.await_calm()
        assert scene.told == [*both(*ENGINE)]
        assert "the same process, so it hung" in scene.daemon.timeline("engine.back")[0]


def test_an_engine_that_stays_away_is_one_message(stack: DemoStack, tmp_path: Path) -> None:
    """While it is away nothing is told of checks that do not know where to look; after it all is as it was."""
    with watched(stack, tmp_path, IMPATIENT) as scene:
        engine_of(stack).stop()
        try:
            scene.await_told(fires(*ENGINE))
            checks = ("containers", "semstreams_health", "nats_health", "nats_varz")
            scene.await_muted(*(("observation_stale", f"probe:{check}") for check in checks))
            assert "there is no socket" in scene.alert(fires(*ENGINE))["summary"]
        finally:
            engine_of(stack).start()
        scene.await_told(*both(*ENGINE))
        scene.await_calm()
        assert scene.told == [*both(*ENGINE)]


def test_a_container_that_is_gone_with_its_engines_memory_is_missing(stack: DemoStack, tmp_path: Path) -> None:
    """When nobody watched its removal, and the engine has forgotten it, that a container is not there is told."""
    missing = both("container_missing", "service:semstreams")
    with watched(stack, tmp_path, IMPATIENT) as scene:
        scene.daemon.stop()
        stack.engine.docker("rm", "--force", stack.container("semstreams"))
        engine_of(stack).stop()
        engine_of(stack).start()
        scene.daemon.start()
        scene.await_told(missing[0])
        assert "nobody was seen to remove it" in scene.alert(missing[0])["evidence"]["cause"]
        stack.up()
        scene.await_told(*missing)
        scene.await_calm()
        assert scene.told == [*missing]
