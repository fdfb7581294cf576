"""What is told of an operator's own checks, and of certificates that come to their end."""

from __future__ import annotations

import json
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from itertools import chain
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
[checks.certificates.{name}]
address = "{address}"
server_name = "localhost"
ca_file = "{authority}"
starttls = "nats"
"""
SUBJECT = "check:door"
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


def test_each_fault_of_a_certificate_is_told(told_stack: DemoStack, tmp_path: Path) -> None:
    """Late, about to expire, for another name, by an authority that nobody trusts: each by its rule, and its end."""
    authority, stranger = Authority(tmp_path / "authority"), Authority(tmp_path / "stranger", "A stranger")
    now = datetime.now(UTC).replace(microsecond=0)

    def configuration(hours: int = 1, names: str = "DNS:localhost", by: Authority = authority) -> str:
        made = by.issue(now - hours * HOUR, now + (20 - hours) * HOUR, names)
        return f'tls {{ cert_file: "{made.file}", key_file: "{made.key}" }}'

    faults = {
        "expiring": (configuration(hours=16), "warning", "20 % of its life is left"),
        "expired_soon": (configuration(hours=19), "critical", "5 % of its life is left"),
        "wrong_name": (configuration(names="DNS:elsewhere"), "warning", "is for elsewhere, and not for localhost"),
        "untrusted": (configuration(by=stranger), "warning", "made by A stranger, is not trusted"),
    }
    told = {fault: both(f"certificate_{fault}", f"certificate:{fault}") for fault in faults}
    rules = "".join(f'certificate_{fault}.for = "0s"\n' for fault in faults)
    with ExitStack() as running:
        servers = [
            running.enter_context(NatsServer("2.14", tmp_path / fault, jetstream=False, configuration=wrong))
            for fault, (wrong, *_) in faults.items()
        ]
        own = "".join(
            CERTIFICATE.format(name=fault, address=server.url.removeprefix("nats://"), authority=authority.file)
            for fault, server in zip(faults, servers, strict=True)
        )
        with begun(told_stack, tmp_path, IMPATIENT, rules, own) as scene:
            scene.await_told(*(pair[0] for pair in told.values()))
            for fault, (_, severity, words) in faults.items():
                alert = scene.alert(told[fault][0])
                assert alert["severity"] == severity
                assert words in alert["summary"]
            for server in servers:
                (server.folder / "nats.conf").write_text(configuration())
                server.reload()
            everything = list(chain.from_iterable(told.values()))
            scene.await_told(*everything)
            scene.await_calm()
            assert sorted(one for one in scene.told if one.subject.startswith("certificate:")) == sorted(everything)
