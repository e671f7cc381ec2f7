"""What a start waits for: accounts and symbols that are neither known nor declared to be lost or blind."""

import msgspec
import pytest

from monitor.core.engine import Engine
from monitor.core.events import AccountState, AtRest, Heartbeat, SettingsChanged, Snapshot, Subscribed, Ticks
from monitor.core.hearing import SILENT_AFTER_S
from monitor.core.model import MarkRange, Now, Source
from monitor.core.settings import EngineSettings, FreshnessRules
from tests.core.builders import BTC, ETH, account, isolated, table

BLIND_S = FreshnessRules().blind_after_s
START = Now(1_780_000_000_000, 1000.0)


def after(seconds: float) -> Now:
    return Now(START.wall_ms + round(seconds * 1000), START.mono_s + seconds)


@pytest.fixture
def engine() -> Engine:
    """Return one with an account that is typed in and one that is followed, of which nothing is known."""
    one = Engine()
    one.step(SettingsChanged(EngineSettings(accounts=("typed", "followed")), (table(BTC), table(ETH))), START)
    one.step(Snapshot(account(isolated(), name="typed")), START)
    return one


def followed(source: Source) -> Snapshot:
    return Snapshot(msgspec.structs.replace(account(isolated(ETH), name="followed"), source=source))


def tick(symbol: str, at: Now, source: Source = Source.STREAM) -> Ticks:
    return Ticks((MarkRange(symbol, 100.0, 100.0, 100.0, at.wall_ms, at.mono_s, source),))


def test_what_is_typed_in_is_known_and_its_symbols_are_not(engine: Engine) -> None:
    """One that is followed has to answer first."""
    assert engine.unknown() == ("followed",)
    assert engine.awaited(START) == (("followed",), (BTC,))


def test_what_an_earlier_run_knew_of_an_account_is_no_answer(engine: Engine) -> None:
    """It is watched as it was; that it still is so has to be said."""
    engine.step(followed(Source.STORED), START)
    assert engine.unknown() == ()
    assert engine.awaited(START) == (("followed",), (BTC, ETH))
    engine.step(followed(Source.REST), START)
    assert engine.awaited(START) == ((), (BTC, ETH))


def test_an_account_that_is_declared_lost_is_not_waited_for(engine: Engine) -> None:
    """A key that is refused says so at once; of one that nobody speaks of silence says it."""
    engine.step(AccountState("followed", ok=False, reason="key_refused", fatal=True), START)
    assert engine.awaited(START) == ((), (BTC,))
    engine.step(AccountState("followed", ok=True), START)
    assert engine.awaited(START)[0] == ("followed",)
    engine.step(Heartbeat(), after(SILENT_AFTER_S))
    assert engine.awaited(after(SILENT_AFTER_S))[0] == ()


def test_a_symbol_is_known_by_its_stream_alone(engine: Engine) -> None:
    """A mark of REST stands in for it until it is blind; once it was heard of, silence is a matter of health."""
    engine.step(Subscribed("usdm", (BTC,), after(1.0).mono_s), after(1.0))
    engine.step(tick(BTC, after(2.0), Source.REST), after(2.0))
    assert engine.awaited(after(2.0))[1] == (BTC,)
    engine.step(tick(BTC, after(3.0)), after(3.0))
    assert engine.awaited(after(3.0))[1] == ()
    assert engine.awaited(after(3.0 + BLIND_S / 2))[1] == ()
    assert engine.stale(after(3.0 + BLIND_S / 2)) == (BTC,)


def test_a_symbol_that_is_blind_is_not_waited_for(engine: Engine) -> None:
    """Fifteen seconds after it was first asked for, at the latest."""
    engine.step(Subscribed("usdm", (BTC,), after(1.0).mono_s), after(1.0))
    assert engine.awaited(after(0.9 + BLIND_S))[1] == (BTC,)
    assert engine.awaited(after(1.0 + BLIND_S))[1] == ()
    assert BLIND_S <= 15.0


def test_a_symbol_whose_market_is_closed_is_not_waited_for(engine: Engine) -> None:
    """Its silence is in order."""
    engine.step(AtRest("usdm", (BTC,), after(1.0).mono_s), after(1.0))
    assert engine.awaited(after(1.0))[1] == ()
    assert engine.stale(after(1.0)) == ()
