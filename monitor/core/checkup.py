"""Habits that lead to liquidations: what is found at one moment, and what could not be looked at. Pure.

Figures are those of one evaluation of the book, and what is proposed is such that doing it removes the finding. By
code, ``value`` was found and held against ``limit``, and ``remedy`` is the figure of what to do:

============= ================================== ========================= ===================================
code          value                              limit                     remedy
============= ================================== ========================= ===================================
used_up       margin balance                     maintenance margin        None
leverage      multiple; None where only gains    multiple                  margin to add; None where chosen
              keep the position
cross         what a loss can take               margin were it isolated   the leverage of that margin; None
                                                                           where that would be another finding
no_stop       None                               share to cover            trigger of a stop to place
stop_*        share of the position covered      share to cover            trigger of a stop to place
concentration share of the account's margin      share                     quantity to close; None of a hedge
exposure      multiple of the account's margin;  multiple                  notional to close
              None where it has none
near          distance of liquidation            a typical day's move      margin to add; None where not known
auto_add      None                               None                      None
trading_key   1 where it can withdraw, else 0    None                      None
============= ================================== ========================= ===================================

Amounts are in the finding's asset, distances and moves fractions of the mark. ``margin`` of ``exposure`` is what
to add instead of closing: adding costs nothing.

Both sides of ``concentration`` are what is left at the mark: of an isolated wallet its margin balance, of a
cross position the initial margin that its leverage asks of its notional, of the account its margin balance. The
margin of before a loss beside an account of after it would be a share of nothing, and may be several times all
of it. It is what one position may still take of what there still is that makes it too large.

Where adding margin would make a position too large a part of its account, ``quantity`` and ``margin`` of
``leverage``, ``near`` and ``concentration`` say what to close and what margin the rest then has to have: that
removes all of them.
"""

import math
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from monitor.core.habits import SLACK, habits, margin_known
from monitor.core.looked_at import HOURS, AccountSeen, DayEnds, Leg, Seen, legs_of
from monitor.core.model import MarginMode, Side
from monitor.core.notices import Finding, FindingCode, Gap, GapKind
from monitor.core.report import number

_OF_STOPS = frozenset(
    {
        FindingCode.NO_STOP, FindingCode.STOP_BEYOND, FindingCode.STOP_TIGHT, FindingCode.STOP_SIDE,
        FindingCode.STOP_IDLE, FindingCode.STOP_LAST, FindingCode.STOP_PARTIAL, FindingCode.STOP_LIMIT,
    }
)  # fmt: skip
_WITHOUT_MARKS = frozenset({FindingCode.NO_STOP, FindingCode.AUTO_ADD, FindingCode.TRADING_KEY})
_WEIGHT = (
    FindingCode.USED_UP,
    FindingCode.NEAR, FindingCode.NO_STOP, FindingCode.STOP_BEYOND, FindingCode.STOP_TIGHT, FindingCode.STOP_SIDE,
    FindingCode.STOP_IDLE, FindingCode.STOP_PARTIAL, FindingCode.EXPOSURE, FindingCode.LEVERAGE,
    FindingCode.CONCENTRATION, FindingCode.CROSS, FindingCode.AUTO_ADD, FindingCode.STOP_LAST,
    FindingCode.STOP_LIMIT, FindingCode.TRADING_KEY,
)  # fmt: skip
_MULTIPLES = frozenset({FindingCode.EXPOSURE, FindingCode.LEVERAGE})
_FAR_BEYOND = 5.0  # times its limit: a multiple that is more than that comes before stops
# What a gap leaves unchecked.
_UNCHECKED = {
    GapKind.ORDERS: _OF_STOPS,
    GapKind.MARKS: frozenset(FindingCode) - _WITHOUT_MARKS,
    GapKind.MOVES: frozenset({FindingCode.NEAR}),
    GapKind.KEY: frozenset({FindingCode.TRADING_KEY}),
    GapKind.LEVERAGE: frozenset({FindingCode.CONCENTRATION}),
    GapKind.MARGIN: frozenset(FindingCode) - {FindingCode.USED_UP, FindingCode.TRADING_KEY},
}


