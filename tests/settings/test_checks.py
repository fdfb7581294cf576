"""The probes look where the runbook looks, as often as it does."""

from __future__ import annotations

from pathlib import Path

import pytest

from semsupervisor.errors import SettingsError
from semsupervisor.settings.checks import CertificateCheck, CheckSettings, CommandCheck, HttpCheck, TcpCheck
from semsupervisor.settings.forms import Duration
from semsupervisor.settings.load import Loaded, load
from semsupervisor.settings.show import as_text

OWN = """
[checks.semstreams]
expected_flows = 3

[checks.certificates.nats]
address = "container:nats:4222"
starttls = "nats"

[checks.custom.page]
type = "http"
address = "http://127.0.0.1:3000/login"
pattern = "Grafana|Log in"

[checks.custom.broker]
type = "tcp"
address = "10.0.0.7:1883"
interval = "30s"

[checks.custom.clock]
type = "command"
command = ["/usr/lib/nagios/plugins/check_ntp_time", "-H", "10.0.0.1"]
interval = "1h"
"""


def loaded(folder: Path, text: str) -> Loaded:
    """Return what a settings file with this text says."""
    file = folder / "semsupervisor.toml"
    file.write_text(text)
    return load(file, {})


def test_the_defaults_are_the_runbooks() -> None:
    """Every 10 s, SemStreams' health on 8080 and NATS' monitoring on 8222, wherever their containers are."""
    checks = CheckSettings()
    assert checks.interval_seconds == Duration(10)
    assert checks.semstreams.health == "container:semstreams:8080/health"
    assert (checks.semstreams.metrics, checks.semstreams.flows, checks.semstreams.expected_flows) == ("", "", None)
    assert checks.nats.monitor == "container:nats:8222"
    assert checks.filesystems.paths == ()


def test_an_operators_own_checks_are_told_apart_by_their_type(tmp_path: Path) -> None:
    """Each type has its own keys, and an interval of its own."""
    checks = loaded(tmp_path, OWN).settings.checks
    assert checks.semstreams.expected_flows == 3
    assert checks.certificates == {"nats": CertificateCheck(address="container:nats:4222", starttls="nats")}
    command = ("/usr/lib/nagios/plugins/check_ntp_time", "-H", "10.0.0.1")
    assert checks.custom == {
        "page": HttpCheck(address="http://127.0.0.1:3000/login", pattern="Grafana|Log in"),
        "broker": TcpCheck(address="10.0.0.7:1883", interval_seconds=Duration(30)),
        "clock": CommandCheck(command=command, interval_seconds=Duration(3600)),
    }


def test_settings_that_are_shown_can_be_read_again(tmp_path: Path) -> None:
    """What `settings show` prints of these checks means the same when it is a settings file."""
    first = loaded(tmp_path, OWN)
    assert loaded(tmp_path, as_text(first)).settings == first.settings


@pytest.mark.parametrize(
    ("written", "key"),
    [
        ('[checks.custom.x]\ntype = "udp"', "checks.custom.x.type"),
        ('[checks.custom.x]\ntype = "tcp"', "checks.custom.x.address"),
        ('[checks.custom.x]\ntype = "tcp"\naddress = "http://a"', "checks.custom.x.address"),
        ('[checks.custom.x]\ntype = "http"\naddress = "http://a"\npattern = "("', "checks.custom.x.pattern"),
        ('[checks.custom.x]\ntype = "command"\ncommand = []', "checks.custom.x.command"),
        ('[checks.custom.x]\ntype = "command"\ncommand = ["check_ntp"]', "checks.custom.x.command"),
        ('[checks.custom.x]\ntype = "command"\ncommand = "/bin/true"', "checks.custom.x.command"),
        ('[checks.certificates.x]\naddress = "a.lan:0"', "checks.certificates.x.address"),
        ('[checks.certificates.x]\naddress = "a.lan"', "checks.certificates.x.address"),
        ('[checks.certificates.x]\naddress = "a.lan:1"\nstarttls = "smtp"', "checks.certificates.x.starttls"),
        ("[checks.semstreams]\nexpected_flows = -1", "checks.semstreams.expected_flows"),
        ('[checks.nats]\nclient_key = "/etc/me.key"', "checks.nats.client_key"),
        ('[checks.certificates.x]\naddress = "a.lan:1"\nclient_key = "/me"', "checks.certificates.x.client_key"),
    ],
)
def test_a_check_that_cannot_work_is_refused(tmp_path: Path, written: str, key: str) -> None:
    """The problem names the key."""
    with pytest.raises(SettingsError, match=key):
        loaded(tmp_path, written)


def test_the_client_of_nats_has_a_login(tmp_path: Path) -> None:
    """A user with a password by reference, and certificates to trust; an empty address is no client at all."""
    secret = tmp_path / "password"
    secret.write_text("hunter2\n")
    secret.chmod(0o600)
    text = f"""
[checks.nats]
client = "nats.lan:4222"
client_username = "ops"
client_password_file = "{secret}"
client_ca_file = "/etc/nats/ca.pem"
client_certificate = "/etc/nats/me.crt"
client_key = "/etc/nats/me.key"
expected_clients = ["semstreams*"]
"""
    found = loaded(tmp_path, text)
    nats = found.settings.checks.nats
    assert (nats.client, nats.client_username, nats.expected_clients) == ("nats.lan:4222", "ops", ("semstreams*",))
    assert (nats.client_certificate, nats.client_key) == ("/etc/nats/me.crt", "/etc/nats/me.key")
    assert nats.client_password is not None
    assert nats.client_password.value == "hunter2"
    assert "hunter2" not in as_text(found)
    assert loaded(tmp_path, 'checks.nats.client = ""').settings.checks.nats.client == ""


@pytest.mark.parametrize("address", ["nats://nats:4222", "nats", "container:nats", "nats:0"])
def test_a_client_needs_a_host_and_a_port(tmp_path: Path, address: str) -> None:
    """Anything else is refused, with what an address looks like."""
    with pytest.raises(SettingsError, match="or empty for none"):
        loaded(tmp_path, f'checks.nats.client = "{address}"')
