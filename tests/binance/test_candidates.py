import pytest

from monitor.binance.candidates import CandidateReport, Candidates


def test_indexes_wrap_around() -> None:
    """After the last candidate comes the first again."""
    candidates = Candidates(["wss://a.example/market", "wss://b.example/market"])
    assert [candidates.host(i) for i in range(3)] == ["a.example", "b.example", "a.example"]
    assert candidates.url(1) == "wss://b.example/market/ws"


def test_the_report_keeps_the_latest_outcome_in_order() -> None:
    """Each candidate shows what became of it last; one that was never tried says so."""
    candidates = Candidates(["wss://a.example/market", "wss://b.example/market"])
    candidates.record(2, "refused", 7, "no_data")
    candidates.record(0, "live", 9)
    assert candidates.report() == (
        CandidateReport("wss://a.example/market", "live", "", "", 9),
        CandidateReport("wss://b.example/market"),
    )


def test_a_report_shows_no_password() -> None:
    """User, password and query of an address stay out of the report; connecting still uses them."""
    candidates = Candidates(["wss://user:word@a.example:9443/market"])
    assert candidates.report()[0].base == "wss://a.example:9443/market"
    assert candidates.url(0) == "wss://user:word@a.example:9443/market/ws"


def test_a_feed_needs_a_candidate() -> None:
    """No address at all is a mistake of the caller."""
    with pytest.raises(ValueError, match="at least one"):
        Candidates([])
