"""A real mail server on loopback, which can be told to misbehave."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from typing import Any, NamedTuple, cast

from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

from tests.notify.real.senders import PASSWORD


class Certificate(NamedTuple):
    path: Path
    context: ssl.SSLContext


class MailServer:
    """Takes mail from the user ``watch``; a 5xx or 4xx reply can be set for each step."""

    def __init__(self) -> None:
        self.port = 0
        self.mails: list[EmailMessage] = []
        self.recipients: list[str] = []
        self.protected: list[bool] = []  # of each mail: it came through TLS
        self.names: list[str] = []  # who logged in
        self.needs_login = False
        self.at_sender = self.at_recipient = self.at_data = "250 OK"
        self.drops_data = False
        self.refuses_pictures = False
        self.silent = asyncio.Event()  # set by a connection that is then left without an answer
        self.hangs = False
        self.release = asyncio.Event()

    def authenticate(self, server: SMTP, session: Session, envelope: Envelope, way: str, data: Any) -> AuthResult:  # noqa: ANN401 - the library's
        given = cast("LoginPassword", data)
        if given != LoginPassword(b"watch", PASSWORD.encode()):
            # Words a real server has, with what must never be shown.
            return AuthResult(success=False, handled=False, message=f"535 5.7.8 not accepted: {PASSWORD}")
        self.names.append("watch")
        return AuthResult(success=True)

    async def handle_MAIL(  # noqa: N802 - the names and signatures are the library's
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if self.hangs:
            self.silent.set()
            await self.release.wait()
        if self.needs_login and not session.authenticated:
            return "530 5.7.0 Authentication required"
        envelope.mail_from = address
        return self.at_sender

    async def handle_RCPT(  # noqa: N802 - as above
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if self.at_recipient.startswith("250"):
            envelope.rcpt_tos.append(address)
        return self.at_recipient

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802 - as above
        content = cast("bytes", envelope.content)
        if self.refuses_pictures and b"image/png" in content:
            return "552 5.3.4 Message size exceeds fixed limit"
        if self.at_data.startswith("250"):
            self.mails.append(message_from_bytes(content, policy=policy.default))
            self.recipients += envelope.rcpt_tos
            self.protected.append(_transport(server).get_extra_info("sslcontext") is not None)
        return self.at_data


def _transport(server: SMTP) -> asyncio.Transport:
    assert isinstance(server.transport, asyncio.Transport)
    return server.transport


class _Protocol(SMTP):
    """The library's server, which can also cut the line in the middle of a message."""

    async def smtp_DATA(self, arg: str) -> None:  # noqa: N802 - as above
        if not self.event_handler.drops_data:
            await super().smtp_DATA(arg)
            return
        await self.push("354 go on")
        await self._reader.read(64)
        _transport(self).abort()


@asynccontextmanager
async def mail_server(
    implicit: ssl.SSLContext | None = None, starttls: ssl.SSLContext | None = None
) -> AsyncIterator[MailServer]:
    """Serve mail: in the clear, through TLS from the first byte, or only after STARTTLS."""
    box = MailServer()
    loop = asyncio.get_running_loop()

    def protocol() -> SMTP:
        return _Protocol(
            box, hostname="mail.test", tls_context=starttls, require_starttls=starttls is not None,
            auth_require_tls=False, authenticator=box.authenticate, loop=loop, timeout=30,
        )  # fmt: skip

    server = await loop.create_server(protocol, "127.0.0.1", 0, ssl=implicit)
    box.port = server.sockets[0].getsockname()[1]
    try:
        yield box
    finally:
        box.release.set()
        server.close()
        await server.wait_closed()
