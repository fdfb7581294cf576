"""What is told when the host's clock is set under the daemon: that, for information, and nothing else."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.daemon_process import IMPATIENT
from tests.support.demo_stack import DemoStack
from tests.support.scene import Scene, begun, both, fires
from tests.support.set_clock import SetClock
from tests.support.waiting import eventually_sync

pytestmark = [pytest.mark.integration, pytest.mark.timeout(300)]

HEALTH = "semstreams:semstreams"
JUMPED = both("clock_jumped", "host:host")
# The engine's clock stays right, which no host's does: what it remembers of other tests is new to a daemon in 1970.
SOON_EVEN = 'clock_jumped.clear_for = "2s"\ncontainer_unhealthy.enabled = false\n'
GROWTH_BYTES = 8 * 2**20
# What a busy machine holds up is not what these tests are about.
PATIENT = 'for = "15s"'
RULES = (
    IMPATIENT.replace('nats_unreachable.for = "2s"', f"nats_unreachable.{PATIENT}")
    .replace('engine_unreachable.for = "2s"', f"engine_unreachable.{PATIENT}")
    .replace("observation_stale.above = 12", "observation_stale.above = 60")
)


@pytest.fixture
def clock(tmp_path: Path) -> SetClock:
    """Return the clock of the daemon."""
    return SetClock(tmp_path)


@pytest.fixture
def timed(healthy_stack: DemoStack, clock: SetClock, tmp_path: Path) -> Iterator[Scene]:
    """Return the shared stack watched by a daemon whose clock can be set."""
    with begun(healthy_stack, tmp_path, RULES, SOON_EVEN, environment=clock.environment) as scene:
        scene.await_healthy()
        yield scene


def test_a_clock_that_is_set_changes_nothing_but_the_time(timed: Scene, clock: SetClock) -> None:
    """Fifty years ahead, a day back and right again: all goes on, only the jumps are told, memory is flat."""
    timed.await_looks()
    memory = timed.daemon.memory_bytes
    for number, offset in enumerate(("+50y", "-1d", "+0"), start=1):
        clock.set(offset)
        timed.await_told(*JUMPED * number)
        timed.await_looks(times=1)
        timed.await_calm()
        assert timed.told == [*JUMPED * number]
        assert timed.daemon.verdict("/v1/health") == "healthy"
    assert timed.daemon.memory_bytes < memory + GROWTH_BYTES
    directions = [text.split()[5] for text in timed.daemon.timeline("host.clock_set")]
    assert directions == ["forward", "back", "forward"]
    assert "was set forward by" in timed.alert(fires("clock_jumped", "host:host"))["summary"]


@pytest.mark.parametrize("offset", ["+50y", "-1d", "@1970-01-01 00:10:00"])
def test_what_fires_goes_on_firing_when_the_clock_is_set(
    offset: str, timed: Scene, clock: SetClock, healthy_stack: DemoStack
) -> None:
    """A jump ends no alert and repeats none; the true end is told afterwards, and what comes next as soon as ever."""
    degraded, lost = both("semstreams_degraded", HEALTH), both("semstreams_nats_disconnected", HEALTH)
    healthy_stack.fault("degraded")
    timed.await_told(degraded[0])
    clock.set(offset)
    timed.await_told(*JUMPED)
    timed.await_looks()
    assert timed.firing() == {("semstreams_degraded", HEALTH)}
    healthy_stack.clear_faults()
    timed.await_told(*degraded)
    healthy_stack.fault("nats_disconnect")
    timed.await_told(lost[0])
    healthy_stack.clear_faults()
    timed.await_told(*lost)
    timed.await_calm()
    assert sorted(timed.told) == sorted((*degraded, *JUMPED, *lost))


def test_the_first_time_after_the_boot_is_no_jump(healthy_stack: DemoStack, clock: SetClock, tmp_path: Path) -> None:
    """A daemon that starts in 1970 watches as any other; that the time comes from the net is noted, and not told."""
    degraded = both("semstreams_degraded", HEALTH)
    clock.set("@1970-01-01 00:10:00")
    with begun(healthy_stack, tmp_path, RULES, SOON_EVEN, environment=clock.environment) as scene:
        scene.await_healthy()
        healthy_stack.fault("degraded")
        scene.await_told(degraded[0])
        clock.set("+0")
        eventually_sync(lambda: scene.daemon.timeline("host.clock_set"))
        scene.await_looks()
        assert scene.firing() == {("semstreams_degraded", HEALTH)}
        healthy_stack.clear_faults()
        scene.await_told(*degraded)
        scene.await_calm()
        assert scene.told == [*degraded]
        (noted,) = scene.daemon.timeline("host.clock_set")
        assert noted.endswith("it had no time since the boot")
