"""The product's own environment: the libraries that an installation has, and none of those that tests bring."""

from __future__ import annotations

import hashlib
import os
import shutil
import sys
from pathlib import Path

from tests.support.commands import REPOSITORY, run

REQUIREMENTS = REPOSITORY / "requirements.txt"
INSTALL_SECONDS = 600.0


def python() -> str:
    """Return the interpreter of the environment, which is made once for each set of requirements and each Python."""
    kept = Path(os.environ.get("SEMSUPERVISOR_TESTS") or Path.home() / ".cache" / "semsupervisor-tests")
    key = hashlib.sha256(REQUIREMENTS.read_bytes() + sys.version.encode()).hexdigest()[:16]
    folder = kept / f"product-{key}"
    if not (folder / "complete").exists():
        for old in kept.glob("product-*"):
            shutil.rmtree(old)
        print(f"  installing {REQUIREMENTS.name} into an environment of its own", flush=True)
        run([sys.executable, "-m", "venv", folder])
        install = ("install", "--require-hashes", "-r", REQUIREMENTS)
        run([folder / "bin" / "pip", "--disable-pip-version-check", "-qq", *install], timeout_seconds=INSTALL_SECONDS)
        (folder / "complete").touch()
    return str(folder / "bin" / "python")
