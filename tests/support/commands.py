"""Running the operator's own commands from a test: with an end, and with what they said when they fail."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
DEFAULT_TIMEOUT_SECONDS = 60.0


class CommandFailed(AssertionError):
    """A command of a test ended with another code than 0; the text holds the command and all that it said."""


def run(
    command: Sequence[str | Path],
    *,
    environment: Mapping[str, str] | None = None,
    check: bool = True,
    timeout_seconds: float = DEFAULT_TIMEOUT_SECONDS,
    text_in: str | None = None,
) -> subprocess.CompletedProcess[str]:
    """Run a command to its end and return what it said.

    `environment` is laid over the test's own. Raises CommandFailed when `check` is set and the code is not 0.
    """
    done = subprocess.run(
        [str(part) for part in command],
        env={**os.environ, **(environment or {})},
        input=text_in,
        capture_output=True,
        text=True,
        check=False,
        timeout=timeout_seconds,
    )
    if check and done.returncode:
        line = " ".join(str(part) for part in command)
        raise CommandFailed(f"{line}: code {done.returncode}\n{done.stdout}{done.stderr}")
    return done
