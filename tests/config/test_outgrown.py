"""Tables of one's own that end before a typed-in position is liquidated are warned of, with the price."""

import subprocess
import sys

import pytest

from monitor.config import load_text
from monitor.config.outgrown import outgrown_words
from monitor.core.outgrown import Outgrown

LEG = 'side = "{side}"\nquantity = {quantity}\nentry_price = 62000\nmargin_mode = "{mode}"\n'


def account(symbol: str, *legs: str, more: str = "") -> str:
    positions = "".join(f'[[accounts.positions]]\nsymbol = "{symbol}"\n{one}' for one in legs)
    return f'[[accounts]]\nname = "main"\n{more}{positions}'


def leg(side: str, quantity: float, margin: float | None) -> str:
    mode = "cross" if margin is None else "isolated"
    last = "" if margin is None else f"margin = {margin}\n"
    return LEG.format(side=side, quantity=quantity, mode=mode) + last


def warned(text: str, symbol: str, cap: float) -> list[str]:
    rows = f"[brackets.{symbol}]\nrows = [[0, {cap}, 0.004, 0]]\n"
    return [one for one in load_text(text + rows, "x").warnings if " end at " in one]


def coins(side: str = "LONG", *, cross: bool = False) -> str:
    more = 'market = "coinm"\n' + ("balances = { BTC = 0.05 }\n" if cross else "")
    return account("BTCUSD_PERP", leg(side, 200, None if cross else 0.05), more=more)


@pytest.mark.parametrize("cross", [False, True])
def test_coin_tiers_that_end_before_liquidation_are_warned_of(*, cross: bool) -> None:
    """The entry is within them, the liquidation price is not; with tiers that reach it there is no word."""
    text = coins(cross=cross)
    (warning,) = warned(text, "BTCUSD_PERP", 0.33)
    assert warning == (
        "brackets.BTCUSD_PERP.rows end at 0.33 BTC, and the LONG of main is worth 0.3711 BTC at 53894.4, where it"
        " is liquidated: more has to be kept there if the exchange has higher tiers, and it is liquidated earlier:"
        " add those that follow to the rows"
    )
    # Within what the margin could make of it, and yet not: 0.3711 is less than 0.3726.
    assert warned(text, "BTCUSD_PERP", 0.372) == []
    assert warned(text, "BTCUSD_PERP", 5) == []
    assert warned(coins("SHORT", cross=cross), "BTCUSD_PERP", 0.33) == []


def test_dollar_tiers_are_no_exception() -> None:
    """A SHORT grows; a LONG only where it is beyond at entry already."""
    assert len(warned(account("BTCUSDT", leg("SHORT", 0.5, 6200)), "BTCUSDT", 37000)) == 1
    assert warned(account("BTCUSDT", leg("SHORT", 0.5, 6200)), "BTCUSDT", 37100) == []
    assert warned(account("BTCUSDT", leg("LONG", 0.5, 6200)), "BTCUSDT", 32000) == []
    (text,) = warned(account("BTCUSDT", leg("LONG", 0.5, 6200)), "BTCUSDT", 31000)
    assert "the LONG of main is worth 3.1e+04 USDT at 62000 already" in text


def test_the_long_of_a_hedge_is_looked_at_as_well() -> None:
    """Held with a larger SHORT it is liquidated upward, where both are worth more."""
    legs = (leg("LONG", 1, None), leg("SHORT", 2, None))
    text = account("BTCUSDT", *legs, more="balances = { USDT = 6200 }\n")
    assert len(warned(text, "BTCUSDT", 65000)) == 2
    assert len(warned(text, "BTCUSDT", 100000)) == 1
    assert warned(text, "BTCUSDT", 200000) == []
    # What the LONG gains keeps the SHORT going, so that it grows by more than the balance.
    text = account("BTCUSDT", leg("LONG", 1, None), leg("SHORT", 1.1, None), more="balances = { USDT = 6200 }\n")
    assert len(warned(text, "BTCUSDT", 90000)) == 2


def test_tiers_that_are_not_ones_own_are_said_to_end_there() -> None:
    """Nobody can add rows to those of the exchange."""
    words = outgrown_words(
        Outgrown("main", "w", "BTCUSDT", "SHORT", "USDT", 1e6, 1.2e6, 5e4, liquidated=True, brackets="exchange x")
    )
    assert words.startswith(
        "the tiers of BTCUSDT (exchange x) end at 1000000 USDT, and the SHORT of main is worth"
    )
    assert "add" not in words


@pytest.mark.parametrize(("side", "cap"), [("LONG", 5), ("SHORT", 0.33)])
def test_whoever_cannot_reach_the_cap_pays_for_no_evaluation(side: str, cap: float) -> None:
    """Far below it, or shrinking: what computes it takes longer to load than all else of a configuration."""
    rows = f"[brackets.BTCUSD_PERP]\nrows = [[0, {cap}, 0.004, 0]]\n"
    code = (
        f"import sys\nfrom monitor.config import load_text\nload_text({coins(side) + rows!r}, 'x')\n"
        "print('numpy' in sys.modules)"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert out == "False\n"
