"""The tags that the status page is made of.

Every text is escaped where it is put into a tag: only `Html` is taken as it is, and only tags make it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from html import escape

from semsupervisor.kit import amounts

TONES = {
    "healthy": "good",
    "running": "good",
    "degraded": "mild",
    "warning": "mild",
    "paused": "bad",
    "unhealthy": "bad",
    "unreachable": "bad",
    "unknown": "bad",
    "critical": "bad",
    "exited": "bad",
    "missing": "bad",
}


class Html(str):
    """A text that is HTML already."""

    __slots__ = ()


Row = Sequence[str]
"""The cells of a line of a table."""


def tag(name: str, *inner: str, **attributes: str) -> Html:
    """Return a tag around all of this; `class_` and `data_label` are `class` and `data-label`."""
    given = "".join(f' {key.strip("_").replace("_", "-")}="{escape(value)}"' for key, value in attributes.items())
    content = "".join(one if isinstance(one, Html) else escape(one) for one in inner)
    return Html(f"<{name}{given}>{content}</{name}>")


def joined(*parts: str) -> Html:
    """Return these one after the other."""
    return Html("".join(one if isinstance(one, Html) else escape(one) for one in parts))


def toned(word: str, tone: str | None = None) -> Html:
    """Return a word for a state in its tone (good, mild, bad), or in another one."""
    return tag("span", word, class_=f"state {TONES.get(word, '') if tone is None else tone}".rstrip())


def table(title: str, head: Row, rows: Iterable[Row]) -> Html:
    """Return a table whose first column names the rows; without rows there is none."""
    lines = [
        tag(
            "tr",
            tag("th", row[0], scope="row"),
            *(tag("td", cell, data_label=label) for label, cell in zip(head[1:], row[1:], strict=True)),
        )
        for row in rows
    ]
    if not lines:
        return Html()
    heads = tag("thead", tag("tr", *(tag("th", word, scope="col") for word in head)))
    return joined(tag("h2", title), tag("table", heads, tag("tbody", *lines)))


def listed(title: str, lines: Iterable[str]) -> Html:
    """Return a list under a title; without lines there is none."""
    points = [tag("li", line) for line in lines]
    return joined(tag("h2", title), tag("ul", *points)) if points else Html()


def note(text: str) -> Html:
    """Return a line that explains."""
    return tag("p", text, class_="soft")


def age(at: datetime, now: datetime) -> str:
    """Return the time between two moments in words."""
    return amounts.duration((now - at).total_seconds())
