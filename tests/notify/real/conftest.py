"""What every test with a real server shares: no secret of an address is ever shown, whatever happens to it."""

import logging
import ssl
import subprocess
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from shutil import which

import pytest

from tests.notify.real.bot_api import BotApi
from tests.notify.real.mail_server import Certificate
from tests.notify.real.senders import PASSWORD, TOKEN, Sending
from tests.notify.real.web_service import WebService


@pytest.fixture
def sending(
    caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Iterator[Sending]:
    """Channels that are closed at the end, when nothing they said or logged may hold a secret."""
    caplog.set_level(logging.DEBUG)
    sending = Sending()
    # What the mail server of the test says of the passwords it is shown is not ours.
    server = logging.getLogger("mail.log")
    monkeypatch.setattr(server, "disabled", True)
    yield sending
    for channel in sending.channels:
        channel.close()
    printed = capfd.readouterr()
    everything = "".join([*sending.said, *map(repr, sending.channels), caplog.text, printed.out, printed.err])
    assert sending.channels
    for secret in (TOKEN, TOKEN.partition(":")[2], PASSWORD):
        assert secret not in everything


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    """A certificate for 127.0.0.1 that nobody signed but itself."""
    openssl = which("openssl")
    if openssl is None:
        pytest.skip("makes a certificate with openssl")
    place: Path = tmp_path_factory.mktemp("certificate")
    cert, key = place / "cert.pem", place / "key.pem"
    subprocess.run(
        [openssl, "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days",
         "2", "-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", str(key), "-out",
         str(cert)],
        check=True, capture_output=True,
    )  # fmt: skip
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)
    return Certificate(cert, context)


@pytest.fixture
async def bot_api() -> AsyncIterator[BotApi]:
    """Telegram's side of the line."""
    async with BotApi.serving() as api:
        yield api


@pytest.fixture
async def web() -> AsyncIterator[WebService]:
    """Somebody's webhook."""
    async with WebService.serving() as service:
        yield service
