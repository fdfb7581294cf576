"""What the engine can show of a service that something happened to, with secrets masked and at most some 12 KiB long.

It goes into every message about an alert and waits there in memory and in the database while receivers are away, so
that its length times the number of messages has to fit beside everything else.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import datetime

from semsupervisor.errors import EngineError
from semsupervisor.health.masking import masked, masked_lines, secrets_of
from semsupervisor.systems.containers import Container, ContainerState, HealthCheck
from semsupervisor.systems.docker import Docker

LOG_LINES = 50
HEALTH_CHECKS = 3
LONGEST_TEXT = 1000
LONGEST_LINE = 500
LONGEST_LOG_BYTES = 6 * 1024
_OF_AN_END = ("exit_code", "finished_at", "start_error")


async def gather(docker: Docker, container_id: str, until: datetime | None = None) -> dict[str, str]:
    """Return the inspection and the last log lines of a container as texts for people, as of `until` if it is given.

    Right after a death the engine answers only when it has cleaned up, some 50 ms later.
    Raises: ContainerGone, EngineError, EngineForbidden.
    """
    container, lines = await asyncio.gather(docker.inspect(container_id), _log(docker, container_id, until))
    return shown(container, lines, until)


def shown(container: Container, lines: Sequence[str], until: datetime | None = None) -> dict[str, str]:
    """Return an inspection and log lines as they may be shown; of an end after `until` nothing is."""
    secrets = secrets_of(container.environment)
    inspected = {name: _cut(text, LONGEST_TEXT) for name, text in _inspected(container).items()}
    if until is not None and container.finished_at is not None and container.finished_at > until:
        inspected = {name: text for name, text in inspected.items() if name not in _OF_AN_END}
    log = _newest(masked_lines(lines, secrets))
    return {**inspected, **_health(container.health_log, secrets), "last_log_lines": log or "(none)"}


async def _log(docker: Docker, container_id: str, until: datetime | None) -> list[str]:
    try:
        return await docker.logs(container_id, LOG_LINES, until)
    except EngineError as error:
        return [f"(not readable: {error})"]


def _newest(lines: Sequence[str]) -> str:
    """Return the newest lines that fit, behind how many were left out."""
    kept: list[str] = []
    room_bytes = LONGEST_LOG_BYTES
    for line in reversed(lines):
        cut = _cut(line, LONGEST_LINE)
        room_bytes -= len(cut.encode(errors="replace")) + 1
        if room_bytes < 0:
            break
        kept.append(cut)
    left_out = len(lines) - len(kept)
    return "\n".join([f"({left_out} earlier lines left out)"] * bool(left_out) + kept[::-1])


def _cut(text: str, longest: int) -> str:
    """Return the beginning of a text; only what is masked already may be cut, or half a secret would be shown."""
    return text if len(text) <= longest else f"{text[: longest - 1]}…"


def _inspected(container: Container) -> dict[str, str]:
    found = {
        "container": f"{container.name} ({container.id[:12]})",
        "image": container.image,
        "restart_policy": container.restart_policy.value,
        "restarts": str(container.restart_count),
        "state_now": container.state.value,
    }
    if container.finished_at is not None:
        found["finished_at"] = container.finished_at.isoformat()
    if container.state not in (ContainerState.RUNNING, ContainerState.PAUSED):
        found["exit_code"] = str(container.exit_code)
    if container.memory_limit_bytes is not None:
        found["memory_limit"] = f"{container.memory_limit_bytes / 2**20:.0f} MiB"
    if container.error:
        found["start_error"] = container.error
    return found


def _health(log: Sequence[HealthCheck], secrets: Sequence[str]) -> dict[str, str]:
    """The last checks that failed; a container whose checks pass has nothing to show."""
    failed = [check for check in log if check.exit_code != 0][-HEALTH_CHECKS:]
    lines = [
        f"{f'{check.at:%H:%M:%S} ' if check.at else ''}exit code {check.exit_code}: {_output(check, secrets)}"
        for check in failed
    ]
    return {"health_log": "\n".join(lines)} if lines else {}


def _output(check: HealthCheck, secrets: Sequence[str]) -> str:
    return _cut(masked(check.output.strip(), secrets), LONGEST_TEXT) or "(no output)"
