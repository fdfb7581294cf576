"""A message as plain text and as HTML. Pure.

The HTML is for mail programs: tables and inline styles, nothing fetched from anywhere, every value escaped. The width
follows the screen, so that it reads on a phone.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from html import escape

from semsupervisor.alerts.content import Message, Part, Story, Style, Tone

WIDTH = 76
_INDENT = "  "

_COLOURS = {
    Tone.CRITICAL: "#b3261e",
    Tone.WARNING: "#8f5200",
    Tone.INFO: "#1f5fa8",
    Tone.RESOLVED: "#1c6e34",
    Tone.TEST: "#5b5f66",
}
_SANS = "font-family:-apple-system,'Segoe UI',Roboto,Helvetica,Arial,sans-serif"
_MONO = "font-family:ui-monospace,SFMono-Regular,Menlo,Consolas,'Liberation Mono',monospace"
_WRAP = "white-space:pre-wrap;overflow-wrap:anywhere;word-break:break-word"
_HEADING = f"{_SANS};font-size:13px;line-height:18px;font-weight:600;color:#57606a;margin:22px 0 6px 0"
_PROSE = f"{_SANS};font-size:16px;line-height:23px;color:#1f2328;margin:0"
_COMMAND = (
    f"{_MONO};font-size:14px;line-height:20px;color:#f0f3f6;background:#24292f;border-radius:6px;"
    f"padding:9px 12px;margin:0 0 6px 0;{_WRAP}"
)
_BLOCK = (
    f"{_MONO};font-size:12px;line-height:17px;color:#1f2328;background:#f6f8fa;border:1px solid #d0d7de;"
    f"border-radius:6px;padding:10px 12px;margin:0;{_WRAP}"
)
_ROW = f"{_SANS};font-size:15px;line-height:21px;padding:3px 0;vertical-align:top"


def plain_text(message: Message) -> str:
    """Return the message as plain text; commands and log lines are never wrapped."""
    lines = [message.heading]
    for remark in message.remarks:
        lines += ["", *textwrap.wrap(remark, WIDTH)]
    for story in message.stories:
        lines += ["", *_plain_story(story)]
    lines += ["", "-- ", *message.footer]
    return "\n".join(lines) + "\n"


def _plain_story(story: Story) -> Iterator[str]:
    yield from textwrap.wrap(story.headline, WIDTH)
    yield ""
    widest = max(len(label) for label, _ in story.rows)
    for label, value in story.rows:
        yield f"{label:<{widest}}  {value}"
    for part in story.parts:
        yield ""
        yield part.heading
        yield from _plain_part(part)


def _plain_part(part: Part) -> Iterator[str]:
    match part.style:
        case Style.PROSE:
            for line in part.lines:
                yield from textwrap.wrap(line, WIDTH, initial_indent=_INDENT, subsequent_indent=_INDENT)
        case Style.POINTS:
            for line in part.lines:
                yield from textwrap.wrap(line, WIDTH, initial_indent=f"{_INDENT}- ", subsequent_indent=f"{_INDENT}  ")
        case Style.COMMANDS:
            yield from (f"{_INDENT}{line}" for line in part.lines)
        case Style.BLOCK:
            yield from (f"{_INDENT}| {line}".rstrip() for line in part.lines)


def html(message: Message) -> str:
    """Return the message as a whole HTML page for mail programs."""
    colour = _COLOURS[message.tone]
    glance = message.remarks[0] if message.remarks else (message.stories[0].headline if message.stories else "")
    inside = "".join(_remark(remark) for remark in message.remarks)
    inside += '<hr style="border:0;border-top:1px solid #d0d7de;margin:26px 0">'.join(
        _story(story) for story in message.stories
    )
    footer = "<br>".join(escape(line) for line in message.footer)
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        '<meta name="color-scheme" content="light"><meta name="supported-color-schemes" content="light">'
        f"<title>{escape(message.subject)}</title></head>\n"
        '<body style="margin:0;padding:0;background:#eef0f2">'
        f'<div style="display:none;max-height:0;overflow:hidden">{escape(glance)}</div>\n'
        '<table role="presentation" width="100%" cellpadding="0" cellspacing="0" style="background:#eef0f2">'
        '<tr><td align="center" style="padding:12px 8px">\n'
        '<table role="presentation" width="100%" cellpadding="0" cellspacing="0" '
        'style="max-width:640px;background:#ffffff;border-radius:8px">\n'
        f'<tr><td style="background:{colour};border-radius:8px 8px 0 0;padding:12px 18px;{_SANS};font-size:15px;'
        f'line-height:20px;font-weight:700;color:#ffffff">{escape(message.heading)}</td></tr>\n'
        f'<tr><td style="padding:18px">{inside}</td></tr>\n'
        f'<tr><td style="padding:12px 18px 16px 18px;border-top:1px solid #d0d7de;{_SANS};font-size:12px;'
        f'line-height:18px;color:#57606a;overflow-wrap:anywhere">{footer}</td></tr>\n'
        "</table></td></tr></table></body></html>\n"
    )


def _remark(text: str) -> str:
    return (
        f'<p style="{_PROSE};background:#fff8c5;border:1px solid #d4a72c;border-radius:6px;padding:10px 12px;'
        f'margin:0 0 16px 0">{escape(text)}</p>\n'
    )


def _story(story: Story) -> str:
    rows = "".join(
        f'<tr><td style="{_ROW};color:#57606a;padding-right:14px;white-space:nowrap">{escape(label)}</td>'
        f'<td style="{_ROW};color:#1f2328;overflow-wrap:anywhere;word-break:break-word">{escape(value)}</td></tr>\n'
        for label, value in story.rows
    )
    parts = "".join(_part(part) for part in story.parts)
    return (
        f'<h1 style="{_SANS};font-size:20px;line-height:27px;font-weight:600;color:#1f2328;margin:0 0 12px 0;'
        f'overflow-wrap:anywhere">{escape(story.headline)}</h1>\n'
        f'<table role="presentation" cellpadding="0" cellspacing="0">\n{rows}</table>\n{parts}'
    )


def _part(part: Part) -> str:
    return f'<h2 style="{_HEADING}">{escape(part.heading)}</h2>\n{_lines(part)}'


def _lines(part: Part) -> str:
    escaped = [escape(line) for line in part.lines]
    match part.style:
        case Style.PROSE:
            return "".join(f'<p style="{_PROSE}">{line}</p>\n' for line in escaped)
        case Style.POINTS:
            points = "".join(f'<li style="margin:0 0 3px 0">{line}</li>' for line in escaped)
            return f'<ul style="{_PROSE};padding-left:20px">{points}</ul>\n'
        case Style.COMMANDS:
            return "".join(f'<pre style="{_COMMAND}">{line}</pre>\n' for line in escaped)
        case Style.BLOCK:
            block = "\n".join(escaped)
            return f'<pre style="{_BLOCK}">{block}</pre>\n'
