"""Commands to paste that show what advice comes to: ``simulate`` with what was asked, and with one remedy more."""

import shlex
from collections.abc import Iterator, Sequence
from decimal import Decimal
from pathlib import Path
from typing import NamedTuple

from monitor.core.model import MULTI_WALLET
from monitor.core.notices import Cut, Prescription
from monitor.core.steps import amount_of, step_of, steps_up

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

    @property
    def command(self) -> str:
        """The same, to paste."""
        done = [word for name, text in self.operations for word in (f"--{name.replace('_', '-')}", text)]
        return shlex.join([*_COMMAND, *self.options, *(["--put-back"] if self.put_back else []), *done])

    def tries(self, account: str, wallet: str, plan: Prescription | None, at: int | None = None) -> Iterator[str]:
        """Yield a command for each way to get below warning that is not too long to be read; see ``ways``."""
        for way in self.ways(account, wallet, plan, at):
            if len(way.operations) - len(self.operations) <= _MOST_CUTS:
                yield way.command

    def ways(
        self, account: str, wallet: str, plan: Prescription | None, at: int | None = None
    ) -> Iterator["Asked"]:
        """Yield what to ask for each way to get below warning, adding first; see ``adding``."""
        if plan is None or not plan.remedies:
            return
        for way in (self.adding, self.cutting):
            if (asked := way(account, wallet, plan, at)) is not None:
                yield asked

    def adding(self, account: str, wallet: str, plan: Prescription, at: int | None = None) -> "Asked | None":
        """Return what to ask for with the margin of the first remedy added; None where nothing is to be added.

        Args:
            account: of the wallet.
            wallet: its name.
            plan: what to do about it.
            at: before which of the operations that is done; None: after all of them.
        """
        first = plan.remedies[0]
        if not first.add:
            return None
        unit = plan.asset if wallet == MULTI_WALLET else ""
        return self._with(at, ("add_margin", f"{account}/{wallet}={plainly(first.add)}{unit}"))

    def cutting(self, account: str, wallet: str, plan: Prescription, at: int | None = None) -> "Asked | None":
        """Return what to ask for with the cuts of the first remedy made; None where there are none."""
        first = plan.remedies[0]
        if not first.cuts:
            return None
        cuts = [_cut(account, cut) for cut in first.cuts]
        back = sum(cut.put_back for cut in first.cuts)
        if self.put_back or not back:
            return self._with(at, *cuts)
        if all(option != "reduce" for option, _ in self.operations):
            return self._with(at, *cuts)._replace(put_back=True)
        # The option would put back what was asked to be reduced without it as well.
        step = step_of(plan.asset)
        again = amount_of(steps_up(back, step), step)
        return self._with(at, *cuts, ("add_margin", f"{account}/{wallet}={plainly(again)}"))

    def _with(self, at: int | None, *more: tuple[str, str]) -> "Asked":
        place = len(self.operations) if at is None else at
        return self._replace(operations=(*self.operations[:place], *more, *self.operations[place:]))


def plainly(amount: float) -> str:
    """Return an amount as it can be typed: all its digits, no exponent."""
    text = f"{Decimal(repr(amount)):f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def _cut(account: str, cut: Cut) -> tuple[str, str]:
    """Return the operation of a cut."""
    name = f"{account}/{cut.symbol}:{cut.side}"
    return ("close", name) if cut.share >= 1.0 else ("reduce", f"{name}={plainly(cut.quantity)}")
