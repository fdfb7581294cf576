"""`semsupervisor timeline`: what was seen, decided and done, the newest last."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from time import sleep
from typing import Any

from semsupervisor.api.client import Client, NotReachable, RequestRefused
from semsupervisor.cli.calling import MOST_AT_ONCE, add_common_options, ask, limit
from semsupervisor.cli.rendering import Paper, cleaned, clock_text, print_json, print_json_line

DEFAULT_LIMIT = 30
FOLLOW_SECONDS = 1.0
OUT_OF_ORDER = 500
PATH = "/v1/timeline"

Entry = Mapping[str, Any]


def add_parser(subparsers: Any) -> None:
    """Add the command to the parsers that `ArgumentParser.add_subparsers` returned."""
    text = "show what was seen, decided and done, the newest last"
    parser = subparsers.add_parser("timeline", help=text, description=text)
    add_common_options(parser)
    parser.add_argument("--limit", type=limit, default=DEFAULT_LIMIT, help=f"at most so many entries ({DEFAULT_LIMIT})")
    parser.add_argument("--since", metavar="WHEN", help="a time such as 2026-03-01T12:00:00Z, or 90m for that long ago")
    parser.add_argument("--subject", metavar="KIND:NAME", help="only what is about it, for example service:nats")
    parser.add_argument("--kind", help="only entries of that kind, for example alert.firing")
    parser.add_argument("--follow", "-f", action="store_true", help="go on with what is new until Ctrl-C")


def run(arguments: argparse.Namespace) -> int:
    """Show the timeline, and what comes if it is to be followed."""
    client = ask(arguments)
    wanted = {name: getattr(arguments, name) for name in ("subject", "kind") if getattr(arguments, name)}
    place = _Place(client) if arguments.follow else None
    before = {"before": place.next_id} if place else {}
    first = client.get(PATH, {**wanted, **before, "limit": arguments.limit, "since": arguments.since})
    if arguments.json and not place:
        print_json(first)
        return 0
    paper = Paper()
    _print(first["entries"][::-1], paper, json=arguments.json)
    if not place:
        if not first["entries"]:
            paper.line("nothing yet")
        return 0
    while True:
        paper.flush()
        sleep(FOLLOW_SECONDS)
        fresh = [one for one in _await(place) if wanted.items() <= one.items()]
        _print(fresh, paper, json=arguments.json)


class _Place:
    """How far a timeline was read: up to its newest entry, None while there is none.

    The entries' numbers begin anew when the state database had to be set aside. So it is always asked for the entry
    that was read last as well: if that is not there any more, it goes on by the time.
    """

    def __init__(self, client: Client) -> None:
        self._client = client
        self._last = self._newest()

    @property
    def next_id(self) -> int:
        """Return the number below which everything was there when this place was taken."""
        return self._last["id"] + 1 if self._last else 1

    def advance(self) -> Sequence[Entry]:
        """Return what came since, oldest first. Raises: NotReachable, RequestRefused."""
        found = self._pages({"after": self._last["id"] - 1 if self._last else 0})
        if self._last and self._last not in found[:1]:
            return self._begun_anew(self._last)
        fresh = found[1:] if self._last else found
        self._last = found[-1] if found else None
        return fresh

    def _begun_anew(self, last: Entry) -> Sequence[Entry]:
        newest = self._newest()
        found = self._pages({"since": last["at"], "before": newest["id"] + 1}) if newest else []
        sys.stderr.write(
            "semsupervisor: the timeline began anew, as it does with a new state database; going on with what is not "
            f"older than {clock_text(last['at'])}\n"
        )
        self._last = newest
        return found

    def _newest(self) -> Entry | None:
        entries: Sequence[Entry] = self._client.get(PATH, {"limit": 1})["entries"]
        return entries[0] if entries else None

    def _pages(self, bounds: Mapping[str, int | str]) -> list[Entry]:
        """Return all entries within bounds, oldest first."""
        page = self._client.get(PATH, {**bounds, "limit": MOST_AT_ONCE})
        found = [*page["entries"]]
        while page["before"] is not None:
            page = self._client.get(PATH, {**bounds, "limit": MOST_AT_ONCE, "before": page["before"]})
            found += page["entries"]
        return found[::-1]


def _await(place: _Place) -> Sequence[Entry]:
    """Return what is new, waiting for a daemon that is being restarted or cannot read its state just now."""
    said = False
    while True:
        try:
            return place.advance()
        except (NotReachable, RequestRefused) as error:
            if isinstance(error, RequestRefused) and error.status < OUT_OF_ORDER:
                raise
            if not said:
                sys.stderr.write(f"semsupervisor: {error}; waiting for it\n")
            said = True
            sleep(FOLLOW_SECONDS)


def _print(entries: Sequence[Entry], paper: Paper, *, json: bool) -> None:
    for entry in entries:
        if json:
            print_json_line(entry)
        else:
            shown = cleaned(entry)
            paper.hanging(f"{clock_text(shown['at'])}  ", f"{shown['kind']}  {shown['subject']}  {shown['text']}")
