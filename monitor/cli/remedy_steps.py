"""What to do about a wallet as lines of arithmetic: the target, both ways to it, and what each of them leaves.

Everything comes from one prescription, which is made by looking: amounts are tried until one does it and one step
less does not. So there is no formula to show, only what was looked for and what was found.
"""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import msgspec

from monitor.cli.steps import Step, plain_number
from monitor.core.advice import prescribe
from monitor.core.book import Book
from monitor.core.changed_moves import silent
from monitor.core.model import Level, SubjectKey
from monitor.core.notices import After, Cut, Facts, Prescription, Remedy
from monitor.core.report import after_of, number, worst_row
from monitor.core.risk import Readings
from monitor.core.rules import Thresholds, compile_thresholds, conditions, reached
from monitor.core.settings import EngineSettings
from monitor.core.spare import sharers
from monitor.core.steps import step_of
from monitor.core.trial import Case, Trial, as_it_is
from monitor.notify.numbers import enough, percent, span
from monitor.notify.reach import within_reach
from monitor.notify.remedies import (
    TO_DO,
    base_of,
    both_sides,
    bound_words,
    is_inverse,
    is_reached,
    needs_nothing,
    remedy_lines,
    source_words,
)

HEADING = "what to do"
TRY = "try"  # a command to paste
# Names of steps that have words and no figure.
WORDS_ALONE = frozenset(
    {
        HEADING,
        f"{HEADING}, and to be safe",
        "if it is still open",
        "if it is still open, and to be safe",
        "to be safe",
        "adding",
        "reducing",
        "on moves left",
        "open alert",
        TRY,
        "  reached",
        "  dead band",
        "    afterwards",
    }
    | {f"below {level.label}" for level in Level}
)
_LEVELS = len(Level) - 1
_CALM = "nothing is needed: no condition of notice or worse holds, nor within the dead band"
_ALMOST_CALM = "nothing is needed: no condition of notice or worse holds"
_NOT_OPEN = "a condition lies within it: a level that was reached before would stay, and none is open"
_UNKNOWN = "not known: a mark of this wallet is missing"
_CALM_AS_FAR = "nothing that is known here is needed; moves left are not known, and an alert may ask for more"
_BELOW_AS_FAR = "below warning as far as is known here; moves left are not known, and an alert may ask for more"
_NOT_ALL_MOVES = (
    "how its prices move together is not known here: where moves left decide, an alert may ask for more"
)
_NO_MOVES = (
    "without a daemon nothing is known of how prices move: conditions on moves left take no part, and an alert "
    "may ask for more; start `position-monitor run`"
)


class Advised(NamedTuple):
    """A wallet's prescription, and which position its steps are told with."""

    prescription: Prescription | None
    row: int


class Around(NamedTuple):
    """What else goes into the words about what to do."""

    held: Mapping[SubjectKey, Level] = {}  # the daemon's own levels
    tries: Callable[[SubjectKey, Prescription], Iterable[str]] = lambda _key, _plan: ()  # commands to paste


