"""A certificate authority of a test's own, made by the openssl command: certificates of any dates and names."""

from __future__ import annotations

import ssl
from datetime import datetime
from pathlib import Path

from tests.support.certificates import Certificate
from tests.support.commands import run

KEY = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
CONFIGURATION = """
[ca]
default_ca = here
[here]
database = {folder}/index
serial = {folder}/serial
new_certs_dir = {folder}
default_md = sha256
policy = any
copy_extensions = copy
unique_subject = no
[any]
commonName = supplied
"""


class Authority:
    """One authority in a folder; `file` is its own certificate."""

    def __init__(self, folder: Path, name: str = "Test authority") -> None:
        folder.mkdir(exist_ok=True)
        self._folder = folder
        self.file, self._key = folder / "ca.crt", folder / "ca.key"
        (folder / "index").touch()
        (folder / "serial").write_text("01")
        (folder / "ca.cnf").write_text(CONFIGURATION.format(folder=folder))
        run(
            [
                "openssl",
                "req",
                "-x509",
                *KEY,
                "-days",
                "30",
                "-subj",
                f"/CN={name}",
                "-out",
                self.file,
                "-keyout",
                self._key,
            ]
        )

    def issue(
        self, starts: datetime, ends: datetime, names: str = "DNS:localhost,IP:127.0.0.1", *, authority: bool = False
    ) -> Certificate:
        """Return a certificate that holds from one moment to another, and its key."""
        number = len(list(self._folder.glob("*.csr")))
        request = self._folder / f"{number}.csr"
        made = Certificate(self._folder / f"{number}.crt", self._folder / f"{number}.key")
        extensions = ["-addext", f"subjectAltName={names}"]
        extensions += ["-addext", "basicConstraints=critical,CA:TRUE"] if authority else []
        run(["openssl", "req", *KEY, "-subj", f"/CN=leaf-{number}", *extensions, "-out", request, "-keyout", made.key])
        run([
            "openssl", "ca", "-config", self._folder / "ca.cnf", "-batch", "-notext",
            "-cert", self.file, "-keyfile", self._key, "-in", request, "-out", made.file,
            "-startdate", f"{starts:%Y%m%d%H%M%SZ}", "-enddate", f"{ends:%Y%m%d%H%M%SZ}",
        ])  # fmt: skip
        return made

    def below(self, starts: datetime, ends: datetime) -> Authority:
        """Return an authority that this one vouches for from one moment to another."""
        made = self.issue(starts, ends, "DNS:between", authority=True)
        inner = Authority(self._folder / "below", "Authority between")
        inner.file, inner._key = made.file, made.key
        return inner


def serving(certificate: Certificate, *chain: Path) -> ssl.SSLContext:
    """Return what a server needs to show a certificate, with others of its chain behind it."""
    whole = certificate.file.with_suffix(".chain")
    whole.write_text("".join(file.read_text() for file in (certificate.file, *chain)))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(whole, certificate.key)
    return context
