"""``checkup``: habits that lead to liquidations, each with what to do about it."""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer

from monitor.cli.assess import MarkOption, evaluated, parse_marks
from monitor.cli.common import (
    WIDE,
    AccountsOption,
    ConfigOption,
    JsonOption,
    check_accounts,
    console,
    counted,
    globals_of,
    guarded,
    print_json,
    remark,
)
from monitor.cli.despite import load_computed
from monitor.cli.held import find_held, find_inputs, measured
from monitor.cli.verdict import CRITICAL, FINE, UNKNOWN, WARNING, in_one_line, print_verdict, without_bars
from monitor.errors import MonitorError

if TYPE_CHECKING:
    from monitor.cli.held import Held
    from monitor.config import Settings
    from monitor.core.book import Book
    from monitor.core.changed_moves import Measured
    from monitor.core.model import SubjectKey
    from monitor.core.notices import Finding, Gap
    from monitor.core.risk import Readings

_NAMED = 3
# What is not known of these leaves open whether anything is wrong. Typical moves take a daemon and half an hour,
# and what a key may do the testnet never tells: a verdict that waits for them would say nothing.
_MATTERS = frozenset({"account", "marks", "orders"})


class Reported(msgspec.Struct, frozen=True):
    """A finding with its figures and its words; figures as in ``monitor.core.checkup``."""

    account: str
    code: str
    wallet: str
    symbol: str
    side: str
    value: float | None
    limit: float | None
    price: float | None
    remedy: float | None
    quantity: float | None
    margin: float | None
    asset: str
    what: str
    why: str
    to_do: str


class Unchecked(msgspec.Struct, frozen=True):
    """What could not be looked at."""

    account: str  # empty: accounts that are not known at all
    kind: str  # orders, marks, moves, key, leverage, margin or account
    symbols: tuple[str, ...]
    reason: str


class Report(msgspec.Struct, frozen=True):
    """What ``checkup --json`` prints."""

    accounts: dict[str, int]  # positions held, by account
    priced: int  # positions whose figures are known
    findings: tuple[Reported, ...]
    unchecked: tuple[Unchecked, ...]

    @property
    def code(self) -> int:
        """The exit code: 0 nothing found, 1 something, 3 nothing, and what matters could not be looked at."""
        if self.findings:
            return WARNING
        return FINE if self.seen and not self.blind else UNKNOWN

    @property
    def verdict(self) -> int:
        """The exit code of ``--check``: as any, but 2, critical, where the margin of a wallet is used up."""
        return CRITICAL if any(one.code == "used_up" for one in self.findings) else self.code

    @property
    def blind(self) -> bool:
        """Whether prices, stops or an account could not be looked at."""
        return any(one.kind in _MATTERS for one in self.unchecked)

    @property
    def seen(self) -> bool:
        """Whether anything could be looked at: an account is known, and the figures of what it holds."""
        return bool(self.accounts) and (bool(self.priced) or not sum(self.accounts.values()))


@guarded
def checkup(
    context: typer.Context,
    account: AccountsOption = None,
    config: ConfigOption = None,
    mark: MarkOption = None,
    *,
    check: Annotated[
        bool,
        typer.Option(
            "--check",
            help="One line for a monitoring system: exit code 0 ok, 1 findings, 2 margin used up, 3 unknown.",
        ),
    ] = False,
    json: JsonOption = False,
) -> int:
    """Look for habits that lead to liquidations: stops, leverage, margin and keys.

    What accounts followed by their key hold is asked of the running daemon. Exit code 0: nothing was found,
    1: something was, 2: misuse, 3: nothing was, and prices, stops or an account could not be looked at.
    """
    if check:
        try:
            report = _report(load_computed(context, config), mark or (), account or ())
        except MonitorError as error:
            print_verdict("checkup", UNKNOWN, in_one_line(error))
            return UNKNOWN
        print_verdict("checkup", report.verdict, _verdict(report))
        return report.verdict
    report = _report(load_computed(context, config), mark or (), account or ())
    if json or globals_of(context).json:
        print_json(report)
    else:
        _print(report)
    return report.code


def _report(settings: "Settings", marks: Sequence[str], wanted: Sequence[str]) -> Report:
    from monitor.cli.move_steps import UNWANTED
    from monitor.core.checkup import by_weight
    from monitor.core.checkup import check as look
    from monitor.core.looked_at import Seen
    from monitor.core.notices import GapKind
    from monitor.notify.findings import gap_words

    names = (*(one.account for one in settings.accounts), *(one.name for one in settings.keyed))
    check_accounts(wanted, names, "accounts")
    held = find_held(settings, ask_daemon=True)
    if held.differs:
        remark(held.differs)
    chosen = tuple(one for one in held.accounts if not wanted or one.account in wanted)
    book, readings = _evaluated(held, parse_marks(marks))
    known_moves = measured(held.status)
    found = look(
        Seen(
            accounts=chosen,
            book=book,
            readings=readings,
            typical=known_moves.typical,
            moves_left=_moves_left(known_moves, book, readings),
            around=held.surroundings,
            rules=settings.engine.checkup,
            advice=settings.engine.advice,
            now_ms=0 if held.status is None else held.status["now_ms"],
        )
    )
    known = {one.account: len(one.positions) for one in chosen}
    gaps = [
        Unchecked(one.account, one.kind.value, one.symbols, gap_words(one)) for one in _worth_telling(found.gaps)
    ]
    if not settings.engine.typical_moves:
        untypical = f"how far a typical day goes: {UNWANTED}"
        gaps = [
            msgspec.structs.replace(one, reason=untypical) if one.kind == GapKind.MOVES else one for one in gaps
        ]
    if held.unknown and set(wanted or names) - known.keys():
        gaps.append(Unchecked("", "account", (), held.unknown))
    priced = sum(
        not math.isnan(readings.cushion[wallet]) and book.wallets[wallet].key.account in known
        for wallet in book.row_wallet.tolist()
    )
    findings = map(_reported, _by_account(by_weight(found.findings), known))
    return Report(known, priced, tuple(findings), tuple(gaps))


