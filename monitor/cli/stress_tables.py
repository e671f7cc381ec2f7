"""What large moves do to everything that is held, as tables and sentences for people."""

import math
from collections.abc import Iterator, Mapping, Sequence

from rich.console import Console
from rich.text import Text

from monitor.cli.before_after import LIQUIDATED
from monitor.cli.ladder_view import FARTHEST, exact_percent
from monitor.cli.stress_view import MOVES, NOT_MODELLED, First, Outcome, Stressed, StressView
from monitor.cli.tables import STYLES, Column, FittedTable, wallet_name
from monitor.cli.typed import in_percent
from monitor.core.model import Level
from monitor.notify.numbers import grouped
from monitor.notify.remedies import LOOK_FIRST

_GONE = "liq."
_MOST_ROWS = 40
_MANY_DAYS = 99.5
# Ranks of moves as columns.
_ON_THE_WAY = 2
_LARGEST = 3  # where none liquidates: names are shortened rather than it is left out


def print_stress(out: Console, view: StressView) -> None:
    """Print what happens to each wallet if all fall or rise, then the worst of each symbol, then what is first."""
    if not view.now.positions:
        out.print("No positions are held.")
        return
    out.print(Text("All marks together", style="bold"))
    out.print(_wallets(view))
    if len(view.alone) > 1:
        out.print()
        out.print(Text("One symbol alone: the worst that becomes of any wallet", style="bold"))
        out.print(_symbols(view.alone))
    out.print()
    for line in _sentences(view):
        out.print(Text(line))
    out.print()
    out.print(Text(NOT_MODELLED, style="dim"))


def _wallets(view: StressView) -> FittedTable:
    names = [f"{one.account}/{one.wallet}" for one in view.now.wallets]
    now = dict(zip(names, (one.level for one in view.now.wallets), strict=True))
    now |= dict.fromkeys(view.liquidated_now, LIQUIDATED)
    held = {f"{one.account}/{one.wallet}" for one in view.now.positions if one.quantity}
    order = sorted((name for name in names if name in held), key=lambda name: -_fate(view.together.moves, name))
    shown = order[:_MOST_ROWS]
    assets = sorted({asset for outcome in view.together.moves for asset in outcome.lost})
    levels = {outcome.move: [_level(outcome, name) for name in shown] for outcome in view.together.moves}
    ranks = _ranks(levels, [_word(now[name]) for name in shown])
    columns = [
        Column(
            in_percent(outcome.move),
            [*levels[outcome.move], *(Text(_change(outcome, asset), justify="right") for asset in assets)],
            ranks[outcome.move],
            worth=ranks[outcome.move] == _LARGEST,
        )
        for outcome in view.together.moves
    ]
    middle = sum(outcome.move < 0.0 for outcome in view.together.moves)
    columns.insert(middle, Column("now", [*(_word(now[name]) for name in shown), *("" for _ in assets)]))
    more = len(order) - len(shown)
    rows = [*map(_spoken, shown), *(f"gain or loss, {asset}" for asset in assets)]
    if more > 0:
        rows[len(shown) - 1] += f" (and {more} that fare better)"
    return FittedTable((Column("wallet", rows, names=True), *columns))


def _symbols(alone: Sequence[Stressed]) -> FittedTable:
    nearest = sorted(alone, key=_nearest)[:_MOST_ROWS]
    first = [Column("symbol", [one.symbol for one in nearest])]
    levels = {
        move: [_worst(next(outcome for outcome in one.moves if outcome.move == move)) for one in nearest]
        for move in MOVES
    }
    ranks = _ranks(levels)
    moves = [Column(in_percent(move), levels[move], ranks[move]) for move in MOVES]
    edges = [
        Column(
            name,
            ["none" if edge is None else exact_percent(edge.move) for edge in found],
            right=True,
        )
        for name, found in (
            ("first down", [one.first_down for one in nearest]),
            ("first up", [one.first_up for one in nearest]),
        )
    ]
    return FittedTable((*first, *edges, *moves))


