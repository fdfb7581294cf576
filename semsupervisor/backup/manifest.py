"""What a snapshot says of itself: the manifest that is written last, without which it is no snapshot. Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from typing import Any

import msgspec

FILE_NAME = "manifest.json"
VERSION = 1

_SEAL = b'\n  "seal": "'
_END = b'"\n}\n'


class Kind(StrEnum):
    """How it was taken: from the running server, or of the stopped server's volume."""

    HOT = "hot"
    COLD = "cold"


class FileEntry(msgspec.Struct, frozen=True):
    """One file of the snapshot: its size, and the SHA-256 of its content in hexadecimal digits."""

    size_bytes: int
    sha256: str


class StreamEntry(msgspec.Struct, frozen=True, kw_only=True):
    """One stream in it.

    `state` is what the server said when it began: more may be in it, so its counts are "at least". `blocks` are the
    blocks of data in its archive, `unpacked_bytes` what they hold together; 0 where that was not counted yet.
    """

    account: str
    name: str
    file: str
    config: Mapping[str, Any]
    state: Mapping[str, Any]
    blocks: int
    unpacked_bytes: int = 0


class ArchiveEntry(msgspec.Struct, frozen=True, kw_only=True):
    """The whole store in one file, a packed tar: how many files, folders and links are in it, and the files' bytes."""

    file: str
    members: int
    content_bytes: int


class LeftOut(msgspec.Struct, frozen=True):
    """What is not in it, and why; whether it should be, so that the snapshot is incomplete without it."""

    what: str
    why: str
    is_fault: bool


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """All that is known of a snapshot. `files` are by their path below its folder, with `/` between the parts.

    `streams` are those of a hot one, `archive` is what a cold one holds in their place; `downtime_seconds` is how long
    the stack did not work for it.
    `suspicions` say in words what may be damage of the source, beside the snapshot before.
    """

    version: int
    id: str
    kind: Kind
    host: str
    supervisor: str
    began_at: datetime
    ended_at: datetime
    files: Mapping[str, FileEntry]
    streams: tuple[StreamEntry, ...] = ()
    archive: ArchiveEntry | None = None
    left_out: tuple[LeftOut, ...] = ()
    images: Mapping[str, str] = {}
    nats_version: str = ""
    note: str = ""
    suspicions: tuple[str, ...] = ()
    downtime_seconds: float = 0.0

    @property
    def is_complete(self) -> bool:
        """Tell whether all is in it that should be."""
        return not any(one.is_fault for one in self.left_out)

    @property
    def size_bytes(self) -> int:
        """Return what its files take together."""
        return sum(file.size_bytes for file in self.files.values())

    @property
    def content_bytes(self) -> int:
        """Return what its streams take in the server's store."""
        return sum(count(stream.state.get("bytes")) for stream in self.streams)

    @property
    def messages(self) -> int:
        """Return how many messages its streams hold at least."""
        return sum(count(stream.state.get("messages")) for stream in self.streams)


class Unusable(ValueError):
    """The bytes are no manifest of this version; the text says why, and what to do."""


def encode(manifest: Manifest) -> bytes:
    """Return a manifest as it is written: with the SHA-256 of the text itself, without it, as its last line."""
    text = msgspec.json.format(msgspec.json.encode(manifest), indent=2)
    body = text.removesuffix(b"\n}") + b","
    return body + _SEAL + hashlib.sha256(body).hexdigest().encode() + _END


def decode(content: bytes) -> Manifest:
    """Read a manifest. Raises: Unusable."""
    body, seal, digest = content.rpartition(_SEAL)
    try:
        version = msgspec.json.decode(content, type=_Versioned).version
        if version > VERSION:
            raise Unusable(
                f"it is of version {version}, this supervisor knows {VERSION}: use the supervisor that wrote it"
            )
        if not seal or digest != hashlib.sha256(body).hexdigest().encode() + _END:
            raise Unusable(f"{FILE_NAME} has another content than it was written with")
        return msgspec.json.decode(content, type=Manifest)
    except msgspec.DecodeError as error:
        raise Unusable(f"{FILE_NAME} cannot be read: {error}") from error


class _Versioned(msgspec.Struct):
    version: int


def differences(manifest: Manifest, sizes: Mapping[str, int]) -> Sequence[str]:
    """Return how the files that are there differ from the manifest in name and size, in words."""
    found = [f"{path} is missing" for path in manifest.files if path not in sizes]
    found += [f"{path} is not in the manifest" for path in sizes if path not in manifest.files]
    found += [
        f"{path} has {sizes[path]} bytes instead of {entry.size_bytes}"
        for path, entry in manifest.files.items()
        if path in sizes and sizes[path] != entry.size_bytes
    ]
    return sorted(found)


def count(value: object) -> int:
    """Return a count that a server told, 0 for what is none."""
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else 0
