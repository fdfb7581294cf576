"""Watching where there is no engine; what real containers do is watched in tests/integration."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from semsupervisor.errors import EngineForbidden
from semsupervisor.health.engines import Bookmark
from semsupervisor.health.memory import MIGRATIONS, Memory
from semsupervisor.health.services import Ending, ServiceState
from semsupervisor.kit.clock import SystemClock
from semsupervisor.store.database import Store
from semsupervisor.store.journal import Journal
from tests.support.container_words import running
from tests.support.waiting import eventually
from tests.support.watcher import ENGINE, Watcher

STOPPED = running(
    state=ServiceState.MISSING, container="", ending=Ending.REQUESTED, cause="stopped", ended_monotonic=1.0
)


@pytest.fixture
async def remembering(tmp_path: Path) -> Path:
    """Return a folder in which an earlier run has left what it knew of a service."""
    store = Store(tmp_path / "state.db", MIGRATIONS, SystemClock())
    await Memory(store, Journal(store), "project").save(Bookmark(boot_id="boot"), {"app": STOPPED})
    await store.close()
    return tmp_path


@pytest.fixture
async def watcher(remembering: Path) -> AsyncIterator[Watcher]:
    """Return what watches a project on an engine that is not there."""
    async with Watcher(remembering / "none.sock", "project", remembering) as watcher:
        yield watcher


async def test_an_engine_that_is_not_there(watcher: Watcher) -> None:
    """It is unreachable, with what to do as evidence; what was known of the services is not known now."""
    await watcher.until(ENGINE, "reachable", False)
    assert "start Docker" in watcher.record.of(ENGINE)[-1].evidence["remedy"]
    assert {str(value) for value in watcher.record.of("app")[-1].facts.values()} == {
        "unknown (the Docker engine does not answer)"
    }
    assert len(watcher.record.of("app")) == 1
    assert watcher.watching.stream.connected_since is None
    await eventually(lambda: watcher.record.noted("engine.lost"))


async def test_nothing_can_be_asked_of_it(watcher: Watcher) -> None:
    """A look and an address fail with the reason, so that probes say that they do not know."""
    with pytest.raises(EngineForbidden):
        await watcher.probe()
    with pytest.raises(EngineForbidden):
        watcher.watching.address("app")


async def test_what_is_known_is_still_evidence(watcher: Watcher) -> None:
    """Of a service without a container there is what was remembered; of an unknown one there is nothing."""
    assert (await watcher.watching.evidence("app"))["cause"] == "stopped"
    assert await watcher.watching.evidence("nobody") == {}
    assert watcher.watching.services["app"] == STOPPED


async def test_a_memory_that_cannot_be_read(tmp_path: Path) -> None:
    """A state that cannot be opened takes nothing away but the memory."""
    (tmp_path / "state.db").mkdir()
    async with Watcher(tmp_path / "none.sock", "project", tmp_path) as watcher:
        await watcher.until(ENGINE, "reachable", False)
        assert watcher.watching.services == {}
