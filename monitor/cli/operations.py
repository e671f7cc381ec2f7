"""What is done to accounts and marks, one operation after another, and what each of them costs."""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from decimal import Decimal

import msgspec

from monitor.cli import typed
from monitor.cli.common import misuse
from monitor.cli.done import Done, closing_words, leg_words, margin_words
from monitor.cli.ground import Ground
from monitor.cli.named import NamedPosition, NamedWallet, find_position, find_positions, find_wallet
from monitor.cli.typed import in_percent, number_of, parse_move
from monitor.core import whatif
from monitor.core.compile import table_of
from monitor.core.ladder import collateral_of, revalued
from monitor.core.layout import QUOTE_ASSETS, underlying
from monitor.core.model import MULTI_WALLET, AccountSnapshot, MarginMode, Position
from monitor.core.scene import KnownMoves
from monitor.core.settings import EngineSettings
from monitor.core.spare import spare_of
from monitor.core.steps import cuts_of, steps_up
from monitor.core.surroundings import FundsKnown
from monitor.core.trial import Case
from monitor.notify.numbers import at_most, enough, grouped, money

ALL = "all"
_AMOUNT = re.compile(r"(?P<amount>[+-]?[0-9.,]+)\s*(?P<asset>[A-Z0-9]*)", re.ASCII)
_MOST_LEVERAGE = 1000.0  # above it, it is a slip of the finger


