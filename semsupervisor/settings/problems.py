"""What is wrong with a settings file, in words: where, what was found, what is allowed."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from datetime import date, datetime, time
from pathlib import Path

import msgspec

from semsupervisor.kit.addresses import mask_receiver
from semsupervisor.kit.text import shortened

_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")


class Problem(msgspec.Struct, frozen=True):
    """One reason to refuse a settings file: the key path ("" for the whole file), what was found, what is allowed."""

    key: str
    found: str
    allowed: str

    def __str__(self) -> str:
        where = f"{self.key}: " if self.key else ""
        return f"{where}found {self.found}; allowed: {self.allowed}"

    def of(self, file: Path | None) -> str:
        """Return the problem as a line that begins with the file; None: the settings come from no file."""
        return f"{file}: {self}" if file else str(self)


def told(file: Path | None, problems: Iterable[Problem]) -> tuple[str, ...]:
    """Return the problems of a file as lines for SettingsError."""
    return tuple(problem.of(file) for problem in problems)


def join(path: str, key: str) -> str:
    """Return the path of a key inside a table, quoted as TOML wants it."""
    part = key if _BARE_KEY.fullmatch(key) else json.dumps(key, ensure_ascii=False)
    return f"{path}.{part}" if path else part


def found_text(value: object) -> str:
    """Return a value of the file as it may be told: short, and an address without its secrets."""
    match value:
        case Mapping():
            return "a table"
        case list():
            return shortened(f"[{', '.join(found_text(one) for one in value)}]")
        case bool():
            return "true" if value else "false"
        case str():
            return json.dumps(shortened(mask_receiver(value) if "://" in value else value), ensure_ascii=False)
        case datetime() | date() | time():
            return f"the date or time {value}"
        case float() if value.is_integer():
            return f"{value:.0f}"
        case _:
            return shortened(str(value))