class Checkup(NamedTuple):
    """What was found, by account, and what could not be looked at."""

    findings: tuple[Finding, ...]
    gaps: tuple[Gap, ...]


def check(seen: Seen) -> Checkup:
    """Return what is found of all accounts."""
    findings: list[Finding] = []
    gaps: list[Gap] = []
    ends = DayEnds(seen)
    legs = legs_of(seen)
    for account in seen.accounts:
        one = AccountSeen(seen, account, legs.get(account.account, ()), ends)
        findings += [found for found in _findings(one) if found.code.value not in seen.rules.ignore]
        gaps += _gaps(one)
    return Checkup(tuple(findings), tuple(gaps))


def is_unchecked(key: str, gaps: Sequence[Gap]) -> bool:
    """Return whether it is not known if a finding still holds.

    Args:
        key: the finding's.
        gaps: of the same checkup in which it is missing.
    """
    code, account, about, *_ = key.split("/")
    return any(
        gap.account == account
        and code in _UNCHECKED[gap.kind]
        and (about in gap.symbols or not _of_symbol(key, gap) or _of_shares(code, gap))
        for gap in gaps
    )


def account_of(key: str) -> str:
    """Return the account that a finding's key is about."""
    return key.split("/")[1]


def by_weight(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """Return findings, those first that bring liquidation soonest; else in their order.

    Of multiples the one farthest beyond its limit is first; far beyond it, they come before what stops lack.
    """
    return tuple(sorted(findings, key=_place))


def _place(finding: Finding) -> tuple[int, float]:
    """Return what findings are sorted by: the weight of the code, and of multiples how far beyond they are."""
    if finding.code not in _MULTIPLES:
        return _WEIGHT.index(finding.code), 0.0
    beyond = math.inf if finding.value is None or not finding.limit else finding.value / finding.limit
    code = FindingCode.NEAR if beyond > _FAR_BEYOND else finding.code
    return _WEIGHT.index(code), -beyond


def _of_symbol(key: str, gap: Gap) -> bool:
    """Return whether both are about symbols; what is about a wallet or an account needs all of them."""
    return key.count("/") == len(("account", "symbol", "side")) and bool(gap.symbols)


def _of_shares(code: str, gap: Gap) -> bool:
    """Return whether one is a share of what the account has, and the other leaves that open."""
    return code == FindingCode.CONCENTRATION.value and gap.kind in (GapKind.MARKS, GapKind.MARGIN)


def _findings(one: AccountSeen) -> Iterator[Finding]:
    """Yield what concerns the account as a whole, then each position, then what only several of them do."""
    yield from _used_up(one)
    yield from _key(one)
    yield from _exposure(one)
    near: set[str] = set()
    for leg in one.legs:
        for found in habits(one, leg):
            if found.code is FindingCode.NEAR:
                near.add(found.wallet)
            yield found
    yield from _near_together(one, near)


def _gaps(one: AccountSeen) -> Iterator[Gap]:
    known = one.seen.typical
    unmoved = (leg for leg in one.legs if leg.position.symbol not in known)
    for kind, legs in (
        (GapKind.MARKS, [leg for leg in one.legs if leg.place is None]),
        (GapKind.ORDERS, [leg for leg in one.legs if not one.orders_known(leg)]),
        # Where nothing liquidates, no move does.
        (GapKind.MOVES, [leg for leg in unmoved if leg.place is None or leg.place.liquidation is not None]),
        (GapKind.LEVERAGE, [leg for leg in one.legs if not margin_known(leg)]),
        (GapKind.MARGIN, one.used_up),
    ):
        if legs:
            yield Gap(one.account.account, kind, _symbols(legs), typed=one.typed)
    if not one.typed and one.account.account not in one.seen.around.keys:
        yield Gap(one.account.account, GapKind.KEY)


def _symbols(legs: Sequence[Leg]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(leg.position.symbol for leg in legs))


def _used_up(one: AccountSeen) -> Iterator[Finding]:
    """Find wallets that the exchange liquidates, or has liquidated: no habit of theirs matters beside that."""
    name, code, readings = one.account.account, FindingCode.USED_UP, one.seen.readings
    for wallet in dict.fromkeys(leg.wallet for leg in one.used_up):
        info = one.seen.book.wallets[wallet]
        legs = [leg for leg in one.used_up if leg.wallet == wallet]
        symbol, side = (legs[0].position.symbol, legs[0].position.side.value) if len(legs) == 1 else ("", "")
        yield Finding(
            f"{code.value}/{name}/{info.key.wallet}", code, name, info.key.wallet, symbol, side,
            isolated=info.mode is MarginMode.ISOLATED, value=number(readings.margin_balance[wallet]),
            limit=number(readings.maintenance_margin[wallet]), asset=info.asset,
        )  # fmt: skip


def _key(one: AccountSeen) -> Iterator[Finding]:
    name = one.account.account
    known = one.seen.around.keys.get(name)
    if known is not None and (known.can_trade or known.can_withdraw):
        code = FindingCode.TRADING_KEY
        yield Finding(f"{code.value}/{name}/", code, name, value=float(known.can_withdraw))


def _exposure(one: AccountSeen) -> Iterator[Finding]:
    """Compare all notionals with the margin; of a hedge only what is left of it can lose by a move."""
    net: dict[tuple[str, str], float] = {}
    for leg in one.legs:
        sign = 1.0 if leg.position.side is Side.LONG else -1.0
        about = one.unit(leg), leg.position.symbol
        net[about] = net.get(about, 0.0) + sign * one.notional(leg)
    name, code, limit = one.account.account, FindingCode.EXPOSURE, one.seen.rules.most_exposure
    cost = (one.seen.advice.taker_fee + one.seen.advice.slippage) / (1.0 - one.seen.advice.slippage)
    for unit in sorted(one.owing):
        if any(held_in == unit for held_in, _ in net):
            yield Finding(f"{code.value}/{name}/{unit}", code, name, limit=limit, asset=unit)
    for unit, margin in one.margins.items():
        total = sum(abs(value) for (counted_in, _), value in net.items() if counted_in == unit)
        if total > limit * margin * SLACK:
            # What closing costs is the margin's: total - x = limit * (margin - x * cost).
            share, over = 1.0 - limit * cost, total - limit * margin
            close = max(over, min(total, over / share if share > 0.0 else total))
            yield Finding(
                f"{code.value}/{name}/{unit}", code, name, value=total / margin, limit=limit, asset=unit,
                remedy=close, margin=total / limit - margin,
            )  # fmt: skip


def _near_together(one: AccountSeen, told: set[str]) -> Iterator[Finding]:
    """Find wallets that all their prices together bring down within a day, though none of them alone does."""
    code, book = FindingCode.NEAR, one.seen.book
    by_wallet: dict[int, set[str]] = {}
    for leg in one.legs:
        by_wallet.setdefault(leg.wallet, set()).add(leg.position.symbol)
    for wallet, symbols in by_wallet.items():
        info = book.wallets[wallet]
        left = one.seen.moves_left.get(info.key)
        if info.key.wallet in told or len(symbols) < 2 or left is None or not left < math.sqrt(HOURS):  # noqa: PLR2004
            continue
        distance = number(one.seen.readings.joint_distance[wallet])
        yield Finding(
            f"{code.value}/{one.account.account}/{info.key.wallet}", code, one.account.account, info.key.wallet,
            isolated=info.mode is MarginMode.ISOLATED, value=distance, asset=info.asset,
            limit=None if distance is None or not left else distance * math.sqrt(HOURS) / left,
        )  # fmt: skip
