"""What the receiver wrote down: one line for each request that reached it whole, in the order of their coming."""

from __future__ import annotations

import hashlib
import hmac
import json
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

TAKEN = 200


class Violation(AssertionError):
    """Something that was promised does not hold; the text says what, of which alert, and what was seen instead."""


@dataclass(frozen=True)
class Arrival:
    """One message about one alert as it reached the receiver; the moments are seconds since 1970.

    `answer` is the status that was sent back, None when the receiver gave none. `rest` is the body without evidence.
    """

    number: int
    at: float
    answer: int | None
    key: str
    kind: str
    alert: str
    rule: str
    subject: str
    since: float
    resolved_at: float | None
    rest: str

    @property
    def taken(self) -> bool:
        """Tell whether the receiver took responsibility for the message."""
        return self.answer == TAKEN

    @property
    def topic(self) -> tuple[str, str]:
        """Return what may have one open episode only."""
        return (self.rule, self.subject)

    def __str__(self) -> str:
        return f"#{self.number} {self.kind} {self.rule} of {self.subject} (alert {self.alert}, key {self.key})"


class ArrivalLog:
    """The receiver's log, read as far as it has been written."""

    def __init__(self, path: Path, secret: str) -> None:
        self._path = path
        self._secret = secret
        self._offset = 0
        self._number = 0

    def read_new(self) -> list[Arrival]:
        """Return what has come since the last call. Raises: Violation when a message is not what it says to be."""
        with self._path.open("rb") as file:
            file.seek(self._offset)
            lines = file.read()
        whole = lines[: lines.rfind(b"\n") + 1]
        self._offset += len(whole)
        return [arrival for line in whole.splitlines() if (arrival := self._arrival(json.loads(line)))]

    def _arrival(self, entry: dict[str, Any]) -> Arrival | None:
        if "body" not in entry:
            return None  # a change of the receiver's mood
        self._number += 1
        headers, body = entry["headers"], entry["body"]
        self._hold_signature(headers, body)
        told = json.loads(body)
        if headers.get("idempotency-key") != told["key"]:
            raise Violation(f"#{self._number}: the header's key {headers.get('idempotency-key')} is not the body's")
        if len(told["alerts"]) != 1:
            raise Violation(f"#{self._number}: a message about {len(told['alerts'])} alerts, where each has its own")
        alert = told["alerts"][0]
        evidence = alert.pop("evidence")
        if not isinstance(evidence, dict):
            raise Violation(f"#{self._number}: the evidence is {evidence!r}")
        return Arrival(
            number=self._number,
            at=entry["at"] / 1e9,
            answer=entry["answer"],
            key=told["key"],
            kind=told["kind"],
            alert=alert["id"],
            rule=alert["rule"],
            subject=f"{alert['subject']['kind']}:{alert['subject']['name']}",
            since=_seconds(alert["since"]),
            resolved_at=_seconds(alert["resolved_at"]) if alert["resolved_at"] else None,
            rest=json.dumps(told, sort_keys=True),
        )

    def _hold_signature(self, headers: dict[str, str], body: str) -> None:
        signed = f"{headers.get('x-semsupervisor-timestamp', '')}.{body}".encode()
        wanted = "sha256=" + hmac.new(self._secret.encode(), signed, hashlib.sha256).hexdigest()
        if headers.get("x-semsupervisor-signature") != wanted:
            raise Violation(f"#{self._number}: the signature is not that of the body")


def _seconds(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()
