"""Delivery through Apprise, kept at arm's length: its senders block, its log names addresses, it may hang.

Each channel sends in a daemon thread of its own, one message at a time. A send that takes too long is reported
as failed and its thread left behind; the next send gets a new one. Nothing waits for such a thread, not even
the end of the process, because no executor is involved: Python joins the threads of executors at exit.

A message is worth more than its looks: what a service refuses is sent again at once without its picture, then
without its markup.
"""

import asyncio
import contextlib
import queue
import threading
import warnings
from typing import NamedTuple

import apprise
import structlog
from apprise.attachment.memory import AttachMemory

from monitor.errors import ConfigError, DeliveryError, Problem
from monitor.notify.message import escape, notify_type
from monitor.notify.overheard import listening, silence
from monitor.notify.plain import plain
from monitor.notify.retry import ThrottledError
from monitor.notify.verdict import Outcome, judge
from monitor.ports import Message

log = structlog.get_logger()

SEND_TIMEOUT_S = 30.0
READ_TIMEOUT_S = 8.0

_MOST_STUCK = 16  # threads left behind and still alive; each costs a stack
_MOST_REFUSED = 3  # pictures in a row that did not go along; then no more are offered
_JOIN_CHARS = 32  # what Apprise may add to join title and body
_FORMATS = ("text", "html", "markdown")


class AppriseChannel:
    """Implements ``ports.Channel`` with one Apprise address.

    Args:
        name: the name in the configuration.
        url: the address, a secret. Several recipients in one address share one fate: a failure of one repeats
            the message to all.
        fmt: text, html or markdown; by default what the address asks for or the service prefers.
        charts: whether pictures go along where the service takes files.
        send_timeout_s: seconds until a send counts as failed, whatever it is doing.

    Raises:
        ConfigError: Apprise cannot use the address.
    """

    def __init__(
        self,
        name: str,
        url: str,
        *,
        fmt: str | None = None,
        charts: bool = True,
        send_timeout_s: float = SEND_TIMEOUT_S,
    ) -> None:
        silence()
        self._name = name
        self._url = url
        self._send_timeout_s = send_timeout_s
        service = _load(name, url)
        self._format = fmt or service[0].resolve_format(None).value
        if self._format not in _FORMATS:
            raise _refusal(name, "format", f"{self._format!r}", "text, html or markdown")
        # Telegram's silent messages ring once a picture goes along: Apprise does not pass the wish on.
        self._charts = charts and service[0].attachment_support and not getattr(service[0], "silent", False)
        self._pictures_refused = 0  # in a row
        self._bare = False  # the last attempt had a picture and failed: the next has none
        self._plain = False  # the last message was accepted only without markup
        self._turn = asyncio.Lock()
        self._worker: _Worker | None = _Worker(name, service)
        self._stuck: list[_Worker] = []
        self._in_flight: asyncio.Future[Outcome] | None = None
        self._closed = False
        self.replaced = 0

    def __repr__(self) -> str:
        return f"AppriseChannel({self._name!r})"

    @property
    def name(self) -> str:
        """The name in the configuration; safe to log."""
        return self._name

    @property
    def format(self) -> str:
        """``text``, ``html`` or ``markdown``."""
        return self._format

    @property
    def takes_files(self) -> bool:
        """Whether a picture can be attached; no more once the service refused several in a row."""
        return self._charts and self._pictures_refused < _MOST_REFUSED

    async def send(self, message: Message) -> None:
        """Return once the service accepted the message.

        Raises:
            DeliveryError: it did not; ``reason`` is a constant such as ``http-500``, ``refused`` or ``timeout``.
            ThrottledError: it named a time before which it takes nothing.
        """
        async with self._turn:
            pictured = message.chart is not None and self.takes_files and not self._bare
            outcome = await self._attempt(message if pictured else message._replace(chart=None))
            self._note(outcome, pictured=pictured)
        if outcome.accepted:
            return
        if outcome.retry_after_s > 0:
            raise ThrottledError(self._name, outcome.reason, retry_after_s=outcome.retry_after_s)
        raise DeliveryError(self._name, outcome.reason, permanent=outcome.permanent)

    def close(self) -> None:
        """Take nothing more and give up the send in flight, without waiting for it."""
        self._closed = True
        if self._in_flight is not None and not self._in_flight.done():
            self._in_flight.set_result(Outcome(accepted=False, reason="closed"))
        if self._worker is not None:
            self._worker.end()

    def _note(self, outcome: Outcome, *, pictured: bool) -> None:
        """Learn from an attempt; log on its edges that a message is not what it was meant to be."""
        if not outcome.accepted:
            # It may have been the picture that took too long.
            self._bare |= pictured and not outcome.unheard and outcome.retry_after_s <= 0
            return
        self._bare = False
        if outcome.plain and not self._plain:
            log.warning("channel.plain", channel=self._name)
        self._plain = outcome.plain
        if not pictured:
            return
        if not outcome.picture:
            self._pictures_refused = 0
            return
        self._pictures_refused += 1
        if self._pictures_refused in (1, _MOST_REFUSED):
            log.warning(
                "channel.picture_refused", channel=self._name, reason=outcome.picture, more=self.takes_files
            )

    async def _attempt(self, message: Message) -> Outcome:
        try:
            worker = self._ready()
        except (ConfigError, RuntimeError):  # a file the address names is gone, or no thread could be started
            return Outcome(accepted=False, reason="unusable")
        if worker is None:
            return Outcome(accepted=False, reason="closed" if self._closed else "stuck")
        loop = asyncio.get_running_loop()
        self._in_flight = loop.create_future()
        worker.hand(_Task(message, loop, self._in_flight))
        answered = False
        try:
            async with asyncio.timeout(self._send_timeout_s):
                outcome = await self._in_flight
            answered = True
        except TimeoutError:
            return Outcome(accepted=False, reason="timeout")
        else:
            return outcome
        finally:
            self._in_flight = None
            if not answered:  # timed out or cancelled: the thread is still busy with this message
                worker.end()
                self._worker = None
                self._stuck.append(worker)
                self.replaced += 1

    def _ready(self) -> "_Worker | None":
        """Return a thread that is free; None if closed, or while too many are stuck to start another."""
        if self._closed:
            return None
        self._stuck = [worker for worker in self._stuck if worker.is_alive()]
        if self._worker is None and len(self._stuck) < _MOST_STUCK:
            # A service of its own: the thread left behind may still be using the old one.
            self._worker = _Worker(self._name, _load(self._name, self._url))
        if self._worker is not None:
            self._worker.start()
        return self._worker


