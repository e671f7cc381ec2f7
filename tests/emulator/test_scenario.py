"""The demonstration's script, walked with the ledger."""

from decimal import Decimal
from itertools import pairwise

from monitor.cli.stage import DWELL_S, REACTION_S
from monitor.emulator.brackets import Brackets
from monitor.emulator.ledger import WalletFigures, figures
from monitor.emulator.scenario import BRACKET_ROWS, CALM_FROM_S, DURATION_S, HELD_UNTIL_S, demo_scenario

OK, NOTICE, WARNING, CRITICAL, EMERGENCY = range(5)
STEP_S = 0.25


def level(wallet: WalletFigures) -> int:
    """Return the level of a wallet by the default conditions on room and margin ratio."""
    room, ratio = wallet.room, wallet.margin_ratio
    if room <= Decimal("0.07") or ratio >= Decimal("0.90"):
        return EMERGENCY
    if room <= Decimal("0.10") or ratio >= Decimal("0.80"):
        return CRITICAL
    if room <= Decimal("0.20") or (ratio >= Decimal("0.65") and room <= Decimal("0.60")):
        return WARNING
    return NOTICE if room <= Decimal("0.50") else OK


def walk() -> dict[str, list[tuple[float, WalletFigures]]]:
    """Return every wallet's figures at every tick of the demonstration."""
    scenario = demo_scenario()
    tables = {one.symbol: one.brackets for one in scenario.instruments if one.brackets is not None}
    seen: dict[str, list[tuple[float, WalletFigures]]] = {}
    for tick in range(int(DURATION_S / STEP_S) + 1):
        marks = {one.symbol: one.path.at(tick * STEP_S) for one in scenario.instruments}
        for wallet in figures(scenario.accounts, tables, marks):
            seen.setdefault(f"{wallet.account}/{wallet.wallet}", []).append((tick * STEP_S, wallet))
    return seen


def test_the_fall_and_the_way_back() -> None:
    """Wallets rise through the levels one by one, each held 1.5 s, none is liquidated, and the end is safe."""
    first: dict[str, dict[int, float]] = {}
    for name, ticks in walk().items():
        worst = OK
        for time_s, wallet in ticks:
            now = level(wallet)
            assert now <= worst + 1, f"{name} skips a level at {time_s} s"
            worst = max(worst, now)
            first.setdefault(name, {}).setdefault(now, time_s)
            assert wallet.margin_ratio < Decimal("0.95")
            if time_s >= CALM_FROM_S:
                # Far enough to leave every level, its dead band included.
                assert wallet.room > Decimal("0.80") or not wallet.positions
    reached = {name: max(levels) for name, levels in first.items()}
    assert reached == {
        "isolated/cross:USDT": OK,
        "isolated/isolated:BTCUSDT:LONG": EMERGENCY,
        "isolated/isolated:ETHUSDT:SHORT": OK,
        "cross/cross:USDT": EMERGENCY,
        "hedge/cross:USDT": CRITICAL,
    }
    for name in ("isolated/isolated:BTCUSDT:LONG", "cross/cross:USDT"):
        times = [first[name][one] for one in (NOTICE, WARNING, CRITICAL, EMERGENCY)]
        assert all(later - earlier >= 1.5 for earlier, later in pairwise(times))


def test_prices_stay_low_for_as_long_as_their_owners_need() -> None:
    """Untouched, two wallets are critical until long after it was read what to do: no market ends that danger.

    Whoever has reacted to the emergency finds prices no lower than those at which the amounts were computed, and
    for twice as long as the dwell time.
    """
    seen = walk()
    for name in ("isolated/isolated:BTCUSDT:LONG", "cross/cross:USDT"):
        ticks = [(time_s, wallet) for time_s, wallet in seen[name] if time_s <= HELD_UNTIL_S]
        began_s, at_first = next((time_s, wallet) for time_s, wallet in ticks if level(wallet) == EMERGENCY)
        assert began_s + REACTION_S + 2 * DWELL_S < HELD_UNTIL_S
        for time_s, wallet in ticks:
            if time_s >= began_s:
                assert level(wallet) >= CRITICAL, f"{name} at {time_s} s"
            if time_s >= began_s + REACTION_S:
                assert wallet.cushion > at_first.cushion, f"{name} at {time_s} s"


def test_an_owner_has_something_to_add() -> None:
    """Beside the isolated positions lie funds that nothing is held with."""
    alone = next(one for one in demo_scenario().accounts if one.name == "isolated")
    assert alone.balances["USDT"] > 0
    assert {one.margin_mode for one in alone.positions} == {"isolated"}


def test_the_calm_end_is_long_enough() -> None:
    """At least 12 s are safe at the end, whatever the script between."""
    assert DURATION_S - CALM_FROM_S >= 12
    assert demo_scenario().duration_s == DURATION_S
    assert all(one.path.duration_s == DURATION_S for one in demo_scenario().instruments)


def test_everything_held_is_traded_and_has_tiers() -> None:
    """A configuration can be written from positions, balances and tier rows alone."""
    scenario = demo_scenario()
    traded = {one.symbol for one in scenario.instruments}
    assert {one.symbol for one in scenario.positions} <= traded & set(BRACKET_ROWS)
    for symbol, rows in BRACKET_ROWS.items():
        table = Brackets.from_rows(symbol, rows)
        for lower, upper in pairwise(table.rows):
            assert upper.amount == upper.floor * (upper.rate - lower.rate) + lower.amount


def test_positions_fit_their_wallets() -> None:
    """Isolated positions bring their margin; cross ones draw on a balance of their account."""
    for account in demo_scenario().accounts:
        for one in account.positions:
            assert one.account == account.name
            assert (one.margin > 0) == (one.margin_mode == "isolated")
            assert one.margin_mode == "isolated" or account.balances[one.margin_asset] > 0
