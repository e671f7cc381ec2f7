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
