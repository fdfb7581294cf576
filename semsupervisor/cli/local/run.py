"""`semsupervisor run`: the daemon itself, in the foreground."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from semsupervisor.kit import memory


def add_parser(subparsers: Any) -> None:
    """Add the command to the parsers that `ArgumentParser.add_subparsers` returned."""
    text = "run the daemon in the foreground until it is asked to end"
    parser = subparsers.add_parser("run", help=text, description=text)
    parser.add_argument(
        "--settings",
        metavar="FILE",
        type=Path,
        help="the settings file (default: /etc/semsupervisor/semsupervisor.toml, and all defaults without it)",
    )


def run(arguments: argparse.Namespace) -> int:
    """Run the daemon to its end and return its exit code."""
    memory.be_thrifty()
    from semsupervisor import daemon

    return daemon.run(arguments.settings)
