"""Time zones by their names, and the host's own."""

from __future__ import annotations

from datetime import UTC, tzinfo
from pathlib import Path
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

HOSTS_ZONE = Path("/etc/localtime")


def is_known(name: str) -> bool:
    """Tell whether the host knows a time zone of that name."""
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return False
    return True


def zone(name: str, hosts_zone: Path = HOSTS_ZONE) -> tzinfo:
    """Return a zone that is known by its name, for an empty one the host's: UTC where the host has none."""
    if name:
        return ZoneInfo(name)
    try:
        with hosts_zone.open("rb") as file:
            return ZoneInfo.from_file(file, key="localtime")
    except (OSError, ValueError):
        return UTC
