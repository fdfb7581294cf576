"""The readiness gate: what must hold before a start counts as one. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from semsupervisor.health.observation import Observation, Outcome, SubjectKind, Unknown
from semsupervisor.systems.containers import Container, ContainerState, Health

HEALTHY = "healthy"


def lacking(wanted: Sequence[str], containers: Iterable[Container], seen: Iterable[Observation]) -> tuple[str, ...]:
    """Return in words what still keeps the services from being ready, nothing if they are.

    `wanted` are the parts that have to run, called as `Owner.name` does; `seen` is what NATS and SemStreams say of
    themselves. What one of them does not offer at all keeps nothing up; what could not be seen does.
    """
    known = {one.owner.name: one for one in containers if not one.owner.oneoff}
    found = [word for name in wanted for word in _of_container(name, known.get(name))]
    found += [word for one in seen if one.subject.name in wanted for word in _of_answer(one)]
    return tuple(found)


def _of_container(name: str, container: Container | None) -> Sequence[str]:
    if container is None:
        return [f"{name} has no container"]
    if container.state is not ContainerState.RUNNING:
        return [f"{name} is {container.state.value}"]
    match container.health:
        case Health.STARTING:
            return [f"the health check of {name} has not passed yet"]
        case Health.UNHEALTHY:
            return [f"{name} fails its health check"]
        case Health.HEALTHY | Health.NONE:
            return []


def _of_answer(seen: Observation) -> Sequence[str]:
    if seen.outcome is Outcome.NOT_OFFERED:
        return []
    name = seen.subject.name
    if seen.facts.get("reachable") is not True:
        return [f"{name} does not answer"]
    if seen.subject.kind is SubjectKind.NATS:
        return _unless(seen, "healthy", True, f"{name} says that it is not healthy")
    return [
        *_unless(seen, "status", HEALTHY, f"{name} says that it is not healthy"),
        *_unless(seen, "nats_connected", True, f"{name} says that it is not connected to NATS"),
    ]


def _unless(seen: Observation, fact: str, well: object, words: str) -> Sequence[str]:
    """Return the words unless the fact is as it should be; a program that says nothing of it may be well."""
    value = seen.facts.get(fact, well)
    return [] if value == well or (fact == "nats_connected" and isinstance(value, Unknown)) else [words]
