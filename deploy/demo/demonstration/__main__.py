"""Run the demonstration: everything it brings up it takes down again, however it ends."""

from __future__ import annotations

import argparse
import os
import signal
import sys
from contextlib import ExitStack
from pathlib import Path
from types import FrameType

from demonstration import stack as stacks
from demonstration import story
from demonstration.daemon import COMMAND, Daemon
from demonstration.progress import Trouble, say, show
from demonstration.receiver import Receiver

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
FAILED = 1
INTERRUPTED = 130


class Interrupted(BaseException):
    """Somebody pressed Ctrl-C or ended the process: no failure, but a wish."""


def main() -> int:
    """Show the main job; return 0 only if alert and recovery arrived."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--once", action="store_true", help="end after the demonstration")
    parser.add_argument("--project", default="", help="the compose project's name")
    parser.add_argument("--folder", type=Path, required=True, help="where settings, state and logs go")
    arguments = parser.parse_args()
    for number in SIGNALS:
        signal.signal(number, _interrupt)
    shown = False
    try:
        with ExitStack() as undo:
            try:
                daemon, receiver, stack = _bring_up(arguments.folder, arguments.project, undo)
                story.tell(stack, daemon, receiver)
                shown = True
                if not arguments.once:
                    _stay(daemon, receiver, stack)
            finally:
                _ignore_signals()  # nothing may interrupt the taking down
    except Interrupted:
        say("taken down")
        return 0 if shown else INTERRUPTED
    except Trouble as trouble:
        say(f"FAILED: {trouble}")
        show(f"what to do: {trouble.advice}")
        return FAILED
    say("taken down; alert and recovery arrived")
    return 0


def _bring_up(folder: Path, project: str, undo: ExitStack) -> tuple[Daemon, Receiver, stacks.Stack]:
    stack = stacks.choose(folder / "semstreams", project)
    say(f"bringing up the demo stack (compose project {stack.project}: SemStreams stand-in and NATS)")
    stack.deploy()
    undo.callback(stack.down)
    undo.callback(say, "taking down the demo stack")
    stack.up()
    receiver = Receiver()
    undo.callback(receiver.close)
    say(f"starting the daemon; alerts go to a webhook receiver at {receiver.url}")
    daemon = Daemon(folder, stack, receiver.url)
    undo.callback(daemon.stop)
    daemon.start()
    say("the daemon is ready")
    return daemon, receiver, stack


def _stay(daemon: Daemon, receiver: Receiver, stack: stacks.Stack) -> None:
    address = f"http://127.0.0.1:{daemon.port}"
    say("everything stays up until Ctrl-C; what arrives at the receiver is shown here")
    show(
        f"status     {address}/v1/health",
        f"           {COMMAND} --socket {daemon.control_socket} status",
        f"metrics    {address}/metrics",
        f"try        docker stop {stack.project}-nats    and after a while: docker start {stack.project}-nats",
        f'or         curl -d \'{{"fault": "status_503"}}\' http://127.0.0.1:{stack.semstreams_port}/_fault',
    )
    if "DOCKER_CONFIG" in os.environ:
        show(f"compose    export DOCKER_CONFIG={os.environ['DOCKER_CONFIG']} finds its docker compose")
    story.follow(daemon, receiver)


def _interrupt(number: int, frame: FrameType | None) -> None:
    _ignore_signals()
    raise Interrupted


def _ignore_signals() -> None:
    # Not SIG_IGN: Python complains of a signal that was on its way when the handler went.
    for number in SIGNALS:
        signal.signal(number, lambda number, frame: None)


if __name__ == "__main__":
    sys.exit(main())
