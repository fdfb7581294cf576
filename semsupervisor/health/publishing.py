"""Which service answers at an address of this host, by the ports that the containers publish."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from semsupervisor.systems.containers import Container

MOST_PORTS = 1000


class Published:
    """The ports of this host that lead to services, those of containers that are not there any more included."""

    def __init__(self, containers: Callable[[], Mapping[str, Container]], is_here: Callable[[str], bool]) -> None:
        self._containers = containers
        self._is_here = is_here
        self._services: dict[int, str] = {}

    def service(self, host: str, port: int) -> str:
        """Return the service that answers there or did last, empty if none is known to."""
        for name, container in self._containers().items():
            self._services.update(dict.fromkeys(container.published, name))
        while len(self._services) > MOST_PORTS:
            del self._services[next(iter(self._services))]
        known = self._services.get(port, "")
        return known if known and self._is_here(host) else ""
