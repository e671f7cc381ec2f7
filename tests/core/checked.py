"""Accounts with habits, one finding each, and what doing as a finding says makes of them."""

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import msgspec
import numpy as np

from monitor.core.checkup import Checkup, check
from monitor.core.compile import compile_book
from monitor.core.looked_at import Seen
from monitor.core.model import (
    AccountSnapshot,
    BracketTable,
    Lot,
    MarginMode,
    Position,
    Side,
    SubjectKey,
    WaitingOrder,
)
from monitor.core.notices import Finding, FindingCode
from monitor.core.risk import evaluate
from monitor.core.settings import AdviceRules, CheckupRules
from monitor.core.surroundings import KeyKnown, OrdersKnown, Surroundings
from monitor.core.whatif import add_margin, close, profit_of, with_leverage
from tests.core.builders import BTC, account, cross, isolated, table

CENT = 0.01
RULES = CheckupRules()
BEGINNER = CheckupRules(experience="beginner")


class Case(NamedTuple):
    """Everything one checkup of one account needs."""

    account: AccountSnapshot
    orders: tuple[WaitingOrder, ...] = ()
    tables: Mapping[str, BracketTable] = {BTC: table()}
    marks: Mapping[str, float] = {BTC: 100.0}
    typical: Mapping[str, float] = {BTC: 0.004}
    rules: CheckupRules = RULES
    can_trade: bool = False
    lots: Mapping[str, Lot] = {}
    moves_left: Mapping[SubjectKey, float] = {}
    orders_known: bool = True
    now_ms: int = 0
    assumed: frozenset[str] = frozenset()
    advice: AdviceRules = AdviceRules()

    def check(self) -> Checkup:
        book = compile_book((self.account,), self.tables)
        marks = np.array([self.marks.get(symbol, math.nan) for symbol in book.symbols])
        name = self.account.account
        symbols = tuple({position.symbol for position in self.account.positions})
        around = Surroundings(
            lots=dict(self.lots), keys={name: KeyKnown(name, self.can_trade, can_withdraw=False)}
        )
        if self.orders_known:
            around = around.after(OrdersKnown(name, 0, symbols, self.orders))
        return check(
            Seen(
                (self.account,), book, evaluate(book, marks), self.typical, self.moves_left, around, self.rules,
                self.advice, assumed=self.assumed, now_ms=self.now_ms,
            )
        )  # fmt: skip

    def codes(self) -> list[str]:
        return [finding.code.value for finding in self.check().findings]

    def only(self) -> Finding:
        (finding,) = self.check().findings
        return finding


def stop(
    price: float = 80.0, *, symbol: str = BTC, side: Side = Side.LONG, kind: str = "STOP_MARKET",
    quantity: float | None = None, on_mark: bool = True, limit: float | None = None,
) -> WaitingOrder:  # fmt: skip
    return WaitingOrder(
        symbol, side, kind, price, quantity or 0.0, closes=quantity is None, reduces=True, conditional=True,
        on_mark=on_mark, limit=limit,
    )  # fmt: skip


def calm(*orders: WaitingOrder, **changes: Any) -> Case:  # noqa: ANN401 - fields of a Case
    """Return an account without a fault: 2x isolated, a small part of it, liquidated at 50.5, stopped at 80."""
    return Case(account(isolated(margin=50.0), usdt=1000.0), orders or (stop(),))._replace(**changes)


def _leg(*, auto_add_margin: bool) -> Position:
    return msgspec.structs.replace(isolated(margin=50.0), auto_add_margin=auto_add_margin)


FAULTS: dict[FindingCode, Case] = {
    FindingCode.USED_UP: calm(account=account(isolated(margin=10.0), usdt=1000.0), marks={BTC: 90.0}),
    FindingCode.LEVERAGE: calm(stop(95.0), account=account(isolated(margin=10.0), usdt=1000.0), rules=BEGINNER),
    FindingCode.CROSS: calm(
        stop(95.0), account=account(msgspec.structs.replace(cross(quantity=20.0), leverage=10.0), usdt=1000.0)
    ),
    FindingCode.NO_STOP: calm(stop(120.0, kind="TAKE_PROFIT_MARKET")),
    FindingCode.STOP_BEYOND: calm(stop(50.0)),
    FindingCode.STOP_TIGHT: calm(stop(50.6)),
    FindingCode.STOP_SIDE: calm(stop(100.5)),
    FindingCode.STOP_IDLE: calm(stop(110.0, kind="TRAILING_STOP_MARKET")),
    FindingCode.STOP_LAST: calm(stop(on_mark=False)),
    FindingCode.STOP_PARTIAL: calm(stop(quantity=0.4)),
    FindingCode.STOP_LIMIT: calm(stop(kind="STOP", limit=79.5)),
    FindingCode.CONCENTRATION: calm(account=account(isolated(margin=50.0), usdt=100.0)),
    FindingCode.EXPOSURE: calm(stop(98.0), account=account(isolated(margin=200.0, quantity=40.0), usdt=800.0)),
    FindingCode.NEAR: calm(stop(95.0), account=account(isolated(margin=10.0), usdt=1000.0), typical={BTC: 0.02}),
    FindingCode.AUTO_ADD: calm(account=account(_leg(auto_add_margin=True), usdt=1000.0)),
    FindingCode.TRADING_KEY: calm(can_trade=True),
}


