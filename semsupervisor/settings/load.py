"""From the settings file to `Settings`: read, check all of it at once, derive, and say where each value came from."""

from __future__ import annotations

import os
import re
import ssl
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, cast

import msgspec

from semsupervisor.errors import SettingsError
from semsupervisor.settings.allowed import is_absolute_path
from semsupervisor.settings.consistency import contradictions, weaknesses
from semsupervisor.settings.forms import Section
from semsupervisor.settings.model import Settings, StackSettings
from semsupervisor.settings.problems import Problem, found_text, join, told
from semsupervisor.settings.reading import DEFAULT, Notes, read_section

DEFAULT_PATH = Path("/etc/semsupervisor/semsupervisor.toml")
LARGEST_FILE_BYTES = 1024 * 1024

# What the daemon takes from these sections at its start stays so until the next one.
READ_AT_START = ("stack", "docker", "state", "api")


class Loaded(msgspec.Struct, frozen=True, kw_only=True):
    """The effective settings and what is to be said about them.

    `path` is the file that was read, None if there is none. `origins` says for each key path where its value came
    from. `references` holds where secrets are, by key path. `findings` are weaknesses that refuse nothing.

    `waiting` names the sections of which the file says something else than what the daemon was started with.

    `resting` says of receivers that are as if switched off, by name, why: a secret or a certificate is not there. What
    a host lacks at its start must not leave it without supervision; `missing` says the same as problems, for those who
    can do something about them at once.
    """

    settings: Settings
    path: Path | None
    origins: Mapping[str, str]
    references: Mapping[str, str]
    findings: tuple[str, ...]
    waiting: tuple[str, ...] = ()
    resting: Mapping[str, str] = {}
    missing: tuple[Problem, ...] = ()


def load(path: Path | None = None, environment: Mapping[str, str] | None = None) -> Loaded:
    """Return the settings in a file; None means the default path, and all defaults if nothing is there.

    `environment` is where credentials and variables are looked up, the process's own by default.
    Raises: SettingsError with all problems.
    """
    loaded, problems = load_collecting(path, environment)
    if loaded is None or problems:
        raise SettingsError(told(path or DEFAULT_PATH, problems))
    return loaded


def load_collecting(
    path: Path | None = None, environment: Mapping[str, str] | None = None, started: Settings | None = None
) -> tuple[Loaded | None, tuple[Problem, ...]]:
    """Do as `load` does and return the problems instead of raising.

    Beside problems the settings are there as well, with a default for what was refused, so that others can check
    theirs; None if the file could not be read at all. What depends on a refused value is then not to be trusted.
    A daemon that reads them again gives the settings that it was `started` with: what is read only then stays as it is
    there, with all that follows from it.
    """
    file = path or DEFAULT_PATH
    table, problem = _table(file, optional=path is None)
    if problem:
        return None, (problem,)
    notes = Notes(str(file), os.environ if environment is None else environment)
    read = cast("Settings", read_section(Settings, table or {}, "", notes))  # never unset: each table has a default
    read = msgspec.structs.replace(read, stack=_named(read.stack, notes))
    waiting = _waiting(read, started, notes) if started else {}
    settings = _derived(msgspec.structs.replace(read, **waiting), notes)
    receivers = _receivers(table or {})
    refused = {problem.key for problem in notes.problems}
    notes.problems += contradictions(settings, receivers, refused)
    for name, problem in _authorities(receivers):
        notes.rest(join("receivers", name), f"ca_file leads to no certificate: {problem.found}", problem)
    resting = {name: why for name in receivers if (why := notes.resting.get(join("receivers", name)))}
    settings = _at_rest(settings, resting, notes)
    loaded = Loaded(
        settings=settings,
        path=None if table is None else file,
        origins=notes.origins,
        references=notes.references,
        findings=(*notes.findings, *weaknesses(settings)),
        waiting=tuple(waiting),
        resting=resting,
        missing=tuple(notes.missing),
    )
    return loaded, tuple(notes.problems)


def _table(file: Path, *, optional: bool) -> tuple[dict[str, Any] | None, Problem | None]:
    """Return the parsed file, None if it is optional and not there, or why it cannot be read."""
    try:
        with file.open("rb") as opened:
            content = opened.read(LARGEST_FILE_BYTES + 1)
    except FileNotFoundError:
        return None, None if optional else Problem("", "no such file", "an existing settings file")
    except OSError as error:
        return None, Problem("", f"a file that cannot be read ({error.strerror})", "a readable settings file")
    if len(content) > LARGEST_FILE_BYTES:
        return None, Problem("", "more than 1 MiB", "a settings file")
    try:
        return tomllib.loads(content.decode().replace("\r\n", "\n")), None
    except UnicodeDecodeError as error:
        before = content[: error.start]
        column = error.start - (before.rfind(b"\n") + 1) + 1
        return None, _syntax(before.count(b"\n") + 1, column, "bytes that are not UTF-8")
    except RecursionError:
        return None, Problem("", "tables or lists nested too deeply", "valid TOML")
    except tomllib.TOMLDecodeError as error:
        return None, _syntax_error(str(error), content)


