"""The effective configuration: config.json against the KV bucket; the newer `version` wins, and at a tie KV does."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

SECTIONS = ("services", "components")


def read(file: Path) -> dict[str, Any]:
    """The configuration file as JSON.

    Raises: ValueError when it is not JSON; TypeError when it is not an object.
    """
    value = json.loads(file.read_text()) if file.exists() else {}
    if not isinstance(value, dict):
        raise TypeError(f"{file} must hold a JSON object")
    return value


def newer(left: str, right: str) -> bool:
    """Whether the version `left` is newer than `right`: numbers compare as numbers."""
    return _numbers(left) > _numbers(right)


def to_keys(configuration: dict[str, Any]) -> dict[str, bytes]:
    """The configuration as KV entries: `version`, `platform`, `nats`, `services.<name>`, `components.<name>`."""
    entries: dict[str, bytes] = {}
    for key, value in configuration.items():
        if key in SECTIONS:
            entries |= {f"{key}.{name}": json.dumps(item).encode() for name, item in value.items()}
        elif key != "flows":
            entries[key] = value.encode() if isinstance(value, str) else json.dumps(value).encode()
    return entries


def from_keys(entries: dict[str, bytes]) -> dict[str, Any]:
    """The inverse of `to_keys`."""
    configuration: dict[str, Any] = {}
    for key, value in sorted(entries.items()):
        section, _, name = key.partition(".")
        if section in SECTIONS and name:
            configuration.setdefault(section, {})[name] = json.loads(value)
        else:
            configuration[key] = value.decode() if key == "version" else json.loads(value)
    return configuration


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(map(int, re.findall(r"\d+", version)))
