"""When REST is asked for an account, second by second."""

from monitor.binance.account_pace import LEVERAGE, Pace
from monitor.binance.account_values import AccountTimings

TIMINGS = AccountTimings(reconcile_every_s=30.0, unproved_every_s=10.0, reconcile_gap_s=2.0, again_after_s=3.0)


def reconciled(pace: Pace, at_s: float, *, held_back: bool = False, proved: bool = True) -> None:
    """REST is asked and answers in the same second."""
    active = pace.begin(at_s)
    pace.done(at_s, held_back=held_back, active=active, proved=proved)


def test_it_is_asked_at_once_and_then_each_half_minute() -> None:
    """While nothing happens and the private stream is open."""
    pace = Pace(TIMINGS)
    assert (pace.due_s, pace.age_s(100.0)) == (0.0, None)
    reconciled(pace, 100.0)
    assert (pace.due_s, pace.age_s(104.0), pace.count) == (130.0, 4.0, 1)


def test_without_a_stream_it_is_asked_three_times_as_often() -> None:
    """What the stream would tell is known by REST alone."""
    pace = Pace(TIMINGS)
    reconciled(pace, 100.0, proved=False)
    assert pace.due_s == 110.0


def test_a_gap_has_it_asked_at_once_but_for_the_least_pause() -> None:
    """However many gaps there are."""
    pace = Pace(TIMINGS)
    reconciled(pace, 100.0)
    pace.ask("gap", 100.5)
    assert pace.due_s == 102.0
    pace.ask("gap", 101.0)
    assert pace.due_s == 102.0
    reconciled(pace, 102.0)
    pace.ask("gap", 120.0)
    assert pace.due_s == 120.0


def test_an_account_that_trades_all_the_time_is_asked_for_less_and_less_often() -> None:
    """The pause doubles each time that trading hurried it, up to the usual one; one calm reconcile ends that."""
    pace = Pace(TIMINGS)
    reconciled(pace, 0.0)
    pauses, now_s = [], 0.0
    for _ in range(6):
        pace.ask(LEVERAGE, now_s + 0.1)
        pauses.append(pace.due_s - now_s)
        now_s = pace.due_s
        reconciled(pace, now_s)
    assert pauses == [2.0, 3.0, 6.0, 12.0, 24.0, 30.0]
    reconciled(pace, now_s + 30.0)
    pace.ask(LEVERAGE, now_s + 31.0)
    assert pace.due_s == now_s + 32.0


def test_a_reply_that_lags_is_asked_for_again_soon() -> None:
    """Later each time that it lags."""
    pace = Pace(TIMINGS)
    reconciled(pace, 100.0, held_back=True)
    assert pace.due_s == 103.0
    reconciled(pace, 103.0, held_back=True)
    assert pace.due_s == 109.0
    reconciled(pace, 109.0)
    assert pace.due_s == 139.0


def test_what_is_asked_for_while_an_answer_is_waited_for_is_not_forgotten() -> None:
    """The answer may have been made before it."""
    pace = Pace(TIMINGS)
    active = pace.begin(100.0)
    pace.ask("gap", 100.5)
    pace.done(100.0, held_back=False, active=active, proved=True)
    assert pace.due_s == 100.5


def test_what_is_due_anyway_is_not_put_off() -> None:
    """A failure says when to ask again; a reconcile may be due before that, and is done then."""
    pace = Pace(TIMINGS)
    reconciled(pace, 100.0)
    pace.no_later(400.0)
    assert pace.due_s == 130.0
    pace.no_later(110.0)
    assert pace.due_s == 110.0
