"""Which figures of a reply are left to compare when events came while it was asked for."""

import msgspec

from monitor.binance.touched import Touched
from monitor.binance.user_wire import AccountUpdate, BalanceRow, LegRow
from monitor.core.model import (
    MULTI_WALLET,
    AccountSnapshot,
    ExchangeFigures,
    MarginMode,
    Position,
    PositionFigures,
    Side,
    WalletFigures,
)
from tests.binance.exchange_model import CONTRACTS


def leg(symbol: str, asset: str, *, isolated: bool = False) -> Position:
    mode = MarginMode.ISOLATED if isolated else MarginMode.CROSS
    return Position(symbol, Side.LONG, 1.0, 100.0, mode, asset, 5.0 * isolated)


ACCOUNT = AccountSnapshot(
    "main",
    {"USDT": 1.0, "USDC": 1.0},
    (
        leg("BTCUSDT", "USDT"),
        leg("ETHUSDT", "USDT"),
        leg("BTCUSDC", "USDC"),
        leg("XRPUSDT", "USDT", isolated=True),
    ),
)
FIGURES = ExchangeFigures(
    7,
    tuple(PositionFigures(one.symbol, one.side, 100.0, 1.0, 50.0) for one in ACCOUNT.positions),
    tuple(WalletFigures(name, {}, 1.0, 1.0) for name in ("cross:USDC", "cross:USDT", "isolated:XRPUSDT:LONG")),
)


def event(*symbols: str, assets: tuple[str, ...] = (), slot: str = "BOTH") -> AccountUpdate:
    return AccountUpdate(
        9,
        8,
        "ORDER",
        tuple(BalanceRow(asset, 1.0, 1.0) for asset in assets),
        tuple(LegRow(symbol, slot, 0.0, 0.0, MarginMode.CROSS, 0.0) for symbol in symbols),
    )


def left(
    *events: AccountUpdate, account: AccountSnapshot = ACCOUNT, modes: bool = False, whole: bool = True
) -> tuple[dict[str, bool], list[str]]:
    """Return the symbols that are left, with whether their liquidation price is, and the wallets."""
    touched = Touched()
    touched.modes = modes
    for one in events:
        touched.add(one)
    assert touched
    found = touched.left(account, FIGURES, CONTRACTS, whole=whole)
    assert found.at_ms == 7
    assert all(one.maintenance == 1.0 for one in found.positions)
    assert all((one.liquidation_price is None) is not one.quotes_liquidation for one in found.positions)
    return {one.symbol: one.quotes_liquidation for one in found.positions}, [one.wallet for one in found.wallets]


def test_a_leg_that_changed_leaves_what_shares_no_wallet_with_it() -> None:
    """The maintenance of each other leg is its own; liquidation prices of one wallet hang together."""
    assert left(event("BTCUSDT")) == (
        {"ETHUSDT": False, "BTCUSDC": True, "XRPUSDT": True},
        ["cross:USDC", "isolated:XRPUSDT:LONG"],
    )


def test_a_balance_that_changed_leaves_all_legs_and_other_wallets() -> None:
    """Funding and transfers name no leg; an isolated wallet does not hang on the balance."""
    assert left(event(assets=("USDT",))) == (
        {"BTCUSDT": False, "ETHUSDT": False, "BTCUSDC": True, "XRPUSDT": True},
        ["cross:USDC", "isolated:XRPUSDT:LONG"],
    )


def test_an_isolated_leg_that_changed_takes_its_wallet_with_it() -> None:
    """And the balance its margin came from."""
    known = {"XRPUSDT": CONTRACTS["BTCUSDT"], **CONTRACTS}
    touched = Touched()
    touched.add(event("XRPUSDT", slot="LONG"))
    found = touched.left(ACCOUNT, FIGURES, known, whole=True)
    assert [one.wallet for one in found.wallets] == ["cross:USDC"]
    assert [one.symbol for one in found.positions] == ["BTCUSDT", "ETHUSDT", "BTCUSDC"]


def test_a_leg_the_reply_lacks_touches_the_wallet_it_had() -> None:
    """Closed meanwhile: the reply may be of before or after. Of an unknown contract it may be any cross wallet."""
    lacking = msgspec.structs.replace(ACCOUNT, positions=ACCOUNT.positions[1:])
    assert left(event("BTCUSDT"), account=lacking)[1] == ["cross:USDC", "isolated:XRPUSDT:LONG"]
    assert left(event("NEWUSDT"))[1] == ["isolated:XRPUSDT:LONG"]


def test_in_multi_assets_mode_all_cross_legs_hang_together() -> None:
    """There is one wallet."""
    multi = msgspec.structs.replace(
        ACCOUNT, multi_assets=True, positions=tuple(one for one in ACCOUNT.positions if one.symbol != "XRPUSDT")
    )
    touched = Touched()
    touched.add(event(assets=("USDC",)))
    figures = ExchangeFigures(7, FIGURES.positions[:3], (WalletFigures(MULTI_WALLET, {}, 1.0, 1.0),))
    found = touched.left(multi, figures, CONTRACTS, whole=True)
    assert [one.quotes_liquidation for one in found.positions] == [False] * 3
    assert found.wallets == ()


def test_parts_of_two_moments_leave_only_what_stands_in_one_row() -> None:
    """The maintenance of the legs that nothing touched."""
    assert left(event("BTCUSDT"), whole=False) == ({"ETHUSDT": False, "BTCUSDC": False, "XRPUSDT": False}, [])


def test_a_switched_mode_leaves_nothing() -> None:
    """Nobody can say of which mode the reply is."""
    assert left(modes=True) == ({}, [])
    assert not Touched()
