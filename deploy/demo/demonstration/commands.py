"""Running docker and docker compose to their end, with what they said when they fail."""

from __future__ import annotations

import subprocess

from demonstration.progress import Trouble

DOCKER_SECONDS = 30.0


def run(*command: str, advice: str, timeout_seconds: float = DOCKER_SECONDS) -> str:
    """Run a command and return its output.

    Raises: Trouble, with the last lines of what it said, when it fails or does not end in time.
    """
    try:
        done = subprocess.run(
            command,
            capture_output=True,
            text=True,
            check=False,
            timeout=timeout_seconds,
            stdin=subprocess.DEVNULL,
            start_new_session=True,  # a Ctrl-C is ours to handle: it must not reach compose in the middle of its work
        )
    except subprocess.TimeoutExpired as late:
        raise Trouble(f"{' '.join(command)} did not end within {timeout_seconds:g} s", advice) from late
    if done.returncode:
        said = "\n".join((done.stderr or done.stdout).strip().splitlines()[-5:])
        raise Trouble(f"{' '.join(command)} ended with code {done.returncode}:\n{said}", advice)
    return done.stdout.strip()
