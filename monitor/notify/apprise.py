"""Delivery through Apprise, kept at arm's length: its senders block, its log names addresses, it may hang.

Each channel sends in a daemon thread of its own, one message at a time. A send that takes too long is reported
as failed and its thread left behind; the next send gets a new one. Nothing waits for such a thread, not even
the end of the process, because no executor is involved: Python joins the threads of executors at exit.

An address is a secret. Apprise, requests and urllib3 write it to their loggers, so those are cut off here.
"""

import asyncio
import contextlib
import logging
import queue
import re
import threading
import warnings
from collections.abc import Iterator
from typing import NamedTuple

import apprise

from monitor.errors import ConfigError, DeliveryError, Problem
from monitor.notify.message import escape, notify_type
from monitor.notify.retry import ThrottledError
from monitor.ports import Message

SEND_TIMEOUT_S = 30.0
READ_TIMEOUT_S = 8.0

_MOST_STUCK = 16  # threads left behind and still alive; each costs a stack
_LEAKY_LOGGERS = ("oauthlib", "requests", "requests_oauthlib", "slixmpp", "urllib3")
_PERMANENT = frozenset({401, 403, 404})  # the token or the recipient is wrong, and stays wrong
_TOO_MANY = 429
_FORMATS = ("text", "html", "markdown")


class _Outcome(NamedTuple):
    """What became of one attempt; ``reason`` is a constant of this module, never a service's words."""

    accepted: bool
    reason: str = ""
    permanent: bool = False
    retry_after_s: float = 0.0


class AppriseChannel:
    """Implements ``ports.Channel`` with one Apprise address.

    Args:
        name: the name in the configuration.
        url: the address, a secret. Several recipients in one address share one fate: a failure of one repeats
            the message to all.
        fmt: text, html or markdown; by default what the address asks for or the service prefers.
        send_timeout_s: seconds until a send counts as failed, whatever it is doing.

    Raises:
        ConfigError: Apprise cannot use the address.
    """

    def __init__(
        self, name: str, url: str, *, fmt: str | None = None, send_timeout_s: float = SEND_TIMEOUT_S
    ) -> None:
        _silence_loggers()
        self._name = name
        self._url = url
        self._send_timeout_s = send_timeout_s
        service = _load(name, url)
        self._format = fmt or service[0].resolve_format(None).value
        if self._format not in _FORMATS:
            raise _refusal(name, "format", f"{self._format!r}", "text, html or markdown")
        self._turn = asyncio.Lock()
        self._worker: _Worker | None = _Worker(name, service)
        self._stuck: list[_Worker] = []
        self._in_flight: asyncio.Future[_Outcome] | None = None
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

    async def send(self, message: Message) -> None:
        """Return once the service accepted the message.

        Raises:
            DeliveryError: it did not; ``reason`` is a constant such as ``http-500``, ``refused`` or ``timeout``.
            ThrottledError: it named a time before which it takes nothing.
        """
        async with self._turn:
            outcome = await self._attempt(message)
        if outcome.accepted:
            return
        if outcome.retry_after_s > 0:
            raise ThrottledError(self._name, outcome.reason, retry_after_s=outcome.retry_after_s)
        raise DeliveryError(self._name, outcome.reason, permanent=outcome.permanent)

    def close(self) -> None:
        """Take nothing more and give up the send in flight, without waiting for it."""
        self._closed = True
        if self._in_flight is not None and not self._in_flight.done():
            self._in_flight.set_result(_Outcome(accepted=False, reason="closed"))
        if self._worker is not None:
            self._worker.end()

    async def _attempt(self, message: Message) -> _Outcome:
        try:
            worker = self._ready()
        except (ConfigError, RuntimeError):  # a file the address names is gone, or no thread could be started
            return _Outcome(accepted=False, reason="unusable")
        if worker is None:
            return _Outcome(accepted=False, reason="closed" if self._closed else "stuck")
        loop = asyncio.get_running_loop()
        self._in_flight = loop.create_future()
        worker.hand(_Task(message, loop, self._in_flight))
        answered = False
        try:
            async with asyncio.timeout(self._send_timeout_s):
                outcome = await self._in_flight
            answered = True
        except TimeoutError:
            return _Outcome(accepted=False, reason="timeout")
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


def build_channel(name: str, url: str, *, fmt: str | None = None) -> AppriseChannel:
    """Return a channel for an Apprise address.

    Raises:
        ConfigError: Apprise refuses the address, it holds more than one, or its service lacks a package. The
            text never contains the address.
    """
    return AppriseChannel(name, url, fmt=fmt)


