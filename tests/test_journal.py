"""Journals: what is written is read back, and damage is named."""

import stat
from pathlib import Path

import pytest

from monitor.core.events import Event, Heartbeat, Learnt, SettingsChanged, Snapshot, Subscribed, Ticks
from monitor.core.model import (
    AccountSnapshot,
    Bracket,
    BracketTable,
    Lot,
    MarginMode,
    Market,
    MarkRange,
    Now,
    Position,
    Side,
    WaitingOrder,
)
from monitor.core.settings import ChannelRule, EngineSettings
from monitor.core.surroundings import (
    AdlKnown,
    Funding,
    FundingKnown,
    FundsKnown,
    KeyKnown,
    LotsKnown,
    OrdersKnown,
)
from monitor.errors import JournalError, StoreError
from monitor.journal import Entry, JournalWriter, read_journal

EVENTS: list[Event] = [
    SettingsChanged(
        EngineSettings(channels=(ChannelRule("phone"),), accounts=("main",)),
        (BracketTable("币安人生USDT", (Bracket(0, 1e5, 0.01, 0),)),),
    ),
    Snapshot(
        AccountSnapshot(
            "main",
            {"USDT": 10.0},
            (Position("币安人生USDT", Side.LONG, 1.5, 0.1, MarginMode.ISOLATED, "USDT", 3.0),),
        )
    ),
    Subscribed("usdm", ("币安人生USDT",), 1.0),
    Learnt(LotsKnown(Market.COINM, {"BTCUSD_PERP": Lot(1.0, 1.0), "币安人生USDT": Lot(0.001, 0.002)})),
    Learnt(FundsKnown("main", 5, {"USDT": 10.0}, {"USDT": 1.5})),
    Learnt(
        OrdersKnown(
            "main",
            6,
            ("币安人生USDT",),
            (
                WaitingOrder(
                    "币安人生USDT", Side.LONG, "STOP", 0.09, 0.0, closes=True, conditional=True, limit=0.089
                ),
            ),
        )
    ),
    Learnt(AdlKnown("main", 7, {"币安人生USDT": {Side.LONG: 4}})),
    Learnt(FundingKnown(8, {"币安人生USDT": Funding(-0.0001, 9, 4.0)})),
    Learnt(KeyKnown("main", can_trade=True, can_withdraw=False)),
    Ticks((MarkRange("币安人生USDT", 0.1, 0.09, 0.11, 5, 1.5),)),
    Heartbeat(),
]


def write(path: Path) -> list[Entry]:
    writer = JournalWriter(path, "1.2.3")
    entries = [Entry(Now(1000 + i, float(i)), event) for i, event in enumerate(EVENTS)]
    for entry in entries:
        writer.record(entry.event, entry.now)
    writer.close()
    writer.close()
    return entries


def test_every_event_reads_back_as_it_was(tmp_path: Path) -> None:
    """A journal loses nothing, non-ASCII symbols included."""
    path = tmp_path / "j"
    entries = write(path)
    assert list(read_journal(path)) == entries


def test_a_journal_is_for_its_owner_only(tmp_path: Path) -> None:
    """It holds positions and prices."""
    write(tmp_path / "j")
    assert stat.S_IMODE((tmp_path / "j").stat().st_mode) == 0o600


def test_a_line_cut_short_at_the_end_is_left_out(tmp_path: Path) -> None:
    """A crash while writing costs the last event only."""
    path = tmp_path / "j"
    entries = write(path)
    path.write_bytes(path.read_bytes()[:-5])
    assert list(read_journal(path)) == entries[:-1]


def test_a_damaged_line_is_named(tmp_path: Path) -> None:
    """Everything before it is still yielded."""
    path = tmp_path / "j"
    entries = write(path)
    lines = path.read_bytes().split(b"\n")
    lines[3] = b'{"now":{}}'
    path.write_bytes(b"\n".join(lines))
    got: list[Entry] = []
    with pytest.raises(JournalError, match="line 4") as caught:
        got.extend(read_journal(path))
    assert caught.value.line == 4
    assert got == entries[:2]


@pytest.mark.parametrize(
    ("content", "reason"),
    [(b"", "not a journal"), (b"hello\n", "not a journal"), (b'{"journal":99,"version":"9"}\n', "format 99")],
)
def test_another_file_is_refused(tmp_path: Path, content: bytes, reason: str) -> None:
    """What is no journal of this format says so at line 1."""
    path = tmp_path / "j"
    path.write_bytes(content)
    with pytest.raises(JournalError, match=reason):
        list(read_journal(path))


def test_a_missing_file_is_a_journal_error(tmp_path: Path) -> None:
    """The message names the path."""
    with pytest.raises(JournalError, match="nothing-here"):
        list(read_journal(tmp_path / "nothing-here"))


def test_a_place_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    """The hint names the option."""
    with pytest.raises(StoreError, match="--journal"):
        JournalWriter(tmp_path / "no" / "such" / "folder", "1")


def test_a_full_disk_ends_the_journal_once() -> None:
    """The first failure raises, later records are dropped in silence."""
    writer = JournalWriter(Path("/dev/full"), "1")
    writer.record(Heartbeat(), Now(1, 1.0))
    with pytest.raises(StoreError, match="journal ends here"):
        writer.flush()
    writer.record(Heartbeat(), Now(2, 2.0))
    writer.flush()
    writer.close()


def test_an_earlier_journal_of_the_same_name_is_kept(tmp_path: Path) -> None:
    """It may hold the reason why the program was started again."""
    path = tmp_path / "j"
    first = write(path)
    write(path)
    third = JournalWriter(path, "1")
    third.close()
    assert third.kept == tmp_path / "j.2"
    assert list(read_journal(tmp_path / "j.1")) == first
    assert list(read_journal(path)) == []
