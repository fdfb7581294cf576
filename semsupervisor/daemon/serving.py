"""Whether there is a server to copy from now: what has none would only fail."""

from __future__ import annotations

from collections.abc import Iterable

from semsupervisor.health.observation import Observation
from semsupervisor.health.probes.nats_client import NatsClientProbe
from semsupervisor.systems.containers import Container, ContainerState


def no_server(client: str, containers: Iterable[Container], latest: Iterable[Observation]) -> str:
    """Return why nothing can be copied from NATS now, empty where it was last seen to let the supervisor in.

    `client` is where it takes clients, as the settings have it.
    """
    if not client:
        return "checks.nats.client is empty: there is no login to take backups with"
    kind, _, rest = client.partition(":")
    if kind == "container":
        service = rest.partition(":")[0]
        states = [one.state for one in containers if one.owner.service == service]
        if not states:
            return f"the stack has no container of a service {service}"
        if ContainerState.RUNNING not in states:
            return f"the service {service} does not run"
    seen = [one for one in latest if one.source == NatsClientProbe.name]
    if not seen:
        return "it is not known yet whether NATS lets the supervisor in"
    last = max(seen, key=lambda one: one.at.monotonic)
    if last.facts.get("client_connected") is True:
        return ""
    return f"NATS does not let the supervisor in: {last.evidence.get('client_error', 'why is not known')}"
