"""The settings and the rules, checked together, and what the parts get of them."""

from __future__ import annotations

import socket
from collections.abc import Iterable, Mapping
from pathlib import Path

import msgspec

from semsupervisor.alerts import ruleset
from semsupervisor.alerts.muting import Topology
from semsupervisor.alerts.routing import Route
from semsupervisor.alerts.rules import LONGEST_COUNTED_GAP_SECONDS, Rule, Severity
from semsupervisor.alerts.sending import Fanout, Sender
from semsupervisor.alerts.turn import Policy
from semsupervisor.errors import SettingsError
from semsupervisor.health.observation import SubjectKind
from semsupervisor.health.targets import service_of
from semsupervisor.kit.text import encodable
from semsupervisor.settings.load import DEFAULT_PATH, Loaded, load_collecting
from semsupervisor.settings.model import Settings, WebhookReceiver
from semsupervisor.settings.problems import told

COUNTED_INTERVALS = 2.5


class Configuration(msgspec.Struct, frozen=True, kw_only=True):
    """Settings and rules that were found good together."""

    loaded: Loaded
    rules: tuple[Rule, ...]

    @property
    def settings(self) -> Settings:
        """Return the effective settings."""
        return self.loaded.settings


def configure(path: Path | None, *, started: Settings | None = None) -> Configuration:
    """Read the settings and the rules in them.

    What a receiver needs beside the file, a secret or a certificate, may be missing: it rests then. A daemon that reads
    them again gives those that it was `started` with: what is read only then stays so, and what is missing is refused,
    since there is something better that can stay in force.
    Raises: SettingsError with all problems of both.
    """
    loaded, problems = load_collecting(path, started=started)
    if loaded is None:
        raise SettingsError(told(path or DEFAULT_PATH, problems))
    problems += loaded.missing if started else ()
    refused = [problem.key for problem in problems]
    rules, wrong = ruleset.build_collecting(
        loaded.settings.rules, ruleset.words(loaded.settings), refused, loaded.settings.checks.interval_seconds
    )
    if problems or wrong:
        raise SettingsError(told(path or DEFAULT_PATH, (*problems, *wrong)))
    return Configuration(loaded=loaded, rules=counting(rules, loaded.settings))


def counting(rules: Iterable[Rule], settings: Settings) -> tuple[Rule, ...]:
    """Return the rules so that those about checks of the operator's own count the time between looks far apart."""
    intervals = [check.interval_seconds for check in settings.checks.custom.values()]
    gap = max([LONGEST_COUNTED_GAP_SECONDS, *(COUNTED_INTERVALS * interval for interval in intervals)])
    return tuple(
        msgspec.structs.replace(rule, counted_gap_seconds=gap) if rule.kind is SubjectKind.CHECK else rule
        for rule in rules
    )


def host_name(settings: Settings) -> str:
    """Return how this host is called in messages."""
    return encodable(settings.host.name or socket.gethostname())


def policy(configuration: Configuration, senders: Mapping[str, Sender]) -> Policy:
    """Return what the settings say of judging and telling; a route for each queue that messages may go into."""
    settings = configuration.settings
    return Policy(host_name(settings), configuration.rules, _routes(settings, senders), topology(settings))


def topology(settings: Settings) -> Topology:
    """Return what depends on what, as far as the settings say it."""
    shown_by = {name: service_of(one.address) for name, one in settings.checks.certificates.items()}
    certificates = {name: service for name, service in shown_by.items() if service}
    return Topology(settings.stack.semstreams_service, settings.stack.nats_service, certificates)


def _routes(settings: Settings, senders: Mapping[str, Sender]) -> list[Route]:
    routes = []
    for queue, sender in senders.items():
        if sender.name != queue or isinstance(sender, Fanout):
            continue
        receiver = settings.receivers[queue.partition("/")[0]]
        wants_updates = isinstance(receiver, WebhookReceiver)
        routes.append(Route(queue, Severity(receiver.severity_at_least), wants_updates))
    return routes
