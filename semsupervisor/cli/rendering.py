"""How answers look on a terminal: tables of 80 columns, ages in words, colour only where somebody sees it.

What comes from containers and receivers is cleaned first: an escape sequence in a log line must not reach a terminal.
Patterns are compiled, and what breaks lines is loaded, once a text needs it: most have no need, and commands are to
start quickly.
"""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, TextIO

from semsupervisor.cli.width import USUAL_WIDTH, columns
from semsupervisor.kit import amounts

NARROWEST, WIDEST = 60, 120
NARROWEST_COLUMN = 36
BELOW = 2
UNBOUNDED = 10_000
LABEL_WIDTH = 12

_COLOURS = {"good": "32", "mild": "33", "bad": "31;1", "dim": "2", "strong": "1"}
_TONES = {
    "healthy": "good",
    "running": "good",
    "degraded": "mild",
    "warning": "mild",
    "pending": "mild",
    "unhealthy": "bad",
    "unknown": "bad",
    "critical": "bad",
    "exited": "bad",
    "missing": "bad",
    "firing": "bad",
}
_CONTROL = r"\x1b\[[0-9;]*[A-Za-z]|[\x00-\x08\x0b-\x1f\x7f-\x9f]"
_HELD = "\N{NO-BREAK SPACE}"
_UNIT = r"(?<=[0-9]) (?=(?:s|min|h|d|[KMGT]iB|B)\b|%)"
_COLOUR_CODES = r"\x1b\[[0-9;]*m"


class Paper:
    """Where the lines of one command go; knows its width and whether it takes colour."""

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream or sys.stdout
        terminal = self._stream.isatty()
        self.width = min(max(columns(self._stream), NARROWEST), WIDEST) if terminal else USUAL_WIDTH
        self._coloured = terminal and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"

    def paint(self, text: str, tone: str) -> str:
        """Return the text in a tone (good, mild, bad, dim, strong) if colour is taken."""
        return f"\x1b[{_COLOURS[tone]}m{text}\x1b[0m" if self._coloured and text else text

    def word(self, word: str) -> str:
        """Return a state or a severity in the tone that belongs to it."""
        tone = _TONES.get(word)
        return self.paint(word, tone) if tone else word

    def line(self, text: str = "") -> None:
        """Write one line."""
        self._stream.write(f"{text}\n")

    def flush(self) -> None:
        """Hand on what was written so far."""
        self._stream.flush()

    def wrapped(self, text: str, indent: int) -> None:
        """Write a text in as many lines as it needs, indented."""
        self.hanging(" " * indent, text)

    def hanging(self, first: str, text: str) -> None:
        """Write a text in as many lines as it needs, those that follow the first indented to where it begins."""
        indent = " " * _seen_width(first)
        for paragraph in text.splitlines() or [""]:
            for piece in wrapped(paragraph, self.width - len(indent)) or [""]:
                self.line(f"{first}{piece}".rstrip())
                first = indent

    def verbatim(self, text: str, indent: int) -> None:
        """Write a line of a log, indented: it goes on below where it has to, to the column."""
        room = self.width - indent
        for start in range(0, max(len(text), 1), room):
            self.line(f"{' ' * indent}{text[start : start + room]}".rstrip())

    def chapter(self, label: str, lines: Iterable[str]) -> None:
        """Write lines under a label that stands before the first; a chapter without lines is left out."""
        head = self.paint(f"{label:<{LABEL_WIDTH}}", "strong")
        for text in lines:
            self.line(f"{head}{text}".rstrip())
            head = " " * LABEL_WIDTH

    def beside(self, rows: Sequence[tuple[Sequence[str], str]], below: int) -> None:
        """Write rows of cells under each other, and behind each its text; one that does not fit stands below, set in.

        The cells themselves are never broken: they are to be short.
        """
        heads = self.table([cells for cells, _ in rows], UNBOUNDED)
        widest = max(map(_seen_width, heads), default=0)
        for head, (_, text) in zip(heads, rows, strict=True):
            gap = " " * (widest - _seen_width(head) + 2)
            if widest + 2 + _seen_width(text) <= self.width:
                self.line(f"{head}{gap}{text}".rstrip())
            else:
                self.line(head)
                self.wrapped(_uncoloured(text), below)

    def table(self, rows: Sequence[Sequence[str]], room: int | None = None) -> list[str]:
        """Return rows as lines with their columns under each other.

        A last column that does not fit into `room` (the whole width by default) goes on below: under itself where
        there is space for some words, else under the whole row.
        """
        count = len(rows[0]) if rows else 0
        widths = [max(_seen_width(row[column]) for row in rows) for column in range(count - 1)]
        return [text for row in rows for text in _row(row, widths, room or self.width)]


