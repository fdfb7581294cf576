"""What the host runs by itself and when: the lines of its crontabs and its systemd timers, read from their files."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import msgspec

SYSTEM_TABS = ("etc/crontab", "etc/cron.d/*")
USER_TABS = ("var/spool/cron/crontabs/*", "var/spool/cron/*")
SCRIPTS = ("etc/cron.hourly/*", "etc/cron.daily/*", "etc/cron.weekly/*", "etc/cron.monthly/*")
TIMERS = "etc/systemd/system/*.wants/*.timer"
UNITS = ("etc/systemd/system", "usr/local/lib/systemd/system", "usr/lib/systemd/system", "lib/systemd/system")
LONGEST_FILE_BYTES = 256 * 1024

_FIELDS = r"(?:@\w+|(?:\S+\s+){4}\S+)\s+"
_USER_LINE = re.compile(rf"\s*{_FIELDS}(?P<command>\S.*)")
_SYSTEM_LINE = re.compile(rf"\s*{_FIELDS}\S+\s+(?P<command>\S.*)")
_VARIABLE = re.compile(r"\s*[A-Za-z_]\w*\s*=")
_STARTS = re.compile(r"^\s*ExecStart\s*=\s*[-@:+!|]*(?P<command>\S.*)$", re.MULTILINE)
_UNIT = re.compile(r"^\s*Unit\s*=\s*(\S+)\s*$", re.MULTILINE)


class Scheduled(msgspec.Struct, frozen=True):
    """A command that the host runs again and again, and the file that says so. It may hold secrets: keep it here."""

    where: str
    command: str


def read(root: Path = Path("/")) -> tuple[Scheduled, ...]:
    """Return what is scheduled, as far as the files can be read. It blocks as long as their file systems do."""
    found = (*_crontabs(root, SYSTEM_TABS, _SYSTEM_LINE), *_crontabs(root, USER_TABS, _USER_LINE))
    return (*found, *_scripts(root), *_timers(root))


def commands(text: str, *, with_user: bool) -> list[str]:
    """Return the commands of a crontab; a system's crontab names a user before each of them."""
    return list(_commands(text, _SYSTEM_LINE if with_user else _USER_LINE))


def _commands(text: str, form: re.Pattern[str]) -> Iterator[str]:
    for line in text.splitlines():
        if line.lstrip().startswith("#") or _VARIABLE.match(line):
            continue
        if parts := form.match(line):
            yield parts["command"]


def _crontabs(root: Path, patterns: tuple[str, ...], form: re.Pattern[str]) -> Iterator[Scheduled]:
    for path, text in _texts(root, patterns):
        for command in _commands(text, form):
            yield Scheduled(path, command)


def _scripts(root: Path) -> Iterator[Scheduled]:
    """Yield the scripts that cron runs as a whole, without their comments."""
    for path, text in _texts(root, SCRIPTS):
        yield Scheduled(path, "\n".join(line for line in text.splitlines() if not line.lstrip().startswith("#")))


def _timers(root: Path) -> Iterator[Scheduled]:
    """Yield what the timers start that somebody switched on."""
    for path, text in _texts(root, (TIMERS,)):
        named = _UNIT.search(text)
        unit = named[1] if named else f"{Path(path).stem}.service"
        for _, service in _texts(root, tuple(f"{folder}/{unit}" for folder in UNITS)):
            for parts in _STARTS.finditer(service):
                yield Scheduled(path, parts["command"])


def _texts(root: Path, patterns: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    """Yield the path on the host and the beginning of each file that can be read."""
    for pattern in patterns:
        folder, _, names = pattern.rpartition("/")
        with suppress(OSError):
            for file in sorted((root / folder).glob(names) if "*" not in folder else root.glob(pattern)):
                with suppress(OSError):
                    if file.is_file():
                        yield f"/{file.relative_to(root)}", _beginning(file)


def _beginning(file: Path) -> str:
    with file.open("rb") as handle:
        return handle.read(LONGEST_FILE_BYTES).decode(errors="replace")
