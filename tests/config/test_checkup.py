"""[checkup], and what typed-in positions say of their stops."""

import pytest

from monitor.config import load_text
from monitor.core.model import Side, WaitingOrder
from monitor.core.settings import CheckupRules
from monitor.core.surroundings import OrdersKnown
from monitor.errors import ConfigError

ACCOUNT = '[[accounts]]\nname = "main"\nbalances = { USDT = 5000.0 }\n'


def position(symbol: str = "BTCUSDT", side: str = "LONG", more: str = "") -> str:
    return (
        f'[[accounts.positions]]\nsymbol = "{symbol}"\nside = "{side}"\nquantity = 0.5\nentry_price = 62000.0\n'
        f'margin_mode = "cross"\n{more}\n'
    )


def rules(text: str) -> CheckupRules:
    return load_text(ACCOUNT + text, "x").engine.checkup


def stop(symbol: str, side: Side, price: float) -> WaitingOrder:
    return WaitingOrder(symbol, side, "STOP_MARKET", price, 0.0, True, True, True, True)


def test_without_a_section_findings_are_told_by_the_defaults() -> None:
    """They stand in the core."""
    assert rules("") == CheckupRules()


def test_every_key_of_the_section_arrives() -> None:
    """Whoever wants other limits gets them."""
    text = (
        '[checkup]\nenabled = false\nexperience = "beginner"\nbeginner_leverage = 3\nlargest_share = 0.1\n'
        'most_exposure = 1.5\nstop_share = 0.5\nignore = ["cross", "trading_key"]\n'
    )
    assert rules(text) == CheckupRules(False, "beginner", 3.0, 0.1, 1.5, 0.5, ("cross", "trading_key"))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (position(), ()),
        (
            position(more="stop_loss = 60500"),
            (OrdersKnown("main", 0, ("BTCUSDT",), (stop("BTCUSDT", Side.LONG, 60500.0),)),),
        ),
        (position(more='stop_loss = "none"'), (OrdersKnown("main", 0, ("BTCUSDT",), ()),)),
        (
            position(more="stop_loss = 60500") + position("ETHUSDT"),
            (OrdersKnown("main", 0, ("BTCUSDT",), (stop("BTCUSDT", Side.LONG, 60500.0),)),),
        ),
        (
            position(more="stop_loss = 60500") + position(side="SHORT"),
            (OrdersKnown("main", 0, (), (stop("BTCUSDT", Side.LONG, 60500.0),)),),
        ),
    ],
)
def test_a_typed_in_stop_covers_its_position_and_silence_is_not_none(
    text: str, expected: tuple[OrdersKnown, ...]
) -> None:
    """Orders of a symbol are known where each of its positions says what it has."""
    assert rules(text).typed_orders == expected


def test_accounts_with_keys_stand_between_typed_ones_without_harm() -> None:
    """Each typed-in stop stays with its account."""
    keyed = "[[accounts]]\nname = \"keyed\"\napi_key = { env = 'K' }\napi_secret = { env = 'S' }\n"
    typed = ACCOUNT.replace("main", "second") + position("ETHUSDT", more="stop_loss = 2900.0")
    (known,) = load_text(
        keyed + ACCOUNT + keyed.replace('"keyed"', '"k2"').replace("'K'", "'L'") + typed, "x"
    ).engine.checkup.typed_orders
    assert (known.account, known.symbols) == ("second", ("ETHUSDT",))


def test_a_typed_in_leverage_is_the_positions() -> None:
    """What the exchange would tell of it otherwise."""
    (account,) = load_text(ACCOUNT + position(more="leverage = 12"), "x").accounts
    assert [one.leverage for one in account.positions] == [12.0]


def test_that_the_margin_is_used_up_cannot_be_ignored() -> None:
    """It is no habit, and nobody can have decided to live with it."""
    with pytest.raises(ConfigError, match="no habit to live with"):
        rules('[checkup]\nignore = ["used_up"]\n')
