"""What is told of an operator's own checks, and of certificates that come to their end."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.support.authority import Authority
from tests.support.daemon_process import IMPATIENT
from tests.support.demo_stack import DemoStack
from tests.support.nats_server import NatsServer
from tests.support.scene import begun, both, ends, fires, watched

pytestmark = [pytest.mark.integration, pytest.mark.timeout(300)]

CHECK = """
[checks.custom.door]
type = "command"
command = ["/bin/sh", {script}]
interval = "1s"
"""
CERTIFICATE = """
[checks.certificates.broker]
address = "{address}"
server_name = "localhost"
ca_file = "{authority}"
starttls = "nats"
"""
SUBJECT = "check:door"
CERTIFICATES = "certificate:broker"
HOUR = timedelta(hours=1)


def test_an_own_check_is_told_by_its_exit_code(told_stack: DemoStack, tmp_path: Path) -> None:
    """Warning, critical, fine; and one that fails while the settings forget it ends with that."""
    script = tmp_path / "door.sh"

    def say(text: str, code: int) -> None:
        fresh = script.with_suffix(".new")
        fresh.write_text(f"echo '{text} | open=3'; exit {code}\n")
        fresh.rename(script)

    say("DOOR OK", 0)
    with watched(told_stack, tmp_path, IMPATIENT, CHECK.format(script=json.dumps(str(script)))) as scene:
        say("DOOR WARNING - ajar", 1)
        scene.await_told(fires("check_warning", SUBJECT))
        say("DOOR CRITICAL - open", 2)
        scene.await_told(ends("check_warning", SUBJECT), fires("check_critical", SUBJECT))
        assert scene.alert(fires("check_critical", SUBJECT))["summary"] == "door: DOOR CRITICAL - open"
        say("DOOR OK", 0)
        scene.await_told(ends("check_critical", SUBJECT))
        assert scene.alert(ends("check_critical", SUBJECT))["resolved_because"] == "The check door says ok."
        say("DOOR CRITICAL - open", 2)
        scene.await_told(*both("check_critical", SUBJECT), fires("check_critical", SUBJECT))
        text = scene.daemon.settings.read_text()
        scene.daemon.settings.write_text(text.partition("[checks.custom.door]")[0])
        scene.daemon.ask_to_reload()
        scene.await_told(*both("check_critical", SUBJECT), *both("check_critical", SUBJECT))
        scene.await_calm()


def test_a_certificate_is_told_before_it_expires(told_stack: DemoStack, tmp_path: Path) -> None:
    """With a fifth of its life left it is a warning, and renewed it is over."""
    authority = Authority(tmp_path / "authority")
    now = datetime.now(UTC).replace(microsecond=0)

    def configuration(starts: datetime) -> str:
        made = authority.issue(starts, starts + 10 * HOUR)
        return f'tls {{ cert_file: "{made.file}", key_file: "{made.key}" }}'

    server = NatsServer("2.14", tmp_path / "nats", jetstream=False, configuration=configuration(now - 8 * HOUR))
    server.start()
    try:
        own = CERTIFICATE.format(address=server.url.removeprefix("nats://"), authority=authority.file)
        rules = 'certificate_expiring.for = "0s"\n'
        with begun(told_stack, tmp_path, IMPATIENT, rules, own) as scene:
            scene.await_told(fires("certificate_expiring", CERTIFICATES))
            told = scene.alert(fires("certificate_expiring", CERTIFICATES))
            assert told["severity"] == "warning"
            assert "20 % of its life is left" in told["summary"]
            (server.folder / "nats.conf").write_text(configuration(now - HOUR))
            server.reload()
            scene.await_told(*both("certificate_expiring", CERTIFICATES))
            scene.await_calm()
    finally:
        server.stop()
