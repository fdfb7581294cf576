"""What is told of the host itself, by letting the daemon read of troubles that would fell the machine."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support.daemon_process import IMPATIENT
from tests.support.demo_stack import DemoStack
from tests.support.pretended_host import PretendedHost
from tests.support.scene import begun, both

pytestmark = [pytest.mark.integration, pytest.mark.timeout(300)]

RULES = """
host_memory_pressure.for = "1s"
host_unresponsive.for = "1s"
"""
HOST = "host:host"
# Of the host all that is pretended; the clock is its own.
MINDED = {"host_memory_pressure", "host_unresponsive"}


@pytest.fixture
def pretended(tmp_path: Path) -> Iterator[PretendedHost]:
    """Return what the daemon is to read of the host."""
    host = PretendedHost(tmp_path / "host")
    if host.impossible:
        pytest.skip(host.impossible)
    with host:
        yield host


def test_a_want_of_memory_is_told_by_its_worst_degree(
    healthy_stack: DemoStack, pretended: PretendedHost, tmp_path: Path
) -> None:
    """A host that slows down is a warning, one that hardly responds is that alone; both end with it."""
    slowed, stuck = both("host_memory_pressure", HOST), both("host_unresponsive", HOST)
    with begun(healthy_stack, tmp_path, IMPATIENT, RULES, enter=pretended.enter) as scene:
        scene.minded |= MINDED
        scene.await_healthy()
        pretended.waits("memory", 20.0)
        scene.await_told(slowed[0])
        assert scene.alert(slowed[0])["summary"].startswith("For 20 % of the last minute all programs")
        pretended.waits("memory", 0.0)
        scene.await_told(*slowed)
        scene.await_calm()
        pretended.waits("memory", 60.0)
        scene.await_told(stuck[0])
        scene.await_muted(("host_memory_pressure", HOST))
        pretended.waits("memory", 0.0)
        scene.await_told(*stuck)
        scene.await_calm()
        assert scene.told == [*slowed, *stuck]


Trouble = Callable[[PretendedHost], object]

# What comes, what ends it, the patience that there is for it, and how the message begins.
TROUBLES: dict[str, tuple[Trouble, Trouble, str, str]] = {
    "host_memory_low": (
        lambda host: host.has_left(0.08),
        lambda host: host.has_left(0.5),
        'for = "1s"',
        "Only 8 % of the host's memory are left",
    ),
    "host_memory_exhausted": (
        lambda host: host.has_left(0.02),
        lambda host: host.has_left(0.5),
        'for = "1s"',
        "Only 2 % of the host's memory are left",
    ),
    "host_swapping": (
        lambda host: host.swaps(64 * 2**20),
        lambda host: host.swaps(0),
        'over = "10s", for = "1s"',
        "The host reads ",
    ),
    "host_disk_stalled": (
        lambda host: host.waits("io", 90.0),
        lambda host: host.waits("io", 0.0),
        'for = "1s"',
        "For 90 % of the last minute all programs",
    ),
    "host_hot": (
        lambda host: host.is_warm(78.0),
        lambda host: host.is_warm(40.0),
        'for = "1s"',
        "The processor is 78",
    ),
    "host_overheating": (
        lambda host: host.is_warm(84.0),
        lambda host: host.is_warm(40.0),
        'for = "1s"',
        "The processor is 84",
    ),
}

MINDED.update(TROUBLES)


@pytest.mark.table
@pytest.mark.timeout(600)
@pytest.mark.parametrize("rule", TROUBLES)
def test_each_trouble_is_told_once(
    rule: str, healthy_stack: DemoStack, pretended: PretendedHost, tmp_path: Path
) -> None:
    """What comes over the host brings exactly its own message, with the worst degree alone, and its end."""
    comes, ends, patience, words = TROUBLES[rule]
    told = both(rule, HOST)
    with begun(healthy_stack, tmp_path, IMPATIENT, f"{rule} = {{{patience}}}\n", enter=pretended.enter) as scene:
        scene.minded |= MINDED
        scene.await_healthy()
        scene.await_looks("host")
        comes(pretended)
        scene.await_told(told[0])
        assert scene.alert(told[0])["summary"].startswith(words)
        ends(pretended)
        scene.await_told(*told)
        scene.await_calm()
        assert scene.told == [*told]
