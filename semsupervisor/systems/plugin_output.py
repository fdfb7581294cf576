"""What a monitoring plugin prints: a line for people and performance data, as the plugins' guidelines have it."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping

import msgspec

from semsupervisor.kit.text import shortened
from semsupervisor.systems.bodies import one_line

LONGEST_LINE = 200
LONGEST_DATA = 400
MOST_FIGURES = 20

_FIGURE = re.compile(
    r"""(?:'(?P<quoted>(?:[^']|''){1,64})'|(?P<plain>[^\s='|]{1,64}))=(?P<value>-?[0-9.,]{1,32}(?:[eE][-+]?\d{1,3})?)(?P<unit>[a-zA-Z%]{0,3})(?:;[^\s]*)?"""
)
_SCALE = {"us": 1e-6, "ms": 1e-3, "s": 1.0, "KB": 1e3, "MB": 1e6, "GB": 1e9, "TB": 1e12, "B": 1.0, "%": 0.01}
_SUFFIX = {"us": "_seconds", "ms": "_seconds", "s": "_seconds", "%": "_ratio", "c": "_total"}


class PluginOutput(msgspec.Struct, frozen=True):
    """The first line, the performance data as printed, and its figures by name in base units (seconds, bytes, shares).

    A figure's name says its unit: `time_seconds`, `size_bytes`, `used_ratio`, `errors_total`.
    """

    line: str
    data: str
    figures: Mapping[str, float]


def parse_output(output: bytes) -> PluginOutput:
    """Read the output of a plugin; what is no performance data is left out, whatever it is."""
    text = output.decode("utf-8", errors="replace")
    first, _, more = text.lstrip().partition("\n")
    line, _, data = first.partition("|")
    later = more.partition("|")[2]
    data = one_line(f"{data} {later}")
    return PluginOutput(shortened(one_line(line), LONGEST_LINE), shortened(data, LONGEST_DATA), _figures(data))


def _figures(data: str) -> Mapping[str, float]:
    figures: dict[str, float] = {}
    for found in _FIGURE.finditer(data):
        value = _number(found["value"])
        if value is None or len(figures) >= MOST_FIGURES:
            continue
        unit = found["unit"]
        label = (found["quoted"] or found["plain"]).replace("''", "'")
        figures.setdefault(_name(label, unit), value * _SCALE.get(unit, 1.0))
    return figures


def _number(text: str) -> float | None:
    try:
        value = float(text.replace(",", "."))
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def _name(label: str, unit: str) -> str:
    """Return a label as the name of a fact, with its unit."""
    plain = re.sub(r"[^a-z0-9]+", "_", label.lower()).strip("_") or "value"
    suffix = "_bytes" if unit.endswith("B") else _SUFFIX.get(unit, "")
    return plain if plain.endswith(suffix) else f"{plain}{suffix}"