def _evaluated(held: "Held", given: dict[str, float]) -> "tuple[Book, Readings]":
    """Return the book of all that is held; what has no mark is unknown, and no mistake."""
    marks = {name: one.price for name, one in find_inputs(held, given).items()}
    unknown = {symbol: math.nan for symbol in held.symbols if symbol not in marks}
    return evaluated(held.accounts, held.tables, marks | unknown, held.corrections)


def _moves_left(known: "Measured", book: "Book", readings: "Readings") -> "dict[SubjectKey, float]":
    """Return how many typical hourly moves wallets have left; what such a move takes is the daemon's figure."""
    import numpy as np

    from monitor.core.moves import moves_left

    deviation = np.array([known.deviation.get(info.key, np.nan) for info in book.wallets])
    left = moves_left(readings.cushion, deviation).tolist()
    return {info.key: moves for info, moves in zip(book.wallets, left, strict=True) if not math.isnan(moves)}


def _worth_telling(gaps: "Sequence[Gap]") -> "list[Gap]":
    """Return the gaps without those that follow from another: where a price is missing, all figures are."""
    from monitor.core.notices import GapKind

    unpriced = {(one.account, symbol) for one in gaps if one.kind is GapKind.MARKS for symbol in one.symbols}
    kept = []
    for one in gaps:
        symbols = one.symbols
        if one.kind is GapKind.MOVES:
            symbols = tuple(symbol for symbol in symbols if (one.account, symbol) not in unpriced)
        if symbols or not one.symbols:
            kept.append(msgspec.structs.replace(one, symbols=symbols))
    return kept


def _by_account(findings: "Sequence[Finding]", accounts: dict[str, int]) -> "list[Finding]":
    order = list(accounts)
    return sorted(findings, key=lambda one: order.index(one.account))


def _reported(finding: "Finding") -> Reported:
    from monitor.notify.findings import said

    words = said(finding)
    return Reported(
        finding.account, finding.code.value, finding.wallet, finding.symbol, finding.side, finding.value,
        finding.limit, finding.price, finding.remedy, finding.quantity, finding.margin, finding.asset,
        words.what, words.why, words.do,
    )  # fmt: skip


def _print(report: Report) -> None:
    from rich.table import Table
    from rich.text import Text

    out = console()
    for name in report.accounts:
        mine = [one for one in report.findings if one.account == name]
        if not mine:
            continue
        table = Table(
            title=Text(name, "bold"), title_justify="left", box=None, show_header=False, padding=(0, 2, 0, 0)
        )
        table.add_column(no_wrap=True)
        table.add_column(overflow="fold")
        for one in mine:
            table.add_row(Text(_about(one)), Text(one.what, "yellow"))
            table.add_row("", Text(one.why, "dim"))
            table.add_row("", Text(f"To do: {one.to_do}"))
        out.print(table)
        out.print()
    for gap in report.unchecked:
        where = f"{gap.account}: " if gap.account else ""
        out.print(f"Not checked: {where}{gap.reason}.", markup=False, soft_wrap=out.width >= WIDE)
    looked = f"{counted(sum(report.accounts.values()), 'position')} in {counted(len(report.accounts), 'account')}"
    if report.findings:
        out.print(f"{counted(len(report.findings), 'finding')}: {looked}.", markup=False)
    else:
        out.print(f"{_nothing(report)}: {looked}." if report.seen else "Nothing could be checked.", markup=False)


def _nothing(report: Report) -> str:
    return "Nothing found in what could be looked at" if report.blind else "Nothing found"


def _about(one: Reported) -> str:
    from monitor.notify.subjects import wallet_name

    if one.symbol:
        return f"{one.symbol} {one.side}"
    return wallet_name(one.wallet) if one.wallet else "account"


def _verdict(report: Report) -> str:
    """Return the line of ``--check`` without its first words, performance data included."""
    first = [f"{one.account} {_about(one)} {one.code.replace('_', ' ')}" for one in report.findings[:_NAMED]]
    more = len(report.findings) - len(first)
    text = ", ".join(first) + (f" +{more} more" if more else "")
    text = text or (_nothing(report).lower() if report.seen else "nothing could be checked")
    if report.unchecked:
        text += f"; {counted(len(report.unchecked), 'check')} could not be made"
    # First whole accounts that nobody knows: starting the daemon, which is what they take, may end other gaps too.
    gap = min(
        (one for one in report.unchecked if one.kind in _MATTERS),
        key=lambda one: one.kind != "account",
        default=None,
    )
    if gap is not None and report.verdict == UNKNOWN:
        text += f", such as {f'{gap.account}: ' if gap.account else ''}{gap.reason}"
    return f"{without_bars(text)} | findings={len(report.findings)} unchecked={len(report.unchecked)}"
