"""Who is told of what, as a pure function."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from semsupervisor.alerts.rules import Severity

_ORDER = (Severity.INFO, Severity.WARNING, Severity.CRITICAL)


class Route(msgspec.Struct, frozen=True):
    """What one receiver wants: alerts at least this severe, and whether later evidence as well."""

    receiver: str
    severity_at_least: Severity
    wants_updates: bool


def names(queues: Iterable[str]) -> tuple[str, ...]:
    """Return the receivers that queues belong to, each once: `ops/a@example.org` is one of several that ops has."""
    return tuple(dict.fromkeys(queue.partition("/")[0] for queue in queues))


def receivers(routes: Iterable[Route], severity: Severity) -> tuple[str, ...]:
    """Return the receivers that want alerts of this severity, in the order of the settings."""
    return tuple(route.receiver for route in routes if _ORDER.index(severity) >= _ORDER.index(route.severity_at_least))
