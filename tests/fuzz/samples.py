"""Valid inputs: what the emulator encodes, and reference payloads where they are present."""

import asyncio
import json
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from functools import cache
from typing import Any, NamedTuple

from monitor.emulator.collateral import Collateral
from monitor.emulator.ledger import Account, Position
from monitor.emulator.live import LiveAccount, accounts_of
from monitor.emulator.market import Market
from monitor.emulator.prices import PricePath
from monitor.emulator.rest_public import contract_event
from monitor.emulator.scenario import demo_scenario
from monitor.emulator.views import View
from tests.conftest import SHARED

NOW_MS = 1_780_000_000_000
KEY = "Zk3yQm9wLWxpc3Rlbi1rZXk"
HELD = ("BTCUSDT", "ETHUSDT", "SOLUSDT")


def packed(value: object) -> bytes:
    """Encode as the exchange does: without blanks."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()


class Exchange(NamedTuple):
    """An emulated market and account at one moment, and the private events that led there."""

    market: Market
    account: LiveAccount
    events: Sequence[dict[str, Any]]


@cache
def exchange() -> Exchange:
    """Return the emulator's market after some trading."""
    scenario = demo_scenario()
    assets = (Collateral("BTC", PricePath(((0.0, Decimal(62_000)),)), Decimal("0.05"), Decimal("0.05")),
              Collateral("USDT", PricePath(((0.0, Decimal(1)),))))  # fmt: skip
    market = Market(scenario.instruments, 0.0, assets)
    market.tick(NOW_MS)
    events: list[dict[str, Any]] = []

    async def publish(_account: str, pushed: Sequence[dict[str, Any]]) -> None:
        events.extend(pushed)

    held = Position("main", "BTCUSDT", "LONG", Decimal(1), Decimal(60_000), "cross")
    owner = Account("main", {"USDT": Decimal(50_000), "BTC": Decimal(1)}, (held,))
    (account,) = accounts_of([owner], market, lambda: NOW_MS, publish).values()
    asyncio.run(_trade(account))
    return Exchange(market, account, tuple(events))


async def _trade(account: LiveAccount) -> None:
    await account.set_margin_type("ETHUSDT", "isolated")
    await account.set_leverage("SOLUSDT", 25)
    await account.fill("ETHUSDT", "SELL", 2)
    await account.add_margin("ETHUSDT", 50)
    await account.fill("SOLUSDT", "BUY", 10)
    await account.funding("0.0001")
    await account.transfer("USDT", -100)
    await account.place_order("BTCUSDT", "BUY", 1, 50_000)
    await account.place_stop("BTCUSDT", "SELL", 55_000, close_position=True)
    await account.margin_call()
    await account.liquidate("SOLUSDT", "0.5")
    await account.adl("ETHUSDT", 1)


def mark_frames() -> list[bytes]:
    """Return frames of the mark price streams: rows, arrays, indexes, wrapped ones, replies."""
    market = exchange().market
    rows = [market.stream_row(one) for one in market.instruments.values()]
    usdm = [market.stream_row(one) for one in market.usdm()]
    # As large as the exchange's own, so that the rows watched are picked and the rest is not decoded.
    many = [*({**usdm[0], "s": f"T{number}USDT"} for number in range(60)), *usdm]
    indexes = [market.index_event(one) for one in market.assets.values()]
    replies = [
        {"result": None, "id": 1},
        {"error": {"code": 2, "msg": "Invalid request"}, "id": 2},
        {"code": -1121, "msg": "Invalid symbol."},
    ]
    changed = contract_event(market.usdm()[0], NOW_MS)
    wrapped = [{"stream": "btcusdt@markPrice@1s", "data": rows[0]}, {"stream": "!markPrice@arr@1s", "data": usdm}]
    bare = [*rows, usdm, many, indexes, indexes[0], changed, *replies, *wrapped]
    return [*map(packed, bare), *payloads("streams")]


def user_frames() -> list[bytes]:
    """Return frames of the private stream, bare and wrapped."""
    events = [*exchange().events, {"e": "listenKeyExpired", "E": NOW_MS, "listenKey": KEY}]
    events += [
        {"e": "TRADE_LITE", "E": NOW_MS},
        {"e": "SOMETHING_NEW", "E": NOW_MS, "x": [1]},
        {"result": None, "id": 3},
    ]
    modes = {"e": "ACCOUNT_CONFIG_UPDATE", "E": NOW_MS, "T": NOW_MS, "ai": {"j": True}}
    wrapped = [{"stream": KEY, "data": event} for event in events[:6]]
    return [packed(one) for one in (*events, modes, *wrapped)]


def replies() -> dict[str, list[bytes]]:
    """Return what the emulator answers, by the name of the decoder."""
    market, account, _ = exchange()
    view = View(account, {})
    premium = [market.premium_row(one, NOW_MS) for one in market.usdm()]
    found: Mapping[str, Sequence[object]] = {
        "premium_index": [premium, premium[0]],
        "asset_index": [[market.index_row(one, NOW_MS) for one in market.assets.values()]],
        "account": [view.account_v3()],
        "position_risk": [[view.position_risk(line) for line in view.lines()]],
        "position_risk_v2": [[view.position_risk_v2(line) for line in view.lines(every=True)]],
        "balance": [view.balance()],
        "symbol_config": [[view.symbol_config(symbol) for symbol in HELD]],
        "adl_quantile": [view.adl()],
        "force_orders": [[one.force_row() for one in account.forced]],
        "income": [[one.row() for one in account.incomes]],
        "open_algo_orders": [[one.row() for one in account.algos.values()]],
        "server_time": [{"serverTime": NOW_MS}],
        "klines": [[[NOW_MS, "62000", "62100.5", "61900", "62050", "0", NOW_MS + 59_999, "0", 60, "0"]] * 3],
    }  # fmt: skip
    return {name: [packed(one) for one in bodies] for name, bodies in found.items()}


def payloads(kind: str, *names: str) -> list[bytes]:
    """Return the reference payloads of a kind, ``rest`` or ``streams``, of these names; of any if none is said."""
    return list(_payloads(kind, names))


def _payloads(kind: str, names: Sequence[str]) -> Iterator[bytes]:
    for path in sorted(SHARED.glob(f"payloads/*/{kind}/*.json")):
        if not names or path.stem in names:
            yield path.read_bytes()
