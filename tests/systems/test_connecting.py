"""What every client over the network shares."""

from __future__ import annotations

import socket
import ssl
from pathlib import Path

import pytest

from semsupervisor.errors import TemporaryError
from semsupervisor.systems.connecting import LONGEST_REASON, TlsFailed, Trust, reason
from tests.support.certificates import self_signed
from tests.support.pipes import pipe


async def test_a_server_must_prove_its_name() -> None:
    """Whatever is trusted, certificate and host name are checked."""
    context = await Trust().context()
    assert context.check_hostname
    assert context.verify_mode is ssl.CERT_REQUIRED


async def test_certificates_are_read_once_until_forgotten(tmp_path: Path) -> None:
    """The same file gives the same context, and a fresh one after `forget`."""
    file = str(self_signed(tmp_path).file)
    trust = Trust()
    first = await trust.context(file)
    assert await trust.context(file) is first
    trust.forget(file)
    trust.forget(file)
    assert await trust.context(file) is not first


async def test_an_unreadable_file_is_named(tmp_path: Path) -> None:
    """The error says which file, and that trying later may help."""
    with pytest.raises(TlsFailed, match=r"missing\.crt: No such file or directory") as got:
        await Trust().context(str(tmp_path / "missing.crt"))
    assert isinstance(got.value, TemporaryError)


async def test_a_file_that_hangs_holds_up_no_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is given up in time, and what else is trusted can be had meanwhile."""
    monkeypatch.setattr("semsupervisor.systems.connecting.TRUST_SECONDS", 0.05)
    trust = Trust()
    with pipe(tmp_path / "ca.crt") as hanging:
        with pytest.raises(TlsFailed, match=r"cannot read the certificates to trust in .*ca\.crt: no answer within"):
            await trust.context(str(hanging))
        monkeypatch.setattr("semsupervisor.systems.connecting.TRUST_SECONDS", 30.0)
        await trust.context(str(self_signed(tmp_path).file))


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (ConnectionRefusedError(111, "Connect call failed ('127.0.0.1', 1)"), "Connection refused"),
        (socket.gaierror(-2, "Name or service not known"), "Name or service not known"),
        (ValueError("two\n  lines"), "two lines"),
        (ValueError(), "ValueError"),
        (ValueError("x" * 1000), "x" * LONGEST_REASON),
        (ssl.SSLError(1, "[SSL: X] handshake failure"), "[SSL: X] handshake failure"),
    ],
)
def test_a_reason_is_one_short_line(error: Exception, words: str) -> None:
    """The system's words where there are any, else the error's, never more than a line."""
    assert reason(error) == words
