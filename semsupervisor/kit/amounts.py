"""How long, how much and what share, in the few words that fit into a line for people. Imports nothing."""

from __future__ import annotations

_UNITS = (("d", 86400), ("h", 3600), ("min", 60))
_SIZES = (("TiB", 2**40), ("GiB", 2**30), ("MiB", 2**20), ("KiB", 2**10))


def duration(seconds: float) -> str:
    """Return `4 s`, `3 min`, `2 h 5 min` or `3 d 4 h`: whole units, at most two of them; below zero counts as zero."""
    left = max(0, int(seconds))
    for place, (unit, length) in enumerate(_UNITS):
        if left >= length:
            count, rest = divmod(left, length)
            smaller = _smaller(place, rest) if count < 10 and unit != "min" else ""
            return f"{count} {unit}{smaller}"
    return f"{left} s"


def size(size_bytes: float) -> str:
    """Return `1.5 GiB`, `450 MiB` or `12 B`: three digits at most, one after the point below ten."""
    for unit, length in _SIZES:
        if size_bytes >= length:
            count = size_bytes / length
            return f"{count:.1f} {unit}" if count < 10 else f"{count:.0f} {unit}"
    return f"{size_bytes:.0f} B"


def share(ratio: float) -> str:
    """Return a ratio of 0 to 1 as `44 %`."""
    return f"{ratio * 100:.0f} %"


def _smaller(place: int, rest: int) -> str:
    unit, length = _UNITS[place + 1]
    count = rest // length
    return f" {count} {unit}" if count else ""
