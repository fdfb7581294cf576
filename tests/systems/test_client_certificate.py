"""The certificate that a client shows: what its files may be, and what is said of those that cannot be used."""

from __future__ import annotations

import ssl
from pathlib import Path

import pytest

from semsupervisor.kit.blocking import BlockingCalls
from semsupervisor.systems import client_certificate
from semsupervisor.systems.client_certificate import CertificateUnusable, ClientCertificate
from tests.support.certificates import self_signed
from tests.support.commands import run
from tests.support.pipes import pipe


async def load(file: Path | str, key_file: Path | str = "") -> None:
    """Have a context show a certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    await ClientCertificate(file=str(file), key_file=str(key_file)).load_into(context, BlockingCalls())


async def test_a_certificate_and_its_key_are_read(tmp_path: Path) -> None:
    """From two files, or from one that holds both; without a file there is none."""
    made = self_signed(tmp_path)
    await load(made.file, made.key)
    both = tmp_path / "both.pem"
    both.write_bytes(made.file.read_bytes() + made.key.read_bytes())
    await load(both)
    assert not ClientCertificate()


async def test_files_that_cannot_be_used_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that is missing, holds something else, belongs to another, wants a passphrase or does not come."""
    (tmp_path / "other").mkdir()
    made, other = self_signed(tmp_path), self_signed(tmp_path / "other")
    with pytest.raises(CertificateUnusable, match=r"none\.pem.*: No such file"):
        await load(tmp_path / "none.pem", made.key)
    with pytest.raises(CertificateUnusable, match=r"server\.crt with the key in .*server\.key: .*mismatch"):
        await load(made.file, other.key)
    locked = tmp_path / "locked.key"
    run(["openssl", "pkey", "-in", made.key, "-aes256", "-passout", "pass:hunter2", "-out", locked])
    with pytest.raises(CertificateUnusable, match=r"cannot use the client's certificate in .*locked\.key"):
        await load(made.file, locked)
    monkeypatch.setattr(client_certificate, "READ_SECONDS", 0.05)
    with pipe(tmp_path / "hanging.pem") as hanging, pytest.raises(CertificateUnusable, match="no answer within"):
        await load(hanging)
