"""A configuration read again and again while hundreds of symbols tick: nothing is lost, nothing is told twice."""

import asyncio
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from threading import Event
from typing import Any

from monitor.app import Daemon
from monitor.core.model import Level, MarkTick
from monitor.core.notices import NoticeKind
from monitor.emulator.server import Emulator
from monitor.plan import Renewal
from tests.reloaded import Site, account, exchange, move, position, running, trading, until

SYMBOLS = tuple(f"S{number:03}USDT" for number in range(300))
EXTRA = "EXTRAUSDT"
RELOADS = 40
Row = tuple[str, int]


def tables() -> str:
    """A table of one's own for each symbol: none of them has one that is shipped."""
    return "".join(f"[brackets.{name}]\nrows = [[0, 1000000, 0.004, 0]]\n" for name in (*SYMBOLS, EXTRA))


def base(margin: float = 1550.0) -> str:
    """Three accounts with a hundred symbols each; the first position of the first has this margin."""
    return "".join(
        account(
            f"a{part}",
            *(
                position(name, margin=margin if name == SYMBOLS[0] else 1550.0)
                for name in SYMBOLS[part * 100 : part * 100 + 100]
            ),
        )
        for part in range(3)
    )


class Counted:
    """Rows that left the exchange, and marks that entered the engine's inbox; by symbol and event time."""

    def __init__(self, emulator: Emulator, daemon: Daemon) -> None:
        self.sent: set[Row] = set()
        self.taken: list[Row] = []
        streams: Any = emulator.streams
        inbox: Any = daemon._inbox
        send, tick = streams._send, inbox.tick

        async def sending(one: object, frame: str) -> None:
            self.sent |= set(_rows(frame))
            await send(one, frame)

        def ticking(mark: MarkTick) -> None:
            self.taken.append((mark.symbol, mark.event_ms))
            tick(mark)

        streams._send = sending
        inbox.tick = ticking

    def missing(self, since_ms: int) -> set[Row]:
        """Rows of the symbols that are always watched which left after a moment and did not arrive."""
        wanted = {row for row in self.sent if row[0] != EXTRA and row[1] > since_ms}
        return wanted - set(self.taken)


def _rows(frame: str) -> Iterator[Row]:
    found = json.loads(frame)
    found = found.get("data", found) if isinstance(found, dict) else found
    for row in found if isinstance(found, list) else [found]:
        if row.get("e") == "markPriceUpdate":
            yield row["s"], row["E"]


def variants(site: Site) -> list[tuple[str, ...]]:
    """Valid configurations, each with other things in it."""
    tg, mail = site.channel(), site.channel("mail")
    return [
        (base(), tg, tables()),
        (base(), tg, mail, tables()),
        (base(2000.0), tg, tables(), "[alerts.notice]\nroom = 0.3\n"),
        (base(), account("extra", position(EXTRA)), tg, tables()),
        (
            base(),
            tg,
            tables(),
            '[history]\nkeep_raw = "3d"\n[display]\ntime_zone = "UTC"\n[advice]\nslippage = 0.001\n',
        ),
    ]


async def test_reloads_under_load_lose_no_mark_and_make_no_new_connection(tmp_path: Path) -> None:
    """Every row that the exchange sent of what is always watched is taken by the engine, once."""
    async with trading(exchange(*SYMBOLS, EXTRA, tick_s=0.1)) as emulator:
        site = Site(tmp_path, emulator)
        site.write(*variants(site)[0])
        async with running(site) as daemon:
            counted = Counted(emulator, daemon)
            await until(lambda: not daemon._engine.stale(daemon._clock.now()))
            since_ms, evaluations = max(event_ms for _, event_ms in counted.taken), daemon._engine.evaluations
            connects = [feed.connects for feed in daemon.status().feeds]
            for number in range(RELOADS):
                await site.change(*variants(site)[number % 5])
                assert await site.refused(base(), tables(), "[log]\nlevel = 3\n") == ["log.level"]
                ticks = daemon.ticks
                await until(lambda ticks=ticks: daemon.ticks > ticks)  # type: ignore[misc]
            await until(lambda: not counted.missing(since_ms))
            rows = len([row for row in counted.taken if row[1] > since_ms])
            assert rows > RELOADS * len(SYMBOLS)
            feed = daemon.status().feeds[0]
            assert [one.connects for one in daemon.status().feeds] == connects
            assert (feed.reconnects, feed.rejected) == (0, {})
            view = daemon.status().config
            assert view is not None
            assert (view.reloads, view.refused) == (RELOADS, RELOADS)
            assert daemon.status().job_deaths == {}
            assert daemon._engine.evaluations > evaluations
            # What entered the inbox was decided on, or joined a newer mark of its symbol.
            left = len(daemon._inbox._marks) + len(daemon._inbox._rest)
            assert daemon.ticks + daemon._inbox.coalesced + left >= len(counted.taken)
        assert not [one for name in SYMBOLS for one in site.transitions(f"/feed:{name}")]


