"""What one seed stands for: who holds what, where prices go, who is told, and what goes wrong when. Pure."""

import math
from collections.abc import Mapping, Sequence
from random import Random
from typing import Final, NamedTuple

import msgspec

from monitor.core.model import AccountSnapshot, Level, Position, Side
from monitor.core.settings import DEFAULT_LEVELS, AlertRules, ChannelRule, EngineSettings
from tests.core.builders import account, cross, isolated

ENTRY: Final = 100.0
MMR: Final = 0.01  # of the tables of every symbol
STARTS_S: Final = 20  # nothing goes wrong before
NAMES: Final = ("BTCUSDT", "ETHUSDT", "SOLUSDT", "XRPUSDT", "BNBUSDT", "ADAUSDT")
CHANNELS: Final = ("phone", "mail", "siren")

# What can go wrong, by port, and for how long in seconds.
SHORT, MEDIUM, LONG = (2, 14), (14, 60), (60, 200)
KINDS: Final[Mapping[str, tuple[tuple[int, int], ...]]] = {
    "feed-silent": (SHORT, MEDIUM, LONG),  # every stream, with the sockets open
    "feed-part-silent": (SHORT, MEDIUM, LONG),  # some symbols
    "feed-refused": (SHORT, MEDIUM, LONG),  # nobody gets a connection, those that were there end
    "feed-closed": ((1, 2),),
    "feed-no-data": (MEDIUM, LONG),  # opened, acknowledged, never a mark
    "feed-garbage": (SHORT, MEDIUM),
    "feed-doubled": (MEDIUM,),
    "feed-shuffled": (MEDIUM,),
    "feed-gaps": (SHORT, MEDIUM),
    "feed-stuck": (MEDIUM, LONG),  # the price stands still, its time does not
    "feed-wrong": (SHORT, MEDIUM, LONG),
    "rest-down": (MEDIUM, LONG),
    "rest-slow": (MEDIUM, LONG),
    "rest-stale": (MEDIUM, LONG),
    "rest-limited": (MEDIUM,),
    "rest-part": (MEDIUM, LONG),
    "rest-broken": (MEDIUM, LONG),
    "klines-fail": (MEDIUM, LONG),
    "store-fails": (SHORT, MEDIUM, LONG),
    "store-hangs": (SHORT, MEDIUM, LONG),
    "store-slow": (SHORT, MEDIUM),
    "history-fails": (MEDIUM, LONG),
    "channel-fails": (SHORT, MEDIUM, LONG),
    "channel-hangs": (SHORT, MEDIUM),
    "channel-limits": (SHORT, MEDIUM),
    "channel-refuses": (SHORT, MEDIUM),  # for good
    "channel-loses-answers": (SHORT, MEDIUM),
    "clock-steps": (MEDIUM, LONG),  # and is set right again
    "crash": ((1, 8), (8, 50), (70, 150)),  # and so long nothing runs
    "job-dies": (LONG,),
}
JOBS: Final = ("decide", "commit", "lane")


class Fault(NamedTuple):
    """One thing that goes wrong, from ``start_s`` until before ``end_s``, seconds of the story."""

    kind: str
    start_s: float
    end_s: float
    about: tuple[str, ...] = ()  # symbols, one channel or one job
    size: float = 0.0

    def __str__(self) -> str:
        about = f" {','.join(self.about)}" if self.about else ""
        size = f" {self.size:+.2f}" if self.size else ""
        return f"{self.kind} {self.start_s:.1f}-{self.end_s:.1f}{about}{size}"


class Story(NamedTuple):
    """All of it. Times are seconds since the beginning."""

    seed: int
    settings: EngineSettings
    accounts: tuple[AccountSnapshot, ...]
    symbols: tuple[str, ...]
    prices: Mapping[str, Sequence[float]]  # by symbol, the true mark of each second
    faults: tuple[Fault, ...]
    quiet_s: float  # from then on nothing goes wrong and prices rest
    length_s: float

    def crashes(self) -> list[Fault]:
        return [fault for fault in self.faults if fault.kind == "crash"]


def rules() -> AlertRules:
    """The shipped conditions without moves; levels are left soon, so that a story ends."""
    dwell_s = {Level.NOTICE: 60.0, Level.WARNING: 90.0, Level.CRITICAL: 90.0, Level.EMERGENCY: 70.0}
    again_s = {Level.NOTICE: None, Level.WARNING: 600.0, Level.CRITICAL: 180.0, Level.EMERGENCY: 90.0}
    first, second, third, fourth = (
        msgspec.structs.replace(rule, moves_left=None, dwell_s=dwell_s[rule.level], reminder_s=again_s[rule.level])
        for rule in DEFAULT_LEVELS
    )
    return AlertRules((first, second, third, fourth))


def story_of(seed: int) -> Story:
    """Return what a seed stands for; always the same."""
    rng = Random(seed)  # noqa: S311 - seeded chance is what this is for
    symbols = tuple(rng.sample(NAMES, rng.choice((1, 1, 2, 2, 3, 4, 6))))
    accounts = tuple(_account(rng, f"a{n}", symbols) for n in range(rng.choice((1, 1, 2, 3))))
    symbols = tuple(sorted({held.symbol for one in accounts for held in one.positions}))
    channels = _channels(rng)
    settings = EngineSettings(
        rules=rules(),
        channels=channels,
        accounts=tuple(one.account for one in accounts),
        escalate_after_s=rng.choice((120.0, 600.0)),
    )
    active_s = rng.randint(200, 360)
    faults = _faults(rng, symbols, [rule.name for rule in channels], active_s)
    ends_s = max([active_s, *(fault.end_s for fault in faults)])
    refuses = any(fault.kind == "channel-refuses" for fault in faults)
    quiet_s = math.ceil(ends_s) + 5.0
    length_s = quiet_s + (1330.0 if refuses else 460.0)
    prices = {
        symbol: _path(rng, [held for one in accounts for held in one.positions if held.symbol == symbol],
                      int(length_s) + 2, active_s)
        for symbol in symbols
    }  # fmt: skip
    return Story(seed, settings, accounts, symbols, prices, faults, quiet_s, length_s)


