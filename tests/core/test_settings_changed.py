"""Settings that change while an engine watches: accounts that come with them, and what is left of those gone."""

import msgspec
import pytest

from monitor.core.engine import Engine
from monitor.core.events import (
    AccountState,
    Learnt,
    OrderForced,
    Reconciled,
    SettingsChanged,
    Snapshot,
    TablesChanged,
)
from monitor.core.model import (
    AccountSnapshot,
    ExchangeFigures,
    ForcedOrder,
    Level,
    Market,
    PositionFigures,
    Side,
    Source,
    WalletFigures,
)
from monitor.core.notices import NoticeKind
from monitor.core.settings import ChannelRule
from monitor.core.surroundings import FundsKnown, KeyKnown, Surroundings
from tests.core.builders import BTC, ETH, SUBJECT, Desk, account, followed, isolated, mark_at, table


def renamed(desk: Desk, *names: str) -> None:
    desk.settings = msgspec.structs.replace(desk.settings, accounts=names)


def test_an_account_that_comes_with_the_settings_is_watched_in_the_same_step() -> None:
    """One that goes while another takes its symbol leaves the mark where it is: nothing is unknown in between."""
    desk = Desk()
    desk.hold(isolated())
    desk.room(0.9)
    renamed(desk, "other")
    desk.step(SettingsChanged(desk.settings, desk.tables, (account(isolated(), name="other"),)))
    (wallet,) = desk.engine.view(desk.now()).wallets
    assert (wallet.account, wallet.margin_ratio is not None) == ("other", True)
    assert desk.engine.watched(Market.USDM) == (BTC,)


def test_what_is_not_in_the_settings_is_not_taken() -> None:
    """An account nobody configured, whoever sends it along."""
    desk = Desk()
    desk.step(SettingsChanged(desk.settings, desk.tables, (account(isolated(), name="foreign"),)))
    assert desk.engine.accounts() == ()


def test_an_alert_of_an_account_that_goes_ends_as_gone() -> None:
    """Told once, and nothing of it is left for the next run."""
    desk = Desk()
    desk.hold(isolated())
    desk.room(0.05)
    renamed(desk, "other")
    desk.step(SettingsChanged(desk.settings, desk.tables, (account(isolated(ETH), name="other"),)))
    closing = desk.notices[-1]
    assert (closing.kind, closing.subject, closing.facts.reason) == (NoticeKind.CLOSED, SUBJECT, "gone")
    assert desk.engine.open_alerts() == ()
    assert SUBJECT not in desk.rows


def test_an_alert_goes_on_through_settings_that_leave_its_account() -> None:
    """Its number, its level and since when: nothing is told anew."""
    desk = Desk()
    desk.hold(isolated())
    desk.room(0.05)
    before, told = desk.engine.open_alerts(), len(desk.notices)
    for _ in range(5):
        desk.step(SettingsChanged(desk.settings, desk.tables, (account(isolated()),)))
    assert desk.engine.open_alerts() == before
    assert len(desk.notices) == told


def test_the_same_accounts_as_events_of_their_own_end_in_the_same_state() -> None:
    """One step is as good as several, but for what would have been unwatched between them."""
    coming = (account(isolated(), name="a"), account(isolated(ETH), name="b"))
    one, several = Desk(accounts=("main",)), Desk(accounts=("main",))
    for desk in (one, several):
        desk.hold(isolated())
        desk.room(0.5)
        renamed(desk, "a", "b")
    one.step(SettingsChanged(one.settings, one.tables, coming))
    several.configure()
    for each in coming:
        several.step(Snapshot(each))
    assert one.engine.accounts() == several.engine.accounts()
    assert one.engine.holdings() == several.engine.holdings()
    assert [str(info.key) for info in one.engine._assessment.book.wallets] == [
        str(info.key) for info in several.engine._assessment.book.wallets
    ]


def test_what_is_typed_in_takes_nothing_over_from_a_key() -> None:
    """Its tiers, that it could not be followed, and what was known around it."""
    desk = Desk()
    desk.follow(isolated())
    desk.step(TablesChanged("main", (table(BTC, 0.5),)))
    desk.step(Learnt(FundsKnown("main", desk.wall_ms, {"USDT": 5.0})))
    desk.step(AccountState("main", ok=False, reason="refused", fatal=True))
    desk.step(SettingsChanged(desk.settings, desk.tables, (account(isolated()),)))
    assert desk.engine.holdings()[1].keys() == {BTC, ETH}
    assert desk.engine.surroundings == Surroundings()
    assert desk.engine.open_alerts() == ()
    (view,) = desk.engine.view(desk.now()).accounts
    assert (view.ok, view.source) == (True, Source.GIVEN.value)


