"""A self-signed certificate for servers that a test runs on this host, made by the openssl command."""

from __future__ import annotations

import ssl
from pathlib import Path

import msgspec

from tests.support.commands import run


class Certificate(msgspec.Struct, frozen=True):
    """A certificate for localhost and 127.0.0.1 that is its own authority, and its key."""

    file: Path
    key: Path

    def server_context(self) -> ssl.SSLContext:
        """Return what a server needs to speak TLS with it."""
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(self.file, self.key)
        return context


def self_signed(folder: Path, days: int = 30) -> Certificate:
    """Make a certificate and its key in a folder."""
    made = Certificate(folder / "server.crt", folder / "server.key")
    run([
        "openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
        "-days", str(days), "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1",
        "-out", made.file, "-keyout", made.key,
    ])  # fmt: skip
    return made
