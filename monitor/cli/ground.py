"""What commands that ask "what if" stand on: what is held, at which prices, and how these move."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from monitor.cli.assess import evaluated, parse_marks
from monitor.cli.common import misuse
from monitor.cli.held import find_held, find_inputs, held_levels, measured, rates_of, where_marks_are

if TYPE_CHECKING:
    from collections.abc import Mapping

    from monitor.cli.held import Held
    from monitor.config import Settings
    from monitor.core.changed_moves import ChangedMoves, Measured
    from monitor.core.ladder import Grid
    from monitor.core.model import AccountSnapshot, BracketTable, Level, SubjectKey
    from monitor.core.scene import KnownMoves
    from monitor.core.settings import EngineSettings
    from monitor.core.surroundings import Surroundings


class Ground(NamedTuple):
    """Accounts and prices as they are, with the rates of collateral in the accounts."""

    accounts: "tuple[AccountSnapshot, ...]"
    tables: "Mapping[str, BracketTable]"
    marks: "dict[str, float]"  # by symbol, each one held
    settings: "EngineSettings"
    corrections: "Mapping[SubjectKey, tuple[float, float]]"
    surroundings: "Surroundings"
    measured: "Measured"
    moves: "ChangedMoves | None"  # None where nobody knows how prices move
    known_moves: "KnownMoves | None"  # for advice
    held: "Mapping[SubjectKey, Level]"  # the daemon's own levels; nothing without one
    unknown: str  # what is not shown and why; empty if nothing
    differs: str  # see ``Held.differs``
    watched: bool  # a daemon answered
    shipped: tuple[str, ...]  # symbols whose tiers came with the program, and of which day

    def grid(self, accounts: "Sequence[AccountSnapshot]", marks: "Mapping[str, float]") -> "Grid":
        """Return these accounts at these marks, judged by the same rules."""
        from monitor.core.ladder import Grid

        left = None if self.moves is None else self.moves.left
        return Grid(accounts, self.tables, marks, self.settings, corrections=self.corrections, left=left)


def find_ground(settings: "Settings", mark: Sequence[str], account: str = "") -> Ground:
    """Return what is held; marks that are not given are asked of the running daemon, as ``explain`` does.

    Args:
        settings: the configuration.
        mark: as typed.
        account: the only one that is wanted; empty: all.

    Raises:
        ConfigError: a symbol held has no mark, a mark is of nothing held, or there is no such account.
    """
    from monitor.cli.cases import known_moves
    from monitor.cli.typed import meant
    from monitor.core.ladder import priced

    given = parse_marks(mark)
    held = find_held(settings, ask_daemon=True)
    chosen = tuple(one for one in held.accounts if account in ("", one.account))
    if not chosen:
        words = ", ".join(one.account for one in held.accounts) or "none"
        name = "--account" if account else "accounts"
        found = repr(account[:60]) if account else "nothing that is known here"
        raise misuse(name, found, f"accounts known: {words}", held.unknown)
    inputs = find_inputs(held, given)
    names = {*held.symbols, *rates_of(held.accounts)}
    if strange := [name for name in given if name not in names]:
        words = ", ".join(sorted(names)) or "none"
        hint = meant(strange[0], names, held.unknown)
        raise misuse("--mark", f"a price of {strange[0]}", f"symbols held: {words}", hint)
    symbols = {position.symbol for one in chosen for position in one.positions}
    prices = {name: one.price for name, one in inputs.items() if name in symbols or "@" in name}
    _complete(held, chosen, prices)
    accounts = tuple(priced(one, prices) for one in chosen)
    marks = {name: prices[name] for name in symbols}
    moved = measured(held.status)
    tables = {table.symbol: table for table in settings.tables}
    return Ground(
        accounts, held.tables, marks, settings.engine, held.corrections, held.surroundings, moved,
        _moves(held, chosen, marks, moved), known_moves(held.status, held.joint), held_levels(held.status),
        held.unknown, held.differs, held.status is not None,
        tuple(
            f"{name} ({tables[name].label})"
            for name in sorted(symbols)
            if name in tables and tables[name].origin == "shipped"
        ),
    )  # fmt: skip


def _complete(held: "Held", chosen: "Sequence[AccountSnapshot]", prices: "Mapping[str, float]") -> None:
    """Complain of symbols without a price, in the words of ``assess``."""
    known = {name for account in chosen for name in (p.symbol for p in account.positions)}
    marks = {name: price for name, price in prices.items() if name in known}
    evaluated(chosen, held.tables, marks, hint=where_marks_are(held))


def _moves(
    held: "Held", chosen: "Sequence[AccountSnapshot]", marks: "Mapping[str, float]", moved: "Measured"
) -> "ChangedMoves | None":
    """Return how wallets move; they were measured at the daemon's own marks, not at those that were typed in."""
    from monitor.cli.cases import known_moves
    from monitor.core.changed_moves import ChangedMoves
    from monitor.core.ladder import priced

    if not moved.typical:
        return None
    seen = {name: one.price for name, one in find_inputs(held, {}).items()}
    accounts = [priced(account, seen) for account in chosen]
    there = {name: seen.get(name, price) for name, price in marks.items()}
    known = known_moves(held.status, held.joint)
    return ChangedMoves(*evaluated(accounts, held.tables, there, held.corrections), moved, known)
