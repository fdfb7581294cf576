"""The command line. Each noun is a module; only the one that was asked for is imported, so that it starts quickly.

Exit codes: 0 fine, 1 something was found or refused, 2 wrong usage, 3 the daemon cannot be reached. `check` follows
the convention of monitoring plugins instead: 0 ok, 1 warning, 2 critical, 3 unknown.
"""

from __future__ import annotations

import argparse
import importlib
import io
import os
import sys
from collections.abc import Sequence
from typing import Any

from semsupervisor import __version__
from semsupervisor.cli.width import columns
from semsupervisor.errors import SupervisorError

REFUSED = 1
BAD_REQUEST = 400
WRONG_USAGE = 2
NOT_REACHABLE = 3
UNKNOWN_TO_PLUGINS = 3
INTERRUPTED = 130
BROKEN_PIPE = 141
MARGIN = 2

PLUGIN = "check"

# What --help says of each noun, and the module below this package that knows more of it.
NOUNS = {
    "run": ("run the daemon in the foreground until it is asked to end", "local.run"),
    "check": ("look at everything once, without the daemon, as a monitoring plugin does", "local.check"),
    "status": ("show the stack, its services, NATS, disks, alerts and receivers on one screen", "status"),
    "facts": ("show every single fact with its age, or what an endpoint last answered", "facts"),
    "alerts": ("show alerts, rules and the past; test a receiver", "alerts"),
    "timeline": ("show what was seen, decided and done, the newest last", "timeline"),
    "outbox": ("show messages that wait or were given up; send or drop those", "outbox"),
    "services": ("list services; forget one that is meant to be gone", "services"),
    "jobs": ("show, follow, cancel or settle jobs", "jobs"),
    "backup": ("take a backup, list backups, verify them", "backup"),
    "settings": ("check, show or reload the settings", "settings"),
}
_EPILOG = (
    "exit codes: 0 fine, 1 something was found or refused, 2 wrong usage, 3 the daemon cannot be reached; "
    "check: 0 ok, 1 warning, 2 critical, 3 unknown"
)


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code; what is expected to go wrong is told in a sentence on stderr.

    Raises: SystemExit for --help, --version and wrong usage, as argparse does.
    """
    words = list(sys.argv[1:] if argv is None else argv)
    _have_streams()
    _accept_any_character()
    try:
        code = _run(words)
        sys.stdout.flush()
    except SystemExit as end:
        if end.code != WRONG_USAGE or next((word for word in words if word in NOUNS), "") != PLUGIN:
            raise
        sys.stdout.write("SEMSUPERVISOR UNKNOWN - wrong usage, see semsupervisor check --help\n")
        return UNKNOWN_TO_PLUGINS
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        _forget_output()
        return BROKEN_PIPE
    except SupervisorError as error:
        return _explain(error)
    except UnicodeEncodeError as error:
        sys.stderr.write(f"semsupervisor: {error.object!r} is not text in UTF-8\n")
        return WRONG_USAGE
    except OSError as error:
        _forget_output()
        sys.stderr.write(f"semsupervisor: cannot write the answer: {error.strerror or error}\n")
        return REFUSED
    return code


def _run(words: Sequence[str]) -> int:
    arguments = _parser(words).parse_args(words)
    code: int = _module(arguments.noun).run(arguments)
    return code


class _Help(argparse.HelpFormatter):
    """Help as wide as the terminal, which argparse would ask what packs archives: that takes long to load."""

    def __init__(self, prog: str) -> None:
        super().__init__(prog, width=columns(sys.stdout) - MARGIN)


class _Parser(argparse.ArgumentParser):
    """A parser which, as those below it, makes its help in that way: it is made with every option."""

    def __init__(self, **given: Any) -> None:
        super().__init__(formatter_class=_Help, **given)


def _parser(words: Sequence[str]) -> argparse.ArgumentParser:
    """Return the parser with all nouns by name, and with the options of those that occur among the words."""
    parser = _Parser(
        prog="semsupervisor",
        description="watches a SemStreams and NATS stack on one edge host, and tells what is wrong with it",
        epilog=_EPILOG,
    )
    parser.add_argument("--version", action="version", version=f"semsupervisor {__version__}")
    parser.add_argument("--socket", metavar="PATH", help="the daemon's control socket")
    subparsers = parser.add_subparsers(prog=parser.prog, dest="noun", required=True, metavar="COMMAND")
    for noun, (text, _) in NOUNS.items():
        if noun in words:
            _module(noun).add_parser(subparsers)
        else:
            subparsers.add_parser(noun, help=text, add_help=False)
    return parser


def _module(noun: str) -> Any:
    return importlib.import_module(f"{__name__}.{NOUNS[noun][1]}")


def _explain(error: SupervisorError) -> int:
    """Say what went wrong and what to do, and return the exit code for it."""
    from semsupervisor.api.client import NotReachable, RequestRefused

    sys.stderr.write(f"semsupervisor: {error}\n")
    if isinstance(error, RequestRefused):
        for line in (*error.problems, error.what_to_do):
            sys.stderr.write(f"  {line}\n" if line else "")
        return WRONG_USAGE if error.status == BAD_REQUEST else REFUSED
    return NOT_REACHABLE if isinstance(error, NotReachable) else REFUSED


def _have_streams() -> None:
    """Let what is said go nowhere if whoever started the command closed its output or its errors."""
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, "w"))  # noqa: PTH123, SIM115 - pathlib is slow to import


def _accept_any_character() -> None:
    """Let a terminal that cannot show a character get it escaped, rather than end the command."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def _forget_output() -> None:
    """Let what is still buffered go nowhere, so that the interpreter's end does not complain about it."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
