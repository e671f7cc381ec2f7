"""Followed accounts are kept between runs; what cannot be read is set aside and costs nothing else."""

from pathlib import Path

import pytest
from structlog.testing import capture_logs

from monitor.core.model import AccountSnapshot, AssetRate, MarginMode, Market, Position, Side, Source
from monitor.errors import StoreError
from monitor.storage.account_cache import FILE, AccountCache

MAIN = AccountSnapshot(
    "main",
    {"USDT": 5000.0, "BTC": 0.25},
    (Position("BTCUSDT", Side.LONG, 0.5, 62000.0, MarginMode.CROSS, "USDT", leverage=20.0),),
    as_of_ms=1_780_000_000_000,
    source=Source.STREAM,
    multi_assets=True,
    rates={"BTC": AssetRate(57000.0, 63000.0)},
)
COIN = AccountSnapshot(
    "coin",
    {"BTC": 1.0},
    (Position("BTCUSD_PERP", Side.SHORT, 100.0, 62000.0, MarginMode.ISOLATED, "BTC", 0.1, 100.0, inverse=True),),
    Market.COINM,
    source=Source.REST,
    hedge_mode=True,
)


def test_what_is_saved_comes_back_marked_as_old_knowledge(tmp_path: Path) -> None:
    """Every figure as it was; only the source says that nobody confirmed it since."""
    AccountCache(tmp_path).save([MAIN, COIN])
    kept = AccountCache(tmp_path).load()
    assert [one.source for one in kept] == [Source.STORED] * 2
    assert [(one.account, one.balances, one.positions, one.rates) for one in kept] == [
        (one.account, one.balances, one.positions, one.rates) for one in (MAIN, COIN)
    ]
    assert [(one.market, one.multi_assets, one.hedge_mode, one.as_of_ms) for one in kept] == [
        (one.market, one.multi_assets, one.hedge_mode, one.as_of_ms) for one in (MAIN, COIN)
    ]
    assert (tmp_path / FILE).stat().st_mode & 0o777 == 0o600


def test_nothing_saved_is_nothing(tmp_path: Path) -> None:
    """A first start."""
    assert AccountCache(tmp_path).load() == ()


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[]", b'{"version":2,"accounts":[]}', b'{"version":1}', b"\xff" * 9]
)
def test_a_file_that_cannot_be_used_is_set_aside(tmp_path: Path, content: bytes) -> None:
    """It is kept for whoever wants to look, and said once."""
    (tmp_path / FILE).write_bytes(content)
    with capture_logs() as logs:
        assert AccountCache(tmp_path).load() == ()
        assert AccountCache(tmp_path).load() == ()
    assert [entry["event"] for entry in logs] == ["accounts.cache_corrupt"]
    assert [path.read_bytes() for path in tmp_path.glob(f"{FILE}.*")] == [content]


def test_a_file_that_cannot_be_written_leaves_the_last_one(tmp_path: Path) -> None:
    """Half a file is never seen."""
    cache = AccountCache(tmp_path)
    cache.save([MAIN])
    (tmp_path / f"{FILE}.new").mkdir()
    with pytest.raises(StoreError):
        cache.save([COIN])
    assert [one.account for one in cache.load()] == ["main"]
