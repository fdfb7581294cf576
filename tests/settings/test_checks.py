"""The probes look where the runbook looks, as often as it does."""

from __future__ import annotations

from semsupervisor.settings.checks import CheckSettings
from semsupervisor.settings.forms import Duration


def test_the_defaults_are_the_runbooks() -> None:
    """Every 10 s, SemStreams' health on 8080 and NATS' monitoring on 8222, wherever their containers are."""
    checks = CheckSettings()
    assert checks.interval_seconds == Duration(10)
    assert checks.semstreams.health == "container:semstreams:8080/health"
    assert checks.nats.monitor == "container:nats:8222"
    assert checks.filesystems.paths == ()
