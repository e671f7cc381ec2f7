"""One line and an exit code for a monitoring system: the verdict of ``status --check``, and what all share."""

import sys
from contextlib import suppress
from typing import TYPE_CHECKING, Annotated

import typer

from monitor.account_rows import account_rows
from monitor.cli.closed import UnwritableError
from monitor.cli.common import counted
from monitor.errors import ConfigError, MonitorError

if TYPE_CHECKING:
    from monitor.core.view import SymbolView
    from monitor.status import Status

FINE, WARNING, CRITICAL, UNKNOWN = range(4)
_WORDS = ("OK", "WARNING", "CRITICAL", "UNKNOWN")
CHECKS = {"status": "POSITIONS", "audit": "AUDIT", "checkup": "CHECKUP"}  # what commands with --check look at

CheckOption = Annotated[
    bool,
    typer.Option(
        "--check", help="One line for a monitoring system: exit code 0 ok, 1 warning, 2 critical, 3 unknown."
    ),
]


def print_verdict(command: str, code: int, text: str) -> None:
    """Print the one line of a command that has ``--check``; where output is closed its code still tells."""
    with suppress(UnwritableError):
        sys.stdout.write(f"{CHECKS[command]} {_WORDS[code]} - {text}\n")


def in_one_line(error: MonitorError) -> str:
    """Return why nothing is known, with every problem of how the command was called, on one line."""
    text = str(error)
    if isinstance(error, ConfigError):
        text = "; ".join(str(problem) for problem in error.problems)
    return without_bars(text)


def without_bars(text: str) -> str:
    """Return a text on one line without bars, which would begin the performance data."""
    return " ".join(text.replace("|", "/").split())


def verdict(found: "Status") -> tuple[int, str]:
    """Return the exit code of ``--check`` and its line, performance data included.

    Critical comes before everything; then what is not known, for nobody watches it; then warnings.
    """
    from monitor.cli.tables import ratio_of, wallet_name
    from monitor.core.model import Level
    from monitor.core.notices import DataState
    from monitor.notify.numbers import percent

    engine = found.engine
    levels = [(wallet, Level.of(wallet.level)) for wallet in engine.wallets]
    judged = [(wallet, level) for wallet, level in levels if level is not None]
    unjudged = [wallet for wallet, level in levels if level is None]
    top = max((level for _, level in judged), default=Level.OK)
    worst = min(
        (wallet for wallet, level in judged if level is top),
        key=lambda wallet: 1.0 if wallet.room is None else wallet.room,
        default=None,
    )
    unseen = [one for one in engine.symbols if one.data == DataState.BLIND.value or one.mark is None]
    bridged = [one.symbol for one in unseen if is_bridged(one)]
    blind = [one.symbol for one in unseen if not is_bridged(one)]
    failing = [one["channel"] for one in found.channels if one["failing"]]
    said = []
    if worst is not None and top is not Level.OK:
        said.append(
            f"{worst.account} {wallet_name(worst.wallet)} {worst.level}, ratio {ratio_of(worst)}, "
            f"room {percent(worst.room)}"
        )
    if unjudged:
        names = ", ".join(f"{wallet.account} {wallet_name(wallet.wallet)}" for wallet in unjudged)
        said.append(f"not judged for want of marks: {names}")
    if blind:
        said.append(f"no marks for {', '.join(blind)}")
    if bridged:
        said.append(f"marks of {', '.join(bridged)} come from REST only")
    unknown, wrong = _of_accounts(found)
    said += [*unknown, *wrong]
    if failing:
        said.append(f"channel {', '.join(failing)} does not take messages")
    if not found.state_ok:
        said.append("state.db cannot be written")
    if top >= Level.CRITICAL:
        code = CRITICAL
    elif blind or unjudged or unknown or not (engine.wallets or engine.accounts):
        code = UNKNOWN
    elif top is Level.WARNING or failing or wrong or bridged or not found.state_ok:
        code = WARNING
    else:
        code = FINE
    text = "; ".join(said) or (counted(len(engine.wallets), "wallet") if engine.wallets else "nothing is watched")
    return code, f"{text} | {_performance(found)}"


def is_bridged(symbol: "SymbolView") -> bool:
    """Return whether REST tells the marks of a symbol that is blind."""
    from monitor.core.model import Source
    from monitor.core.outages import BRIDGED_S

    return symbol.source == Source.REST.value and symbol.age_s is not None and symbol.age_s <= BRIDGED_S


def _of_accounts(found: "Status") -> tuple[list[str], list[str]]:
    """Return what is not known about accounts, and what is known to be wrong."""
    rows = account_rows(found)
    unknown = [f"account {row.account} is not followed ({row.followed})" for row in rows if row.trouble]
    unknown += [f"no maintenance tiers of {symbol}" for row in rows for symbol in row.untabled]
    return unknown, [f"figures of {row.account} are not the exchange's" for row in rows if row.drifting]


def _performance(found: "Status") -> str:
    engine = found.engine
    held = {(position.account, position.wallet) for position in engine.positions}
    wallets = [w for w in engine.wallets if (w.account, w.wallet) in held]  # an empty one would hide that none is
    figures = {
        # A used-up balance has no ratio; a graph must not dip to the next wallet's just then.
        "margin_ratio": max(
            (
                1.0 if w.margin_ratio is None else w.margin_ratio
                for w in wallets
                if w.margin_ratio is not None or w.liquidatable is True
            ),
            default=None,
        ),
        "room": min((w.room for w in wallets if w.room is not None), default=None),
        "distance": min((p.distance for p in engine.positions if p.distance is not None), default=None),
    }
    age_s = max((one.age_s for one in engine.symbols if one.age_s is not None), default=None)
    parts = [f"{name}={value:.4f}" for name, value in figures.items() if value is not None]
    if age_s is not None:
        parts.append(f"mark_age={age_s:.1f}s")
    return " ".join([*parts, f"pending={sum(one['pending'] for one in found.channels)}"])
