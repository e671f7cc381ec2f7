"""The scripted day: what it contains, and that an ear on the private streams alone can follow it."""

from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal

from monitor.emulator.day import STEPS, day, day_scenario
from monitor.emulator.ledger import Account, Position, WalletFigures, figures
from monitor.emulator.live import LiveAccount
from monitor.emulator.market import Market
from monitor.emulator.server import Emulator
from monitor.emulator.views import View
from monitor.emulator.views_coinm import CoinView
from tests.conftest import ManualClock
from tests.emulator.conftest import Json

D = Decimal


class Ear:
    """Knows an account as it was, and what its events said since."""

    def __init__(self, account: Account, market: Market) -> None:
        self._account = account
        self._market = market
        self._positions: dict[tuple[str, str], Position] = {}
        self._newest = 0
        self.kinds: list[str] = []

    async def hear(self, account: str, events: Sequence[Json]) -> None:
        for event in events:
            assert event["E"] >= self._newest
            self._newest = event["E"]
            self.kinds.append(event["e"])
            if event["e"] == "ACCOUNT_UPDATE":
                self.kinds.append(event["a"]["m"])
                self._update(event["a"])
            elif "ai" in event:
                self._account = replace(self._account, multi_assets=event["ai"]["j"])

    def figures(self) -> tuple[WalletFigures, ...]:
        market = self._market
        account = replace(self._account, positions=tuple(self._positions.values()))
        return figures(
            [account],
            market.tables,
            market.marks,
            contracts=market.contracts,
            bases=market.bases,
            rates=market.rates,
        )

    def _update(self, facts: Json) -> None:
        told = {row["a"]: D(row["cw"]) for row in facts["B"]}
        self._account = replace(self._account, balances={**self._account.balances, **told})
        for row in facts["P"]:
            amount, key = D(row["pa"]), (row["s"], row["ps"])
            self._positions.pop(key, None)
            if amount:
                self._positions[key] = Position(
                    account=self._account.name,
                    symbol=row["s"],
                    side="LONG" if amount > 0 else "SHORT",
                    quantity=abs(amount),
                    entry=D(row["ep"]),
                    margin_mode=row["mt"],
                    margin=D(row["iw"]),
                    margin_asset=self._market.instruments[row["s"]].contract.asset,
                )


def plain(wallets: Sequence[WalletFigures]) -> dict[str, Json]:
    """Return figures by wallet, positions in an order of their own."""
    return {
        one.wallet: replace(
            one, positions=tuple(sorted(one.positions, key=lambda leg: (leg.position.symbol, leg.position.side)))
        )
        for one in wallets
    }


async def test_the_private_streams_alone_tell_everything(clock: ManualClock) -> None:
    """After every step, accounts rebuilt from their events have the exchange's figures to the last digit."""
    emulator = Emulator(clock, day_scenario())
    ears = {}
    for name, account in emulator.accounts.items():
        ears[name] = Ear(account.account, emulator.market)
        account._publish = ears[name].hear
    names = []
    async for name in day(emulator):
        names.append(name)
        await clock.advance(1)
        for owner, ear in ears.items():
            assert plain(ear.figures()) == plain(emulator.accounts[owner].figures()), name
    assert len(names) == 2 * len(STEPS)
    seen = {kind for ear in ears.values() for kind in ear.kinds}
    assert seen >= {
        "ACCOUNT_UPDATE", "ACCOUNT_CONFIG_UPDATE", "ORDER_TRADE_UPDATE", "ALGO_UPDATE", "MARGIN_CALL", "ORDER",
        "FUNDING_FEE", "DEPOSIT", "WITHDRAW", "MARGIN_TRANSFER", "MARGIN_TYPE_CHANGE",
    }  # fmt: skip


def asked(live: LiveAccount) -> Account:
    """Return an account as the rows of its REST replies tell it."""
    coinm = live.account.market == "coinm"
    if coinm:
        view = CoinView(live, {})
        assets = view.account_row()["assets"]
        rows = [view.position_risk_row(line) for line in view.lines(every=True)]
    else:
        whole = View(live, {})
        assets = whole.account_v3()["assets"]
        rows = [whole.position_risk(line) for line in whole.lines()]
    return Account(
        live.name,
        {row["asset"]: D(row["crossWalletBalance"]) for row in assets},
        tuple(
            Position(
                account=live.name,
                symbol=row["symbol"],
                side="LONG" if D(row["positionAmt"]) > 0 else "SHORT",
                quantity=abs(D(row["positionAmt"])),
                entry=D(row["entryPrice"]),
                margin_mode="isolated" if D(row["isolatedWallet"]) else "cross",
                margin=D(row["isolatedWallet"]),
                margin_asset=live.contract(row["symbol"]).asset,
            )
            for row in rows
            if D(row["positionAmt"])
        ),
        multi_assets=live.account.multi_assets,
    )


async def test_the_replies_alone_tell_everything(clock: ManualClock) -> None:
    """After every step, accounts rebuilt from their replies have the exchange's figures to the last digit."""
    emulator = Emulator(clock, day_scenario())
    market = emulator.market
    async for name in day(emulator):
        for live in emulator.accounts.values():
            found = figures(
                [asked(live)], market.tables, market.marks, contracts=market.contracts, bases=market.bases,
                rates=market.rates,
            )  # fmt: skip
            known = plain(live.figures())
            there = {wallet: one for wallet, one in plain(found).items() if wallet in known}
            assert there == known, name


async def test_nobody_is_in_danger_but_by_script(clock: ManualClock) -> None:
    """Only the crash brings a wallet to its end, and it is over when the price comes back."""
    emulator = Emulator(clock, day_scenario())
    gone = []
    async for name in day(emulator):
        gone += [name for wallet in emulator.figures() if wallet.margin_ratio >= 1]
    # The marks between move it back and forth over the edge; the first partial liquidation ends it.
    crash = next(number for number, step in enumerate(STEPS) if step.call == "crash")
    assert gone[0] == f"{crash} exchange crash main SOLUSDT"
    assert int(gone[-1].split()[0]) <= crash + 2
    wallets = {f"{one.account} {one.wallet}" for one in emulator.figures()}
    assert {"multi cross:multi", "coin cross:BTC", "hedge cross:USDT"} <= wallets
    assert all(one.wallet_balance > 0 for one in emulator.figures())


async def test_the_day_is_always_the_same(clock: ManualClock) -> None:
    """Its moves are seeded: two walks end with the same figures."""
    ends = []
    for _ in range(2):
        emulator = Emulator(clock, day_scenario())
        async for _name in day(emulator):
            pass
        ends.append(emulator.figures())
    assert ends[0] == ends[1]
