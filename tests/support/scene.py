"""A stack, the daemon that watches it, and the receiver that it tells: what arrived, and what did not."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tests.support.commands import CommandFailed
from tests.support.daemon_process import IMPATIENT, DaemonProcess, settings, webhook
from tests.support.demo_stack import DemoStack, DemoStackFactory
from tests.support.private_engine import PrivateEngine
from tests.support.receivers import WebhookServer
from tests.support.waiting import eventually_sync

CALM_SECONDS = 120.0
TOLD_SECONDS = 90.0
# Longer than from one look of a check to the next.
QUIET_SECONDS = 1.5
# Every look is a question to the daemon under test.
PAUSE_SECONDS = 0.1
# What the machine that runs the tests is, and nobody's fault: how full, how busy, how well kept.
MACHINE = ("filesystem:", "host:")
# Rules about it that nothing but a test can make fire.
OUR_DOING = frozenset({"clock_jumped"})


class Told(NamedTuple):
    """One message as an operator counts them: updates bring no news and are none."""

    kind: str
    rule: str
    subject: str


def fires(rule: str, subject: str) -> Told:
    """Return that an alert is told."""
    return Told("firing", rule, subject)


def ends(rule: str, subject: str) -> Told:
    """Return that the end of an alert is told."""
    return Told("resolved", rule, subject)


def both(rule: str, subject: str) -> tuple[Told, Told]:
    """Return that an alert is told, and its end."""
    return fires(rule, subject), ends(rule, subject)


class Scene:
    """What happens between a daemon and its webhook receiver, as far as a test has to wait for it."""

    def __init__(self, daemon: DaemonProcess, hook: WebhookServer) -> None:
        self.daemon = daemon
        self.hook = hook
        self.minded: set[str] = set()
        """Subjects, and rules, that count although they are the machine's."""

    @property
    def told(self) -> list[Told]:
        """Return all messages that arrived, in their order, but for those about the machine itself."""
        told = (_told(body) for body in self.hook.bodies if body["kind"] != "update")
        return [one for one in told if self._counts(one.rule, one.subject)]

    def await_told(self, *wanted: Told, within_seconds: float = TOLD_SECONDS) -> None:
        """Wait until all of these have arrived, each as often as it is given."""
        self._until(lambda: not _without(wanted, self.told), within_seconds)

    def await_muted(self, *wanted: tuple[str, str], within_seconds: float = TOLD_SECONDS) -> None:
        """Wait until these alerts, by rule and subject, fire and are muted."""
        self._until(lambda: set(wanted) <= self.muted().keys(), within_seconds)

    def open(self) -> set[tuple[str, str]]:
        """Return the alerts, by rule and subject, that are pending or firing."""
        alerts = ((alert["rule"], alert["subject"]) for alert in self.daemon.alerts())
        return {key for key in alerts if self._counts(*key)}

    def firing(self) -> set[tuple[str, str]]:
        """Return the alerts, by rule and subject, that fire now; what a busy machine delays may be pending besides."""
        alerts = ((alert["rule"], alert["subject"]) for alert in self.daemon.alerts() if alert["state"] == "firing")
        return {key for key in alerts if self._counts(*key)}

    def fired(self) -> set[tuple[str, str]]:
        """Return the alerts, by rule and subject, that have fired in all of this daemon's time, told or not."""
        return {key for alert in self._episodes() if self._counts(*(key := (alert["rule"], alert["subject"])))}

    def fired_of_machine(self) -> list[dict[str, Any]]:
        """Return the alerts about the machine itself that have fired in all of this daemon's time, told or not."""
        return [alert for alert in self._episodes() if not self._counts(alert["rule"], alert["subject"])]

    def muted(self) -> dict[tuple[str, str], str]:
        """Return the alerts that fire and are told to nobody, with the reason."""
        return {
            (alert["rule"], alert["subject"]): alert["muted_by"]
            for alert in self.daemon.alerts()
            if alert["state"] == "firing" and alert["muted_by"]
        }

    def await_healthy(self, within_seconds: float = CALM_SECONDS) -> None:
        """Wait until the daemon says that the stack is well."""
        self._until(lambda: self.daemon.verdict("/v1/health") == "healthy", within_seconds)

    def await_looks(self, *names: str, times: int = 2) -> None:
        """Wait until each scheduled check, or each of those names, has ended so often: the second sees what is new.

        Some look at every sixth second only.
        """
        counts = self._looks()
        waited_for = names or tuple(counts)
        self._until(lambda: all(self._looks()[name] >= counts[name] + times for name in waited_for), CALM_SECONDS)

    def await_calm(self, still: Iterable[tuple[str, str]] = (), within_seconds: float = CALM_SECONDS) -> None:
        """Wait until no alert is open but those, by rule and subject, nothing waits to be sent, and it stays so."""
        wanted = set(still)
        deadline = time.monotonic() + within_seconds
        quiet_since, last = time.monotonic(), -1
        while time.monotonic() - quiet_since < QUIET_SECONDS:
            open_ = self.open()
            count = len(self.hook.attempts)
            if open_ != wanted or count != last or self._waiting():
                quiet_since, last = time.monotonic(), count
            if time.monotonic() > deadline:
                raise AssertionError(f"no calm within {within_seconds:g} s: {sorted(open_)} for {sorted(wanted)}")
            time.sleep(PAUSE_SECONDS)

    def _episodes(self) -> list[dict[str, Any]]:
        episodes = self.daemon.get("/v1/alerts/history", limit=1000)["alerts"]
        return [alert for alert in episodes if alert.get("fired_at")]

    def _counts(self, rule: str, subject: str) -> bool:
        return rule in OUR_DOING or not self.minded.isdisjoint((rule, subject)) or not subject.startswith(MACHINE)

    def _until(self, look: Callable[[], bool], within_seconds: float) -> None:
        def seen() -> bool:
            assert self.daemon.runs, "the daemon has ended, and not because the test asked it to"
            return look()

        try:
            eventually_sync(seen, within_seconds, pause_seconds=PAUSE_SECONDS)
        except AssertionError as error:
            error.add_note(f"told: {self.told}")
            if self.daemon.runs:
                error.add_note(f"open: {sorted(self.open())}, of them muted: {self.muted()}")
            raise

    def _waiting(self) -> bool:
        return any(not message["dead"] for message in self.daemon.get("/v1/outbox")["messages"])

    def _looks(self) -> dict[str, int]:
        return {probe["name"]: sum(probe["outcomes"].values()) for probe in self.daemon.get("/v1/status")["probes"]}

    def alert(self, told: Told) -> dict[str, Any]:
        """Return the first message of a kind about an alert, with the evidence that followed it as an update."""
        found = next(body for body in self.hook.bodies if body["kind"] != "update" and _told(body) == told)
        alert = dict(found["alerts"][0])
        updates = [body["alerts"][0] for body in self.hook.bodies if body["kind"] == "update"]
        later = [update["evidence"] for update in updates if update["id"] == alert["id"]]
        alert["evidence"] = {key: text for known in (alert["evidence"], *later) for key, text in known.items()}
        return alert