def build_channel(name: str, url: str, *, fmt: str | None = None, charts: bool = True) -> AppriseChannel:
    """Return a channel for an Apprise address, which sends pictures where ``charts`` and the service allow it.

    Raises:
        ConfigError: Apprise refuses the address, it holds more than one, or its service lacks a package. The
            text never contains the address.
    """
    return AppriseChannel(name, url, fmt=fmt, charts=charts)


class _Task(NamedTuple):
    message: Message
    loop: asyncio.AbstractEventLoop
    done: asyncio.Future[Outcome]

    def report(self, outcome: Outcome) -> None:
        """Settle the future from the sender's thread; nobody listens once the loop is closed."""
        with contextlib.suppress(RuntimeError):
            self.loop.call_soon_threadsafe(self._settle, outcome)

    def _settle(self, outcome: Outcome) -> None:
        if not self.done.done():
            self.done.set_result(outcome)


class _Worker:
    """One thread that sends what it is handed; started with the first message."""

    def __init__(self, name: str, service: apprise.Apprise) -> None:
        self._service = service
        self._handoff: queue.Queue[_Task | None] = queue.Queue(maxsize=1)  # full: a caller broke its turn
        self._ended = False
        self._thread = threading.Thread(target=self._run, name=f"notify-{name}", daemon=True)

    def start(self) -> None:
        """Start the thread unless it runs; raises RuntimeError where the system has none to give."""
        if self._thread.ident is None:
            self._thread.start()

    def hand(self, task: _Task) -> None:
        self._handoff.put_nowait(task)

    def end(self) -> None:
        """Let the thread end after what it is doing."""
        self._ended = True
        with contextlib.suppress(queue.Full):  # a task not yet taken: the flag is seen after it
            self._handoff.put_nowait(None)

    def is_alive(self) -> bool:
        return self._thread.is_alive()

    def _run(self) -> None:
        while (task := self._handoff.get()) is not None:
            task.report(_deliver(self._service, task.message))
            if self._ended:
                return


