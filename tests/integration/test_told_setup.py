"""What is told of a stack that is well, however it is set up: nothing. And of settings that are not."""

from __future__ import annotations

import os
import shutil
import signal
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.support.authority import Authority
from tests.support.demo_stack import DemoStack, DemoStackFactory
from tests.support.engine import Engine
from tests.support.images import DemoImages
from tests.support.rows import DIED, NATS, Plays, Row, files, from_host, idle, restored
from tests.support.scene import Scene, begun, both, ends, fires, watched

pytestmark = [pytest.mark.integration, pytest.mark.timeout(300)]

QUIET_SECONDS = 60.0 * float(os.environ.get("SEMSUPERVISOR_QUIET_MINUTES", "2"))
WITH_TLS = """
services:
  nats:
    volumes: ["./nats.crt:/tls/nats.crt:ro", "./nats.key:/tls/nats.key:ro"]
  semstreams:
    volumes: ["./ca.crt:/tls/ca.crt:ro"]
    environment: {SSL_CERT_FILE: /tls/ca.crt}
"""
TRUSTING = """
[checks.nats]
client_ca_file = "{file}"
[checks.certificates.nats]
address = "container:nats:4222"
starttls = "nats"
ca_file = "{file}"
"""
REFUSED = ("supervisor_settings_refused", "supervisor:settings")


@pytest.mark.timeout(QUIET_SECONDS + 300)
@pytest.mark.parametrize("row", [Row(idle(QUIET_SECONDS), patient=True, silent=True)], ids=["quiet"])
def test_a_healthy_stack_is_nothing_to_tell(row: Row, plays: Plays) -> None:
    """With the shipped rules a healthy stack under its traffic brings no alert at all, at however many looks."""
    plays.hold(row)


def names(scene: Scene) -> list[str]:
    """Return the findings but for those on backups, which a folder of this host decides."""
    found = [str(one["name"]) for one in scene.daemon.get("/v1/status")["findings"]]
    return [name for name in found if "backup" not in name]


def test_a_stack_that_comes_up_is_nothing_to_tell(
    engine: Engine, demo_images: DemoImages, run_prefix: str, tmp_path: Path
) -> None:
    """The daemon is ready before its stack exists, says that it misses it, and sees it come up without a message."""
    folder = tmp_path / "stack"
    folder.mkdir()
    stack = DemoStack(engine, folder, f"{run_prefix}early")
    with begun(stack, tmp_path, settle="5s") as scene:
        assert names(scene) == ["no_project"]
        with stack:
            scene.await_healthy()
            assert names(scene) == []
            scene.await_calm()
            assert scene.told == []


def test_a_server_without_a_published_port_is_watched_as_well(demo_stacks: DemoStackFactory, tmp_path: Path) -> None:
    """In the hardened deployment NATS is reached by its container's address, which changes when it is made anew."""
    stack = demo_stacks("hardened")
    stack.files.append("docker-compose.hardened.yml")
    stack.up()
    assert not stack.inspect("nats")["NetworkSettings"]["Ports"].get("8222/tcp")
    with watched(stack, tmp_path, settle="5s") as scene:
        from_host("nats", signal.SIGKILL)(stack)
        scene.await_told(*both("container_died", NATS))
        stack.compose("up", "--detach", "--wait", "--force-recreate", "--no-deps", "nats")
        scene.await_healthy()
        scene.await_calm()
        assert scene.told == [*both("container_died", NATS)]
    stack.down()


@pytest.mark.table
def test_a_server_with_tls_is_watched_as_well(healthy_stack: DemoStack, tmp_path: Path) -> None:
    """Where clients of NATS have to come by TLS it is looked at from each side, and its death alone is told."""
    authority, now = Authority(tmp_path / "authority"), datetime.now(UTC)
    shown = authority.issue(now - timedelta(hours=1), now + timedelta(days=90), "DNS:nats")
    with restored(healthy_stack):
        for name, file in (("ca.crt", authority.file), ("nats.crt", shown.file), ("nats.key", shown.key)):
            shutil.copy(file, healthy_stack.folder / name)
        (healthy_stack.folder / "tls.yml").write_text(WITH_TLS)
        conf = healthy_stack.folder / "nats.conf"
        conf.write_text(f"{conf.read_text()}\ntls {{ cert_file: /tls/nats.crt, key_file: /tls/nats.key }}\n")
        healthy_stack.down()
        files("tls.yml")(healthy_stack)
        with watched(healthy_stack, tmp_path, TRUSTING.format(file=authority.file), settle="5s") as scene:
            scene.await_looks()
            seen = {(one["subject"], one["fact"]): one["value"] for one in scene.daemon.get("/v1/facts")["facts"]}
            assert seen["nats:nats", "client_connected"] is True
            assert seen["certificate:nats", "chain_valid"] is True
            from_host("nats", signal.SIGKILL)(healthy_stack)
            scene.await_told(*both("container_died", NATS))
            scene.await_healthy()
            scene.await_calm()
            assert scene.told == [*both("container_died", NATS)]


def test_settings_that_are_wrong_are_refused_and_told(healthy_stack: DemoStack, scene: Scene) -> None:
    """A reload of a file with a mistake changes nothing, which is told; a reload of one without ends that."""
    good = scene.daemon.settings.read_text()
    scene.daemon.settings.write_text(
        good.replace('[checks]\ninterval = "1s"', '[checks]\ninterval = "-1s"\nintervall = 3')
    )
    scene.daemon.ask_to_reload()
    scene.await_told(fires(*REFUSED))
    summary = scene.alert(fires(*REFUSED))["summary"]
    assert "checks.interval" in summary
    assert "checks.intervall" in summary
    healthy_stack.fault("crash", exit_code=3)
    scene.await_told(*DIED)
    scene.daemon.settings.write_text(good)
    scene.daemon.ask_to_reload()
    scene.await_told(ends(*REFUSED))
    scene.await_calm()
    assert scene.told == [fires(*REFUSED), *DIED, ends(*REFUSED)]