def _told(body: dict[str, Any]) -> Told:
    (alert,) = body["alerts"]
    return Told(body["kind"], alert["rule"], f"{alert['subject']['kind']}:{alert['subject']['name']}")


def _without(wanted: Iterable[Told], told: Iterable[Told]) -> list[Told]:
    """Return what of the wanted is not among the told."""
    left = list(told)
    missing = []
    for one in wanted:
        if one in left:
            left.remove(one)
        else:
            missing.append(one)
    return missing


@contextmanager
def begun(
    stack: DemoStack,
    folder: Path,
    *more: str,
    settle: str = "500ms",
    state: Path | None = None,
    environment: Mapping[str, str] | None = None,
    enter: Sequence[str] = (),
) -> Iterator[Scene]:
    """Start a daemon in a folder, with more settings and environment if given, whatever it finds.

    `enter` are words before its command, which have it see another world than the test does.
    With a private engine the daemon and its receiver are in that one's network namespace.
    """
    private = stack.engine if isinstance(stack.engine, PrivateEngine) else None
    with WebhookServer(private.namespace if private else None) as hook:
        text = settings(folder, webhook(hook.url), *more, stack=stack, settle=settle, state=state)
        with DaemonProcess(folder, text, (*(private.enter if private else ()), *enter), environment) as daemon:
            yield Scene(daemon, hook)


@contextmanager
def watched(stack: DemoStack, folder: Path, *more: str, settle: str = "500ms") -> Iterator[Scene]:
    """Start a daemon in a folder, with more settings if given, and wait until it finds the stack healthy."""
    with begun(stack, folder, *more, settle=settle) as scene:
        scene.await_healthy()
        yield scene


def mend(stack: DemoStack) -> None:
    """Have a stack as it was first, both services healthy, whatever was done to it."""
    try:
        stack.clear_faults()
        stack.restart_afresh()
        if stack.healthy("semstreams") and stack.healthy("nats"):
            return
        stack.up()
    except (OSError, CommandFailed):
        stack.down()
        stack.up()


@pytest.fixture(scope="session")
def told_stack(demo_stacks: DemoStackFactory) -> DemoStack:
    """Return a demo stack that the tests of what is told share."""
    return demo_stacks("told", SEMSTREAMS_MEMORY="128M")


@pytest.fixture
def healthy_stack(told_stack: DemoStack) -> DemoStack:
    """Return the shared stack, mended."""
    mend(told_stack)
    return told_stack


@pytest.fixture
def scene(healthy_stack: DemoStack, tmp_path: Path) -> Iterator[Scene]:
    """Return the shared stack watched by a daemon with impatient rules."""
    with watched(healthy_stack, tmp_path, IMPATIENT) as scene:
        yield scene
