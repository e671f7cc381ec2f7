import asyncio
import logging
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, closing
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from socket import AF_INET, SOCK_STREAM, socket
from typing import Any, cast

import apprise as library
import pytest
from aiohttp import web
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session

from monitor.core.model import Level
from monitor.errors import ConfigError, DeliveryError
from monitor.notify import apprise
from monitor.notify.apprise import AppriseChannel, build_channel
from monitor.notify.retry import ThrottledError
from monitor.notify.verdict import Outcome
from monitor.ports import Channel, Message
from tests.ports import free_port

TOKEN = "123456789:not_a_real_token-not_a_real_token"
TOKEN_TAIL = "not_a_real_token"
NASTY = Message(
    "CRITICAL <x> 82 % & a_b 币安人生USDT",
    "<b>Mark:</b> 1 &lt; 2 &amp; a_b*<br>\n<b>币:</b> x",
    "html",
    Level.CRITICAL,
)
PLAIN = Message("title", "Mark: 1\nRoom: 2", "text", Level.WARNING)


class Service:
    """A web service on loopback that keeps what it is sent and answers as told."""

    def __init__(self) -> None:
        self.port = 0
        self.status = 200
        self.answer: dict[str, Any] = {"ok": True}
        self.got: list[dict[str, Any]] = []
        self.gate = asyncio.Event()
        self.gate.set()
        self.arrived = asyncio.Event()

    async def handle(self, request: web.Request) -> web.Response:
        self.got.append({"path": request.path, **await request.json()})
        self.arrived.set()
        await self.gate.wait()
        return web.json_response(self.answer, status=self.status, headers={"Location": "/elsewhere"})

    def json_url(self, more: str = "") -> str:
        return f"json://user:{TOKEN_TAIL}@127.0.0.1:{self.port}/hook" + (f"?{more}" if more else "")


