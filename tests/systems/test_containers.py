"""The words for containers."""

from __future__ import annotations

from semsupervisor.systems.containers import Owner


def test_what_a_replica_is_called() -> None:
    """The first replica is called like its service, the others by their number too."""
    assert Owner("project", "nats").name == "nats"
    assert Owner("project", "nats", number=3).name == "nats@3"
