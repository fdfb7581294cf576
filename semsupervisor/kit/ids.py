"""Names for things that are made while nobody else is asked: unique, and sorted by time in logs."""

from __future__ import annotations

import secrets
from datetime import datetime


def new_id(at: datetime) -> str:
    """Return 20 hexadecimal digits: milliseconds since 1970 (12), then chance (8)."""
    milliseconds = max(0, int(at.timestamp() * 1000)) & 0xFFFF_FFFF_FFFF
    return f"{milliseconds:012x}{secrets.token_hex(4)}"