@asynccontextmanager
async def serving() -> AsyncIterator[Service]:
    service = Service()
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", service.handle)
    runner = web.AppRunner(app, shutdown_timeout=0.1, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    service.port = runner.addresses[0][1]
    try:
        yield service
    finally:
        service.gate.set()
        await runner.cleanup()


@pytest.fixture
async def service() -> AsyncIterator[Service]:
    async with serving() as service:
        yield service


@pytest.fixture
def telegram(service: Service, monkeypatch: pytest.MonkeyPatch) -> Iterator[AppriseChannel]:
    """A Telegram channel whose Bot API is the local service."""
    channel = build_channel("tg", f"tgram://{TOKEN}/42/")
    assert channel._worker is not None
    plugin = type(channel._worker._service[0])
    monkeypatch.setattr(plugin, "notify_url", f"http://127.0.0.1:{service.port}/bot")
    yield channel
    channel.close()


async def failure(channel: AppriseChannel, message: Message = PLAIN) -> DeliveryError:
    with pytest.raises(DeliveryError) as caught:
        await channel.send(message)
    return caught.value


async def test_telegram_gets_html_as_it_was_rendered(telegram: AppriseChannel, service: Service) -> None:
    """The title leads in bold, escaped once; lines stay lines; nothing of the content is read as markup."""
    port: Channel = telegram
    assert (port.name, port.format) == ("tg", "html")
    await port.send(NASTY)
    (got,) = service.got
    assert got["path"] == f"/bot{TOKEN}/sendMessage"
    assert (got["chat_id"], got["parse_mode"]) == (42, "HTML")
    assert got["text"] == (
        "<b>CRITICAL &lt;x&gt; 82 % &amp; a_b 币安人生USDT</b>\r\n<b>Mark:</b> 1 &lt; 2 &amp; a_b*\r\n<b>币:</b> x"
    )


async def test_telegram_may_ask_for_time(telegram: AppriseChannel, service: Service) -> None:
    """retry_after of a 429 reaches the caller, who holds the channel back for so long."""
    service.status = 429
    service.answer = {
        "ok": False, "error_code": 429, "description": "Too Many Requests: retry after 17",
        "parameters": {"retry_after": 17},
    }  # fmt: skip
    error = await failure(telegram, NASTY)
    assert isinstance(error, ThrottledError)
    assert (error.reason, error.retry_after_s, error.permanent) == ("http-429", 17.0, False)
    service.answer = {"ok": False}
    error = await failure(telegram, NASTY)
    assert not isinstance(error, ThrottledError)


@pytest.mark.parametrize(
    ("status", "permanent"), [(401, True), (403, True), (404, True), (400, False), (500, False), (502, False)]
)
async def test_only_a_wrong_token_or_recipient_is_final(
    telegram: AppriseChannel,
    service: Service,
    status: int,
    permanent: bool,  # noqa: FBT001 - a column of the table
) -> None:
    """Everything else may pass, so it is tried again."""
    service.status = status
    service.answer = {"ok": False, "description": "error=500 timed out"}
    error = await failure(telegram)
    assert error.reason.startswith("http-")
    assert (error.reason, error.permanent) == (f"http-{status}", permanent)


async def test_a_redirect_is_no_acceptance(service: Service) -> None:
    """Following one turns the POST into a GET whose answer means nothing."""
    channel = build_channel("hook", service.json_url())
    service.status = 302
    error = await failure(channel)
    assert error.reason == "http-302"
    assert len(service.got) == 1
    channel.close()


async def test_a_title_field_is_not_escaped(service: Service) -> None:
    """Services with a title of their own show it as plain text; the level picks the type."""
    channel = build_channel("hook", service.json_url())
    assert channel.format == "text"
    await channel.send(Message("a < b & c_d 币", "x: <1>\ny: 2", "text", Level.EMERGENCY))
    (got,) = service.got
    assert (got["title"], got["message"], got["type"]) == ("a < b & c_d 币", "x: <1>\ny: 2", "failure")
    channel.close()


async def test_markdown_arrives_as_markdown(service: Service) -> None:
    """A format asked for in the address, or by the caller, is the one that is rendered."""
    asked = build_channel("hook", service.json_url("format=markdown"))
    told = build_channel("hook", service.json_url(), fmt="markdown")
    assert (asked.format, told.format) == ("markdown", "markdown")
    await asked.send(Message("t", "- **Account:** a\\_b \\<c\\>", "markdown", Level.OK))
    assert service.got[0]["message"] == "- **Account:** a\\_b \\<c\\>"
    asked.close()
    told.close()


async def test_it_does_not_try_again_by_itself(service: Service) -> None:
    """Repeating is the caller's business, whatever the address asks for."""
    channel = build_channel("hook", service.json_url("retry=3&wait=0"))
    service.status = 500
    assert (await failure(channel)).reason == "http-500"
    assert len(service.got) == 1
    channel.close()


async def test_nobody_listening_is_a_reason() -> None:
    """A refused connection is told from a refused message."""
    with closing(socket(AF_INET, SOCK_STREAM)) as taken:
        taken.bind(("127.0.0.1", 0))  # bound but not listening: connecting fails
        channel = build_channel("hook", f"json://127.0.0.1:{taken.getsockname()[1]}/")
        assert (await failure(channel)).reason == "refused"
        mail = build_channel(
            "mail", f"mailto://127.0.0.1:{taken.getsockname()[1]}/?from=a@example.com&to=b@example.com"
        )
        assert (await failure(mail)).reason == "refused"
    channel.close()
    mail.close()


async def test_time_outs_are_set(service: Service) -> None:
    """A server that takes the message and says nothing costs seconds; the address may say how many."""
    channel = build_channel("hook", service.json_url())
    worker = channel._worker
    assert worker is not None
    assert worker._service[0].request_timeout == (4.0, apprise.READ_TIMEOUT_S)
    slow = build_channel("hook", service.json_url("rto=0.2"))
    service.gate.clear()
    assert (await failure(slow)).reason == "timeout"
    assert slow.replaced == 0
    channel.close()
    slow.close()


async def test_a_hung_send_is_left_behind(service: Service) -> None:
    """It counts as failed, its thread is replaced, and the next message goes through."""
    channel = AppriseChannel("hook", service.json_url("rto=60"), send_timeout_s=0.1)
    service.gate.clear()
    assert (await failure(channel)).reason == "timeout"
    assert channel.replaced == 1
    left = channel._stuck[0]
    assert left.is_alive()
    service.gate.set()
    await asyncio.to_thread(left._thread.join, 10)
    assert not left.is_alive()
    channel._send_timeout_s = 30.0
    await channel.send(PLAIN)
    assert len(service.got) == 2
    assert channel._stuck == []
    channel.close()


async def test_threads_left_behind_are_limited(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    """A service that never answers cannot fill the memory with threads; it is asked again when one ended."""
    monkeypatch.setattr(apprise, "_MOST_STUCK", 1)
    channel = AppriseChannel("hook", service.json_url("rto=60"), send_timeout_s=0.1)
    service.gate.clear()
    assert (await failure(channel)).reason == "timeout"
    assert (await failure(channel)).reason == "stuck"
    await service.arrived.wait()
    assert len(service.got) == 1
    service.gate.set()
    await asyncio.to_thread(channel._stuck[0]._thread.join, 10)
    channel._send_timeout_s = 30.0
    await channel.send(PLAIN)
    channel.close()


async def test_closing_after_a_hung_send_waits_for_nothing(service: Service) -> None:
    """There is no thread to end then, and the one left behind is nobody's business."""
    channel = AppriseChannel("hook", service.json_url("rto=60"), send_timeout_s=0.1)
    service.gate.clear()
    assert (await failure(channel)).reason == "timeout"
    channel.close()
    assert (await failure(channel)).reason == "closed"


async def test_a_channel_that_cannot_start_a_sender_says_so(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No thread to be had, or a file named by the address gone: a failure like any other, tried again later."""

    def no_thread(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    def gone(name: str, url: str) -> library.Apprise:
        raise ConfigError("channels", [])

    channel = build_channel("hook", service.json_url())
    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", no_thread)
        assert (await failure(channel)).reason == "unusable"
    await channel.send(PLAIN)
    channel._worker = None
    with monkeypatch.context() as patch:
        patch.setattr(apprise, "_load", gone)
        assert (await failure(channel)).reason == "unusable"
    channel.close()


async def test_a_cancelled_send_frees_the_channel(service: Service) -> None:
    """The thread still busy with it is left behind like a hung one."""
    channel = build_channel("hook", service.json_url("rto=60"))
    service.gate.clear()
    task = asyncio.ensure_future(channel.send(PLAIN))  # noqa: TID251 - a test stands in for the app
    await service.arrived.wait()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert channel.replaced == 1
    service.gate.set()
    await channel.send(PLAIN)
    channel.close()
    channel._stuck.clear()


async def test_one_message_at_a_time_in_one_thread(service: Service) -> None:
    """Two callers take turns; the thread is a daemon and starts with the first message."""
    channel = build_channel("turns", service.json_url())
    assert "notify-turns" not in {thread.name for thread in threading.enumerate()}
    service.gate.clear()
    first, second = asyncio.ensure_future(channel.send(PLAIN)), asyncio.ensure_future(channel.send(PLAIN))  # noqa: TID251
    await service.arrived.wait()
    assert len(service.got) == 1
    assert [thread.daemon for thread in threading.enumerate() if thread.name == "notify-turns"] == [True]
    service.gate.set()
    await asyncio.gather(first, second)
    assert len(service.got) == 2
    channel.close()


async def test_a_healthy_channel_does_not_wait_for_a_hung_one(service: Service) -> None:
    """Each channel has a thread of its own."""
    async with serving() as other:
        other.gate.clear()
        hung, fine = build_channel("hung", other.json_url("rto=60")), build_channel("fine", service.json_url())
        stuck = asyncio.ensure_future(hung.send(PLAIN))  # noqa: TID251 - a test stands in for the app
        await other.arrived.wait()
        await fine.send(PLAIN)
        assert not stuck.done()
        hung.close()
        (outcome,) = await asyncio.gather(stuck, return_exceptions=True)
        assert isinstance(outcome, DeliveryError)
        assert outcome.reason == "closed"
        fine.close()


async def test_a_closed_channel_sends_nothing(service: Service) -> None:
    """Closing is final, harmless when repeated, and waits for nothing."""
    channel = build_channel("hook", service.json_url())
    await channel.send(PLAIN)
    channel.close()
    channel.close()
    assert (await failure(channel)).reason == "closed"
    assert len(service.got) == 1


def test_an_answer_after_the_end_of_the_loop_is_dropped() -> None:
    """A thread left behind may finish when nobody is there any more."""
    loop = asyncio.new_event_loop()
    future: asyncio.Future[Outcome] = loop.create_future()
    task = apprise._Task(PLAIN, loop, future)
    task._settle(Outcome(accepted=True))
    task._settle(Outcome(accepted=False))
    assert future.result().accepted
    loop.close()
    task.report(Outcome(accepted=True))


HANGING = """
import asyncio, sys
from monitor.core.model import Level
from monitor.errors import DeliveryError
from monitor.notify.apprise import AppriseChannel
from monitor.ports import Message

async def main():
    channel = AppriseChannel("hook", sys.argv[1], send_timeout_s=0.1)
    try:
        await channel.send(Message("t", "b", "text", Level.OK))
    except DeliveryError as error:
        print(error.reason)
    channel.close()

asyncio.run(main())
"""


@pytest.mark.parametrize(
    "url", ["json://127.0.0.1:{}/?rto=600", "mailto://127.0.0.1:{}/?cto=600&from=a@example.com"]
)
def test_a_hung_send_does_not_hold_up_the_exit(url: str) -> None:
    """The process ends while its sender still waits for an answer that would take minutes."""
    with closing(socket(AF_INET, SOCK_STREAM)) as server:
        server.bind(("127.0.0.1", 0))
        server.listen()  # connections succeed, and nothing ever answers
        ended = subprocess.run(
            [sys.executable, "-c", HANGING, url.format(server.getsockname()[1])],
            cwd=Path(__file__).parents[2], capture_output=True, text=True, timeout=60, check=True,
        )  # fmt: skip
    assert ended.stdout == "timeout\n"
    assert ended.stderr == ""


class Postbox:
    """A mail server's ear; refuses recipients whose name says so."""

    def __init__(self) -> None:
        self.mails: list[EmailMessage] = []

    async def handle_RCPT(  # noqa: N802 - the name and the signature are the library's
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if address.startswith("nobody"):
            return "550 no such user"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802 - as above
        content = cast("bytes", envelope.content)
        self.mails.append(message_from_bytes(content, policy=policy.default))
        return "250 OK"


@pytest.fixture
def postbox() -> Iterator[tuple[Postbox, str]]:
    box, port = Postbox(), free_port()
    controller = Controller(box, hostname="127.0.0.1", port=port, ready_timeout=60.0)
    controller.start()
    yield box, f"mailto://127.0.0.1:{port}/?from=watch@example.com&to="
    controller.stop()


async def test_mail_arrives_with_its_subject(postbox: tuple[Postbox, str]) -> None:
    """A real mail server receives title as subject, plain text beside HTML, and all characters intact."""
    box, url = postbox
    channel = build_channel("mail", url + "me@example.com")
    assert channel.format == "html"
    await channel.send(NASTY)
    (mail,) = box.mails
    assert mail["Subject"] == "CRITICAL <x> 82 % & a_b 币安人生USDT"
    assert mail["To"] == "me@example.com"
    html, text = mail.get_body(("html",)), mail.get_body(("plain",))
    assert html is not None
    assert text is not None
    assert "<b>Mark:</b> 1 &lt; 2 &amp; a_b*<br>" in html.get_content()
    assert "Mark: 1 < 2 & a_b*" in text.get_content()
    assert "币: x" in text.get_content()
    channel.close()


async def test_mail_as_text(postbox: tuple[Postbox, str]) -> None:
    """An address may ask for plain text."""
    box, url = postbox
    channel = build_channel("mail", url + "me@example.com&format=text")
    assert channel.format == "text"
    await channel.send(PLAIN)
    body = box.mails[0].get_body(("plain",))
    assert body is not None
    assert body.get_content().splitlines() == ["Mark: 1", "Room: 2"]
    channel.close()


async def test_a_mail_server_s_refusal_has_its_code(postbox: tuple[Postbox, str]) -> None:
    """The code is kept, the server's words are not; a mailbox that does not exist will not tomorrow."""
    _, url = postbox
    channel = build_channel("mail", url + "nobody@example.com")
    error = await failure(channel)
    assert (error.reason, error.permanent) == ("smtp-550", True)
    channel.close()


@pytest.mark.parametrize(
    "url",
    [
        f"nosuchservice://{TOKEN}/",
        f"tgram://bad-{TOKEN_TAIL}/42",
        TOKEN_TAIL,
        "",
    ],
)
def test_an_address_that_cannot_be_used_is_a_configuration_error(url: str) -> None:
    """It names the channel and what is allowed; the address is in no text."""
    with pytest.raises(ConfigError) as caught:
        build_channel("tg", url)
    (problem,) = caught.value.problems
    assert (problem.path, problem.found) == ("channels.tg.url", "an address that Apprise refuses")
    assert (
        TOKEN_TAIL not in f"{caught.value}{caught.value!r}{caught.value.__cause__!r}{caught.value.__context__!r}"
    )


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """A service that Apprise knows but cannot load says what it needs."""
    manager: Any = library.manager_plugins.NotificationManager
    plugin = manager()["mqtt"]
    monkeypatch.setattr(plugin, "enabled", False)
    with pytest.raises(ConfigError, match="it needs: paho-mqtt"):
        build_channel("broker", f"mqtt://user:{TOKEN_TAIL}@localhost/topic")


def test_one_channel_is_one_address() -> None:
    """Several would share a fate that only one of them met."""
    with pytest.raises(ConfigError, match=r"channels\.two\.url: found 2 addresses"):
        build_channel("two", "json://localhost/a, json://localhost/b")


def test_a_format_is_one_of_three() -> None:
    """A format nobody renders is refused at the start."""
    with pytest.raises(ConfigError, match=r"channels\.hook\.format: found 'rtf'"):
        build_channel("hook", "json://localhost/a", fmt="rtf")


def test_pictures_go_where_they_can_and_may() -> None:
    """The service takes files, and nobody switched pictures off."""
    for url, charts, takes in (
        ("json://localhost/a", True, True),
        ("json://localhost/a", False, False),
        ("gotify://localhost/token", True, False),
    ):
        channel: Channel = build_channel("hook", url, charts=charts)
        assert channel.takes_files is takes
        channel.close()


async def test_secrets_never_leave(
    telegram: AppriseChannel, service: Service, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    """With every logger wide open, neither success nor any failure shows a token."""
    root = logging.getLogger()
    caplog.set_level(logging.DEBUG)
    shown = [repr(telegram), str(telegram), telegram.name]
    for status in (200, 401, 429, 500):
        service.status = status
        service.answer = {"ok": status == 200, "description": f"about {TOKEN}"}
        try:
            await telegram.send(NASTY)
        except DeliveryError as error:
            shown += [str(error), repr(error), repr(error.__cause__), repr(error.__context__)]
    with closing(socket(AF_INET, SOCK_STREAM)) as taken:
        taken.bind(("127.0.0.1", 0))
        hook = build_channel("hook", f"json://user:{TOKEN_TAIL}@127.0.0.1:{taken.getsockname()[1]}/{TOKEN_TAIL}")
        shown += [repr(await failure(hook)), repr(hook)]
    with pytest.raises(ConfigError) as caught:
        build_channel("tg", f"tgram://{TOKEN_TAIL}")
    logging.getLogger("urllib3.connectionpool").warning("about %s", TOKEN)
    logging.getLogger("apprise").error("about %s", TOKEN)
    printed = capfd.readouterr()
    everything = "".join([*shown, str(caught.value), caplog.text, printed.out, printed.err])
    assert "tg" in everything
    assert TOKEN_TAIL not in everything
    assert root.level == logging.DEBUG
    hook.close()
