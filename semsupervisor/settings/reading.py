"""From parsed TOML to frozen structs, field by field, so that every fault is found and not only the first."""

from __future__ import annotations

import types
import typing
from collections.abc import Mapping
from typing import Any, TypeVar

import msgspec
from msgspec import UNSET, UnsetType
from msgspec.structs import FieldInfo

from semsupervisor.kit.text import did_you_mean, listed
from semsupervisor.settings import secret, values
from semsupervisor.settings.allowed import matching
from semsupervisor.settings.forms import Secret, Section
from semsupervisor.settings.problems import Problem, found_text, join
from semsupervisor.settings.references import how, references

S = TypeVar("S", bound=Section)

DEFAULT = "default"
NAMES = matching("[A-Za-z0-9_-]{1,64}", "a name of a-z, A-Z, 0-9, _ and -, at most 64 characters long")


class Notes:
    """What one reading of a file gathers beside the values: problems, findings, and where each value came from.

    `source` is the name of the file in `origins`. `references` holds where secrets are, by their key path. `resting`
    has the key paths of tables that lack what they name, with the reason: they are to be switched off. `missing` says
    as problems what they lack, but for credentials, which only the daemon can see.
    """

    def __init__(self, source: str, environment: Mapping[str, str]) -> None:
        self.source = source
        self.environment = environment
        self.problems: list[Problem] = []
        self.findings: list[str] = []
        self.origins: dict[str, str] = {}
        self.references: dict[str, str] = {}
        self.resting: dict[str, str] = {}
        self.missing: list[Problem] = []

    def refuse(self, key: str, found: str, allowed: str) -> UnsetType:
        """Record a problem and return the value that stands for none."""
        self.problems.append(Problem(key, found, allowed))
        return UNSET

    def rest(self, key: str, why: str, problem: Problem | None = None) -> None:
        """Record that the table of that key path lacks what it needs, and why."""
        self.resting[key] = why
        self.findings.append(f"{key} is disabled: {why}")
        self.missing += [problem] if problem else []


def read_section(kind: type[S], table: object, key: str, notes: Notes) -> S | UnsetType:
    """Return the struct that a table describes, a refused value being replaced by its default.

    All problems go into `notes`. Unset: the table is none, or a value without a default is missing or was refused.
    """
    if not isinstance(table, dict):
        return notes.refuse(key, found_text(table), f"a table [{key}]")
    known: dict[str, Any] = {}
    whole = True
    fields = msgspec.structs.fields(kind)
    for field in fields:
        value = _read_field(field, table, key, notes)
        if value is UNSET and field.required:
            whole = False
        elif value is not UNSET:
            known[field.name] = value
    _refuse_unknown(table, _known_keys(kind, fields), key, notes)
    return kind(**known) if whole else UNSET


def _known_keys(kind: type[Section], fields: tuple[FieldInfo, ...]) -> list[str]:
    tag = kind.__struct_config__.tag_field
    known = [tag] if tag else []
    for field in fields:
        known += references(field.encode_name) if _is_secret(field) else (field.encode_name,)
    return known


def _refuse_unknown(table: Mapping[str, object], known: list[str], key: str, notes: Notes) -> None:
    secrets = [name.removesuffix("_file") for name in known if name.endswith("_file") and f"{name[:-5]}_env" in known]
    for name in table:
        if name not in known and name not in secrets:
            hint = did_you_mean(name, known)
            notes.refuse(join(key, name), f"an unknown key{f' ({hint})' if hint else ''}", listed(known))


def _is_secret(field: FieldInfo) -> bool:
    return bool(field.type == Secret | None)


def _read_field(field: FieldInfo, table: dict[str, Any], path: str, notes: Notes) -> Any:
    name = field.encode_name
    key = join(path, name)
    if _is_secret(field):
        return _read_secret(name, table, path, notes)
    if isinstance(field.type, type) and issubclass(field.type, Section):
        return read_section(field.type, table.get(name, {}), key, notes)
    if typing.get_origin(field.type) is dict:
        return _read_named(typing.get_args(field.type)[1], table.get(name, {}), key, notes)
    if name in table:
        value = _read_value(field.type, table[name], key, notes)
        if value is not UNSET:
            notes.origins[key] = notes.source
        return value
    if field.required:
        return notes.refuse(key, "nothing", values.allowed(field.type))
    if field.default is not None:
        notes.origins[key] = DEFAULT
    return UNSET


def _read_named(kind: Any, table: object, key: str, notes: Notes) -> dict[str, Any]:
    """Return a table of tables whose keys are names that the operator chose."""
    if not isinstance(table, dict):
        notes.refuse(key, found_text(table), f"tables [{key}.NAME]")
        return {}
    named = {}
    for name, inner in table.items():
        path = join(key, name)
        if not NAMES.test(name):
            notes.refuse(path, f"the name {found_text(name)}", NAMES.words)
        one_of_several = typing.get_origin(kind) is types.UnionType
        value = _read_tagged(kind, inner, path, notes) if one_of_several else read_section(kind, inner, path, notes)
        if value is not UNSET:
            named[name] = value
    return named


def _read_tagged(union: Any, table: object, key: str, notes: Notes) -> Any:
    """Return a table that is one of several kinds, which its `type` tells."""
    kinds: dict[object, type[Section]] = {kind.__struct_config__.tag: kind for kind in typing.get_args(union)}
    if not isinstance(table, dict):
        return notes.refuse(key, found_text(table), f"a table [{key}]")
    tag = table.get("type")
    if not isinstance(tag, str) or tag not in kinds:
        found = found_text(tag) if "type" in table else "nothing"
        return notes.refuse(join(key, "type"), found, listed(f'"{kind}"' for kind in kinds))
    notes.origins[join(key, "type")] = notes.source
    return read_section(kinds[tag], table, key, notes)


def _read_secret(name: str, table: dict[str, Any], path: str, notes: Notes) -> Secret | UnsetType | None:
    key = join(path, name)
    if name in table:
        return notes.refuse(key, "a secret written into the file", how(name))
    given = [reference for reference in references(name) if reference in table]
    if len(given) > 1:
        return notes.refuse(key, listed(given, "and"), how(name))
    if not given:
        return None
    reference, where = given[0], table[given[0]]
    key = join(path, reference)
    if not isinstance(where, str):
        return notes.refuse(key, found_text(where), how(name))
    notes.references[key] = where
    notes.origins[key] = notes.source
    if table.get("enabled") is False:  # a receiver that is switched off needs no secret
        return None
    try:
        fetched = secret.fetch(reference, where, notes.environment)
    except secret.Absent as error:
        notes.rest(path, f"{reference} leads to no secret: {error.found}", Problem(key, error.found, error.allowed))
        return None
    except secret.Refused as error:
        return notes.refuse(key, error.found, error.allowed)
    if fetched.weakness:
        notes.findings.append(f"{key}: {fetched.weakness}")
    if fetched.secret is None:
        notes.rest(path, fetched.missing)
    return fetched.secret


def _read_value(kind: Any, found: object, key: str, notes: Notes) -> Any:
    """Return a value as its type wants it; unset when it was refused, each bad element of a list by itself."""
    value = values.read(kind, found)
    if value is not UNSET:
        return value
    inner = values.element(kind)
    if inner is None or not isinstance(found, list):
        return notes.refuse(key, found_text(found), values.allowed(kind))
    for number, one in enumerate(found):
        if values.read(inner, one) is UNSET:
            notes.refuse(f"{key}[{number}]", found_text(one), values.allowed(inner))
    if not values.fits(kind, found):
        notes.refuse(key, found_text(found), values.allowed(kind))
    return UNSET
