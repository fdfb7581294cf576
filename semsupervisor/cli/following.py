"""Follows a job to where nothing is done about it any more; whoever stops following leaves it running."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

from semsupervisor.api.client import Client, NotReachable
from semsupervisor.cli.job_rendering import Follower
from semsupervisor.cli.rendering import cleaned

FINE, FAILED = 0, 1
LOOK_SECONDS = 0.5
MOST_MISSES = 20


def follow(client: Client, job_id: str, follower: Follower, pause: Callable[[float], None] = time.sleep) -> Any:
    """Return the answer about a job once nothing is done about it any more.

    A daemon that is away for a moment, as it is while it restarts, is waited for. Raises: NotReachable;
    KeyboardInterrupt, after it was said how to go on.
    """
    misses = 0
    try:
        while True:
            try:
                answer = client.get(f"/v1/jobs/{quote(job_id, safe='')}")
                misses = 0
            except NotReachable:
                misses += 1
                if misses > MOST_MISSES:
                    raise
                pause(LOOK_SECONDS)
                continue
            job = answer["job"]
            follower.see(cleaned(job))
            if not job["open"] or job["state"] == "stuck":
                return answer
            pause(LOOK_SECONDS)
    except KeyboardInterrupt:
        follower.end()
        sys.stderr.write(
            f"the job goes on without you; follow it with: semsupervisor jobs follow {job_id}, "
            f"or end it with: semsupervisor jobs cancel {job_id}\n"
        )
        raise
    finally:
        follower.end()


def code(job: Any) -> int:
    """Return the exit code for a job: 0 when it is done and nothing is to be said against what it did."""
    return FINE if job["fine"] else FAILED
