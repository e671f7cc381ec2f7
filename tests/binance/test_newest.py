from monitor.binance.newest import Newest, Verdict
from monitor.core.model import MarkTick


def tick(symbol: str, event_ms: int, seen_s: float = 5.0) -> MarkTick:
    return MarkTick(symbol, 1.0, event_ms, seen_s)


def test_a_mark_passes_once_and_in_order() -> None:
    """What two connections both deliver passes once; what is older than the newest does not pass."""
    newest = Newest()
    verdicts = [newest.judge(tick("A", at)) for at in (10, 10, 9, 11)]
    assert verdicts == [Verdict.NEW, Verdict.DUPLICATE, Verdict.OLD, Verdict.NEW]
    assert (newest.passed, newest.duplicates, newest.dropped_old) == (2, 1, 1)


def test_symbols_are_judged_each_by_itself() -> None:
    """An array that names one symbol says nothing about the others."""
    newest = Newest()
    newest.judge(tick("A", 10))
    assert newest.judge(tick("B", 5)) is Verdict.NEW
    assert newest.judge(tick("A", 9)) is Verdict.OLD


def test_silence_is_the_age_of_the_last_new_mark() -> None:
    """A symbol never heard of is silent; repetitions do not end a silence."""
    newest = Newest()
    newest.judge(tick("A", 10, seen_s=1.0))
    newest.judge(tick("A", 10, seen_s=9.0))
    newest.judge(tick("B", 10, seen_s=9.0))
    assert newest.silent(["C", "B", "A"], before_s=5.0) == ("A", "C")


def test_forgotten_symbols_begin_anew() -> None:
    """After a symbol was given up, its next mark counts as the first; unknown names are no error."""
    newest = Newest()
    newest.judge(tick("A", 10))
    newest.forget(["A", "B"])
    assert newest.judge(tick("A", 3)) is Verdict.NEW
