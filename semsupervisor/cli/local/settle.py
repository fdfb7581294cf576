"""`semsupervisor jobs settle` where no daemon runs: ends what one that does not come back has left open.

systemd calls it when the daemon has ended (ExecStopPost=) and says in $SERVICE_RESULT how that went.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
from collections.abc import Mapping, Sequence

from semsupervisor.cli import job_rendering
from semsupervisor.cli.rendering import Paper, cleaned, print_json
from semsupervisor.daemon import settling
from semsupervisor.jobs.record import OUTCOME, JobRecord
from semsupervisor.kit.clock import SystemClock
from semsupervisor.kit.logging import configure as configure_logging
from semsupervisor.settings.load import load_collecting
from semsupervisor.settings.model import Settings

FINE, FOUND = 0, 1
RESULT_VARIABLE = "SERVICE_RESULT"
ENDED_WELL = "success"


def run(arguments: argparse.Namespace) -> int:
    """Settle, say what became of each job, and return 0 if nothing is left open. Raises: what `settle` raises."""
    configure_logging("warning", "text", sys.stderr)
    loaded, problems = load_collecting(arguments.settings)
    for problem in problems:
        sys.stderr.write(f"semsupervisor: {problem}; it is settled with what stands there besides\n")
    settings = loaded.settings if loaded else Settings()
    ended_well = os.environ.get(RESULT_VARIABLE) == ENDED_WELL
    settled = asyncio.run(settling.settle(settings, SystemClock(), ended_well=ended_well))
    if arguments.json:
        print_json({"jobs": [_plain(job) for job in settled]})
    else:
        _print(settled)
    return FOUND if any(job.is_open for job in settled) else FINE


def _plain(job: JobRecord) -> Mapping[str, object]:
    return {
        "id": job.id,
        "title": job.title,
        "state": job.state.value,
        "open": job.is_open,
        "cause": job.cause,
        "error": job.error,
        "notes": list(job.notes),
        "outcome": str(job.data.get(OUTCOME, "")),
    }


def _print(settled: Sequence[JobRecord]) -> None:
    paper = Paper()
    if not settled:
        paper.line("no job has to be settled")
    for job in settled:
        shown = cleaned(_plain(job))
        paper.line(f"{shown['title']} ({shown['id']}): {shown['state']}")
        job_rendering.ending(shown, paper)
