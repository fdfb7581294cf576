"""What one probe or event saw: facts about a subject at one moment. Unknown is a value, never a guess."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

import msgspec
from msgspec.structs import force_setattr

from semsupervisor.kit.clock import Instant
from semsupervisor.kit.text import encodable, encodable_texts


class SubjectKind(StrEnum):
    """The kinds of thing that facts are about; rules are indexed by it."""

    SUPERVISOR = "supervisor"
    HOST = "host"
    FILESYSTEM = "filesystem"
    ENGINE = "engine"
    SERVICE = "service"
    NATS = "nats"
    SEMSTREAMS = "semstreams"
    STREAM = "stream"
    CONSUMER = "consumer"
    CERTIFICATE = "certificate"
    CHECK = "check"
    BACKUP = "backup"
    PROBE = "probe"
    RECEIVER = "receiver"


class Subject(msgspec.Struct, frozen=True, order=True):
    """One thing that is watched, for example the service `nats` or the file system `/`.

    A stream is called `STREAM`, or `ACCOUNT/STREAM` outside the default account; a consumer `STREAM/CONSUMER` likewise.
    """

    kind: SubjectKind
    name: str

    def __post_init__(self) -> None:
        if not self.name.isascii():
            force_setattr(self, "name", encodable(self.name))

    def __str__(self) -> str:
        return f"{self.kind.value}:{self.name}"


ENGINE = Subject(SubjectKind.ENGINE, "docker")
"""The one engine of this host."""

HOST = Subject(SubjectKind.HOST, "host")
"""The host itself."""


BACKUPS = Subject(SubjectKind.BACKUP, "snapshots")
"""The snapshots that the supervisor took of this host."""


class Unknown(msgspec.Struct, frozen=True, tag="unknown"):
    """A fact that could not be read, and why; it neither fires nor resolves anything."""

    reason: str

    def __post_init__(self) -> None:
        if not self.reason.isascii():
            force_setattr(self, "reason", encodable(self.reason))

    def __str__(self) -> str:
        return f"unknown ({self.reason})"


UNLIMITED = "unlimited"
"""The value of a limit that there is none of: known, and larger than any number."""

FactValue = bool | int | float | str | Unknown


def encodable_facts(facts: Mapping[str, FactValue]) -> Mapping[str, FactValue]:
    """Return facts and their names so that they can be encoded."""
    return {encodable(name): encodable(value) if isinstance(value, str) else value for name, value in facts.items()}


class Outcome(StrEnum):
    """How a probe ended: it saw, the target is down, nothing can be said, or the target does not offer it."""

    OK = "ok"
    DOWN = "down"
    UNKNOWN = "unknown"
    NOT_OFFERED = "not_offered"


ENDED_AT = "ended_at"
"""The evidence that says of which end the other evidence is: what belongs to different ends is not mixed."""


class Observation(msgspec.Struct, frozen=True):
    """Facts about one subject, seen by one source at one moment.

    A fact that is missing was not looked at (or is not offered); one that is `Unknown` was looked at in vain.
    `evidence` holds short texts for people (exit reason, first bytes of an unreadable body), secrets masked.
    `gone` says that the subject itself was removed: its alerts end. `condition` is a sentence on how the subject is,
    set where it is not well: an alert that ends is then over for that reason, not for the one its rule would give.
    `unsettled` names the facts that grow with the time for which something was seen, of what may be older than the
    looking: they are at least so large, and one that is missing will come. They begin an alert, but end none.
    `apart` says of a consumer that what befalls SemStreams is not why it is as it is.
    Whatever the texts hold that was no UTF-8 where it was read is made encodable here.
    """

    source: str
    subject: Subject
    at: Instant
    facts: Mapping[str, FactValue]
    evidence: Mapping[str, str] = {}
    outcome: Outcome = Outcome.OK
    gone: bool = False
    condition: str = ""
    unsettled: frozenset[str] = frozenset()
    apart: bool = False

    def __post_init__(self) -> None:
        force_setattr(self, "facts", encodable_facts(self.facts))
        force_setattr(self, "evidence", encodable_texts(self.evidence))
        force_setattr(self, "condition", encodable(self.condition))
