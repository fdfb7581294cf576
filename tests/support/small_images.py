"""Two tiny images, one program each: busybox. Made of the demo's, so that nothing more has to be fetched."""

from __future__ import annotations

import os
import subprocess
import tarfile
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import pytest

from tests.support.commands import run
from tests.support.engine import Engine
from tests.support.images import DemoImages

PROGRAMS = ("sh", "sleep", "cat", "echo", "kill", "dd", "head", "tail", "touch", "rm", "true", "false")


@dataclass(frozen=True)
class SmallImages:
    """`first` and `second` differ in a file; `archives` are their root file systems as tar, by name."""

    first: str
    second: str
    archives: dict[str, bytes]

    def load_into(self, other: Engine) -> None:
        """Import both into another engine, under the same names."""
        for name, archive in self.archives.items():
            import_archive(other, name, archive)


@pytest.fixture(scope="session")
def small_images(
    engine: Engine, demo_images: DemoImages, run_prefix: str, tmp_path_factory: pytest.TempPathFactory
) -> SmallImages:
    """Return the images, present on the machine's engine."""
    busybox = tmp_path_factory.mktemp("busybox") / "busybox"
    source = f"{run_prefix}busybox"
    engine.docker("create", "--pull=never", "--name", source, next(tag for tag in demo_images.tags if "nats" in tag))
    engine.docker("cp", f"{source}:/usr/bin/busybox", str(busybox))
    engine.docker("rm", source)
    first, second = f"{run_prefix}small:1", f"{run_prefix}small:2"
    images = SmallImages(first, second, {first: _archive(busybox, "1"), second: _archive(busybox, "2")})
    images.load_into(engine)
    return images


def import_archive(engine: Engine, name: str, archive: bytes) -> None:
    """Make an image of a root file system."""
    subprocess.run(
        ["docker", "import", "-", name],
        input=archive,
        env={**os.environ, **engine.environment},
        stdout=subprocess.DEVNULL,
        check=True,
        timeout=60,
    )


def _archive(busybox: Path, number: str) -> bytes:
    assert run([busybox, "echo", "static"]).stdout == "static\n"
    packed = BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as tar:
        tar.add(busybox, "bin/busybox")
        for program in PROGRAMS:
            link = tarfile.TarInfo(f"bin/{program}")
            link.type, link.linkname = tarfile.SYMTYPE, "busybox"
            tar.addfile(link)
        number_file = tarfile.TarInfo("number")
        number_file.size = len(number)
        tar.addfile(number_file, BytesIO(number.encode()))
    return packed.getvalue()