def _load(name: str, url: str) -> apprise.Apprise:
    """Return Apprise with the one service of ``url``, its time-outs set and its own retries off."""
    asset = apprise.AppriseAsset(
        app_id="position-monitor",
        app_desc="position-monitor",
        async_mode=False,
        default_service_retry=0,
        # A redirected POST becomes a GET whose 200 would pass for an accepted message.
        http_redirects=False,
        interpret_emojis=False,
        # With a limit of its own Apprise sends from an executor, which would hold up the end of the process.
        service_timeout=0,
        storage_mode="memory",
    )
    service = apprise.Apprise(asset=asset)
    with warnings.catch_warnings():
        # The first use imports every service; what some of them import is no concern of an operator.
        warnings.simplefilter("ignore", DeprecationWarning)
        if service.add(url) is not True:
            raise _unusable(name, url)
    if len(service) != 1:
        raise _refusal(name, "url", f"{len(service)} addresses", "one address for each channel")
    plugin = service[0]
    plugin.retry = 0
    if plugin.socket_read_timeout == type(plugin).socket_read_timeout:  # the address does not say
        plugin.socket_read_timeout = READ_TIMEOUT_S
    if plugin.request_rate_per_sec == apprise.NotifyBase.request_rate_per_sec:
        # Half a second below six between messages is for who has no pacing of its own; an emergency never waits.
        plugin.request_rate_per_sec = 0.0
    return service


def _unusable(name: str, url: str) -> ConfigError:
    """Return why Apprise would not take the address: its service may lack a package."""
    schema = url.partition("://")[0].strip().lower()
    for entry in apprise.Apprise().details(show_requirements=True, show_disabled=True)["schemas"]:
        schemas = [*(entry["protocols"] or ()), *(entry["secure_protocols"] or ())]
        if schema in schemas and not entry["enabled"]:
            needs = ", ".join(entry["requirements"]["packages_required"]) or str(entry["requirements"]["details"])
            allowed = "the address of a service whose packages are installed"
            return _refusal(name, "url", "an address that Apprise refuses", allowed, f"it needs: {needs}")
    allowed = "an Apprise address such as tgram://TOKEN/CHAT"
    return _refusal(name, "url", "an address that Apprise refuses", allowed)


def _refusal(name: str, key: str, found: str, allowed: str, hint: str = "") -> ConfigError:
    return ConfigError("channels", [Problem(f"channels.{name}.{key}", found, allowed, hint)])


def _deliver(service: apprise.Apprise, message: Message) -> Outcome:
    """Send and block, falling back to less: without the picture, then without markup.

    A fallback follows at once and its outcome counts, unless it would meet the same obstacle or the time is up.
    """
    without = message._replace(chart=None)
    if message.chart is None:
        return _in_some_form(service, without)
    plugin = service[0]
    caption_chars = getattr(plugin, "telegram_caption_maxlen", None)
    if caption_chars is not None and not _fits(message, caption_chars) and message.caption:
        message = message._replace(body=message.caption)
    if caption_chars is not None and not _fits(message, caption_chars):
        # As two messages, and the text first: the picture alone would be all that a lock screen shows.
        outcome = _in_some_form(service, without)
        if outcome.accepted:
            apart = _notify(service, message._replace(title="", body=""))
            outcome = outcome._replace(picture="" if apart.accepted else apart.reason)
        return outcome
    together = _notify(service, message)
    if together.accepted or together.retry_after_s > 0 or together.unheard or together.reason == "timeout":
        return together
    return _in_some_form(service, without)._replace(picture=together.reason)


def _fits(message: Message, most: int) -> bool:
    return len(message.title) + len(message.body) + _JOIN_CHARS <= most


def _in_some_form(service: apprise.Apprise, message: Message) -> Outcome:
    """Send as rendered; if the service dislikes the form, as plain text."""
    outcome = _notify(service, message)
    simpler = plain(message) if outcome.about_content else None
    if simpler is None:
        return outcome
    if service[0].title_maxlen <= 0:  # where Apprise joins them it makes the title bold
        simpler = simpler._replace(title="", body=f"{simpler.title}\n{simpler.body}")
    again = _notify(service, simpler)
    return again._replace(plain=again.accepted)


def _notify(service: apprise.Apprise, message: Message) -> Outcome:
    """Send and block; Apprise turns every exception of its services into a failed result."""
    joined = service[0].title_maxlen <= 0  # the title becomes part of the body's markup
    with listening() as heard:
        result = service.notify(
            body=message.body,
            title=escape(message.title, message.format) if joined else message.title,
            notify_type=notify_type(message.level),
            body_format=message.format,
            attach=None if message.chart is None else _attachment(message.chart),
        )
    return Outcome(accepted=True) if result else judge(heard)


def _attachment(png: bytes) -> AttachMemory:
    return AttachMemory(png, name="chart.png", mimetype="image/png")  # type: ignore[no-untyped-call]
