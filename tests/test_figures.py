"""The product's figures and the exchange's own, which share no line of code, at the same marks."""

import math

import numpy as np
import pytest

from monitor.cli.stage import write_config
from monitor.config import load
from monitor.core.compile import compile_book
from monitor.core.risk import evaluate
from monitor.emulator.ledger import figures
from monitor.emulator.market import Market
from monitor.emulator.scenario import demo_scenario


def close(ours: float, theirs: object) -> bool:
    if theirs is None:
        return math.isnan(ours)
    return math.isclose(ours, float(str(theirs)), rel_tol=1e-9, abs_tol=1e-9)


def test_every_figure_of_the_demonstration_equals_the_exchanges(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Isolated, cross and hedged wallets, through the whole fall and back, within 1e-9."""
    scenario = demo_scenario()
    folder = tmp_path_factory.mktemp("d")
    config = write_config(
        folder, scenario, market_ws="ws://127.0.0.1:1/market", rest="http://127.0.0.1:1", dwell_s=3
    )
    settings = load(config, {})
    book = compile_book(settings.accounts, {table.symbol: table for table in settings.tables})
    market = Market(scenario.instruments)
    compared = 0
    for step in range(180):
        market.tick(1_780_000_000_000 + step * 250)
        readings = evaluate(book, np.array([float(market.marks[symbol]) for symbol in book.symbols]))
        for theirs in figures(scenario.accounts, market.tables, market.marks):
            wallet = next(i for i, w in enumerate(book.wallets) if tuple(w.key) == (theirs.account, theirs.wallet))
            assert close(readings.margin_balance[wallet], theirs.margin_balance)
            assert close(readings.maintenance_margin[wallet], theirs.maintenance_margin)
            assert close(readings.cushion[wallet], theirs.cushion)
            assert close(readings.margin_ratio[wallet], theirs.margin_ratio)
            assert close(readings.room[wallet], theirs.room)
            assert close(readings.joint_distance[wallet], theirs.joint_distance)
            for position in theirs.positions:
                leg = (position.position.symbol, position.position.side)
                held = {(book.positions[r].symbol, book.positions[r].side.value): r for r in book.rows_of(wallet)}
                row = held[leg]
                assert close(readings.notional[row], position.notional)
                assert close(readings.unrealized_pnl[row], position.unrealized_pnl)
                assert close(readings.position_maintenance[row], position.maintenance_margin)
                assert close(readings.liquidation_price[row], position.liquidation_price)
                compared += 1
    assert compared == 180 * len(scenario.positions)
