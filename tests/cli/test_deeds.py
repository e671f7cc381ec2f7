"""What following advice came to, in words and as a verdict."""

import msgspec
import pytest

from monitor.cli.deeds import ADDED, REDUCED, Amount, Deed, Followed, said, told
from monitor.core.model import Level
from monitor.core.notices import NoticeKind
from monitor.core.settings import AlertRules
from monitor.storage.outbox import OutboxRow, OutboxState

AT_MS = 1_780_000_000_000


def deed(**changes: object) -> Deed:
    made = Deed(
        "isolated", "isolated:BTCUSDT:LONG", "BTCUSDT", "LONG", ADDED, (Amount(1412.5, "USDT"),), "warning", "k#1",
        AT_MS, cleared_s=3.3, room_without=0.081, all_clear=True,
    )  # fmt: skip
    return msgspec.structs.replace(made, **changes)


CUT = deed(
    account="cross", wallet="cross:USDT", symbol="SOLUSDT", what=REDUCED,
    advised=(Amount(64.3, "SOLUSDT LONG"), Amount(0.5, "ETHUSDT LONG")),
)  # fmt: skip


def followed(*deeds: Deed, without_advice: tuple[str, ...] = ()) -> Followed:
    return Followed(deeds, ("isolated",), without_advice, "phone", AlertRules())


def test_what_was_done_is_told_at_once_and_at_the_end() -> None:
    """The amount stands in both, with what became of it."""
    assert said(deed()) == "margin added: 1,412.50 USDT, as advised (isolated BTCUSDT LONG)"
    assert said(CUT) == "reduced: SOLUSDT LONG by 64.3 SOL, ETHUSDT LONG by 0.5 ETH, as advised (cross)"
    assert told(deed()) == (
        "advised to add 1,412.50 USDT to be below warning: done, cleared after 3.3 s; untouched it would have had "
        "8.1 % room then"
    )
    assert told(deed(cleared_s=None)) == "advised to add 1,412.50 USDT to be below warning: done, not cleared"
    assert told(CUT).startswith(
        "advised to reduce SOLUSDT LONG by 64.3 SOL, ETHUSDT LONG by 0.5 ETH to be below warning: "
    )


def test_a_refusal_is_told_with_its_reason() -> None:
    """Nobody reads that something was done which was not."""
    no = deed(refused="margin is insufficient")
    assert said(no) == "margin added: 1,412.50 USDT, refused: margin is insufficient"
    assert told(no).endswith("to be below warning: refused: margin is insufficient")
    assert followed(no).shortcomings() == (
        "isolated BTCUSDT LONG: what was advised was refused: margin is insufficient",
    )


def test_following_advice_that_ends_the_danger_is_enough() -> None:
    """Cleared while it would have lasted, and told: nothing is missing."""
    assert followed(deed(), CUT).shortcomings() == ()


@pytest.mark.parametrize(
    "changes",
    [{"cleared_s": None}, {"room_without": 0.201}, {"room_without": None}],
)
def test_a_danger_that_advice_did_not_end_is_a_failure(changes: dict[str, object]) -> None:
    """Not cleared, or cleared by the market: a wallet nobody had touched would not have been in danger either."""
    assert followed(deed(**changes)).shortcomings() == (
        "isolated BTCUSDT LONG: margin added as advised, 1,412.50 USDT, and that did not clear the alert",
    )


def test_the_bound_is_the_level_that_was_to_end() -> None:
    """At its room a wallet is still in danger."""
    assert followed(deed(room_without=0.20)).shortcomings() == ()
    assert followed(deed(below="critical", room_without=0.11)).shortcomings() != ()


def test_what_was_not_advised_or_not_done_is_a_failure() -> None:
    """An emergency without amounts, and an account nothing was done in, are named."""
    assert followed(CUT, without_advice=("isolated BTCUSDT LONG",)).shortcomings() == (
        "the emergency of isolated BTCUSDT LONG said nothing that could be done",
        "nothing was done as advised in account isolated",
    )


def row(**changes: object) -> OutboxRow:
    made = OutboxRow(
        "k#2", "phone", "isolated/isolated:BTCUSDT:LONG", NoticeKind.CLOSED, Level.NOTICE, AT_MS + 3300,
        OutboxState.ACCEPTED,
    )  # fmt: skip
    return msgspec.structs.replace(made, **changes)


@pytest.mark.parametrize(
    ("changes", "heard"),
    [
        ({}, True),
        ({"channel": "log"}, False),
        ({"kind": NoticeKind.REMINDER}, False),
        ({"subject": "cross/cross:USDT"}, False),
        ({"decided_ms": AT_MS - 1}, False),
    ],
)
def test_the_all_clear_has_to_reach_whoever_read_of_the_danger(changes: dict[str, object], heard: bool) -> None:  # noqa: FBT001 - a case
    """It is that of the same wallet, on the same channel, decided after the deed."""
    ended = followed(deed(all_clear=False)).ended([row(**changes)])
    assert ended.deeds[0].all_clear is heard
    assert ended.shortcomings() == (
        () if heard else ("isolated BTCUSDT LONG: cleared, and no all-clear was delivered",)
    )