def _account(rng: Random, name: str, symbols: Sequence[str]) -> AccountSnapshot:
    held: list[Position] = []
    notional = 0.0
    for symbol in rng.sample(symbols, rng.randint(1, len(symbols))):
        side = rng.choice((Side.LONG, Side.LONG, Side.SHORT))
        other = Side.SHORT if side is Side.LONG else Side.LONG
        match rng.choice(("isolated", "isolated", "cross", "hedged", "hedged cross")):
            case "isolated":
                held.append(isolated(symbol, margin=rng.choice((5.0, 8.0, 10.0, 20.0)), side=side))
            case "hedged":
                held.append(isolated(symbol, margin=rng.choice((5.0, 10.0)), side=side))
                held.append(isolated(symbol, margin=rng.choice((5.0, 10.0)), side=other, quantity=0.5))
            case "cross":
                held.append(cross(symbol, side=side))
                notional += ENTRY
            case "hedged cross":
                held += [cross(symbol, side=side), cross(symbol, side=other, quantity=0.4)]
                notional += ENTRY
    usdt = notional * rng.choice((0.08, 0.12, 0.2)) if notional else None
    return account(*held, name=name, usdt=usdt)


def _channels(rng: Random) -> tuple[ChannelRule, ...]:
    names = CHANNELS[: rng.choice((1, 2, 2, 3))]
    found = []
    for n, name in enumerate(names):
        others = [other for other in names if other != name]
        found.append(
            ChannelRule(
                name,
                rng.choice((Level.NOTICE, Level.WARNING, Level.WARNING, Level.CRITICAL)),
                fallback=rng.choice(others) if others and rng.random() < 0.5 else "",
                fallback_after_s=rng.choice((30.0, 120.0)),
                escalation=n == len(names) - 1 and n > 0 and rng.random() < 0.3,
            )
        )
    return tuple(found)


def _faults(rng: Random, symbols: Sequence[str], channels: Sequence[str], active_s: int) -> tuple[Fault, ...]:
    found: list[Fault] = []
    for _ in range(rng.choice((1, 2, 3, 3, 4, 5, 6))):
        kind = rng.choice(tuple(KINDS))
        start_s = round(rng.uniform(STARTS_S, active_s), 2)
        end_s = round(start_s + rng.uniform(*rng.choice(KINDS[kind])), 2)
        about: tuple[str, ...] = ()
        size = 0.0
        if kind in {"feed-part-silent", "feed-stuck", "feed-wrong", "rest-part"}:
            about = tuple(sorted(rng.sample(symbols, rng.randint(1, len(symbols)))))
        if kind == "feed-wrong":
            size = rng.choice((-0.3, -0.05, 0.03, 0.2))
        elif kind.startswith("channel"):
            about = (rng.choice(channels),)
        elif kind == "job-dies":
            about = (rng.choice(JOBS),)  # once, when it next has something to do
        elif kind == "clock-steps":
            size = rng.choice((-3600.0, -45.0, -7.0, 7.0, 45.0, 3600.0))
        if kind == "crash" and any(one.kind == kind and _near(one, start_s, end_s) for one in found):
            continue  # what does not run cannot be killed
        if kind == "clock-steps" and any(one.kind == kind and _near(one, start_s, end_s) for one in found):
            continue
        found.append(Fault(kind, start_s, end_s, about, size))
    return tuple(sorted(found, key=lambda fault: fault.start_s))


def _near(one: Fault, start_s: float, end_s: float) -> bool:
    return start_s < one.end_s + 20.0 and one.start_s < end_s + 20.0


def _path(rng: Random, held: Sequence[Position], seconds: int, active_s: int) -> list[float]:
    """A walk with fat tails around the entry price, and plunges towards a liquidation and back."""
    path = []
    away = 0.0
    for second in range(seconds):
        if second < active_s:
            away = 0.98 * away + 0.0004 * rng.gauss(0.0, 1.0) / max(0.2, rng.random())
        else:
            away *= 0.9
        path.append(ENTRY * (1.0 + max(-0.02, min(0.02, away))))
    for _ in range(rng.choice((1, 2, 3, 4))):
        one = rng.choice(held)
        down = one.side is Side.LONG
        margin = (one.margin or rng.choice((8.0, 20.0))) / one.quantity
        depth = (margin / ENTRY - MMR) * rng.choice((0.4, 0.6, 0.85, 0.92, 0.95, 0.99, 1.05))
        begins = rng.randint(STARTS_S, active_s)
        falls, stays, returns = rng.choice((1, 3, 20)), rng.choice((1, 1, 5, 30, 90)), rng.choice((1, 5, 40))
        for step in range(falls + stays + returns):
            second = begins + step
            if second >= active_s:
                break
            back = max(0.0, (step - falls - stays + 1) / returns)
            share = (step + 1) / falls if step < falls else 1.0 - back
            path[second] *= 1.0 - depth * share if down else 1.0 + depth * share
    return path
