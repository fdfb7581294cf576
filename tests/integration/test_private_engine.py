"""The private engine that other tests hurt is itself what it says."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.engine import Engine
from tests.support.images import DemoImages
from tests.support.private_engine import PrivateEngine
from tests.support.waiting import eventually_sync

pytestmark = pytest.mark.integration


def test_it_survives_what_a_test_does_to_it(private_engine: PrivateEngine) -> None:
    """A private engine answers again after SIGTERM, after SIGKILL and after having hung."""
    private_engine.stop()
    assert private_engine.trouble()
    private_engine.start()
    private_engine.kill()
    private_engine.start()
    private_engine.hang()
    private_engine.resume()
    eventually_sync(lambda: not private_engine.trouble())


def test_nothing_is_left_of_it(docker_client_config: Path, engine: Engine, demo_images: DemoImages) -> None:
    """A private engine killed while a container of its own runs leaves no process, mount, group, namespace or file."""
    if reason := PrivateEngine.unavailable():
        pytest.skip(reason)
    with PrivateEngine(docker_client_config) as hurt:
        demo_images.load_into(hurt)
        hurt.docker("run", "--detach", "--pull=never", "--name", "left", demo_images.tags[0])
        pid = hurt.docker("inspect", "--format", "{{.State.Pid}}", "left")
        hurt.kill()
    assert not Path(f"/proc/{pid}").exists()
    assert not hurt.folder.exists()
    assert str(hurt.folder) not in Path("/proc/self/mountinfo").read_text()
    assert not Path(f"/run/netns/{hurt.name}").exists()
    assert hurt.control_groups() == []
    assert not engine.trouble()
