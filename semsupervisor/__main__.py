"""`python -m semsupervisor`, and the command `semsupervisor`."""

from __future__ import annotations

import sys


def main() -> int:
    """Run the command line and return its exit code."""
    from semsupervisor.cli import main as run_command

    return run_command()


if __name__ == "__main__":
    sys.exit(main())
