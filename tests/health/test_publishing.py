"""Whose port of this host it is."""

from __future__ import annotations

import pytest

from semsupervisor.health import publishing
from semsupervisor.health.publishing import Published
from semsupervisor.systems.containers import Container
from tests.support.container_words import container


def test_a_published_port_is_its_services() -> None:
    """On this host only; what nobody publishes is nobody's."""
    containers = {"nats": container(published=(4222, 8222)), "app": container(published=(8080,))}
    published = Published(lambda: containers, lambda host: host == "localhost")
    assert [published.service("localhost", port) for port in (4222, 8080, 443)] == ["nats", "app", ""]
    assert published.service("elsewhere.example", 4222) == ""


def test_a_container_that_was_removed_is_remembered() -> None:
    """What it published is still its service's, until another one does."""
    containers: dict[str, Container] = {"nats": container(published=(4222,))}
    published = Published(lambda: containers, lambda _: True)
    assert published.service("localhost", 4222) == "nats"
    containers.clear()
    assert published.service("localhost", 4222) == "nats"
    containers["leaf"] = container(published=(4222,))
    assert published.service("localhost", 4222) == "leaf"


def test_ports_do_not_become_more_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    """The oldest are forgotten."""
    monkeypatch.setattr(publishing, "MOST_PORTS", 2)
    containers = {"nats": container(published=(1, 2, 3))}
    published = Published(lambda: containers, lambda _: True)
    assert published.service("localhost", 3) == "nats"
    containers.clear()
    assert published.service("localhost", 1) == ""