class Remedies:
    """Puts what to do about wallets into steps.

    Args:
        book: the columns, with rates and corrections set.
        readings: the evaluation, made of them.
        settings: whose conditions count.
        case_of: what is known around a wallet of the book.
        around: what else goes into words.
    """

    def __init__(
        self,
        book: Book,
        readings: Readings,
        settings: EngineSettings,
        case_of: Callable[[SubjectKey], Case],
        around: Around = Around(),  # noqa: B008 - it cannot be changed
    ) -> None:
        self._book = book
        self._readings = readings
        self._limits = compile_thresholds(book, settings)
        self._levels = reached(conditions(book, self._limits, readings, None))
        self._settings = settings
        self._case_of = case_of
        self._around = around
        self._advised: dict[int, Advised] = {}

    def prescription(self, account: str, wallet: str) -> Prescription | None:
        """Return what to do about a wallet of the book, as its alert has it; None where that is not known.

        Prices that are left are those of the wallet's worst position then, whichever is explained.
        """
        rows = self._book.rows_of(self._book.wallet_index[SubjectKey(account, wallet)])
        if len(rows) == 1:
            return self._of(rows.start).prescription
        return prescribe(self._case(rows.start))

    def steps(self, row: int) -> Iterator[Step]:
        """Yield what to do about the wallet of a row; of several rows of a wallet, with the first that asks."""
        plan, first = self._of(row)
        if first != row:
            position = self._book.positions[first]
            yield Step(HEADING, f"as of {position.symbol} {position.side.value}: it is the same wallet", None)
            return
        if plan is None:
            yield Step(HEADING, _UNKNOWN, None)
            return
        wallet = int(self._book.row_wallet[row])
        case = self._case_of(self._book.wallets[wallet].key)
        unknown = self._silent(wallet, case)
        asked = self._asked(plan, case)
        if all(is_reached(remedy) for remedy in plan.remedies):
            yield Step(HEADING, _CALM_AS_FAR if unknown else _CALM, None)
        elif not asked.remedies:
            yield Step(HEADING, _CALM_AS_FAR if unknown else _ALMOST_CALM, None)
        else:
            far = needs_nothing(asked) and self._silent(wallet, case, Level.WARNING)
            used_up = bool(self._readings.margin_ratio[wallet] >= 1)
            facts = facts_of(self._book, self._readings, wallet, asked, liquidatable=used_up)
            for line in remedy_lines(facts):
                if line.label.startswith(TO_DO):
                    name = HEADING + line.label.removeprefix(TO_DO)
                    yield Step(name, _BELOW_AS_FAR if far else line.text, None)
                else:
                    yield Step(line.label.lower(), line.text, None)
        yield from self._open_alert(wallet, plan, unknown=self._silent(wallet, case, Level.WARNING))
        if unknown:
            yield Step("on moves left", _NO_MOVES if case.moves is None else _NOT_ALL_MOVES, None)
        for command in self._around.tries(case_key(case), asked):
            yield Step(TRY, command, None)
        for remedy in plan.remedies:
            yield from self._remedy(wallet, plan, remedy, case, asked=remedy in asked.remedies)

    def _asked(self, plan: Prescription, case: Case) -> Prescription:
        """Return what a prescription says of levels that are reached or kept open: nothing else has to be left."""
        here = int(reached(Trial(case, case.account).look([as_it_is]).hit)[0])
        level = max(here, self._around.held.get(case_key(case), Level.OK))
        remedies = tuple(remedy for remedy in plan.remedies if remedy.below <= level)
        if len(remedies) == len(plan.remedies):
            return plan
        return msgspec.structs.replace(plan, remedies=remedies, alone=None)  # which is of the first of them

    def _open_alert(self, wallet: int, plan: Prescription, *, unknown: bool) -> Iterator[Step]:
        """Yield whether an alert that the daemon keeps open ends as things are."""
        held = self._around.held.get(self._book.wallets[wallet].key, Level.OK)
        if held < Level.WARNING:
            return
        words = f"the daemon keeps {held.label}"
        first = plan.remedies[0]
        dwell_s = float(self._limits.dwell_s[Level.WARNING - 1 : held, wallet].max())
        after = f"after {span(dwell_s)}" if dwell_s > 0.0 else "at once"
        if is_reached(first):
            words += f"; it ends {after} like this{', as far as is known' if unknown else ''}"
        elif first.add is not None:
            words += f"; it does not end like this: {enough(first.add, plan.asset)} lacking, then {after}"
        yield Step("open alert", words, None)

    def _silent(self, wallet: int, case: Case, below: Level = Level.NOTICE) -> bool:
        """Return whether moves left, which are not known, may keep a wallet at a level."""
        if not self._settings.typical_moves:
            return False
        return bool(silent(self._book, self._limits, self._readings, case.moves, below)[wallet])

    def _of(self, row: int) -> Advised:
        wallet = int(self._book.row_wallet[row])
        if wallet not in self._advised:
            position = self._book.positions[row]
            told_of = (position.symbol, position.side)
            self._advised[wallet] = Advised(prescribe(self._case(row)._replace(told_of=told_of)), row)
        return self._advised[wallet]

    def _case(self, row: int) -> Case:
        wallet = int(self._book.row_wallet[row])
        case = self._case_of(self._book.wallets[wallet].key)
        return case._replace(sharers=sharers(self._book, self._levels, wallet))

    def _both(self, wallet: int, then: After | None) -> tuple[After, After | None]:
        """Return what a wallet is like now, of the position that ``then`` is of, and that; as people see it."""
        if then is None or not then.symbol:
            return after_of(self._book, self._readings, wallet), then
        rows = self._book.rows_of(wallet)
        legs = [(self._book.positions[row].symbol, self._book.positions[row].side.value) for row in rows]
        row = rows[legs.index((then.symbol, then.side))]
        now, mark = after_of(self._book, self._readings, wallet, row=row), number(self._readings.marks[row])
        seen = [
            msgspec.structs.replace(one, liquidation_price=within_reach(one.liquidation_price, mark))
            for one in (now, then)
        ]
        return seen[0], seen[1]

    def _remedy(
        self, wallet: int, plan: Prescription, remedy: Remedy, case: Case, *, asked: bool
    ) -> Iterator[Step]:
        words = target_words(self._limits, wallet, remedy.below, hollow=bool(self._book.hollow[wallet]))
        yield Step(f"below {remedy.below.label}", words, None)
        if is_reached(remedy):
            unknown = self._silent(wallet, case, remedy.below)
            yield Step(
                "  reached", f"as it is{', but for moves left, which are not known' if unknown else ''}", None
            )
            return
        if not asked:
            yield Step("  dead band", _NOT_OPEN, None)
            return
        yield from _adding(plan, remedy, *self._both(wallet, remedy.added))
        if not remedy.cuts:
            yield Step("  quantity to reduce", "no cut is enough", None)
            return
        for cut in remedy.cuts:
            yield from _cut_steps(cut, plan, remedy, case)
        if remedy.nearer:
            words = "a smaller move of all prices liquidates than now, whichever goes first: go on to the end"
            yield Step("    half way", words, None)
        yield from _after(*self._both(wallet, remedy.cut), "  ")
        if remedy.below is plan.remedies[0].below and plan.alone is not None:
            now, alone = self._both(wallet, plan.alone)
            price = None if alone is None else alone.liquidation_price
            words = f"liquidation price {_n(now.liquidation_price)} -> {_n(price)}: it limits the loss, no more"
            yield Step("    without putting back", words, price)


