"""Figures of typed-in positions that do not agree with each other: said with their place and the fix."""

import pytest

from monitor.config import load_text

KEYED = '[[accounts]]\nname = "keyed"\napi_key = { env = "K" }\napi_secret = { env = "S" }\n'


def warned(rest: str, *, quantity: str = "0.123", more: str = "", before: str = "") -> list[str]:
    """Return the warnings about positions of an account whose second one is doubtful."""
    text = (
        f'{before}[[accounts]]\nname = "main"\nbalances = {{ USDT = 5000.0 }}\n'
        '[[accounts.positions]]\nsymbol = "ETHUSDT"\nside = "LONG"\nquantity = 1\nentry_price = 3000\n'
        'margin_mode = "cross"\n'
        f'[[accounts.positions]]\nsymbol = "BTCUSDT"\nside = "LONG"\nquantity = {quantity}\nentry_price = 60000\n'
        f'margin_mode = "cross"\n{more}\n{rest}'
    )
    return [text for text in load_text(text, "x").warnings if ".positions[" in text]


@pytest.mark.parametrize("quantity", ["0.123", "0.3", "1", "1234.567", "1e-3"])
def test_a_quantity_of_whole_steps_is_no_doubt(quantity: str) -> None:
    """Whatever binary fractions make of a tenth."""
    assert warned("[contracts.BTCUSDT]\nstep = 0.001\n", quantity=quantity) == []


def test_a_quantity_that_is_no_multiple_of_its_step_is_doubtful() -> None:
    """One of the two is mistyped, and amounts to close would be of it."""
    (text,) = warned("[contracts.BTCUSDT]\nstep = 0.005\n", before=KEYED)
    assert text == (
        "accounts[1].positions[1].quantity (main BTCUSDT) = 0.123 is no multiple of contracts.BTCUSDT.step ="
        " 0.005: correct the one that is mistyped"
    )
    assert warned("[contracts.ETHUSDT]\nstep = 0.001\n") == []


def test_a_leverage_beyond_what_the_brackets_allow_is_doubtful() -> None:
    """Both sides of what the table says; of one that says nothing there is no doubt."""
    rows = "[brackets.BTCUSDT]\nrows = [[0, 10000, 0.004, 0, 50], [10000, 50000, 0.005, 10, 20]]\n"
    assert warned(rows, more="leverage = 50") == []
    (text,) = warned(rows, more="leverage = 51")
    assert text.startswith(
        "accounts[0].positions[1].leverage (main BTCUSDT) = 51 is above 50, the most that the brackets of BTCUSDT"
    )
    silent = "[brackets.BTCUSDT]\nrows = [[0, 10000, 0.004, 0], [10000, 50000, 0.005, 10]]\n"
    assert warned(silent, more="leverage = 51") == []


def isolated(side: str, margin: float, quantity: float = 1, market: str = "usdm") -> list[str]:
    """Return the warnings about one isolated position that was entered at 62,000; a contract is 100 USD."""
    symbol = "BTCUSDT" if market == "usdm" else "BTCUSD_PERP"
    text = (
        f'[[accounts]]\nname = "main"\nmarket = "{market}"\n[[accounts.positions]]\nsymbol = "{symbol}"\n'
        f'side = "{side}"\nquantity = {quantity}\nentry_price = 62000\nmargin_mode = "isolated"\n'
        f"margin = {margin}\n[brackets.{symbol}]\nrows = [[0, 50000, 0.004, 0], [50000, 250000, 0.005, 50]]\n"
        "[contracts.BTCUSD_PERP]\nsize = 100\n"
    )
    return [text for text in load_text(text, "x").warnings if ".positions[" in text]


def test_a_margin_that_is_used_up_as_the_position_is_opened_is_doubtful() -> None:
    """62,000 * 0.005 - 50 = 260 has to be kept; with 150 a LONG is liquidated above its entry, a SHORT below."""
    (text,) = isolated("LONG", 150)
    assert text == (
        "accounts[0].positions[0].margin (main BTCUSDT) = 150 is used up at the entry price already: 260 USDT has"
        " to be kept of it, and a LONG entered at 62000 is liquidated at 62110.6: write the margin that the"
        " exchange shows, and quantity and entry price as it does"
    )
    (text,) = isolated("SHORT", 150)
    assert "a SHORT entered at 62000 is liquidated at 61890.5" in text
    assert len(isolated("LONG", 260)) == 1


@pytest.mark.parametrize("margin", [260.01, 309.0, 311.0, 6200.0])
def test_a_margin_that_lasts_is_no_doubt(margin: float) -> None:
    """However little: the rate alone would ask for 310, without the amount that the lower tier takes off."""
    assert isolated("LONG", margin) == isolated("SHORT", margin) == []


def test_contracts_are_judged_in_their_coin() -> None:
    """620 contracts of 100 USD are one coin at 62,000, of which 0.4 % has to be kept."""
    assert len(isolated("LONG", 0.003, 620, "coinm")) == 1
    assert isolated("LONG", 0.005, 620, "coinm") == []