def print_json(answer: Any) -> None:
    """Write an answer as JSON for programs; control characters and foreign line breaks are escaped."""
    text = json.dumps(answer, indent=2, ensure_ascii=False)
    sys.stdout.write(f"{_escaped(text)}\n")


def print_json_line(answer: Any) -> None:
    """Write an answer as one line of JSON."""
    sys.stdout.write(f"{_escaped(json.dumps(answer, ensure_ascii=False))}\n")


def cleaned(answer: Any) -> Any:
    """Return an answer without control characters, but for line breaks and tabs."""
    match answer:
        case str():
            return _clean(answer)
        case list():
            return [cleaned(one) for one in answer]
        case dict():
            shown = {_clean(name): cleaned(value) for name, value in answer.items()}
            return type(answer)(shown)
        case _:
            return answer


def wrapped(text: str, width: int) -> list[str]:
    """Return a text in lines; a number stays with its unit, and one long word, such as an address, is not cut."""
    if len(text) <= width and text.isprintable() and text == text.strip():
        return [text] if text else []
    import textwrap

    held = re.sub(_UNIT, _HELD, text)
    lines = textwrap.wrap(held, width, break_long_words=False, break_on_hyphens=False)
    return [line.replace(_HELD, " ") for line in lines]


def counted(number: int, word: str) -> str:
    """Return `1 attempt` or `2 attempts`."""
    return f"{number} {word}" if number == 1 else f"{number} {word}s"


def age(at: str | None, now: str) -> str:
    """Return the time between two stamps in words, empty without the first."""
    return "" if at is None else amounts.duration((moment(now) - moment(at)).total_seconds())


def ago(at: str | None, now: str) -> str:
    """Return how long ago that was, or `never`."""
    return "never" if at is None else f"{age(at, now)} ago"


def moment(stamp: str) -> datetime:
    """Return the moment that an RFC 3339 stamp of an answer means."""
    return datetime.fromisoformat(stamp)


def clock_text(stamp: str) -> str:
    """Return a stamp as `2026-03-01 12:00:05Z`, to the second."""
    return f"{moment(stamp):%Y-%m-%d %H:%M:%SZ}"


def _row(row: Sequence[str], widths: Sequence[int], room: int) -> list[str]:
    cells = [f"{cell}{' ' * (width - _seen_width(cell))}" for cell, width in zip(row, widths, strict=False)]
    indent = sum(widths) + 2 * len(widths)
    if _seen_width(row[-1]) <= room - indent:
        return ["  ".join([*cells, row[-1]]).rstrip()]
    last = _uncoloured(row[-1])
    if room - indent < NARROWEST_COLUMN:
        return ["  ".join(cells).rstrip(), *(f"{' ' * BELOW}{text}" for text in wrapped(last, room - BELOW))]
    first, *more = wrapped(last, room - indent)
    return ["  ".join([*cells, first]), *(f"{' ' * indent}{text}" for text in more)]


def _seen_width(text: str) -> int:
    return len(_uncoloured(text))


def _uncoloured(text: str) -> str:
    return re.sub(_COLOUR_CODES, "", text) if "\x1b" in text else text


def _clean(text: str) -> str:
    return text if text.isprintable() else re.sub(_CONTROL, "", text)


def _escaped(text: str) -> str:
    return re.sub(r"[\x7f-\x9f\u2028\u2029]", lambda found: f"\\u{ord(found[0]):04x}", text)