def doing(finding: Finding, case: Case) -> Case:
    """Return what doing as a finding says makes of an account."""
    if finding.code in (FindingCode.NO_STOP, *(code for code in FindingCode if code.value.startswith("stop_"))):
        assert finding.remedy is not None
        placed = stop(finding.remedy, symbol=finding.symbol, side=Side(finding.side))
        others = [o for o in case.orders if (o.symbol, o.side.value) != (finding.symbol, finding.side)]
        return case._replace(orders=(*others, placed))
    if finding.code is FindingCode.TRADING_KEY:
        return case._replace(can_trade=False)
    if finding.code is FindingCode.USED_UP:  # what the exchange took is gone
        whole = case.account
        left = tuple(p for p in whole.positions if whole.wallet_of(p) != finding.wallet)
        return case._replace(account=msgspec.structs.replace(whole, positions=left))
    if finding.quantity is not None:
        return case._replace(account=_lightened(finding, case))
    return case._replace(account=_changed(finding, case))


def _changed(finding: Finding, case: Case) -> AccountSnapshot:
    whole, remedy = case.account, finding.remedy
    held = [p for p in whole.positions if (p.symbol, p.side.value) == (finding.symbol, finding.side)]
    match finding.code:
        case FindingCode.LEVERAGE if remedy is None:
            assert finding.limit is not None
            return with_leverage(whole, held[0], finding.limit)
        case FindingCode.LEVERAGE | FindingCode.NEAR:
            assert remedy is not None
            asset = held[0].margin_asset if whole.multi_assets else ""
            return add_margin(whole, finding.wallet, paid(remedy, finding.asset), asset=asset)
        case FindingCode.CROSS:
            assert finding.limit is not None
            mark = case.marks[finding.symbol]
            kept = profit_of(held[0], held[0].quantity, mark) - finding.limit
            apart = msgspec.structs.replace(
                held[0], margin_mode=MarginMode.ISOLATED, margin=finding.limit, entry_price=mark,
                auto_add_margin=False, leverage=finding.remedy,
            )  # fmt: skip
            return _put(add_margin(whole, finding.wallet, kept), held[0], apart)
        case FindingCode.CONCENTRATION:
            assert remedy is not None
            return close(whole, held[0], remedy, case.marks[finding.symbol], AdviceRules()).account
        case FindingCode.EXPOSURE:
            assert finding.margin is not None
            return _pay_in(whole, finding.asset, paid(finding.margin, finding.asset))
        case _:
            return _put(whole, held[0], msgspec.structs.replace(held[0], auto_add_margin=False))


def _lightened(finding: Finding, case: Case) -> AccountSnapshot:
    """Close what it says and bring the margin of the rest to what it says, from and to the account's own."""
    assert finding.quantity is not None
    whole = case.account
    (held,) = (p for p in whole.positions if (p.symbol, p.side.value) == (finding.symbol, finding.side))
    if finding.code is FindingCode.LEVERAGE and not finding.isolated:
        assert finding.limit is not None
        whole = with_leverage(whole, held, finding.limit)
        (held,) = (p for p in whole.positions if (p.symbol, p.side) == (held.symbol, held.side))
    after = close(whole, held, finding.quantity, case.marks[finding.symbol], AdviceRules()).account
    if finding.margin is None:
        return after
    (rest,) = (p for p in after.positions if (p.symbol, p.side) == (held.symbol, held.side))
    balances = dict(after.balances)
    asset = rest.margin_asset
    balances[asset] = balances.get(asset, 0.0) - (finding.margin - rest.margin)
    after = msgspec.structs.replace(after, balances=balances)
    return _put(after, rest, msgspec.structs.replace(rest, margin=finding.margin))


def paid(amount: float, asset: str) -> float:
    """Return an amount as somebody pays who reads it: rounded up."""
    step = CENT if "USD" in asset else 1e-6
    return math.ceil(amount / step) * step


def _pay_in(whole: AccountSnapshot, unit: str, amount: float) -> AccountSnapshot:
    used = {p.margin_asset for p in whole.positions} | whole.balances.keys()
    asset = next(one for one in sorted(used) if one == unit or (unit == "USD" and "USD" in one))
    balances = whole.balances | {asset: whole.balances.get(asset, 0.0) + amount}
    return msgspec.structs.replace(whole, balances=balances)


def _put(whole: AccountSnapshot, before: Position, after: Position) -> AccountSnapshot:
    positions: Sequence[Position] = [after if p is before else p for p in whole.positions]
    return msgspec.structs.replace(whole, positions=tuple(positions))
