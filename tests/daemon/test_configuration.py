"""Settings and rules, checked together, and what of them the parts get."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from semsupervisor.alerts import receivers
from semsupervisor.alerts.lifecycle import Alert, AlertState, begin, step
from semsupervisor.alerts.muting import Topology
from semsupervisor.alerts.rules import LONGEST_COUNTED_GAP_SECONDS, look
from semsupervisor.daemon.configuration import configure, host_name, policy, topology
from semsupervisor.errors import SettingsError
from semsupervisor.health.observation import Observation, Subject, SubjectKind
from semsupervisor.kit.clock import SystemClock
from semsupervisor.settings.checks import CertificateCheck, CheckSettings
from semsupervisor.settings.model import HostSettings, Settings, StackSettings
from semsupervisor.systems.http import HttpClient
from tests.support.clock import ManualClock

RECEIVERS = """
[receivers.hook]
type = "webhook"
url = "http://127.0.0.1:1/"

[receivers.quiet]
type = "webhook"
url = "http://127.0.0.1:1/"
enabled = false

[receivers.ops]
type = "email"
host = "mail.example"
from = "edge@example.org"
to = ["a@example.org", "b@example.org"]
"""


def written(folder: Path, text: str) -> Path:
    """Write a settings file."""
    path = folder / "settings.toml"
    path.write_text(text)
    return path


def test_problems_of_settings_and_rules_come_together(tmp_path: Path) -> None:
    """A wrong setting and a wrong rule in one file are both named at once."""
    path = written(tmp_path, '[checks]\ninterval = "-1s"\n[rules.nonsense]\nabove = 3\n')
    with pytest.raises(SettingsError) as refused:
        configure(path)
    text = "\n".join(refused.value.problems)
    assert "checks.interval" in text
    assert "rules.nonsense" in text


def test_a_file_that_is_missing_is_refused(tmp_path: Path) -> None:
    """A settings file that was named must be there."""
    with pytest.raises(SettingsError, match="no such file"):
        configure(tmp_path / "absent.toml")


def test_what_a_receiver_needs_may_be_missing_at_the_start(tmp_path: Path) -> None:
    """The supervisor starts without that receiver; only where old settings can stay in force it is refused."""
    path = written(tmp_path, f'{RECEIVERS}ca_file = "/none/ca.pem"\n')
    found = configure(path)
    assert not found.settings.receivers["ops"].enabled
    assert found.settings.receivers["hook"].enabled
    with pytest.raises(SettingsError, match=r"receivers\.ops\.ca_file: found .* No such file"):
        configure(path, started=found.settings)


async def test_each_queue_that_is_used_has_a_route(tmp_path: Path) -> None:
    """A webhook is one route, mail to two people is two, a receiver that is off is none; only webhooks get updates."""
    configuration = await asyncio.to_thread(configure, written(tmp_path, RECEIVERS))
    clock = SystemClock()
    senders = receivers.build(configuration.settings.receivers, HttpClient(clock), clock)
    routes = policy(configuration, senders).routes
    assert {(route.receiver, route.wants_updates) for route in routes} == {
        ("hook", True),
        ("ops/a@example.org", False),
        ("ops/b@example.org", False),
    }


def test_time_between_rare_looks_of_own_checks_counts(tmp_path: Path) -> None:
    """A rule with `for` fires on a check that looks each 5 minutes; what looks often counts no such silence."""
    check = '[checks.custom.rare]\ntype = "tcp"\naddress = "127.0.0.1:1"\ninterval = "5m"\n'
    found = {
        rule.name: rule for rule in configure(written(tmp_path, f'{check}[rules.check_warning]\nfor = "10m"\n')).rules
    }
    assert found["container_paused"].counted_gap_seconds == LONGEST_COUNTED_GAP_SECONDS
    rule, clock = found["check_warning"], ManualClock()
    alert: Alert | None = None
    for _ in range(3):
        assert alert is None or alert.state is AlertState.PENDING
        seen = Observation("test", Subject(SubjectKind.CHECK, "rare"), clock.instant(), {"state": "warning"}, {})
        finding = look(rule, seen, firing=False)
        assert finding is not None
        alert = (
            step(rule, alert, finding, {}, seen.at) if alert else begin(rule, seen.subject, finding, {}, seen.at, str)
        )
        clock.advance(301.0)
    assert alert is not None
    assert alert.state is AlertState.FIRING


def test_host_name_is_the_one_that_was_set() -> None:
    """A name in the settings goes before the host's own, which is used without one."""
    assert host_name(Settings(host=HostSettings(name="edge-7"))) == "edge-7"
    assert host_name(Settings())


def test_a_certificate_belongs_to_the_service_that_it_is_looked_at_in() -> None:
    """One that is looked at by an address belongs to none."""
    watched = {"broker": CertificateCheck(address="container:bus:4222"), "web": CertificateCheck(address="edge:443")}
    settings = Settings(checks=CheckSettings(certificates=watched), stack=StackSettings(nats_service="bus"))
    assert topology(settings) == Topology("semstreams", "bus", {"broker": "bus"})