def _ranks(levels: Mapping[float, Sequence[Text]], now: Sequence[Text] = ()) -> dict[float, int]:
    """Return which moves matter most where there is no space for all of them, as ranks of columns.

    Of each way the smallest that liquidates more than is liquidated now always stays. Of the others the one before
    it goes last, which is the last that all outlive, then those on the way to it, then the largest where none
    liquidates. Of all else the larger go before the smaller; first go those that say the same as the next smaller.
    """
    ranks: dict[float, int] = {}
    for way in (sorted((m for m in levels if m < 0.0), reverse=True), sorted(m for m in levels if m > 0.0)):
        said = [_plain(now), *(_plain(levels[move]) for move in way)]
        gone = [sum(word.startswith(_GONE) for word in words) for words in said]
        first = next((i for i in range(1, len(said)) if gone[i] > gone[0]), None)
        for i, move in enumerate(way, start=1):
            if first is None and i == len(way):
                ranks[move] = _LARGEST
            elif first is not None and first - 1 <= i <= first:
                ranks[move] = first - i
            elif first is not None and i < first and said[i] != said[i - 1]:
                ranks[move] = _ON_THE_WAY
            else:
                ranks[move] = _LARGEST + i + len(way) * (said[i] == said[i - 1])
    return ranks


def _plain(levels: Sequence[Text]) -> list[str]:
    return [level.plain for level in levels]


def _sentences(view: StressView) -> Iterator[str]:
    if view.collateral:
        coins = ", ".join(view.collateral)
        yield f"What {coins} counts as collateral moves along: with all marks, and with the coin's own symbol."
    if view.liquidated_now:
        yield f"{_listed(view.liquidated_now)}: {LOOK_FIRST}."
    held = {(one.account, one.wallet) for one in view.now.positions if one.quantity}
    if len(view.liquidated_now) >= len(held):
        return
    other = "any other" if view.liquidated_now else "anything"
    for way, first in (("down", view.together.first_down), ("up", view.together.first_up)):
        if first is None:
            most = f" up to {in_percent(FARTHEST)}" if way == "up" else ""
            yield f"All marks together {way}: no move{most} liquidates {other}."
            continue
        days = _days(first)
        yield (
            f"All marks together {way}: {exact_percent(first.move)} first liquidates {_listed(first.wallets)}"
            f"{f'; that is {days} of {first.symbol}' if days else ''}."
        )
    for one in sorted(view.alone, key=_nearest)[:_MOST_ROWS]:
        for first in (one.first_down, one.first_up):
            if first is not None:
                days = _days(first)
                yield (
                    f"{one.symbol} alone: {exact_percent(first.move)} first liquidates {_listed(first.wallets)}"
                    f"{f'; that is {days}' if days else ''}."
                )


def _days(first: First) -> str:
    days = first.typical_days
    if days is None:
        return ""
    figure = "more than 99" if days >= _MANY_DAYS else f"{days:.1f}" if days >= 0.1 else "less than 0.1"  # noqa: PLR2004
    return f"{figure} typical days"


def _listed(names: Sequence[str]) -> str:
    shown = [_spoken(name) for name in names[:3]]
    more = len(names) - len(shown)
    return ", ".join(shown) + (f" and {more} more" if more else "")


def _spoken(name: str) -> str:
    account, _, wallet = name.partition("/")
    return f"{account} {wallet_name(wallet)}"


def _level(outcome: Outcome, name: str) -> Text:
    if name in outcome.liquidated:
        return _word(LIQUIDATED)
    return _word(next((level for level, names in outcome.levels.items() if name in names), Level.OK.label))


def _worst(outcome: Outcome) -> Text:
    if outcome.liquidated:
        word = _word(LIQUIDATED)
        return word if len(outcome.liquidated) == 1 else Text.assemble(word, f" x{len(outcome.liquidated)}")
    return _word(list(outcome.levels)[-1] if outcome.levels else Level.OK.label)


def _word(level: str) -> Text:
    return Text(_GONE, STYLES["emergency"]) if level == LIQUIDATED else Text(level, STYLES.get(level, ""))


def _change(outcome: Outcome, asset: str) -> str:
    """Return what is gained or lost of an asset, to five figures."""
    change = -outcome.lost.get(asset, 0.0)
    return f"{'+' if change > 0 else ''}{grouped(change, figures=5)}"


def _fate(moves: Sequence[Outcome], name: str) -> float:
    """Return how badly a wallet fares over all moves, more is worse."""
    places = {level.label: int(level) for level in Level}
    worst = [
        len(places) if name in one.liquidated
        else max((places[level] for level, names in one.levels.items() if name in names), default=0)
        for one in moves
    ]  # fmt: skip
    return float(sum(worst))


def _nearest(one: Stressed) -> float:
    moves = [abs(first.move) for first in (one.first_down, one.first_up) if first is not None]
    return min(moves, default=math.inf)
