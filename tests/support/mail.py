"""A real mail server on localhost that takes mail, or says what a test wants it to say."""

from __future__ import annotations

import asyncio
import email
import email.policy
import ssl
import warnings
from collections import defaultdict, deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from email.message import EmailMessage
from typing import Any, Literal

import msgspec
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

OK = "250 OK"

Security = Literal["starttls", "tls", "none"]


class Mail(msgspec.Struct, frozen=True):
    """One message as the server took it."""

    sender: str
    recipients: tuple[str, ...]
    content: bytes
    encrypted: bool
    login: str

    def parsed(self) -> EmailMessage:
        """Return the message itself."""
        message = email.message_from_bytes(self.content, policy=email.policy.default)
        assert isinstance(message, EmailMessage)
        return message


class MailServer:
    """What the server took, what it was asked, and what it is to say next to a recipient or after DATA."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.mails: list[Mail] = []
        self.asked: list[str] = []
        self.say_to: dict[str, deque[str]] = defaultdict(deque)
        self.say_after_data: deque[str] = deque()
        self.accounts: dict[str, str] = {}

    async def handle_EHLO(  # noqa: N802
        self, server: SMTP, session: Session, envelope: Envelope, hostname: str, responses: list[str]
    ) -> list[str]:
        """Note who greets."""
        self.asked.append(f"EHLO {hostname}")
        session.host_name = hostname
        return responses

    async def handle_RCPT(  # noqa: N802
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        """Take a recipient, or say to it what is wanted."""
        self.asked.append(f"RCPT {address}")
        said = self.say_to[address].popleft() if self.say_to[address] else OK
        if said == OK:
            envelope.rcpt_tos.append(address)
        return said

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
        """Take a message, or say what is wanted."""
        self.asked.append("DATA")
        said = self.say_after_data.popleft() if self.say_after_data else OK
        if said == OK:
            assert isinstance(envelope.content, bytes)
            login = bytes(getattr(session.auth_data, "login", b"")).decode()
            encrypted = server.transport is not None and bool(server.transport.get_extra_info("sslcontext"))
            taken = Mail(str(envelope.mail_from), tuple(envelope.rcpt_tos), envelope.content, encrypted, login)
            self.mails.append(taken)
        return said

    def check(self, _: SMTP, __: Session, ___: Envelope, mechanism: str, given: Any) -> AuthResult:
        """Let in who has an account."""
        self.asked.append(f"AUTH {mechanism}")
        if isinstance(given, LoginPassword) and self.accounts.get(given.login.decode()) == given.password.decode():
            return AuthResult(success=True, auth_data=given)
        return AuthResult(success=False, handled=False)


@asynccontextmanager
async def mail_server(
    security: Security = "none",
    tls: ssl.SSLContext | None = None,
    accounts: dict[str, str] | None = None,
    port: int = 0,
) -> AsyncIterator[MailServer]:
    """Serve SMTP on localhost; with accounts only who logs in may send."""
    state = MailServer(port)
    state.accounts = accounts or {}

    def protocol() -> SMTP:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return SMTP(
                state,
                tls_context=tls if security == "starttls" else None,
                require_starttls=security == "starttls",
                auth_required=bool(accounts),
                auth_require_tls=security == "starttls",
                authenticator=state.check,
                enable_SMTPUTF8=True,
            )

    loop = asyncio.get_running_loop()
    server = await loop.create_server(protocol, "127.0.0.1", port, ssl=tls if security == "tls" else None)
    state.port = int(server.sockets[0].getsockname()[1])
    try:
        yield state
    finally:
        server.close()
        await server.wait_closed()
