"""Positions and wallets: how near each is to liquidation. A series is there as long as its position is.

A position's margin ratio, room, moves left and level are those of the wallet that backs it: its own if it is
isolated, else the cross wallet's, which has series of its own as well.
"""

import math
from collections.abc import Callable, Iterable, Iterator
from typing import Final

from monitor.core.model import Level, MarginMode
from monitor.core.report import PositionView, WalletView
from monitor.web.families.family import Family, Row, Seen, gauge

_POSITION: Final = ("account", "symbol", "side")
_WALLET: Final = ("account", "wallet")
_LEVELS: Final = "0 ok, 1 notice, 2 warning, 3 critical, 4 emergency; none where it was never judged"


def _positions(read: Callable[[PositionView], float | None]) -> Callable[[Seen], Iterable[Row]]:
    def rows(found: Seen) -> Iterator[Row]:
        for one in found.status.engine.positions:
            yield (one.account, one.symbol, one.side), read(one)

    return rows


def _backing(read: Callable[[WalletView], float | None]) -> Callable[[Seen], Iterable[Row]]:
    """Return a reader of a figure of the wallet behind each position."""

    def rows(found: Seen) -> Iterator[Row]:
        for one in found.status.engine.positions:
            wallet = found.wallets.get((one.account, one.wallet))
            yield (one.account, one.symbol, one.side), None if wallet is None else read(wallet)

    return rows


def _cross(read: Callable[[WalletView], float | None]) -> Callable[[Seen], Iterable[Row]]:
    def rows(found: Seen) -> Iterator[Row]:
        for one in found.status.engine.wallets:
            if one.margin_mode == MarginMode.CROSS:
                yield (one.account, one.wallet), read(one)

    return rows


def _amounts(read: Callable[[WalletView], float | None]) -> Callable[[Seen], Iterable[Row]]:
    def rows(found: Seen) -> Iterator[Row]:
        for one in found.status.engine.wallets:
            yield (one.account, one.wallet, one.asset), read(one)

    return rows


def margin_ratio(wallet: WalletView) -> float | None:
    """Return a wallet's margin ratio; infinite where its balance is used up, which JSON cannot say."""
    return math.inf if wallet.liquidatable is True else wallet.margin_ratio


def level(label: str) -> float | None:
    """Return a level as a number, None for one that is not known."""
    found = Level.of(label)
    return None if found is None else float(found)


POSITIONS: Final[tuple[Family, ...]] = (
    gauge(
        "margin_ratio",
        "Maintenance margin of the wallet behind a position as a ratio of its margin balance: 1 is liquidation, "
        "+Inf where the balance is used up.",
        _POSITION, _backing(margin_ratio),
    ),
    gauge(
        "liquidation_distance_ratio",
        "Distance from the mark price to the liquidation price as a ratio of the mark price, all other symbols "
        "fixed; none where no price liquidates.",
        _POSITION, _positions(lambda one: one.distance),
    ),
    gauge(
        "room_ratio",
        "Share of the way from entry to liquidation that the wallet behind a position still has, 0 to 1.",
        _POSITION, _backing(lambda one: one.room),
    ),
    gauge(
        "moves_left",
        "Number of typical one-hour moves that the wallet behind a position can still bear; none until a day's "
        "moves are known.",
        _POSITION, _backing(lambda one: one.moves_left),
    ),
    gauge(
        "level",
        f"Alert level of the wallet behind a position: {_LEVELS}.",
        _POSITION, _positions(lambda one: level(one.level)),
    ),
    gauge(
        "liquidation_price",
        "Mark price at which a position is liquidated, all other symbols fixed, in quote asset per unit of the "
        "base asset; none where no price liquidates.",
        _POSITION, _positions(lambda one: one.liquidation_price),
    ),
    gauge(
        "wallet_margin_ratio",
        "Maintenance margin of a cross wallet as a ratio of its margin balance: 1 is liquidation, +Inf where the "
        "balance is used up.",
        _WALLET, _cross(margin_ratio),
    ),
    gauge(
        "wallet_room_ratio",
        "Share of the way from entry to liquidation that a cross wallet still has, 0 to 1.",
        _WALLET, _cross(lambda one: one.room),
    ),
    gauge(
        "wallet_joint_distance_ratio",
        "Smallest move of all marks of a cross wallet by one factor that liquidates it, as a ratio of them; none "
        "where no such move does.",
        _WALLET, _cross(lambda one: one.joint_distance),
    ),
    gauge(
        "wallet_moves_left",
        "Number of typical one-hour moves that a cross wallet can still bear; none until a day's moves are known.",
        _WALLET, _cross(lambda one: one.moves_left),
    ),
    gauge(
        "wallet_level", f"Alert level of a cross wallet: {_LEVELS}.", _WALLET,
        _cross(lambda one: level(one.level)),
    ),
    gauge(
        "cushion",
        "Margin balance less maintenance margin of a wallet, isolated or cross, in the asset that a label names: "
        "what is left to lose.",
        (*_WALLET, "asset"), _amounts(lambda one: one.cushion),
    ),
)  # fmt: skip