def test_a_key_instead_of_what_was_typed_tells_no_change() -> None:
    """Nobody traded: what the exchange holds is what it held."""
    desk = Desk()
    desk.hold(isolated())
    desk.configure()
    desk.follow(isolated(quantity=3.0), source=Source.REST)
    assert desk.changes == []


def test_an_account_that_is_followed_anew_is_unsure_until_it_answers() -> None:
    """It stays watched and rises; it does not fall by what may have changed, and its trouble is not over yet."""
    desk = Desk()
    desk.follow(isolated(), source=Source.REST)
    desk.room(0.05)
    desk.step(AccountState("main", ok=False, reason="refused", fatal=True))
    stored = msgspec.structs.replace(followed(isolated()), source=Source.STORED)
    desk.step(SettingsChanged(desk.settings, desk.tables, (stored,)))
    desk.stay(400, 0.9)
    assert {alert.subject: alert.level for alert in desk.engine.open_alerts()} == {
        SUBJECT: Level.EMERGENCY,
        "/account:main": Level.CRITICAL,
    }
    desk.follow(isolated(), source=Source.REST)
    assert [alert.subject for alert in desk.engine.open_alerts()] == [SUBJECT]
    desk.stay(400, 0.9)
    assert desk.engine.open_alerts() == ()
    assert desk.changes == []


def test_what_is_around_accounts_goes_with_them() -> None:
    """What is known of prices stays."""
    known = Surroundings(
        funds={"a": FundsKnown("a", 1, {}), "b": FundsKnown("b", 1, {})},
        keys={"b": KeyKnown("b", can_trade=False, can_withdraw=False)},
    )
    assert known.only({"a"}) == Surroundings(funds={"a": FundsKnown("a", 1, {})})
    assert known.only({"a", "b"}) == known


def test_an_older_journal_has_no_accounts_with_its_settings() -> None:
    """Such a line is still read."""
    event = SettingsChanged(Desk().settings, ())
    document = msgspec.json.decode(msgspec.json.encode(event))
    del document["accounts"]
    assert msgspec.convert(document, SettingsChanged, strict=False) == event
    assert Engine().accounts() == ()


def liquidated(desk: Desk) -> None:
    """Let the exchange close what the account held."""
    order = OrderForced("main", "x-1", BTC, Side.LONG, ForcedOrder.LIQUIDATION, 1.0, 90.0, desk.wall_ms)
    desk.step(order)


def forced(desk: Desk) -> list[str]:
    """Return who was told of it, in order."""
    told = [one for one in desk.notices if one.kind is NoticeKind.FORCED]
    assert {one.facts.reason for one in told} <= {"liquidation"}
    return [one.channel for one in told]


def channels(desk: Desk, *names: str) -> None:
    """Go over to these channels."""
    rules = tuple(ChannelRule(name, Level.NOTICE) for name in names)
    desk.configure(msgspec.structs.replace(desk.settings, channels=rules))


@pytest.mark.parametrize(
    ("after", "heirs"),
    [
        (("phone",), ["phone"]),
        (("mail", "phone"), ["phone"]),
        (("mail",), []),
        (("tg", "mail", "phone"), []),
        ((), []),
    ],
)
def test_a_liquidation_that_waits_for_a_channel_taken_out_is_told_by_the_one_in_its_place(
    after: tuple[str, ...], heirs: list[str]
) -> None:
    """It happened once: nothing would remind of it. Who knows is not told again."""
    desk = Desk(channels=[ChannelRule(name, Level.NOTICE) for name in ("tg", "mail")], deliver=False)
    liquidated(desk)
    desk.result(next(one for one in desk.notices if one.channel == "mail"))
    channels(desk, *after)
    channels(desk, *after)
    desk.beat(5)
    assert forced(desk) == ["tg", "mail", *heirs]


def test_without_a_channel_in_its_place_all_others_are_told_of_a_liquidation() -> None:
    """Also those that would not have been."""
    desk = Desk(channels=[ChannelRule("tg", Level.NOTICE)], deliver=False)
    liquidated(desk)
    channels(desk, "tg", "mail")
    assert forced(desk) == ["tg"]
    channels(desk, "mail")
    assert forced(desk) == ["tg", "mail"]