async def test_a_crossing_while_the_file_is_read_is_told_once(tmp_path: Path) -> None:
    """There and back again before the switch: it counts, for it was received."""
    async with trading(exchange(*SYMBOLS, EXTRA, tick_s=0.1)) as emulator:
        site = Site(tmp_path, emulator)
        both = variants(site)
        site.write(*both[0])
        async with running(site) as daemon:
            await until(lambda: not daemon._engine.stale(daemon._clock.now()))
            renew: Any = daemon._reloads._renew
            crossed = Event()
            site.effects.clear()
            daemon.listen(lambda effects: crossed.set() if effects.notices else None)

            def slow() -> Renewal:
                move(emulator, SYMBOLS[7], "59300")
                assert crossed.wait(3.0)
                move(emulator, SYMBOLS[7], "62000")
                return renew()  # type: ignore[no-any-return]

            daemon._reloads._renew = slow
            await site.change(*both[1])
            daemon._reloads._renew = renew
            for _ in range(5):
                await site.change(*both[1])
                await site.change(*both[2])
            await until(lambda: bool(site.told().accepted))
        alerts = _alerts(site, SYMBOLS[7])
        assert [level for channel, level in alerts if channel == "tg"] == [Level.EMERGENCY]


async def test_a_crossing_in_the_very_moment_of_the_switch_is_told_once(tmp_path: Path) -> None:
    """A mark that waits for the engine as the settings change is taken by the settings before, and counts."""
    async with trading(exchange(*SYMBOLS, EXTRA, tick_s=0.1)) as emulator:
        site = Site(tmp_path, emulator)
        both = variants(site)
        site.write(*both[0])
        async with running(site) as daemon:
            await until(lambda: not daemon._engine.stale(daemon._clock.now()))
            switch = daemon._reloads._switch

            def crossing(renewal: Renewal) -> Sequence[str]:
                now = daemon._clock.now()
                daemon._holes.tick(MarkTick(SYMBOLS[9], 59300.0, now.wall_ms, now.mono_s))
                return switch(renewal)

            daemon._reloads._switch = crossing
            await site.change(*both[2])
            daemon._reloads._switch = switch
            await site.change(*both[0])
            await until(lambda: bool(site.told().accepted))
        assert _alerts(site, SYMBOLS[9]) == [("tg", Level.EMERGENCY)]


def _alerts(site: Site, symbol: str) -> list[tuple[str, Level]]:
    notices = [one for effects in site.effects for one in effects.notices if one.kind is NoticeKind.ALERT]
    return [(one.channel, one.level) for one in notices if f"isolated:{symbol}:" in one.subject]


async def test_many_who_ask_at_once_all_get_an_answer(tmp_path: Path) -> None:
    """The second waits for the first; those behind share one, and each sees what the file said when it asked."""
    async with trading(exchange("BTCUSDT")) as emulator:
        site = Site(tmp_path, emulator)
        site.write(account("a", position("BTCUSDT")), site.channel())
        async with running(site) as daemon:
            here = [daemon._reloads.ask({}) for _ in range(50)]
            there = [site.reload() for _ in range(3)]
            assert all(answer.taken for answer in await asyncio.gather(*here))
            assert all(answer["taken"] for answer in await asyncio.gather(*there))
            view = daemon.status().config
            assert view is not None
            assert 1 <= view.reloads <= 4
