"""What is told of the host itself, by letting the daemon read of a want of memory that would fell the machine."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.commands import run
from tests.support.daemon_process import IMPATIENT
from tests.support.demo_stack import DemoStack
from tests.support.scene import begun, both

pytestmark = [pytest.mark.integration, pytest.mark.timeout(300)]

PRESSURES = Path("/proc/pressure")
LINE = "{word} avg10=0.00 avg60={share:.2f} avg300=0.00 total=0\n"
RULES = """
host_memory_pressure.for = "1s"
host_unresponsive.for = "1s"
"""
HOST = "host:host"


class Pretended:
    """A folder that the daemon reads in place of the kernel's; whatever it says of the processors and disks is true."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir()
        for resource in ("cpu", "io"):
            (folder / resource).write_text((PRESSURES / resource).read_text())
        self.waits(0.0)

    @property
    def enter(self) -> tuple[str, ...]:
        """Return what a command has to be begun with to read it."""
        place = 'mount --bind "$0" /proc/pressure && exec "$@"'
        return ("unshare", "--mount", "--propagation", "private", "sh", "-c", place, str(self._folder))

    def waits(self, percent: float) -> None:
        """Have all programs wait for memory for so much of the time."""
        fresh = self._folder / "fresh"
        fresh.write_text("".join(LINE.format(word=word, share=percent) for word in ("some", "full")))
        fresh.rename(self._folder / "memory")


@pytest.fixture
def pressure(tmp_path: Path) -> Pretended:
    """Return what the daemon is to read of the host's pressures."""
    if not PRESSURES.is_dir():
        pytest.skip("this kernel has no pressure stall information")
    pretended = Pretended(tmp_path / "pressure")
    if run([*pretended.enter, "true"], check=False).returncode:
        pytest.skip("nothing may be mounted over another here")
    return pretended


def test_a_want_of_memory_is_told_by_its_worst_degree(
    healthy_stack: DemoStack, pressure: Pretended, tmp_path: Path
) -> None:
    """A host that slows down is a warning, one that hardly responds is that alone; both end with it."""
    slowed, stuck = both("host_memory_pressure", HOST), both("host_unresponsive", HOST)
    with begun(healthy_stack, tmp_path, IMPATIENT, RULES, enter=pressure.enter) as scene:
        scene.minded |= {"host_memory_pressure", "host_unresponsive"}
        scene.await_healthy()
        pressure.waits(20.0)
        scene.await_told(slowed[0])
        assert scene.alert(slowed[0])["summary"].startswith("For 20 % of the last minute all programs")
        pressure.waits(0.0)
        scene.await_told(*slowed)
        scene.await_calm()
        pressure.waits(60.0)
        scene.await_told(stuck[0])
        scene.await_muted(("host_memory_pressure", HOST))
        pressure.waits(0.0)
        scene.await_told(*stuck)
        scene.await_calm()
        assert scene.told == [*slowed, *stuck]