def facts_of(
    book: Book, readings: Readings, wallet: int, plan: Prescription | None, *, liquidatable: bool
) -> Facts:
    """Return what the words of a message about what to do need to know of a wallet."""
    row = worst_row(book, readings, wallet)
    return Facts(
        wallet=book.wallets[wallet].key.wallet,
        symbol="" if row is None else book.positions[row].symbol,
        side="" if row is None else book.positions[row].side.value,
        positions=sum(book.positions[one].quantity > 0 for one in book.rows_of(wallet)),
        liquidation_price=None if row is None else number(readings.liquidation_price[row]),
        liquidatable=liquidatable,
        prescription=plan,
    )


def as_json(plan: Prescription | None) -> dict[str, Any] | None:
    """Return a prescription for programs: levels are words, and no key is ever missing."""
    if plan is None:
        return None
    document: dict[str, Any] = _whole(plan)
    return document


def _whole(value: Any) -> Any:  # noqa: ANN401 - whatever a prescription holds
    match value:
        case msgspec.Struct():
            return {name: _whole(getattr(value, name)) for name in value.__struct_fields__}
        case tuple():
            return [_whole(one) for one in value]
        case Level():
            return value.label
    return value


def target_words(limits: Thresholds, wallet: int, below: Level, *, hollow: bool = False) -> str:
    """Return what ends a level and all that are worse, such as ``room > 0.25 and margin ratio < 0.4875``.

    In a hollow wallet no room keeps ratio or moves from counting.
    """
    rows = range(_LEVELS + below - 1, 2 * _LEVELS)

    def column(values: Any) -> list[float]:  # noqa: ANN401 - one of the columns
        return [float(values[row, wallet]) for row in rows]

    def gates(rooms: Any) -> list[float]:  # noqa: ANN401 - one of the columns
        return [math.inf] * len(rows) if hollow else column(rooms)

    parts = [
        *_bound("room", column(limits.room)),
        *_paired("margin ratio <", column(limits.ratio), gates(limits.ratio_room), -1),
        *_paired("moves left >", column(limits.moves), gates(limits.moves_room), 1),
        *_bound("distance", column(limits.distance)),
        *_bound("joint distance", column(limits.joint)),
    ]
    band = limits.rules[wallet].dead_band
    return f"{' and '.join(parts) or 'nothing'}; each condition missed by the dead band of {percent(band)}"


