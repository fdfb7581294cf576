"""The main job, shown: SemStreams crashes, an alert comes, Docker brings it back, and that is told as well."""

from __future__ import annotations

import queue
import time

from demonstration.daemon import Daemon
from demonstration.progress import Trouble, say, show
from demonstration.receiver import Message, Receiver
from demonstration.stack import Stack

ALERT_SECONDS = 20.0
RECOVERY_SECONDS = 60.0
EVENT_SECONDS = 5.0
POLL_SECONDS = 0.2
LONGEST_LINE = 140


def tell(stack: Stack, daemon: Daemon, receiver: Receiver) -> None:
    """Crash SemStreams, and show the alert and the recovery that arrive.

    Raises: Trouble when either does not arrive in time.
    """
    restarts = stack.restarts()
    say("making SemStreams crash (POST /_fault: exit code 3)")
    begun = time.time()
    stack.crash()
    alert = _await(daemon, receiver, stack, "firing", ALERT_SECONDS)
    died = _died(stack, begun)
    milliseconds = (alert.arrived - died) * 1000
    say(f"ALERT received {milliseconds:.0f} ms after Docker saw the death")
    show_message(alert)
    recovery = _await(daemon, receiver, stack, "resolved", RECOVERY_SECONDS)
    if stack.restarts() <= restarts:
        raise Trouble("the recovery was told, but Docker has not restarted SemStreams", "docker ps -a shows its state")
    say(f"RECOVERY received {recovery.arrived - died:.1f} s after the death: the restart policy brought it back")
    show_message(recovery)


def follow(daemon: Daemon, receiver: Receiver) -> None:
    """Show every further message for as long as the daemon lives; ends by an exception only."""
    while True:
        daemon.check()
        try:
            message = receiver.messages.get(timeout=POLL_SECONDS)
        except queue.Empty:
            continue
        say(f"received: {message.kind}")
        show_message(message)


def show_message(message: Message) -> None:
    """Print what a message says, alert by alert."""
    for alert in message.alerts:
        if message.kind == "resolved":
            show(f"{alert['title']}: {alert['resolved_because']}")
            continue
        show(f"{alert['severity']}: {alert['summary']}")
        for name, text in alert["evidence"].items():
            show(*(f"  {name}: {line[:LONGEST_LINE]}" for line in str(text).splitlines()[-3:]))
        for step in alert["next_steps"]:
            show(f"  next: {step}")


def _await(daemon: Daemon, receiver: Receiver, stack: Stack, kind: str, within_seconds: float) -> Message:
    """Wait for a message of that kind about SemStreams; others are shown in passing."""
    deadline = time.monotonic() + within_seconds
    while time.monotonic() < deadline:
        daemon.check()
        try:
            message = receiver.messages.get(timeout=POLL_SECONDS)
        except queue.Empty:
            continue
        if message.kind == kind and any("semstreams" in str(alert["subject"]) for alert in message.alerts):
            return message
        say(f"received: {message.kind}")
        show_message(message)
    raise Trouble(
        f"no {kind} message about {stack.semstreams} arrived within {within_seconds:g} s; the daemon's last lines:\n"
        f"{daemon.last_lines()}",
        f"is the engine slow? docker ps -a --filter name={stack.semstreams} shows what became of the container",
    )


def _died(stack: Stack, since: float) -> float:
    deadline = time.monotonic() + EVENT_SECONDS
    while time.monotonic() < deadline:
        if (stamp := stack.died_at(since)) is not None:
            return stamp
        time.sleep(POLL_SECONDS)
    raise Trouble("the engine tells of no death of SemStreams", "docker events --since 5m shows what it tells")
