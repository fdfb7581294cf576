"""A message as plain text and as HTML."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from html.parser import HTMLParser

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from semsupervisor.alerts.content import compose
from semsupervisor.alerts.markup import html, plain_text
from semsupervisor.alerts.notification import Notification, NotificationKind
from tests.support.told import DIED, MEMORY, told

VOID = {"meta", "br", "hr"}


class Page(HTMLParser):
    """Reads a page, its tags balanced or not, its text, and what it would fetch."""

    def __init__(self, page: str) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.words: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note an opened tag."""
        self.attributes += attrs
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        """Check that what is closed was opened last."""
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        """Note text."""
        self.words.append(data)


def local(at: datetime) -> datetime:
    """Return the time of a host in UTC."""
    return at.astimezone(UTC)


def both(notification: Notification) -> tuple[str, str]:
    """Return a notification as text and as HTML."""
    message = compose(notification, notification.at, local)
    return plain_text(message), html(message)


def test_the_plain_text_is_laid_out_for_a_terminal() -> None:
    """Rows are aligned, commands stand alone, log lines keep their form."""
    text, _ = both(told(NotificationKind.FIRING))
    assert text == (
        """\
CRITICAL on edge-7

semstreams ended with exit code 137, and nobody had asked for it.

Since      2026-03-01 12:00:00 UTC
Concerns   service semstreams
Exit code  137

What it means
  137 is a SIGKILL, often for want of memory.

What to type next
  docker compose logs --tail=100 semstreams
  docker compose up -d semstreams

What semsupervisor did
  - Nothing: it has watched and told.

What may follow from it, and is not told one by one
  - SemStreams unreachable

Last log lines, the newest at the end
  | first line
  | last <line> & more

-- \n"""
        "On edge-7: semsupervisor status, semsupervisor timeline\n"
        "Rule container_died, alert 0195-died\n"
        "Sent by semsupervisor on edge-7\n"
    )


def test_commands_are_never_wrapped() -> None:
    """What is to be typed can be copied as one line."""
    command = "docker compose " + "--very-long-option " * 20 + "up"
    text, page = both(told(NotificationKind.FIRING, msgspec.structs.replace(DIED, next_steps=(command,))))
    assert f"  {command}\n" in text
    assert f">{command}</pre>" in page


def test_both_say_the_same() -> None:
    """Every word of the story is in the text and in the page."""
    notification = told(NotificationKind.RESOLVED, DIED, MEMORY)
    text, page = both(notification)
    said = "".join(Page(page).words)
    for words in (
        DIED.summary,
        "83 % (alert: above 80 %)",
        "Over since",
        "last <line> & more",
        "SemStreams unreachable",
    ):
        assert words in text
        assert words in said


@pytest.mark.parametrize("alerts", [(), (DIED,), (DIED, MEMORY)])
@pytest.mark.parametrize("kind", NotificationKind)
def test_the_page_is_whole_and_fetches_nothing(kind: NotificationKind, alerts: tuple[object, ...]) -> None:
    """All tags are closed; there is no script, no link, no image, no style from elsewhere."""
    notification = msgspec.structs.replace(told(kind), alerts=alerts)
    text, page = both(notification)
    assert Page(page).open == []
    assert not re.search(r"<(script|img|link|a|iframe|style|form)\b|https?:|url\(|@import", page)
    assert text.startswith(notification.kind.value.upper() if kind is not NotificationKind.FIRING else "")


hostile = st.text(st.sampled_from("<>&\"' \n\x1b[ab/=script\x00\u2028"), max_size=60)


@given(summary=hostile, value=hostile, log=hostile, step=hostile, diagnosis=hostile, host=hostile)
def test_nothing_that_was_seen_becomes_markup(
    summary: str, value: str, log: str, step: str, diagnosis: str, host: str
) -> None:
    """Whatever a program logs, the page has the same tags as with harmless words."""
    alert = msgspec.structs.replace(
        MEMORY,
        summary=summary,
        value=value,
        evidence={"last_log_lines": f"1\n{log}\n3"},
        next_steps=(step,),
        diagnosis=diagnosis or "x",
        done=(log,),
    )
    plain = msgspec.structs.replace(
        MEMORY, evidence={"last_log_lines": "1\n2\n3"}, next_steps=("x",), diagnosis="x", done=("x",)
    )
    seen = both(told(NotificationKind.FIRING, alert, host=host))[1]
    harmless = both(told(NotificationKind.FIRING, plain))[1]
    assert re.findall(r"<[a-z0-9]+", seen) == re.findall(r"<[a-z0-9]+", harmless)
    assert Page(seen).attributes == Page(harmless).attributes