class Stage:
    """Accounts and marks under way.

    Args:
        ground: as they are.
        put_back: what closing a part of an isolated position releases is added to its wallet again.
    """

    def __init__(self, ground: Ground, *, put_back: bool = False) -> None:
        self._ground = ground
        self._put_back = put_back
        self._accounts = {one.account: one for one in ground.accounts}
        self._rules = ground.settings.advice
        self.marks = dict(ground.marks)
        self.funds: dict[str, FundsKnown] = dict(ground.surroundings.funds)

    @property
    def known_moves(self) -> KnownMoves | None:
        """How prices move, for advice."""
        return self._ground.known_moves

    @property
    def settings(self) -> EngineSettings:
        """Whose conditions count."""
        return self._ground.settings

    @property
    def accounts(self) -> tuple[AccountSnapshot, ...]:
        """The accounts as they are by now."""
        return tuple(self._accounts.values())

    def do(self, operations: Iterable[tuple[str, str]]) -> tuple[Done, ...]:
        """Do these, pairs of a parameter's name and its value, in order.

        Raises:
            ConfigError: one of them cannot be done.
        """
        what: Mapping[str, Callable[[str], Sequence[Done]]] = {
            "shock": self._shock,
            "add_margin": self._add_margin,
            "reduce": self._reduce,
            "close": self._close,
            "leverage": self._leverage,
        }
        return tuple(done for name, text in operations for done in what[name](text))

    def case(self, account: str, wallet: str) -> Case:
        """Return a wallet with what is known around it, for advice."""
        ground = self._ground
        return Case(
            self._accounts[account], wallet, ground.tables, self.marks, ground.settings, ground.corrections,
            ground.surroundings.lots, self.funds.get(account), ground.known_moves,
        )  # fmt: skip

    # Prices

    def _shock(self, text: str) -> list[Done]:
        name, _, value = text.partition("=")
        if not value:
            raise misuse("--shock", repr(text[:60]), "NAME=MOVE", "as in BTCUSDT=-5% or all=-10%")
        move = parse_move("--shock", value, text)
        coins = {one.account: collateral_of(one) for one in self.accounts}
        held = {asset for one in self.accounts if one.multi_assets for asset in one.balances}
        if name == ALL:
            assets = {asset for some in coins.values() for asset in some}
            before = dict(self.marks)
            self.marks = whatif.shocked(self.marks, {}, move)
            words = f"all {len(self.marks)} marks"
            if len(self.marks) == 1:
                ((symbol, mark),) = before.items()
                words = _shift(symbol, mark, self.marks[symbol])
            if assets:
                words += f", and {', '.join(sorted(assets))} as collateral,"
        elif name in self.marks:
            assets = set()
            mark = self.marks[name]
            self.marks = whatif.shocked(self.marks, {name: move})
            words = _shift(name, mark, self.marks[name])
        elif name in held:
            assets = {name}
            words = f"{name} as collateral"
        else:
            names = ", ".join([ALL, *sorted(self.marks), *sorted(held)])
            hint = typed.meant(name, [ALL, *self.marks, *held], self._ground.unknown)
            raise misuse("--shock", repr(text[:60]), f"one of {names}", hint)
        for account, one in list(self._accounts.items()):
            if one.multi_assets and (mine := assets & set(one.balances)):
                self._accounts[account] = revalued(one, dict.fromkeys(mine, 1.0 + move))
        return [Done("shock", text, f"{words} {in_percent(move)}", self._fixed_collateral(name))]

    def _fixed_collateral(self, symbol: str) -> tuple[str, ...]:
        """Return that a coin which is collateral stays where it is while its contract moves."""
        bases = {
            underlying(position)
            for one in self.accounts
            for position in one.positions
            if position.symbol == symbol and underlying(position) in collateral_of(one)
        }
        return tuple(
            f"{one} as collateral stays where it is: --shock {one}=MOVE moves it" for one in sorted(bases)
        )

    # Margin

    def _add_margin(self, text: str) -> list[Done]:
        name, equals, value = text.rpartition("=")
        found = _AMOUNT.fullmatch(value.strip())
        amount = None if found is None else number_of(found["amount"])
        if not equals or found is None or not amount:
            hint = "as in isolated:BTCUSDT:LONG=100 or cross:USDT=-50; a negative amount is taken out"
            raise misuse("--add-margin", repr(text[:60]), "WALLET=AMOUNT", hint)
        meant = find_wallet("--add-margin", name, self.accounts, asset=found["asset"], unseen=self._ground.unknown)
        account = self._accounts[meant.account]
        asset = self._asset(text, meant, found["asset"], account)
        isolated = not meant.wallet.startswith("cross:")
        there = meant.legs[0].margin if isolated else account.balances.get(asset, 0.0)
        if amount < 0.0 and there + amount < 0.0:
            most = at_most(max(0.0, there), asset)
            raise misuse("--add-margin", repr(text[:60]), f"at most {most} taken out: no more is there")
        moved = self._moved(meant, asset, amount) if isolated else 0.0
        self._accounts[meant.account] = whatif.add_margin(account, meant.wallet, amount, asset=asset, moved=moved)
        self._spend(meant.account, asset, moved if isolated else -amount)
        notes: tuple[str, ...] = ()
        if meant.wallet == MULTI_WALLET and asset not in QUOTE_ASSETS | account.rates.keys():
            notes = (f"{asset} has no rate here and counts as one dollar",)
        return [
            Done(
                "add-margin", text, margin_words(meant, asset, amount, moved), notes, meant.account, meant.wallet,
                asset=asset, from_cross=moved if isolated else None, paid_in=amount - moved,
            )
        ]  # fmt: skip

    def _asset(self, text: str, meant: NamedWallet, asset: str, account: AccountSnapshot) -> str:
        if meant.wallet == MULTI_WALLET:
            known = {*account.balances, *account.rates, *QUOTE_ASSETS}
            if asset in known:
                return asset
            if not asset and len(account.balances) == 1:
                return next(iter(account.balances))
            words = ", ".join(sorted({*account.balances, *account.rates})) or "none"
            raise misuse(
                "--add-margin", repr(text[:60]), f"an amount with its asset, one of {words}", "as in 100USDT"
            )
        own = meant.legs[0].margin_asset if meant.legs else meant.wallet.removeprefix("cross:")
        if asset not in ("", own):
            raise misuse("--add-margin", repr(text[:60]), f"an amount of {own}: the wallet takes nothing else")
        return own

    def _moved(self, meant: NamedWallet, asset: str, amount: float) -> float:
        """Return what of an amount comes out of the account's own cross wallet; what is taken out goes there."""
        if amount < 0.0:
            return amount
        most = spare_of(self.case(meant.account, meant.wallet), asset).most
        return min(amount, most or 0.0)

    def _spend(self, account: str, asset: str, amount: float) -> None:
        """Have less available of what the exchange said is."""
        known = self.funds.get(account)
        if known is not None and asset in known.available:
            available = known.available | {asset: max(0.0, known.available[asset] - amount)}
            self.funds[account] = msgspec.structs.replace(known, available=available)

    # Quantities

    def _reduce(self, text: str) -> list[Done]:
        name, equals, value = text.rpartition("=")
        one = None if not equals else find_position("--reduce", name, self.accounts, unseen=self._ground.unknown)
        share = value.endswith("%")
        size = number_of(value.removesuffix("%"))
        if one is None or size is None or not size > 0.0:
            hint = "as in BTCUSDT=0.1 or BTCUSDT:LONG=25%"
            raise misuse("--reduce", repr(text[:60]), "SYMBOL=QUANTITY or SYMBOL=PERCENT above 0", hint)
        held = one.position.quantity
        if size > 100.0 if share else size > held:  # noqa: PLR2004 - percent
            most = "100%" if share else f"{held:.12g}"
            raise misuse(
                "--reduce", repr(text[:60]), f"at most {most}, which is held", f"--close {name} closes it"
            )
        if one.position.inverse and not share and not size.is_integer():
            raise misuse("--reduce", repr(text[:60]), "whole contracts", f"as in {name}={max(1, round(size))}")
        quantity, notes = self._in_steps(one, held * size / 100.0 if share else size, exactly=not share)
        return [self._closed("reduce", text, one, quantity, notes)]

    def _in_steps(self, one: NamedPosition, wanted: float, *, exactly: bool) -> tuple[float, tuple[str, ...]]:
        """Return a quantity that the exchange takes: a share is rounded up to it, anything else kept and noted."""
        position = one.position
        lot = self._ground.surroundings.lots.get(position.symbol)
        if lot is None:
            return wanted, ()
        cuts = cuts_of(position, lot)
        quantity = cuts.quantity(max(cuts.least, steps_up(wanted, cuts.step)))
        if quantity == wanted:
            return wanted, ()
        if exactly:
            return wanted, (f"the exchange takes multiples of {cuts.step}: {quantity:.12g} would be the next",)
        return quantity, (f"rounded up to the step of {cuts.step}",)

    def _close(self, text: str) -> list[Done]:
        one = find_position("--close", text, self.accounts, unseen=self._ground.unknown)
        return [self._closed("close", text, one, one.position.quantity, ())]

    def _closed(self, option: str, text: str, one: NamedPosition, quantity: float, notes: tuple[str, ...]) -> Done:
        position, account = one.position, self._accounts[one.account]
        closed = whatif.close(
            account, position, quantity, self.marks[position.symbol], self._rules, put_back=self._put_back
        )
        self._accounts[one.account] = _tidied(closed.account, position, quantity)
        isolated = position.margin_mode is MarginMode.ISOLATED
        if isolated:
            self._spend(one.account, position.margin_asset, closed.put_back - closed.released)
        if isolated and quantity < position.quantity and not self._put_back:
            notes += ("its margin leaves in proportion, so liquidation hardly moves: --put-back adds it again",)
        price = whatif.fill_price(position, self.marks[position.symbol], self._rules)
        return Done(
            option, text, closing_words(one, quantity, price, closed, isolated=isolated), notes, one.account,
            account.wallet_of(position), position.symbol, position.side.value, position.margin_asset, quantity,
            closed.notional, closed.realized, closed.fee, closed.slippage,
            closed.released if isolated else None, closed.put_back if isolated else None,
        )  # fmt: skip

    # Leverage

    def _leverage(self, text: str) -> list[Done]:
        name, equals, value = text.rpartition("=")
        leverage = number_of(value.lower().removesuffix("x"))
        if not equals or leverage is None or not leverage.is_integer() or not 0.0 < leverage <= _MOST_LEVERAGE:
            allowed = "SYMBOL=LEVERAGE, a whole number of 1 and above: the exchange takes no other"
            raise misuse("--leverage", repr(text[:60]), allowed, "as in BTCUSDT=10")
        # The exchange has one leverage for a symbol, so both legs of a hedge have it.
        legs = find_positions("--leverage", name, self.accounts, unseen=self._ground.unknown)
        return [self._leveraged(text, one, leverage) for one in legs]

    def _leveraged(self, text: str, one: NamedPosition, leverage: float) -> Done:
        position, account = one.position, self._accounts[one.account]
        after = whatif.with_leverage(account, position, leverage)
        asset = position.margin_asset
        if position.margin_mode is not MarginMode.CROSS and (left := after.balances[asset]) < 0.0:
            lacking = enough(-left, asset)
            name = f"{one.account}/{MULTI_WALLET if account.multi_assets else f'cross:{asset}'}"
            pay = f"--add-margin {name}={lacking.replace(',', '').replace(' ', '')} before it pays that in"
            allowed = f"margin that the cross wallet has: {lacking} is lacking"
            raise misuse("--leverage", repr(text[:60]), allowed, pay)
        self._accounts[one.account] = after
        words = f"{leg_words(position)} of {one.account} at {leverage:g}x"
        notes: tuple[str, ...] = ()
        if position.margin_mode is MarginMode.CROSS:
            notes = ("a cross position's leverage decides what new orders need, and nothing about liquidation",)
        else:
            margin = next(
                p.margin for p in after.positions if (p.symbol, p.side) == (position.symbol, position.side)
            )
            words += f": margin {money(position.margin, asset)} -> {money(margin, asset)}, as if opened so; the "
            words += "cross wallet has the difference"
            self._spend(one.account, asset, margin - position.margin)
        most = self._most(one)
        if most is not None and leverage > most:
            notes += (f"the exchange allows at most {most:g}x for a position of this size",)
        return Done(
            "leverage", text, words, notes, one.account, account.wallet_of(position), position.symbol,
            position.side.value, position.margin_asset,
        )  # fmt: skip

    def _most(self, one: NamedPosition) -> float | None:
        """Return the most leverage the exchange allows of a position's notional, None where not known."""
        position = one.position
        table = self._ground.tables[table_of(one.account, position.symbol, self._ground.tables)]
        notional = whatif.value_of(position, position.quantity, self.marks[position.symbol])
        fitting = [row for row in table.brackets if notional >= row.floor]
        return fitting[-1].leverage if fitting else None


def _shift(symbol: str, before: float, after: float) -> str:
    return f"{symbol} {grouped(before)} -> {grouped(after)},"


def _tidied(account: AccountSnapshot, before: Position, quantity: float) -> AccountSnapshot:
    """Return the account with what is left of a position as decimals have it: its step is guessed from them."""
    left = max(0.0, float(Decimal(repr(before.quantity)) - Decimal(repr(quantity))))
    positions = tuple(
        msgspec.structs.replace(p, quantity=left) if (p.symbol, p.side) == (before.symbol, before.side) else p
        for p in account.positions
    )
    return msgspec.structs.replace(account, positions=positions)