def _syntax_error(message: str, content: bytes) -> Problem:
    """Turn what tomllib says into a line, a column and the rest."""
    found = re.fullmatch(r"(.*) \(at line (\d+), column (\d+)\)", message, re.DOTALL)
    if found:
        return _syntax(int(found[2]), int(found[3]), found[1])
    lines = content.decode().splitlines() or [""]
    return _syntax(len(lines), len(lines[-1]) + 1, message.removesuffix(" (at end of document)"))


def _syntax(line: int, column: int, what: str) -> Problem:
    return Problem(f"line {line}, column {column}", f"broken TOML ({what})", "valid TOML")


def _named(stack: StackSettings, notes: Notes) -> StackSettings:
    """Give the project its name unless it has one."""
    if stack.project:
        return stack
    notes.origins["stack.project"] = "the name of stack.directory"
    return msgspec.structs.replace(stack, project=project_of(stack.directory))


def _waiting(read: Settings, started: Settings, notes: Notes) -> dict[str, Section]:
    """Return the sections that have to stay as they were at the start though the file says otherwise, and note it."""
    waiting = {name: getattr(started, name) for name in READ_AT_START if getattr(read, name) != getattr(started, name)}
    for key in notes.origins:
        if key.partition(".")[0] in waiting:
            notes.origins[key] = f"the daemon's start; what {notes.source} says waits for the next"
    return waiting


def _derived(settings: Settings, notes: Notes) -> Settings:
    """Fill in the targets that follow from the services' names unless they are given."""
    stack, checks, shipped = settings.stack, settings.checks, StackSettings()
    if _follows("checks.semstreams.health", "semstreams_service", settings, notes):
        health = checks.semstreams.health.replace(f":{shipped.semstreams_service}:", f":{stack.semstreams_service}:")
        checks = msgspec.structs.replace(checks, semstreams=msgspec.structs.replace(checks.semstreams, health=health))
    for key in ("monitor", "client"):
        if _follows(f"checks.nats.{key}", "nats_service", settings, notes):
            target = getattr(checks.nats, key).replace(f":{shipped.nats_service}:", f":{stack.nats_service}:")
            checks = msgspec.structs.replace(checks, nats=msgspec.structs.replace(checks.nats, **{key: target}))
    return msgspec.structs.replace(settings, checks=checks)


def _follows(key: str, name: str, settings: Settings, notes: Notes) -> bool:
    """Tell whether a default follows a service's name that is not the usual one, and note it."""
    usual = getattr(settings.stack, name) == getattr(StackSettings(), name)
    if notes.origins.get(key) != DEFAULT or usual:
        return False
    notes.origins[key] = f"follows stack.{name}"
    return True


def project_of(directory: str) -> str:
    """Return the name that compose gives to a project in a folder: the folder's, in its own small alphabet."""
    return re.sub("[^a-z0-9_-]", "", Path(directory).name.lower()).lstrip("_-")


def _receivers(table: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """Return the receivers' tables as they stand in the file, refused or not."""
    named = table.get("receivers")
    items = named.items() if isinstance(named, dict) else ()
    return {name: receiver for name, receiver in items if isinstance(receiver, dict)}


def _at_rest(settings: Settings, resting: Mapping[str, str], notes: Notes) -> Settings:
    """Switch off the receivers that lack what they need, and note it."""
    receivers = dict(settings.receivers)
    for name in receivers.keys() & resting.keys():
        receivers[name] = msgspec.structs.replace(receivers[name], enabled=False)
        notes.origins[join(join("receivers", name), "enabled")] = "what it needs is missing"
    return msgspec.structs.replace(settings, receivers=receivers)


def _authorities(receivers: Mapping[str, Mapping[str, Any]]) -> Iterator[tuple[str, Problem]]:
    """Yield whose certificates cannot be used, and why: every message would fail when it is too late."""
    for name, receiver in receivers.items():
        file = receiver.get("ca_file")
        if receiver.get("enabled") is False or not isinstance(file, str) or not is_absolute_path(file):
            continue
        try:
            ssl.create_default_context(cafile=file)
        except OSError as error:
            reason = "no certificate in it" if isinstance(error, ssl.SSLError) else error.strerror
            key = join(join("receivers", name), "ca_file")
            yield name, Problem(key, f"{found_text(file)}: {reason}", "a readable file of PEM certificates")
