"""The certificate that a client shows to a server that asks for one (mutual TLS); read each time, for it is renewed."""

from __future__ import annotations

import ssl

import msgspec

from semsupervisor.errors import TemporaryError
from semsupervisor.kit.blocking import BlockingCalls, Hanging
from semsupervisor.systems.connecting import reason

READ_SECONDS = 2.0


class CertificateUnusable(TemporaryError):
    """Its files cannot be read, or do not belong together."""


class ClientCertificate(msgspec.Struct, frozen=True, kw_only=True):
    """The files of a certificate and its key, in PEM; no `key_file` if the key stands in the same file."""

    file: str = ""
    key_file: str = ""

    def __bool__(self) -> bool:
        return bool(self.file)

    async def load_into(self, context: ssl.SSLContext, files: BlockingCalls) -> None:
        """Have a context show it. Raises: CertificateUnusable."""

        def read() -> None:
            # A key with a passphrase would otherwise ask for it on the terminal.
            context.load_cert_chain(self.file, self.key_file or None, password=lambda: "")

        where = f"the client's certificate in {self.file}"
        where += f" with the key in {self.key_file}" if self.key_file else ""
        try:
            await files.run_in_turn(where, read, READ_SECONDS)
        except Hanging as error:
            raise CertificateUnusable(f"cannot read {error}") from error
        except (OSError, ValueError) as error:
            raise CertificateUnusable(f"cannot use {where}: {reason(error)}") from error
