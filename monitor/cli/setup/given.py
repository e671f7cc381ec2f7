"""What was given by options so far; what is missing is asked for, or named."""

import secrets
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from monitor.cli.common import misuse
from monitor.cli.setup.answers import LISTEN, Answers, InVariable, KeyPair, Source, Stored, TypedPosition
from monitor.errors import ConfigError, Problem

if TYPE_CHECKING:
    from collections.abc import Callable

    from monitor.config import Secret

STANDARD_INPUT = "-"
_TOKEN_BYTES = 32
_MOST_BYTES = 65536
_POSITION = ("symbol", "side", "quantity", "entry_price", "margin_mode", "margin")
_FLAGS = {"entry_price": "--entry", "margin_mode": "--margin-mode", "time_zone": "--time-zone"}


@dataclass(slots=True)
class Given:
    """Answers as far as they are known; None is not known."""

    environment: str | None = None
    account: str | None = None
    market: str | None = None
    typed: bool | None = None
    key: Source | None = None
    secret: Source | None = None
    symbol: str | None = None
    side: str | None = None
    quantity: float | None = None
    entry_price: float | None = None
    margin_mode: str | None = None
    margin: float | None = None
    channel: Source | None = None
    no_channel: bool = False
    channel_name: str | None = None
    heartbeat: Source | None = None
    web: bool | None = None
    listen: str | None = None
    time_zone: str | None = None

    def missing(self) -> list[tuple[str, str]]:
        """Return the options without which there is nothing to write, with what they are."""
        needed: list[tuple[str, str]] = []
        if self.typed:
            words = {
                "symbol": "such as BTCUSDT", "side": "LONG or SHORT", "quantity": "of the base asset",
                "entry_price": "a price", "margin_mode": "isolated or cross",
                "margin": "the isolated wallet balance, or with cross that of the cross wallet",
            }  # fmt: skip
            needed += [(flag_of(key), words[key]) for key in _POSITION if getattr(self, key) is None]
        elif self.key is None and self.secret is None:
            needed.append(("--api-key-file", "and --api-secret-file, to follow an account; or --typed"))
        elif self.key is None:
            needed.append(("--api-key-file", "or --api-key-env"))
        elif self.secret is None:
            needed.append(("--api-secret-file", "or --api-secret-env"))
        if self.channel is None and not self.no_channel:
            needed.append(("--channel-url-file", "or --channel-url-env; or --no-channel"))
        return needed

    def answers(self) -> Answers:
        """Return everything, defaults for what need not be known.

        Raises:
            ConfigError: options are missing, all of them, or contradict each other.
        """
        if needed := self.missing():
            problems = [Problem(flag, "nothing", words) for flag, words in needed]
            raise ConfigError("init without questions", problems)
        self._check()
        holding: KeyPair | TypedPosition
        if self.key is not None and self.secret is not None:
            holding = KeyPair(self.key, self.secret)
        else:
            holding = self._position()
        return Answers(
            holding=holding,
            account=self.account or ("by-hand" if self.typed else "main"),
            channel=self.channel,
            channel_name=self.channel_name or _named_after(self.channel),
            environment=self.environment or "testnet",
            market=self.market or "usdm",
            heartbeat=self.heartbeat,
            web_token=_token() if self.web else None,
            listen=self.listen or LISTEN,
            time_zone=self.time_zone or "local",
        )

    def _check(self) -> None:
        from monitor.cli.setup import checks

        by_hand = [flag_of(key) for key in _POSITION if getattr(self, key) is not None]
        if by_hand and not self.typed:
            raise misuse(by_hand[0], "no --typed beside it", "only with --typed")
        if self.typed and (self.key or self.secret):
            raise misuse("--typed", "an API key beside it", "one of them", "an account is followed, or typed in")
        if self.typed and self.market == "coinm":
            hint = "their tiers are needed as well: config.example.toml shows how; or follow it by key"
            raise misuse("--market", "coinm with --typed", "usdm", hint)
        if self.channel is not None and self.no_channel:
            raise misuse("--no-channel", "an address of a channel beside it", "one of them")
        for key in ("environment", "account", *_POSITION, "listen", "time_zone"):
            value = getattr(self, key)
            if value is not None and (problem := checks.trouble(key, value)) is not None:
                raise misuse(flag_of(key), problem.found, problem.allowed, problem.hint)
        if self.market not in {None, "usdm", "coinm"}:
            raise misuse("--market", repr(self.market[:60]), "usdm or coinm")
        if self.channel_name is not None and (wrong := checks.trouble("account", self.channel_name)):
            raise misuse("--channel-name", wrong.found, 'a name such as "telegram"', wrong.hint)

    def _position(self) -> TypedPosition:
        from monitor.config.positions import margin_asset_of

        if (
            self.symbol is None or self.side is None or self.quantity is None or self.entry_price is None
            or self.margin_mode is None or self.margin is None
        ):  # fmt: skip
            raise AssertionError("missing() names it")
        asset = margin_asset_of(self.symbol) or ""
        return TypedPosition(
            self.symbol, self.side, self.quantity, self.entry_price, self.margin_mode, self.margin, asset
        )


def flag_of(key: str) -> str:
    """Return the option that gives a value."""
    return _FLAGS.get(key, f"--{key}")


def source_of(
    option: str, path: str | None, variable: str | None, wrong_with: "Callable[[Secret], str]"
) -> Source | None:
    """Return a secret from a file, or the variable it stays in; None where neither was given.

    Args:
        option: its name up to ``-file`` and ``-env``.
        path: of the file; ``-`` is standard input.
        variable: its name.
        wrong_with: why the secret cannot be used, empty if it can.

    Raises:
        ConfigError: it cannot be read or used; nothing of it is told.
    """
    from monitor.cli.setup.checks import variable_trouble

    if path is not None and variable is not None:
        raise misuse(f"{option}-file", f"{option}-env beside it", "one of them")
    if variable is not None:
        if words := variable_trouble(variable):
            raise misuse(f"{option}-env", "what is no such name", words, "the secret itself never goes there")
        return InVariable(variable)
    if path is None:
        return None
    secret = _read(f"{option}-file", path)
    if words := wrong_with(secret):
        raise misuse(f"{option}-file", words, "a secret that can be used")
    return Stored(secret)


def _read(option: str, path: str) -> "Secret":
    from monitor.cli.setup.checks import from_file
    from monitor.config import Secret

    if path == STANDARD_INPUT:
        if sys.stdin.isatty():
            hint = "it would be seen as it is typed; without the option you are asked for it"
            raise misuse(option, "a terminal", "a file, or standard input from one", hint)
        text = sys.stdin.buffer.read(_MOST_BYTES).decode("utf-8", "replace").strip()
        if not text:
            raise misuse(option, "nothing on standard input", "the secret, and nothing else")
        return Secret(text)
    fetched = from_file(Path(path).expanduser())
    if fetched.secret is None:
        # The path is not repeated: it may be the secret itself, in the wrong place.
        why = fetched.found.partition(", which ")[2]
        raise misuse(option, f"a file that {why}", "a file with only the secret in it")
    return fetched.secret


def _named_after(channel: Source | None) -> str:
    from monitor.cli.setup.checks import channel_name_of

    return channel_name_of(channel.value) if isinstance(channel, Stored) else "alerts"


def _token() -> "Secret":
    from monitor.config import Secret

    return Secret(secrets.token_urlsafe(_TOKEN_BYTES))
