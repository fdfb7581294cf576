"""What every test gets: a call of the package that blocks the event loop is a failure; real systems come by fixture."""

from __future__ import annotations

import inspect
import os
from collections.abc import Iterator

import hypothesis
import pytest
from blockbuster import BlockBuster

from tests.support.commands import REPOSITORY

pytest_plugins = [
    "tests.support.daemon_here",
    "tests.support.disks",
    "tests.support.nats_server",
    "tests.support.engine",
    "tests.support.images",
    "tests.support.logs",
    "tests.support.private_engine",
    "tests.support.small_images",
    "tests.support.demo_stack",
    "tests.support.systemd_host",
    "tests.support.watcher",
    "tests.support.scene",
    "tests.support.rows",
    "tests.support.picking",
    "tests.support.results",
    "tests.support.left_open",
]


# How long an example takes says more of the machine than of what is tested.
hypothesis.settings.register_profile("tests", deadline=None)
hypothesis.settings.load_profile("tests")


def pytest_configure() -> None:
    """Let every Python that a test starts find the package of this checkout, whatever folder it starts in."""
    os.environ["PYTHONPATH"] = str(REPOSITORY)


@pytest.fixture(scope="session")
def blockbuster() -> BlockBuster:
    """Return what makes a call that blocks the loop raise BlockingError, if the package's own code is on the stack."""
    buster = BlockBuster(["semsupervisor"])
    # The measuring of coverage waits for its own other threads, wherever the code measured happens to be.
    buster.functions["threading.Lock.acquire"].can_block_in("coverage/collector.py", "lock_data")
    return buster


@pytest.fixture(autouse=True)
def _nothing_blocks_the_loop(request: pytest.FixtureRequest) -> Iterator[None]:
    if not inspect.iscoroutinefunction(getattr(request.node, "obj", None)):
        yield
        return
    buster: BlockBuster = request.getfixturevalue("blockbuster")
    buster.activate()
    yield
    buster.deactivate()