@pytest.mark.parametrize("taken", [True, False])
def test_what_was_delivered_is_left_to_nobody_and_what_was_refused_to_who_comes(taken: bool) -> None:  # noqa: FBT001
    """Where nobody took it, the one that comes in its place is the first that can."""
    desk = Desk(channels=[ChannelRule("tg", Level.NOTICE)], deliver=False)
    liquidated(desk)
    desk.result(desk.notices[0], accepted=taken)
    channels(desk, "mail")
    assert forced(desk) == (["tg"] if taken else ["tg", "mail"])


def test_what_matters_less_goes_with_its_channel() -> None:
    """A change somebody asked to be told of is no emergency."""
    desk = Desk(channels=[ChannelRule("tg", Level.NOTICE, changes=True)], deliver=False)
    desk.follow(isolated(), source=Source.REST)
    desk.follow(isolated(quantity=2.0))
    assert [one.kind for one in desk.notices] == [NoticeKind.CHANGED]
    channels(desk, "mail")
    assert [one.kind for one in desk.notices] == [NoticeKind.CHANGED]


def two(desk: Desk) -> tuple[AccountSnapshot, AccountSnapshot]:
    """Follow two accounts that hold different things."""
    renamed(desk, "main", "hedge")
    desk.settings = msgspec.structs.replace(desk.settings, channels=(ChannelRule("phone", changes=True),))
    desk.configure()
    one = followed(isolated(quantity=2.0))
    other = msgspec.structs.replace(followed(isolated(ETH), name="hedge"), hedge_mode=True)
    for each in (one, other):
        desk.step(Snapshot(each))
    return one, other


def stored(one: AccountSnapshot, name: str) -> AccountSnapshot:
    return msgspec.structs.replace(one, account=name, source=Source.STORED)


def test_accounts_that_swap_names_have_not_changed() -> None:
    """Each goes on under its new name: what the other held there is nobody's news, then nor later."""
    desk = Desk()
    one, other = two(desk)
    desk.changes.clear()
    swapped = (stored(one, "hedge"), stored(other, "main"))
    desk.step(SettingsChanged(desk.settings, desk.tables, swapped, (), {"main": "hedge", "hedge": "main"}))
    for each in swapped:
        desk.step(Snapshot(msgspec.structs.replace(each, source=Source.REST)))
    assert desk.changes == []
    assert NoticeKind.CHANGED not in {one.kind for one in desk.notices}
    held = {(each.account, p.symbol) for each in desk.engine.accounts() for p in each.positions}
    assert held == {("main", ETH), ("hedge", BTC)}
    # What changes from there on is told.
    desk.follow(isolated(ETH, quantity=3.0), source=Source.STREAM)
    assert desk.changes


def test_what_another_key_tells_first_is_no_change_of_what_the_key_before_told() -> None:
    """It may be another account under the name; what it tells after that is news."""
    desk = Desk()
    one, _ = two(desk)
    desk.changes.clear()
    desk.step(SettingsChanged(desk.settings, desk.tables, (stored(one, "main"),), (), {"main": ""}))
    desk.follow(isolated(ETH), source=Source.REST)
    assert desk.changes == []
    desk.follow(isolated(ETH, quantity=3.0), source=Source.STREAM)
    assert len(desk.changes) == 1


def ratio(desk: Desk) -> dict[str, float | None]:
    """Return the margin ratios of isolated wallets by account."""
    found = desk.engine.view(desk.now()).wallets
    return {one.account: one.margin_ratio for one in found if one.wallet.startswith("isolated")}


def test_the_tiers_and_corrections_of_an_account_go_with_its_key() -> None:
    """Under its new name it is judged in the same step as it was: nothing of it is without tiers."""
    desk = Desk()
    desk.tables = ()
    desk.configure()
    position = isolated()
    desk.step(TablesChanged("main", (table(BTC, 0.02),)))
    desk.follow(position, source=Source.REST)
    desk.room(0.9)
    one = followed(position)
    at = mark_at(0.9)
    wallet = WalletFigures("isolated:BTCUSDT:LONG", {BTC: at}, at - 90.0, 3.0)
    legs = (PositionFigures(BTC, Side.LONG, at, 3.0, None, quotes_liquidation=False),)
    calm = ratio(desk)["main"]
    desk.step(Reconciled(one, ExchangeFigures(7, legs, (wallet,))))
    before = ratio(desk)["main"]
    assert before != calm
    renamed(desk, "other")
    desk.step(SettingsChanged(desk.settings, (), (stored(one, "other"),), (), {"other": "main"}))
    assert ratio(desk) == {"other": before}
    assert "/tiers:other" not in [alert.subject for alert in desk.engine.open_alerts()]
