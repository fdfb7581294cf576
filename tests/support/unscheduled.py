"""Settings without schedules: no test may depend on the time of the day at which it runs."""

from __future__ import annotations

import tomllib

OFF = {"schedule": 'schedule = "off"\n', "verify": 'verify.schedule = "off"\n'}
TABLE = "[backup]\n"


def unscheduled(text: str) -> str:
    """Return settings that do nothing by themselves, unless they say when; broken ones as they are."""
    try:
        backup = tomllib.loads(text).get("backup", {})
    except tomllib.TOMLDecodeError:
        return text
    off = "".join(line for key, line in OFF.items() if key not in backup)
    return text.replace(TABLE, f"{TABLE}{off}", 1) if TABLE in text else f"{text}\n{TABLE}{off}"
