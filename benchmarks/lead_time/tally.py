"""The bookkeeping of alarms: which came before a liquidation, how long before, and which came for nothing.

An alert begins when the level rises to the one asked about, or past it, and stands until the level falls below it
again. It was *right* if it stood when the wallet was liquidated, at most a day later. All others are false alarms:
those that recovered, and those that stood for longer than a day. One that is younger than a day when the position
is closed at the end of its time is neither.
"""

from dataclasses import dataclass, field

import numpy as np

from monitor.core.book import Bools, Floats, Ints
from monitor.core.model import Level
from monitor.core.rules import Levels

LEVELS = (Level.WARNING, Level.CRITICAL)
DAY_S = 86_400.0
MONTH_S = 30 * DAY_S
# Until a crossing is in somebody's hand: up to one interval of the mark price stream, then the delivery.
TICK_S, DELIVERY_S = 1.0, 2.0
DELAY_S = TICK_S + DELIVERY_S


@dataclass(slots=True)
class Outcome:
    """What became of one policy's alerts at one level, and of the wallets themselves."""

    held_s: float = 0.0  # time wallets were held, together
    liquidations: int = 0
    alerts: int = 0
    recovered: int = 0
    stood_long: int = 0  # longer than a day before the liquidation or the end
    undecided: int = 0  # younger than a day at the end
    stood_s: float = 0.0  # time alerts stood, together
    leads_s: list[float] = field(default_factory=list)  # of each liquidation; 0 where nothing was delivered before

    @property
    def months(self) -> float:
        """Time held, in months of 30 days."""
        return self.held_s / MONTH_S

    @property
    def false_alarms(self) -> int:
        """Alerts that were not right."""
        return self.recovered + self.stood_long

    @property
    def delivered(self) -> int:
        """Liquidations before which an alert was delivered that still stood."""
        return sum(lead > 0.0 for lead in self.leads_s)

    def lead_s(self, quantile: float) -> float:
        """Return a quantile of the lead over all liquidations, NaN without any."""
        return float(np.quantile(self.leads_s, quantile)) if self.leads_s else float("nan")

    def add(self, other: "Outcome") -> None:
        """Count what another run saw."""
        self.held_s += other.held_s
        self.liquidations += other.liquidations
        self.alerts += other.alerts
        self.recovered += other.recovered
        self.stood_long += other.stood_long
        self.undecided += other.undecided
        self.stood_s += other.stood_s
        self.leads_s += other.leads_s


class Tally:
    """Follows the levels of many wallets under several policies; columns are (policies, wallets)."""

    def __init__(self, policies: int, wallets: int) -> None:
        self.outcomes = [[Outcome() for _ in LEVELS] for _ in range(policies)]
        self._since = np.full((len(LEVELS), policies, wallets), np.nan)  # seconds; NaN where no alert stands

    def follow(self, wallets: Ints, level: Levels, at_s: Floats) -> None:
        """Take the levels after a step.

        Args:
            wallets: which, shape (m,).
            level: shape (policies, m).
            at_s: when each of ``LEVELS`` was reached if it was in this step, shape (levels, policies, m).
        """
        for i, asked in enumerate(LEVELS):
            since = self._since[i][:, wallets]
            stands, high = ~np.isnan(since), level >= asked
            risen, fallen = high & ~stands, ~high & stands
            if not (risen.any() or fallen.any()):
                continue
            stood = np.where(fallen, at_s[i] - since, 0.0).sum(axis=1)
            since[risen] = at_s[i][risen]
            since[fallen] = np.nan
            self._since[i][:, wallets] = since
            counts = zip(self.outcomes, risen.sum(axis=1), fallen.sum(axis=1), stood, strict=True)
            for outcomes, up, down, time_s in counts:
                outcomes[i].alerts += int(up)
                outcomes[i].recovered += int(down)
                outcomes[i].stood_s += float(time_s)

    def liquidated(self, wallets: Ints, at_s: Floats, entered_s: Floats) -> None:
        """These wallets are liquidated and gone, each at a time of its own, shape (m,)."""
        for i in range(len(LEVELS)):
            since = self._since[i][:, wallets]
            lead = np.where(np.isnan(since), 0.0, np.maximum(at_s - since - DELAY_S, 0.0))
            ages = at_s - since
            for outcomes, leads, age in zip(self.outcomes, lead, ages, strict=True):
                outcomes[i].liquidations += len(wallets)
                outcomes[i].held_s += float((at_s - entered_s).sum())
                outcomes[i].stood_long += int((age > DAY_S).sum())
                outcomes[i].stood_s += float(np.nansum(age))
                outcomes[i].leads_s += leads.tolist()
        self._since[:, :, wallets] = np.nan

    def closed(self, wallets: Ints, at_s: float, entered_s: Floats) -> None:
        """These wallets are closed at the end of their time."""
        for i in range(len(LEVELS)):
            age = at_s - self._since[i][:, wallets]
            for outcomes, ages in zip(self.outcomes, age, strict=True):
                outcomes[i].held_s += float((at_s - entered_s).sum())
                outcomes[i].stood_long += int((ages > DAY_S).sum())
                outcomes[i].stood_s += float(np.nansum(ages))
                outcomes[i].undecided += int((ages <= DAY_S).sum())
        self._since[:, :, wallets] = np.nan

    def standing(self) -> Bools:
        """Return where an alert stands, shape (levels, policies, wallets)."""
        stands: Bools = ~np.isnan(self._since)
        return stands
