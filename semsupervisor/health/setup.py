"""Findings: weaknesses of the set-up that are shown by status and check, and not sent. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from semsupervisor.health.headroom import Overcommitted, Store
from semsupervisor.health.predecessors import ActiveScript
from semsupervisor.kit.amounts import size
from semsupervisor.kit.cron import OFF
from semsupervisor.settings.model import Settings


class SetupFinding(msgspec.Struct, frozen=True):
    """One weakness: its short name, what it is, what to do about it."""

    name: str
    text: str
    fix: str


class Surroundings(msgspec.Struct, frozen=True, kw_only=True):
    """What was found on the host: whether the stack's folder is there, and which services the project has.

    `services` is None while the engine could not be listed. `scripts` are the runbook's that the host still runs.
    `inside_is_shut` says that the supervisor lacks the right to look from inside the containers' networks, and
    `overcommitted` which stores of JetStream may hold more than there is room for. `left_out` are the streams and
    consumers that are too many to be looked at one by one, by what they are.
    `without_backup` says that no snapshot was ever taken, `backup_beside_data` that snapshots are on one file system
    with the data.
    """

    directory_exists: bool
    project: str
    services: tuple[str, ...] | None
    scripts: tuple[ActiveScript, ...] = ()
    inside_is_shut: bool = False
    overcommitted: tuple[Overcommitted, ...] = ()
    left_out: Mapping[str, int] = msgspec.field(default_factory=dict)
    without_backup: bool = False
    backup_beside_data: bool = False


def findings(settings: Settings, around: Surroundings) -> Sequence[SetupFinding]:
    """Return what is missing for the supervisor to do its whole job, worst first."""
    return [
        *_of_receivers(settings),
        *_of_project(settings, around),
        *_of_scripts(settings, around.scripts),
        *_of_jetstream(around.overcommitted),
        *_of_many(around.left_out),
        *_of_rights(around),
        *_of_backups(settings, around),
    ]


def _of_receivers(settings: Settings) -> Sequence[SetupFinding]:
    if any(receiver.enabled for receiver in settings.receivers.values()):
        return ()
    text = "no receiver is set: alerts are kept and shown, but nobody is told"
    fix = 'add [receivers.NAME] with type = "email" or "webhook" to the settings, then `semsupervisor settings reload`'
    return (SetupFinding("no_receiver", text, fix),)


def _of_project(settings: Settings, around: Surroundings) -> Sequence[SetupFinding]:
    if around.services is None:
        return ()
    if not around.services:
        where = settings.stack.directory
        text = f"no container of the compose project {around.project} exists"
        if not around.directory_exists:
            text += f", and there is no folder {where}"
        fix = f"start the stack (docker compose up -d in {where}), or set stack.directory and stack.project"
        return (SetupFinding("no_project", text, fix),)
    return tuple(
        SetupFinding(
            f"no_service_{key}",
            f"the compose project {around.project} has no service called {name}",
            f"set stack.{key}_service; its services are: {', '.join(around.services)}",
        )
        for key, name in (("semstreams", settings.stack.semstreams_service), ("nats", settings.stack.nats_service))
        if name not in around.services
    )


def _of_scripts(settings: Settings, scripts: Sequence[ActiveScript]) -> Sequence[SetupFinding]:
    if not scripts:
        return ()
    named = ", ".join(f"{one.script} ({one.where})" for one in scripts)
    text = f"the host still runs scripts of the runbook by itself: {named}; two systems must not look after one stack"
    if settings.backup.schedule not in OFF and any(one.takes_backups for one in scripts):
        text += "; scheduled backups wait until it is gone"
    endings = dict.fromkeys(one.ending for one in scripts)
    return (SetupFinding("runbook_scripts", text, "; ".join(endings)),)


def _of_jetstream(stores: Sequence[Overcommitted]) -> Sequence[SetupFinding]:
    return tuple(
        SetupFinding(
            f"jetstream_{one.store.value}_limit",
            f"JetStream may hold {size(one.limit_bytes)} in {_PLACES[one.store]}, and {one.where} has room for "
            f"{size(one.room_bytes)} in all",
            f"set {_LIMITS[one.store]} below that in the jetstream section of the NATS configuration",
        )
        for one in stores
    )


def _of_many(left_out: Mapping[str, int]) -> Sequence[SetupFinding]:
    if not left_out:
        return ()
    counted = " and ".join(f"{count} {what}" for what, count in left_out.items())
    text = f"JetStream has so much that {counted} are only counted: those that are worst off are looked at one by one"
    fix = "remove durable consumers and streams that nobody uses: `semsupervisor facts 'consumer:*'` shows those seen"
    return (SetupFinding("jetstream_too_many", text, fix),)


_PLACES = {Store.MEMORY: "memory", Store.STORAGE: "files"}
_LIMITS = {Store.MEMORY: "max_memory_store", Store.STORAGE: "max_file_store"}


def _of_rights(around: Surroundings) -> Sequence[SetupFinding]:
    if not around.inside_is_shut:
        return ()
    text = "whether SemStreams reaches NATS from inside is not seen: the supervisor may not enter containers' networks"
    fix = "run it with CAP_SYS_ADMIN, as the shipped systemd unit does"
    return (SetupFinding("no_view_from_inside", text, fix),)


def _of_backups(settings: Settings, around: Surroundings) -> Sequence[SetupFinding]:
    found = []
    if around.without_backup:
        text = f"no backup was taken: there is no snapshot of the supervisor's in {settings.backup.directory}"
        found.append(SetupFinding("no_backup", text, "take one with: semsupervisor backup now"))
    if around.backup_beside_data:
        text = (
            f"the backups in {settings.backup.directory} are on one file system with the data: they are lost together"
        )
        fix = "mount another disk there, or set backup.directory to a folder on one"
        found.append(SetupFinding("backup_beside_data", text, fix))
    return found
