"""Which faults are switched on: what may be asked for, what is active now, what outlives a restart."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

DEFAULTS: dict[str, dict[str, Any]] = {
    "crash": {"exit_code": 3},
    "crash_loop": {"exit_code": 3, "count": 5, "after_seconds": 0.0},
    "status_503": {},
    "degraded": {},
    "garbage": {},
    "huge": {"bytes": 10_000_000},
    "slow": {"seconds": 5.0},
    "hang": {},
    "redirect": {"location": "/elsewhere"},
    "not_offered": {},
    "failing": {"status": 500, "body": ""},
    "leak": {"mib_per_second": 50.0, "until_mib": 0.0},
    "oom": {},
    "oom_child": {},
    "never_ready": {},
    "wrong_version": {"version": "v9.9.9"},
    "drop_flows": {"keep": 0},
    "slow_flow": {},
    "restart": {},
    "failures": {"ratio": 0.5},
    "backlog": {},
    "nats_disconnect": {},
    "log_spam": {"lines_per_second": 1000.0, "seconds": 10.0, "level": "error", "message": "something went wrong"},
    "metrics": {"values": {}, "names": "both", "openmetrics": False},
    "dialect": {"value": "runbook", "pretty": False, "flows": ""},
}
"""Every fault by name with its parameters and their defaults.

What they do is in README.md beside the compose file.
"""

COMMON: dict[str, Any] = {"paths": ["/health"], "persist": False, "only_version": "", "for_seconds": 0.0}
"""Parameters of every fault: the paths it acts on ("*": all but /_fault), whether it outlives the process, on which
version it acts, for how long."""


class FaultRefused(ValueError):
    """What was asked for is no fault that this program knows; the text says what it knows."""


@dataclass(frozen=True)
class Fault:
    """One fault that is switched on."""

    name: str
    parameters: Mapping[str, Any]
    until_monotonic: float = field(default=float("inf"), compare=False)

    def __getitem__(self, key: str) -> Any:
        return self.parameters[key]

    def asked(self) -> dict[str, Any]:
        """The fault as a body for `POST /_fault`, every default filled in."""
        return {"fault": self.name, **self.parameters}


def parse(body: object) -> Fault:
    """Turn the body of a request into a fault.

    Raises: FaultRefused when the name, a parameter or a parameter's type is not known.
    """
    if not isinstance(body, dict) or not isinstance(body.get("fault"), str):
        raise FaultRefused('send a JSON object such as {"fault": "crash", "exit_code": 3}')
    name = body["fault"]
    if name not in DEFAULTS:
        raise FaultRefused(f"no fault is called {name!r}; there are: {', '.join(DEFAULTS)}")
    allowed = {**COMMON, **DEFAULTS[name]}
    parameters = dict(allowed) | ({"persist": True} if name == "crash_loop" else {})
    for key, value in body.items():
        if key == "fault":
            continue
        if key not in allowed:
            raise FaultRefused(f"{name} takes no {key!r}; it takes: {', '.join(allowed)}")
        wanted = type(allowed[key])
        if wanted is float and type(value) is int:
            value = float(value)
        if type(value) is not wanted:
            raise FaultRefused(f"{key} of {name} must be of type {wanted.__name__}, found {value!r}")
        parameters[key] = value
    seconds = parameters["for_seconds"]
    return Fault(name, parameters, time.monotonic() + seconds if seconds > 0 else float("inf"))


class FaultBook:
    """The active faults of one process; those that persist are kept in its data volume."""

    def __init__(self, folder: Path, version: str) -> None:
        self._file = folder / "faults.json"
        self._version = version
        self._active: dict[str, Fault] = {}
        if self._file.exists():
            self._active = {fault.name: fault for fault in map(parse, json.loads(self._file.read_text()))}

    def get(self, name: str, path: str | None = None) -> Fault | None:
        """The fault of that name if it is on now, for this version and (if given) for that path."""
        fault = self._active.get(name)
        if fault is None or time.monotonic() >= fault.until_monotonic:
            return None
        if fault["only_version"] not in ("", self._version):
            return None
        return fault if path is None or not {path, "*"}.isdisjoint(fault["paths"]) else None

    def switch_on(self, fault: Fault) -> None:
        """Make the fault active, in place of an earlier one of that name."""
        self._active[fault.name] = fault
        self._save()

    def clear(self, name: str | None = None) -> None:
        """Switch off one fault, or all."""
        for found in [name] if name is not None else list(self._active):
            self._active.pop(found, None)
        self._save()

    def show(self) -> list[dict[str, Any]]:
        """What is active, as it was asked for."""
        return [fault.asked() for name in self._active if (fault := self.get(name))]

    def take_crash(self) -> Fault | None:
        """The crash that this start owes to a crash loop, counted down; None when there is none."""
        fault = self.get("crash_loop")
        if fault is None or fault["count"] <= 0:
            return None
        self.switch_on(Fault(fault.name, {**fault.parameters, "count": fault["count"] - 1}))
        return fault

    def _save(self) -> None:
        kept = [fault.asked() for fault in self._active.values() if fault["persist"]]
        draft = self._file.with_suffix(".new")
        draft.write_text(json.dumps(kept))
        with draft.open("rb") as handle:
            os.fsync(handle.fileno())
        draft.replace(self._file)
