"""What every test gets: a call of the package that blocks the event loop is a failure; real systems come by fixture."""

from __future__ import annotations

import inspect
from collections.abc import Iterator

import pytest
from blockbuster import BlockBuster

pytest_plugins = ["tests.support.engine", "tests.support.images", "tests.support.private_engine"]


@pytest.fixture(scope="session")
def blockbuster() -> BlockBuster:
    """Return what makes a call that blocks the loop raise BlockingError, if the package's own code is on the stack."""
    return BlockBuster(["semsupervisor"])


@pytest.fixture(autouse=True)
def _nothing_blocks_the_loop(request: pytest.FixtureRequest) -> Iterator[None]:
    if not inspect.iscoroutinefunction(getattr(request.node, "obj", None)):
        yield
        return
    buster: BlockBuster = request.getfixturevalue("blockbuster")
    buster.activate()
    yield
    buster.deactivate()
