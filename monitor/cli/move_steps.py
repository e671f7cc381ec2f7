"""The arithmetic of moves left as lines of words: what the prices do is the daemon's, the rest is ours."""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np

from monitor.cli.steps import Step, plain_number
from monitor.core.book import Book
from monitor.core.moves import FLOOR, HALF_LIFE, LEAST_RETURNS
from monitor.core.report import number
from monitor.core.risk import Readings
from monitor.core.wallet_moves import cushion_deltas
from monitor.notify.numbers import span

UNWANTED = "`typical_moves = false` in [exchange], for no move there is typical"


class Typical(NamedTuple):
    """What the daemon knows of how one name moves."""

    move: float | None  # log return of one hour
    minutes: int  # that it is made of
    age_s: float | None  # since the newest of them ended

    @property
    def words(self) -> str:
        """What it is made of, such as ``1439 min, newest 12 s old``."""
        return f"{self.minutes} min" + ("" if self.age_s is None else f", newest {span(self.age_s)} old")


class Moves:
    """Puts moves left into words.

    Args:
        book: the columns, with rates and corrections set.
        readings: the evaluation, made of them.
        status: of the running daemon, as JSON.
        wanted: what is typical is learned at all.
    """

    def __init__(self, book: Book, readings: Readings, status: Mapping[str, Any], *, wanted: bool = True) -> None:
        self._book = book
        self._wanted = wanted
        self._readings = readings
        self._deltas = cushion_deltas(book, readings)
        engine = status["engine"]  # another version's may lack what this one knows
        self._typical = {
            one["symbol"]: Typical(one.get("typical_move"), one.get("minutes", 0), one.get("minutes_age_s"))
            for one in engine["symbols"]
        }
        # Cushion over moves left: what the joint returns of its prices came to, which only the daemon has.
        self._deviation = {
            (one["account"], one["wallet"]): one["cushion"] / one["moves_left"]
            for one in engine.get("wallets", ())
            if one.get("moves_left") and one.get("cushion")
        }

    def steps(self, row: int) -> Iterator[Step]:
        """Yield typical moves of all that the row's wallet depends on, its deviation, and the moves left."""
        wallet = int(self._book.row_wallet[row])
        info, cushion = self._book.wallets[wallet], float(self._readings.cushion[wallet])
        mine = np.flatnonzero(self._deltas.wallets == wallet).tolist()
        names = [self._book.watched[int(self._deltas.names[i])] for i in mine]
        gains = [float(self._deltas.gains[i]) for i in mine]
        unknown = []
        for name, gain in zip(names, gains, strict=True):
            typical = self._typical.get(name, Typical(None, 0, None))
            words = f"of one hour: sqrt(60) x the larger of a day's and a {HALF_LIFE:g} min half-life's deviation"
            floor = f", at least {FLOOR:g}" if "@" not in name else ""
            yield Step(f"{name} typical move", words + floor, typical.move, "", typical.words)
            yield Step("  cushion gains", "for a unit of log price, in the present brackets", gain, info.asset)
            if typical.move is None:
                unknown.append(name)
        deviation = self._deviation.get((info.key.account, info.key.wallet))
        if unknown:
            why = f"fewer than {LEAST_RETURNS} returns, all too old, or a price that does not move"
            yield Step("moves left", f"not known: {', '.join(unknown)}: {why if self._wanted else UNWANTED}", None)
            return
        if len(names) == 1:
            move = self._typical[names[0]].move or 0.0
            deviation = abs(gains[0]) * move
            yield Step(
                "hourly deviation", f"|{plain_number(gains[0])}| x {plain_number(move)}", deviation, info.asset
            )
        elif deviation is not None:
            words = (
                f"of the changes of {len(names)} prices together, minute by minute: hedges and correlation count"
            )
            yield Step("hourly deviation", words, deviation, info.asset, "the daemon's, at its newest marks")
        if cushion <= 0.0:
            yield Step("moves left", "the cushion is used up", 0.0)
        elif deviation:
            yield Step(
                "moves left", f"{plain_number(cushion)} / {plain_number(deviation)}", number(cushion / deviation)
            )
        else:
            yield Step("moves left", "not known: the daemon has too few minutes of all prices together", None)
