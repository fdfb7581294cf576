"""Secrets by reference: `password_file`, `password_credential` or `password_env` in the place of `password`."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Mapping
from pathlib import Path

import msgspec

from semsupervisor.settings.forms import Secret
from semsupervisor.settings.problems import found_text

LARGEST_SECRET_BYTES = 64 * 1024
CREDENTIALS_DIRECTORY = "CREDENTIALS_DIRECTORY"

_CREDENTIAL_NAME = re.compile(r"(?!\.\.?$)[A-Za-z0-9._-]{1,255}")
_VARIABLE_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


class Refused(Exception):
    """A reference leads to no secret: what was found, and what is allowed."""

    def __init__(self, found: str, allowed: str) -> None:
        super().__init__(found)
        self.found = found
        self.allowed = allowed


class Absent(Refused):
    """A reference is sound, but there is no secret behind it just now: its receiver has to rest."""


class Fetched(msgspec.Struct, frozen=True):
    """What a reference led to. No secret: `missing` says why its receiver has to rest. `weakness` is a finding."""

    secret: Secret | None
    missing: str = ""
    weakness: str = ""


def fetch(reference: str, where: str, environment: Mapping[str, str]) -> Fetched:
    """Read the secret that one reference names.

    A missing or empty credential is no error at all: systemd starts a unit whose credential has an empty fallback, and
    who looks without systemd cannot know it.
    Raises: Refused when the reference is none; Absent when it leads to nothing that can be used.
    """
    if reference.endswith("_file"):
        return _from_file(where)
    if reference.endswith("_credential"):
        return _from_credential(where, environment)
    return _from_variable(where, environment)


def _from_file(name: str) -> Fetched:
    if not name.startswith("/"):
        raise Refused(found_text(name), 'a path that begins with "/"')
    path = Path(name)
    text, mode = _content(path)
    if not text:
        raise Absent(f"the empty file {path}", "a file with the secret as its only line")
    readable_by_all = f"every user of this host can read the secret in {path}: type `chmod 600 {path}`"
    return Fetched(Secret(text, f"file {path}"), weakness=readable_by_all if mode & stat.S_IROTH else "")


def _from_credential(name: str, environment: Mapping[str, str]) -> Fetched:
    if _CREDENTIAL_NAME.fullmatch(name) is None:
        raise Refused(found_text(name), "the name of a systemd credential, a file name without a path")
    directory = environment.get(CREDENTIALS_DIRECTORY)
    if not directory:
        return Fetched(None, f"the credential {name} is not there: ${CREDENTIALS_DIRECTORY} is set by systemd alone")
    path = Path(directory) / name
    try:
        text, _ = _content(path)
    except Absent as error:
        if isinstance(error.__cause__, FileNotFoundError):
            absent = f"the credential {name} is not in {directory}: give the unit LoadCredential={name}:/path"
            return Fetched(None, absent)
        raise
    if not text:
        return Fetched(None, f"the credential {name} in {directory} is empty")
    return Fetched(Secret(text, f"credential {name}"))


def _from_variable(name: str, environment: Mapping[str, str]) -> Fetched:
    if _VARIABLE_NAME.fullmatch(name) is None:
        raise Refused(found_text(name), "the name of an environment variable")
    text = environment.get(name, "")
    if not text:
        state = "empty" if name in environment else "not set"
        raise Absent(f"the environment variable {name}, which is {state}", "a variable that holds the secret")
    return Fetched(Secret(_line(text, f"in the environment variable {name}"), f"environment variable {name}"))


def _content(path: Path) -> tuple[str, int]:
    """Return the one line in a file and the file's mode."""
    try:
        content, mode = _bytes(path)
    except OSError as error:
        raise Absent(f"{path}: {error.strerror}", "a file that the supervisor can read") from error
    if not stat.S_ISREG(mode):
        raise Absent(f"{path}, which is no regular file", "a file that the supervisor can read")
    if len(content) > LARGEST_SECRET_BYTES:
        raise Absent(f"{path}, which is larger than 64 KiB", "a file with the secret as its only line")
    try:
        return _line(content.decode(), f"in {path}"), mode
    except UnicodeDecodeError as error:
        raise Absent(f"bytes in {path} that are not UTF-8", "a file with the secret as its only line") from error


def _bytes(path: Path) -> tuple[bytes, int]:
    """Return what is in a file, nothing if it is no regular one, and its mode."""
    # A pipe without a writer must not hold up the start.
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        mode = os.fstat(descriptor).st_mode
        content = os.read(descriptor, LARGEST_SECRET_BYTES + 1) if stat.S_ISREG(mode) else b""
    finally:
        os.close(descriptor)
    return content, mode


def _line(text: str, where: str) -> str:
    """Return a secret without the line break that editors add; one with more than a line fits no header or login."""
    line = text.rstrip("\r\n")
    if re.search(r"[\x00-\x1f\x7f]", line):
        raise Absent(f"line breaks or control characters {where}", "one line of text")
    return line