def _bound(name: str, values: Sequence[float]) -> Iterator[str]:
    known = [value for value in values if not math.isnan(value)]
    if known:
        yield f"{name} > {_n(max(known))}"


def _paired(name: str, values: Sequence[float], rooms: Sequence[float], worse: int) -> Iterator[str]:
    """Yield conditions that count only up to a room; what another one demands already is left out."""
    kept: list[tuple[float, float]] = []
    for value, room in sorted(
        ((v, r) for v, r in zip(values, rooms, strict=True) if not math.isnan(v)),
        key=lambda pair: (-pair[0] * worse, -pair[1]),
    ):
        if not any(room <= other for _, other in kept):
            kept.append((value, room))
    for value, room in kept:
        yield f"{name} {_n(value)}" if room >= 1.0 else f"({name} {_n(value)} or room > {_n(room)})"


def case_key(case: Case) -> SubjectKey:
    """Return what the wallet of a case is called."""
    return SubjectKey(case.account.account, case.wallet)


def _adding(plan: Prescription, remedy: Remedy, now: After, then: After | None) -> Iterator[Step]:
    if remedy.add is None:
        yield Step("  margin to add", "no amount is enough", None)
        return
    words = f"rounded up to {step_of(plan.asset):f}; {source_words(plan, remedy)}"
    yield Step("  margin to add", words, remedy.add, plan.asset)
    if plan.isolated:
        if plan.spare is not None:
            yield Step("    can be moved here", bound_words(plan.limited_by), plan.spare, plan.asset)
        if remedy.lacking is not None:
            yield Step(
                "    lacking", f"{_n(remedy.add)} - {_n(plan.spare)}, at least 0", remedy.lacking, plan.asset
            )
    yield from _after(now, then, "  ")


def _cut_steps(cut: Cut, plan: Prescription, remedy: Remedy, case: Case) -> Iterator[Step]:
    position = next(
        (p for p in case.account.positions if (p.symbol, p.side.value) == (cut.symbol, cut.side)), None
    )
    held = "" if position is None else f" of {_n(position.quantity)}"
    unit = "contracts" if is_inverse(cut.symbol, plan.asset) else base_of(cut.symbol, plan.asset)
    lot = case.lots.get(cut.symbol)
    step = "its step is not known and assumed" if lot is None else f"in steps of {_n(lot.step)}"
    least = f", at least {_n(lot.least)}" if lot is not None and lot.least > 0 else ""
    words = f"{percent(cut.share)}{held}; {step}{least}{_turns(cut, plan, remedy)}"
    doing = "close" if cut.share >= 1 else "reduce"
    yield Step(f"  {doing} {cut.symbol} {cut.side}", words, cut.quantity, unit)
    asset = plan.asset if position is None else position.margin_asset
    yield Step("    notional", f"at {_n(case.marks[cut.symbol])}", cut.notional, asset)
    rates = f"assumed: fee {_n(plan.taker_fee)} of the fill, slippage {_n(plan.slippage)} of the mark"
    yield Step("    fee and slippage", rates, cut.cost, asset)
    if cut.put_back > 0:
        words = "its share of the margin and of the profit or loss, less the fee: put it into the wallet again"
        yield Step("    put back", words, cut.put_back, asset)


def _turns(cut: Cut, plan: Prescription, remedy: Remedy) -> str:
    """Return with what else a cut is made in turns; empty where it is made at once."""
    if remedy.evenly and cut in remedy.cuts[-remedy.evenly :]:
        return "; in turns with the others, some of each at a time: each holds against the others"
    return "; in turns with the other side, some of each at a time" if cut.symbol in both_sides(plan) else ""


def _after(now: After, then: After | None, indent: str) -> Iterator[Step]:
    """Yield what a wallet is like once something was done, beside what it is like now."""
    if then is None:
        return
    if then == After():
        yield Step(f"{indent}  afterwards", "no position is left in the wallet", None)
        return
    for name, before, value, whose in (
        ("margin ratio", now.margin_ratio, then.margin_ratio, ""),
        ("room", now.room, then.room, ""),
        ("liquidation price", now.liquidation_price, then.liquidation_price, f"{then.symbol} {then.side}: "),
    ):
        yield Step(f"{indent}  {name}", f"{whose}{_n(before)} -> {_n(value)}", value)


def _n(value: float | None) -> str:
    return "none" if value is None else plain_number(value, 8)
