"""Wallets and positions as people name them: as outputs show them, or shorter where only one can be meant."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from monitor.cli import typed
from monitor.cli.common import misuse
from monitor.core.model import MULTI_WALLET, AccountSnapshot, MarginMode, Position
from monitor.errors import ConfigError


class NamedWallet(NamedTuple):
    """A wallet of an account."""

    account: str
    wallet: str
    legs: tuple[Position, ...]


class NamedPosition(NamedTuple):
    """A position of an account."""

    account: str
    position: Position


def wallets_of(accounts: Iterable[AccountSnapshot]) -> list[NamedWallet]:
    """Return all wallets, also those that back nothing yet."""
    found: list[NamedWallet] = []
    for account in accounts:
        names = [MULTI_WALLET] if account.multi_assets else [f"cross:{asset}" for asset in account.balances]
        legs: dict[str, list[Position]] = {name: [] for name in names}
        for position in account.positions:
            legs.setdefault(account.wallet_of(position), []).append(position)
        found += [NamedWallet(account.account, name, tuple(some)) for name, some in legs.items()]
    return found


def find_wallet(
    option: str, text: str, accounts: Sequence[AccountSnapshot], *, asset: str = "", unseen: str = ""
) -> NamedWallet:
    """Return the one wallet that is meant by ``[ACCOUNT/]WALLET``.

    Args:
        option: that it was given with.
        text: such as ``cross:USDT``, ``isolated BTCUSDT LONG``, ``main/cross``, or the symbol of a position in it.
        accounts: that are known.
        asset: of several that may be meant, the one that takes it is.
        unseen: see ``typed.meant``.

    Raises:
        ConfigError: none is meant, or several are.
    """
    account, name = _split(text)
    every = wallets_of(accounts)
    wanted = ":".join(name.replace(":", " ").split())
    for names in (_own_name, _short_names):
        meant = [one for one in every if account in ("", one.account) and wanted in names(one)]
        if len(meant) > 1 and asset:
            meant = [one for one in meant if _takes(one, asset)] or meant
        if len(meant) == 1:
            return meant[0]
        if meant:
            raise _ambiguous(option, text, [f"{one.account}/{one.wallet}" for one in meant])
    words = ", ".join(f"{one.account}/{one.wallet}" for one in every) or "none"
    hint = typed.meant(name, {short for one in every for short in _own_name(one) | _short_names(one)}, unseen)
    raise misuse(option, repr(text[:60]), f"wallets there are: {words}", hint)


def find_positions(
    option: str, text: str, accounts: Sequence[AccountSnapshot], *, unseen: str = ""
) -> list[NamedPosition]:
    """Return the positions that are meant by ``[ACCOUNT/]SYMBOL[:SIDE]``: one, or both legs of a hedge.

    Args:
        option: that it was given with.
        text: such as ``BTCUSDT``, ``BTCUSDT:LONG`` or ``main/BTCUSDT``.
        accounts: that are known.
        unseen: see ``typed.meant``.

    Raises:
        ConfigError: none is meant, or those of several accounts are.
    """
    account, name = _split(text)
    symbol, _, side = name.replace(" ", ":").partition(":")
    every = [NamedPosition(one.account, p) for one in accounts for p in one.positions if p.quantity > 0]
    meant = [
        one
        for one in every
        if account in ("", one.account)
        and one.position.symbol == symbol
        and side.upper() in ("", one.position.side.value)
    ]
    if not meant:
        words = ", ".join(map(_shown, every)) or "none"
        hint = typed.meant(symbol, {one.position.symbol for one in every}, unseen)
        raise misuse(option, repr(text[:60]), f"positions there are: {words}", hint)
    if len({one.account for one in meant}) > 1:
        raise _ambiguous(option, text, list(map(_shown, meant)))
    return meant


def find_position(
    option: str, text: str, accounts: Sequence[AccountSnapshot], *, unseen: str = ""
) -> NamedPosition:
    """Return the one position that is meant; see ``find_positions``.

    Raises:
        ConfigError: none is meant, or several are.
    """
    meant = find_positions(option, text, accounts, unseen=unseen)
    if len(meant) > 1:
        raise _ambiguous(option, text, list(map(_shown, meant)))
    return meant[0]


def _split(text: str) -> tuple[str, str]:
    account, slash, name = text.strip().rpartition("/")
    return (account, name) if slash else ("", name)


def _shown(one: NamedPosition) -> str:
    return f"{one.account}/{one.position.symbol}:{one.position.side.value}"


def _takes(one: NamedWallet, asset: str) -> bool:
    own = one.legs[0].margin_asset if one.legs else one.wallet.removeprefix("cross:")
    return one.wallet == MULTI_WALLET or own == asset


def _own_name(one: NamedWallet) -> set[str]:
    return {one.wallet}


def _short_names(one: NamedWallet) -> set[str]:
    mode, _, rest = one.wallet.partition(":")
    names = {rest} | ({mode} if mode == MarginMode.CROSS else set())
    for leg in one.legs:
        names |= {leg.symbol, f"{leg.symbol}:{leg.side.value}", f"{mode}:{leg.symbol}"}
    return names


def _ambiguous(option: str, text: str, names: Sequence[str]) -> ConfigError:
    return misuse(option, repr(text[:60]), f"one of {', '.join(names)}", "several are meant: name one in full")
