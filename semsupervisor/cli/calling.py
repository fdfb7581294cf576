"""What the commands that ask the daemon have in common: their options, and the client."""

from __future__ import annotations

import argparse

from semsupervisor.api.client import SOCKET_VARIABLE, Client, default_socket

MOST_AT_ONCE = 1000


def add_common_options(parser: argparse.ArgumentParser, *, below: bool = False) -> None:
    """Add --json and --socket; `below` says that the parser above has them too and that what it was given holds."""
    parser.add_argument(
        "--json",
        action="store_true",
        default=argparse.SUPPRESS if below else False,
        help="print JSON for programs",
    )
    parser.add_argument(
        "--socket",
        metavar="PATH",
        default=argparse.SUPPRESS,
        help=f"the daemon's control socket (default: ${SOCKET_VARIABLE}, or {default_socket()})",
    )


def limit(text: str) -> int:
    """Return how many are asked for. Raises: ArgumentTypeError, which names the option."""
    wanted = int(text) if text.isascii() and text.isdecimal() and len(text) <= len(str(MOST_AT_ONCE)) else 0
    if not 1 <= wanted <= MOST_AT_ONCE:
        raise argparse.ArgumentTypeError(f"found {text!r}; allowed: a number from 1 to {MOST_AT_ONCE}")
    return wanted


def ask(arguments: argparse.Namespace) -> Client:
    """Return the client that the arguments ask for."""
    return Client(getattr(arguments, "socket", None) or default_socket())
