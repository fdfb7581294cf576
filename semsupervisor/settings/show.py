"""The effective settings for people and programs: each value, where it came from, and no secret."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import msgspec

from semsupervisor.kit.addresses import mask_receiver, mask_target
from semsupervisor.settings.durations import format_duration, format_size
from semsupervisor.settings.forms import Duration, Secret, Section, Size
from semsupervisor.settings.load import Loaded
from semsupervisor.settings.problems import join
from semsupervisor.settings.references import references

# What hides the secrets of an address, by the field that it stands in.
_HIDING: Mapping[str, Callable[[str], str]] = {
    "url": mask_receiver,
    **dict.fromkeys(("health", "metrics", "flows", "monitor", "address"), mask_target),
}

Plain = bool | int | float | str | list[str]


class Entry(msgspec.Struct, frozen=True):
    """One effective setting: its key path, its value as it would stand in the file, where it came from."""

    key: str
    value: Plain
    origin: str

    @property
    def text(self) -> str:
        """Return the value as TOML."""
        return _toml(self.value)


def entries(loaded: Loaded) -> tuple[Entry, ...]:
    """Return all effective settings in the order of the model; a secret stands as the reference to it."""
    return tuple(_of_section(loaded.settings, "", loaded))


def as_text(loaded: Loaded) -> str:
    """Return the effective settings as TOML that could be a settings file again, origins as comments.

    The one exception: parts of an address that may be a secret are masked.
    """
    shown = entries(loaded)
    lines = [f"{entry.key} = {entry.text}" for entry in shown]
    width = min(max(map(len, lines), default=0), 60)
    head = f"# {loaded.path}" if loaded.path else "# no settings file: all defaults"
    body = (f"{line:<{width}}  # {entry.origin}" for line, entry in zip(lines, shown, strict=True))
    tail = (f"# finding: {finding}" for finding in loaded.findings)
    return "\n".join((head, *body, *tail)) + "\n"


def as_plain(loaded: Loaded) -> dict[str, Any]:
    """Return the effective settings for JSON: file, settings (value and origin by key path), findings."""
    return {
        "file": str(loaded.path) if loaded.path else None,
        "settings": {entry.key: {"value": entry.value, "origin": entry.origin} for entry in entries(loaded)},
        "findings": list(loaded.findings),
    }


def _of_section(section: Section, path: str, loaded: Loaded) -> Iterator[Entry]:
    tag = section.__struct_config__.tag
    if tag:
        yield Entry(join(path, "type"), str(tag), loaded.origins[join(path, "type")])
    for field in msgspec.structs.fields(section):
        key = join(path, field.encode_name)
        value = getattr(section, field.name)
        if field.type == Secret | None:
            yield from _of_secret(field.encode_name, path, loaded)
        elif isinstance(value, Section):
            yield from _of_section(value, key, loaded)
        elif isinstance(value, Mapping):
            for name, inner in value.items():
                yield from _of_section(inner, join(key, name), loaded)
        elif value is not None:
            yield Entry(key, _plain(value, _HIDING.get(field.name, str)), loaded.origins[key])


def _of_secret(field: str, path: str, loaded: Loaded) -> Iterator[Entry]:
    for reference in references(field):
        key = join(path, reference)
        if key in loaded.references:
            yield Entry(key, loaded.references[key], loaded.origins[key])


def _plain(value: object, hiding: Callable[[str], str]) -> Plain:
    match value:
        case Duration():
            return format_duration(value)
        case Size():
            return format_size(value)
        case tuple():
            return [str(one) for one in value]
        case bool() | int() | float():
            return value
        case _:
            return hiding(str(value))


def _toml(value: Plain) -> str:
    match value:
        case bool():
            return "true" if value else "false"
        case list():
            return f"[{', '.join(_toml(one) for one in value)}]"
        case str():
            return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
        case _:
            return repr(value)
