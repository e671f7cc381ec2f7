"""Commands to paste that show what advice comes to: ``simulate`` with what was asked, and with one remedy more."""

import shlex
from collections.abc import Iterator, Sequence
from decimal import Decimal
from pathlib import Path
from typing import NamedTuple

from monitor.core.model import MULTI_WALLET
from monitor.core.notices import Cut, Prescription, Remedy

_COMMAND = ("position-monitor", "simulate")
_MOST_CUTS = 6  # a longer command is read by nobody


def options(config: Path | None, marks: Sequence[str], account: str = "") -> tuple[str, ...]:
    """Return options that say the same again."""
    found: tuple[str, ...] = () if config is None else ("--config", str(config))
    for one in marks:
        found += ("--mark", one)
    return (*found, "--account", account) if account else found


class Asked(NamedTuple):
    """What was asked of a command, so that it can be asked again with more."""

    options: tuple[str, ...]
    operations: tuple[tuple[str, str], ...] = ()  # names of parameters and their values, in order
    put_back: bool = False

    def tries(self, account: str, wallet: str, plan: Prescription | None) -> Iterator[str]:
        """Yield a command for each way to get below warning, adding first."""
        if plan is None or not plan.remedies:
            return
        first = plan.remedies[0]
        done = [word for name, text in self.operations for word in (f"--{name.replace('_', '-')}", text)]
        told = [*_COMMAND, *self.options, *(["--put-back"] if self.put_back else []), *done]
        if first.add:
            unit = plan.asset if wallet == MULTI_WALLET else ""
            yield shlex.join([*told, "--add-margin", f"{account}/{wallet}={plainly(first.add)}{unit}"])
        if first.cuts and len(first.cuts) <= _MOST_CUTS and self._may_cut(first):
            back = [] if self.put_back or not _puts_back(first) else ["--put-back"]
            yield shlex.join([*told, *back, *(word for cut in first.cuts for word in _cut(account, cut))])

    def _may_cut(self, remedy: Remedy) -> bool:
        """Return whether what was done so far stays the same with the margin put back that a cut releases."""
        return self.put_back or not _puts_back(remedy) or all(name != "reduce" for name, _ in self.operations)


def plainly(amount: float) -> str:
    """Return an amount as it can be typed: all its digits, no exponent."""
    text = f"{Decimal(repr(amount)):f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def _puts_back(remedy: Remedy) -> bool:
    return any(cut.put_back > 0.0 for cut in remedy.cuts)


def _cut(account: str, cut: Cut) -> tuple[str, str]:
    name = f"{account}/{cut.symbol}:{cut.side}"
    return ("--close", name) if cut.share >= 1.0 else ("--reduce", f"{name}={plainly(cut.quantity)}")
