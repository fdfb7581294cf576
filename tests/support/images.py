"""The demo stack's images: built once a run, and carried into private engines without a registry."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from tests.support.commands import REPOSITORY, run
from tests.support.engine import Engine

BUILD = REPOSITORY / "deploy" / "demo" / "build-images"
BUILD_SECONDS = 600
LOAD_SECONDS = 120


class DemoImages:
    """The images of the demo stack on the machine's engine, as `repository:tag`."""

    def __init__(self, engine: Engine, tags: tuple[str, ...]) -> None:
        self._engine = engine
        self.tags = tags

    def load_into(self, other: Engine) -> None:
        """Copy all images into another engine."""
        save = subprocess.Popen(
            ["docker", "save", *self.tags], env={**os.environ, **self._engine.environment}, stdout=subprocess.PIPE
        )
        with save:
            subprocess.run(
                ["docker", "load", "--quiet"],
                env={**os.environ, **other.environment},
                stdin=save.stdout,
                stdout=subprocess.DEVNULL,
                check=True,
                timeout=LOAD_SECONDS,
            )
        assert save.returncode == 0, "docker save failed"


@pytest.fixture(scope="session")
def demo_images(engine: Engine) -> DemoImages:
    """Return the demo stack's images, built by the script that the demo itself uses."""
    environment = {**engine.environment, "PYTHON": sys.executable}
    run([BUILD], environment=environment, timeout_seconds=BUILD_SECONDS)
    return DemoImages(engine, tuple(run([BUILD, "--list"], environment=environment).stdout.split()))
