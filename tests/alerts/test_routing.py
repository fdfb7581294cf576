"""Who is told of what."""

from __future__ import annotations

import pytest

from semsupervisor.alerts.routing import Route, names, receivers
from semsupervisor.alerts.rules import Severity

ROUTES = [Route(severity.value, severity, wants_updates=False) for severity in Severity]


@pytest.mark.parametrize(
    ("severity", "told"),
    [
        (Severity.CRITICAL, ("critical", "warning", "info")),
        (Severity.WARNING, ("warning", "info")),
        (Severity.INFO, ("info",)),
    ],
)
def test_a_receiver_hears_of_what_is_bad_enough(severity: Severity, told: tuple[str, ...]) -> None:
    """Each receiver hears of its own severity and of all that is worse, in the order of the settings."""
    assert receivers(ROUTES, severity) == told


def test_addresses_are_one_receiver() -> None:
    """Queues of the same receiver name it once, in the order in which they come."""
    assert names(["ops/b@example.org", "hook", "ops/a@example.org"]) == ("ops", "hook")


def test_without_receivers_nobody_is_told() -> None:
    """No route is no error: who calls records that nobody takes it."""
    assert receivers([], Severity.CRITICAL) == ()