class _Task(NamedTuple):
    message: Message
    loop: asyncio.AbstractEventLoop
    done: asyncio.Future[_Outcome]

    def report(self, outcome: _Outcome) -> None:
        """Settle the future from the sender's thread; nobody listens once the loop is closed."""
        with contextlib.suppress(RuntimeError):
            self.loop.call_soon_threadsafe(self._settle, outcome)

    def _settle(self, outcome: _Outcome) -> None:
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
            task.report(_notify(self._service, task.message))
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
        usable = service.add(url) is True
    if not usable:
        raise _unusable(name, url)
    if len(service) != 1:
        raise _refusal(name, "url", f"{len(service)} addresses", "one address for each channel")
    plugin = service[0]
    plugin.retry = 0
    if plugin.socket_read_timeout == type(plugin).socket_read_timeout:  # the address does not say
        plugin.socket_read_timeout = READ_TIMEOUT_S
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


class _Overhearing(logging.Filter):
    """Stands at the entrance of Apprise's logger: keeps what the present attempt says, lets nothing through."""

    def __init__(self) -> None:
        super().__init__()
        self._of_thread = threading.local()

    def filter(self, record: logging.LogRecord) -> bool:
        lines: list[tuple[int, str]] | None = getattr(self._of_thread, "lines", None)
        if lines is not None:
            lines.append((record.levelno, record.getMessage()))
        return False

    @contextlib.contextmanager
    def listening(self) -> Iterator[list[tuple[int, str]]]:
        """Collect levels and messages logged by this thread."""
        self._of_thread.lines = []
        try:
            yield self._of_thread.lines
        finally:
            self._of_thread.lines = None


_overhearing = _Overhearing()


def _silence_loggers() -> None:
    """Let none of the loggers that see addresses reach any handler, whoever attached it. Repeating is harmless."""
    logger = logging.getLogger("apprise")
    logger.addFilter(_overhearing)
    logger.setLevel(logging.DEBUG)  # the cause of a failure is told only there
    for name in _LEAKY_LOGGERS:
        logging.getLogger(name).setLevel(logging.CRITICAL + 1)  # what lies below inherits it


def _notify(service: apprise.Apprise, message: Message) -> _Outcome:
    """Send and block; Apprise turns every exception of its services into a failed result."""
    joined = service[0].title_maxlen <= 0  # the title becomes part of the body's markup
    with _overhearing.listening() as lines:
        result = service.notify(
            body=message.body,
            title=escape(message.title, message.format) if joined else message.title,
            notify_type=notify_type(message.level),
            body_format=message.format,
        )
    return _Outcome(accepted=True) if result else _judge(lines)


# Apprise says no more about a failure than true or false; the status is in its log alone, in these shapes.
_STATUS = re.compile(r"\berror=(\d{3})\b")
_SMTP_STATUS = re.compile(r"\((\d{3}), b['\"]")
_RETRY_AFTER = re.compile(r"retry[_-]after\W{1,5}(\d{1,9}(?:\.\d{1,9})?)", re.IGNORECASE)
_NETWORK = (
    ("timed out", "timeout"),
    ("Connection refused", "refused"),
    ("NameResolutionError", "dns"),
    ("Name or service not known", "dns"),
    ("name resolution", "dns"),
    ("nodename nor servname", "dns"),
    ("certificate", "tls"),
    ("SSL", "tls"),
    ("Connection aborted", "disconnected"),
    ("reset by peer", "disconnected"),
    ("unexpectedly closed", "disconnected"),
    ("unreachable", "unreachable"),
)


def _judge(lines: list[tuple[int, str]]) -> _Outcome:
    """Return the outcome that a failed attempt's log, pairs of level and message, tells of."""
    statuses = [
        int(found[-1]) for level, text in lines if level >= logging.WARNING and (found := _STATUS.findall(text))
    ]
    # Other debug lines hold the message itself, which may say anything.
    details = [text for _, text in lines if text.startswith(("Socket Exception", "Response Details"))]
    if statuses:
        # Of several recipients a single one may be gone; giving up takes all of them.
        permanent = all(status in _PERMANENT for status in statuses)
        waits = [float(wait) for text in details for wait in _RETRY_AFTER.findall(text)]
        retry_after_s = max(waits, default=0.0) if _TOO_MANY in statuses else 0.0
        return _Outcome(False, f"http-{statuses[-1]}", permanent, retry_after_s)
    for text in details:
        for sign, reason in _NETWORK:
            if sign.lower() in text.lower():
                return _Outcome(accepted=False, reason=reason)
        if code := _SMTP_STATUS.search(text):
            return _Outcome(accepted=False, reason=f"smtp-{code[1]}")
    return _Outcome(accepted=False, reason="rejected")
