"""How many containers a compose file wants of each service, as far as its lines tell without a YAML parser. Pure.

Compose files are written line by line: services stand under `services:`, what is said of each is set in below its
name. A file that is written in another way, or whose services come from elsewhere as well, tells nothing here.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

import msgspec

Wanted = Mapping[str, int | None]
"""How many of each service; None where that takes more than reading to say."""

_KEY = re.compile(r"""(?P<quote>["']?)(?P<key>[A-Za-z0-9._-]+)(?P=quote)\s*:(?:\s+(?P<rest>.*))?""")
_COMMENT = re.compile(r"(?:^|\s)#.*$")
_COUNT = re.compile(r"""(?P<quote>["']?)(?P<count>[0-9]{1,6})(?P=quote)""")
_ANCHOR = re.compile(r"&\S+")


class _Line(msgspec.Struct, frozen=True):
    indent: int
    text: str

    @property
    def entry(self) -> tuple[str, str] | None:
        """Return what stands before the colon and what behind it, None for any other line."""
        found = _KEY.fullmatch(self.text)
        return None if found is None else (found["key"], _ANCHOR.sub("", found["rest"] or "").strip())


class _Unclear(Exception):
    """The lines do not tell."""


def wanted(text: str) -> Wanted | None:
    """Return how many containers `docker compose up` makes of each service; None where the file does not tell.

    That of a service behind a profile is open: which profiles are wanted stands in the environment.
    """
    try:
        top = _entries(list(_lines(text)))
        if "include" in top or "services" not in top:
            return None
        rest, body = top["services"]
        if rest or not body:
            return None
        return {name: _replicas(rest, lines) for name, (rest, lines) in _entries(body).items()}
    except _Unclear:
        return None


def _lines(text: str) -> Iterator[_Line]:
    for number, line in enumerate(text.splitlines()):
        said = _COMMENT.sub("", line).rstrip()
        if not said or (number == 0 and said == "---"):
            continue
        bare = said.lstrip(" ")
        if bare.startswith("\t"):
            raise _Unclear
        yield _Line(len(said) - len(bare), bare)


def _entries(lines: list[_Line]) -> Mapping[str, tuple[str, list[_Line]]]:
    """Return the entries of a block by their keys, each with what stands behind the colon and what is set in below.

    A list may stand right below its key without being set in.
    """
    entries: dict[str, tuple[str, list[_Line]]] = {}
    body: list[_Line] = []
    for line in lines:
        if line.indent > lines[0].indent:
            body.append(line)
        elif line.indent < lines[0].indent or not (line.text.startswith("- ") or line.text == "-" or line.entry):
            raise _Unclear
        elif line.entry:
            body = []
            entries[line.entry[0]] = (line.entry[1], body)
    return entries


def _replicas(rest: str, lines: list[_Line]) -> int | None:
    """Return how many containers a service is to have; one, unless it says more."""
    if rest or not lines:
        return None
    try:
        said = _entries(lines)
        deploy, set_in = said.get("deploy", ("", []))
        counts = [*_under("scale", said), *_under("replicas", _entries(set_in))]
    except _Unclear:
        return None
    if deploy or "extends" in said or "profiles" in said:
        return None
    read = [_COUNT.fullmatch(count) for count in counts]
    return max((int(one["count"]) for one in read if one), default=1) if all(read) else None


def _under(key: str, said: Mapping[str, tuple[str, list[_Line]]]) -> list[str]:
    return [said[key][0]] if key in said else []
