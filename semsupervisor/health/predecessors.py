"""Which of the runbook's scripts the host still runs by itself: two systems must not look after one stack. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable

import msgspec

# The scripts that the runbook has operators write, by their names.
BACKUP = "backup.sh"
SCRIPTS = ("alert.sh", BACKUP, "healthcheck.sh", "maintenance.sh", "restore.sh", "rotate-logs.sh", "update.sh")
RUNBOOK_DIRECTORY = "/opt/semstreams"

_WORD = re.compile(r"[^\s;&|()<>'\"`$]+")


class ActiveScript(msgspec.Struct, frozen=True, order=True):
    """A script that acts on the stack by itself, and the file that has it run: a crontab or a timer."""

    script: str
    where: str

    @property
    def takes_backups(self) -> bool:
        """Tell whether it is the one that takes backups."""
        return self.script.rpartition("/")[2] == BACKUP

    @property
    def ending(self) -> str:
        """Return how to end that."""
        if self.where.endswith(".timer"):
            return f"systemctl disable --now {self.where.rpartition('/')[2]}"
        return f"remove its line from {self.where}"


def active(scheduled: Iterable[tuple[str, str]], directory: str) -> tuple[ActiveScript, ...]:
    """Return which of these, each a file and a command in it, run a script of the runbook on the stack in a directory.

    A script counts by its name, under the stack's directory or the runbook's, named in full or after a `cd`.
    """
    folders = {folder.rstrip("/") for folder in (directory, RUNBOOK_DIRECTORY)}
    found = {ActiveScript(script, where) for where, command in scheduled for script in _scripts(command, folders)}
    return tuple(sorted(found))


def _scripts(command: str, folders: Iterable[str]) -> Iterable[str]:
    words = _WORD.findall(command)
    inside = any(word.rstrip("/") in folders for word in words)
    for word in words:
        folder, _, name = word.rpartition("/")
        if name in SCRIPTS and (folder in folders or (inside and folder in ("", "."))):
            yield word
