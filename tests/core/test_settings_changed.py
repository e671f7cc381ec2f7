"""Settings that change while an engine watches: accounts that come with them, and what is left of those gone."""

import msgspec

from monitor.core.engine import Engine
from monitor.core.events import AccountState, Learnt, SettingsChanged, Snapshot, TablesChanged
from monitor.core.model import Level, Market, Source
from monitor.core.notices import NoticeKind
from monitor.core.surroundings import FundsKnown, KeyKnown, Surroundings
from tests.core.builders import BTC, ETH, SUBJECT, Desk, account, followed, isolated, table


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
    assert [str(info.key) for info in one.engine._book.wallets] == [
        str(info.key) for info in several.engine._book.wallets
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
