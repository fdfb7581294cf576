"""Durations and sizes as people write them: "1h30m", "256MiB". Both ways, exactly."""

from __future__ import annotations

import re

from semsupervisor.settings.forms import Duration, Size

DURATION_EXAMPLES = 'a duration in quotes such as "500ms", "30s", "5m", "24h", "7d" or "1h30m"'
SIZE_EXAMPLES = 'a size in quotes such as "512KiB", "256MiB" or "2GiB"'

_MILLISECONDS = {"d": 86_400_000, "h": 3_600_000, "m": 60_000, "s": 1000, "ms": 1}
_DURATION = re.compile("".join(f"(?:([0-9]{{1,7}}){unit})?" for unit in _MILLISECONDS))
_BYTES = {"TiB": 2**40, "GiB": 2**30, "MiB": 2**20, "KiB": 2**10, "B": 1}
_SIZE = re.compile(f"([0-9]{{1,15}})({'|'.join(_BYTES)})")


def parse_duration(text: str) -> Duration:
    """Return the seconds that a text such as "1h30m" stands for: the units d, h, m, s, ms, large ones first, each once.

    Raises: ValueError when it is none; its text says what is allowed.
    """
    found = _DURATION.fullmatch(text)
    if not text or found is None:
        raise ValueError(DURATION_EXAMPLES)
    counts = zip(found.groups(default="0"), _MILLISECONDS.values(), strict=True)
    return Duration(sum(int(count) * unit for count, unit in counts) / 1000)


def format_duration(seconds: float) -> str:
    """Return the shortest text for a duration of 0 s or more, to the millisecond: 5400.0 is "1h30m"."""
    left = round(seconds * 1000)
    if not left:
        return "0s"
    words = []
    for unit, milliseconds in _MILLISECONDS.items():
        count, left = divmod(left, milliseconds)
        if count:
            words.append(f"{count}{unit}")
    return "".join(words)


def parse_size(text: str) -> Size:
    """Return the bytes that a text such as "256MiB" stands for: B, KiB, MiB, GiB, TiB.

    Raises: ValueError when it is none; its text says what is allowed.
    """
    found = _SIZE.fullmatch(text)
    if found is None:
        raise ValueError(SIZE_EXAMPLES)
    return Size(int(found[1]) * _BYTES[found[2]])


def format_size(size_bytes: int) -> str:
    """Return a size of 0 bytes or more in the largest unit that divides it: 268435456 is "256MiB"."""
    unit = next(unit for unit in _BYTES if size_bytes % _BYTES[unit] == 0 and (size_bytes or unit == "B"))
    return f"{size_bytes // _BYTES[unit]}{unit}"
