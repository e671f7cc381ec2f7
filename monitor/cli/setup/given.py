"""What was given by options so far; what is missing is asked for, or named."""

import secrets
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from monitor.cli.common import misuse
from monitor.cli.setup.answers import LISTEN, Answers, InVariable, KeyPair, Source, Stored, TypedPosition
from monitor.cli.setup.tiers import PLACE, SHAPE, Tier, TierError, rows_of
from monitor.errors import ConfigError, Problem

if TYPE_CHECKING:
    from collections.abc import Callable

    from monitor.config import Secret

STANDARD_INPUT = "-"
_TOKEN_BYTES = 32
_MOST_BYTES = 65536
_POSITION = ("symbol", "side", "quantity", "entry_price", "margin_mode", "margin")
_FLAGS = {
    "entry_price": "--entry", "margin_mode": "--margin-mode", "time_zone": "--time-zone", "tiers": "--tier",
    "contract_size": "--contract-size",
}  # fmt: skip


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
    contract_size: float | None = None
    tiers: tuple[Tier, ...] = ()
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
            needed += self._missing_of_position()
        elif self.key is None and self.secret is None:
            needed.append(("--api-key-file", "and --api-secret-file, to follow an account; or --typed"))
        elif self.key is None:
            needed.append(("--api-key-file", "or --api-key-env"))
        elif self.secret is None:
            needed.append(("--api-secret-file", "or --api-secret-env"))
        if self.channel is None and not self.no_channel:
            needed.append(("--channel-url-file", "or --channel-url-env; or --no-channel"))
        return needed

    def _missing_of_position(self) -> list[tuple[str, str]]:
        from monitor.cli.setup.checks import market_of
        from monitor.config.contracts import coin_of

        coin = coin_of(self.symbol or "")
        words = {
            "symbol": "such as BTCUSDT or BTCUSD_PERP", "side": "LONG or SHORT",
            "quantity": "contracts" if coin else "of the base asset",
            "entry_price": "a price", "margin_mode": "isolated or cross",
            "margin": "the isolated wallet balance, or with cross that of the cross wallet",
        }  # fmt: skip
        needed = [(flag_of(key), words[key]) for key in _POSITION if getattr(self, key) is None]
        if market_of(self.symbol or "") == "coinm" and not self.tiers:
            text = f"{SHAPE}, once for each tier, caps in {coin}: what the exchange shows at {PLACE}"
            needed.append(("--tier", text))
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
            market=self._market(),
            heartbeat=self.heartbeat,
            web_token=_token() if self.web else None,
            listen=self.listen or LISTEN,
            time_zone=self.time_zone or "local",
        )

    def _check(self) -> None:
        from monitor.cli.setup import checks

        by_hand = [flag_of(key) for key in (*_POSITION, "contract_size") if getattr(self, key) is not None]
        by_hand += ["--tier"] if self.tiers else []
        if by_hand and not self.typed:
            raise misuse(by_hand[0], "no --typed beside it", "only with --typed")
        if self.typed and (self.key or self.secret):
            raise misuse("--typed", "an API key beside it", "one of them", "an account is followed, or typed in")
        if self.channel is not None and self.no_channel:
            raise misuse("--no-channel", "an address of a channel beside it", "one of them")
        if self.market not in {None, "usdm", "coinm"}:
            raise misuse("--market", repr(self.market[:60]), "usdm or coinm")
        if self.symbol is not None:
            self._check_symbol(self.symbol)
        for key in ("environment", "account", *_POSITION[1:], "listen", "time_zone"):
            value = getattr(self, key)
            problem = None if value is None else checks.trouble(key, value, self.symbol or "BTCUSDT")
            if problem is not None:
                raise misuse(flag_of(key), problem.found, problem.allowed, problem.hint)
        if self.channel_name is not None and (wrong := checks.trouble("account", self.channel_name)):
            raise misuse("--channel-name", wrong.found, 'a name such as "telegram"', wrong.hint)

    def _check_symbol(self, symbol: str) -> None:
        from monitor.cli.setup import checks
        from monitor.config.shipped import shipped_tables

        if self.market == "usdm" and checks.market_of(symbol) == "coinm":
            raise misuse("--market", f"usdm with {symbol}", "coinm, or a symbol such as BTCUSDT")
        if self.market == "coinm" and symbol in shipped_tables():
            raise misuse("--market", f"coinm with {symbol}", "usdm, or a symbol such as BTCUSD_PERP")
        problem = checks.symbol_trouble(symbol, self.market, tiers=bool(self.tiers))
        if problem is not None:
            raise misuse("--symbol", problem.found, problem.allowed, problem.hint)
        if self.contract_size is not None and checks.market_of(symbol) != "coinm":
            hint = "contracts of other markets have no size"
            raise misuse("--contract-size", f"{symbol} beside it", "a symbol such as BTCUSD_PERP", hint)
        if self.contract_size is not None and self.contract_size <= 0:
            raise misuse("--contract-size", f"{self.contract_size:g}", "US dollars, above 0, such as 100")

    def _market(self) -> str:
        from monitor.cli.setup.checks import market_of

        return self.market or (market_of(self.symbol or "") if self.typed else "usdm")

    def _position(self) -> TypedPosition:
        from monitor.cli.setup.checks import notional_of
        from monitor.config.positions import margin_asset_of
        from monitor.core.model import Market

        if (
            self.symbol is None or self.side is None or self.quantity is None or self.entry_price is None
            or self.margin_mode is None or self.margin is None
        ):  # fmt: skip
            raise AssertionError("missing() names it")
        asset = margin_asset_of(self.symbol, Market(self._market())) or ""
        try:
            rows = rows_of(self.symbol, self.tiers)
        except TierError as error:
            raise misuse("--tier", f"tiers of which {error}", "caps and rates that rise") from None
        notional = notional_of(self.symbol, self.quantity, self.entry_price, self.contract_size)
        if rows and notional >= rows[-1][1]:
            found = f"tiers up to {rows[-1][1]:.12g} {asset}"
            raise misuse("--tier", found, f"tiers that hold the position, {notional:.6g} {asset}, and the next")
        return TypedPosition(
            self.symbol, self.side, self.quantity, self.entry_price, self.margin_mode, self.margin, asset,
            self.contract_size, rows,
        )  # fmt: skip


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
