"""What an owner in danger was advised, what was done, and what came of it: values, words, a verdict."""

from collections.abc import Iterable
from typing import NamedTuple, Self

import msgspec

from monitor.core.model import Level, SubjectKey
from monitor.core.notices import NoticeKind
from monitor.core.settings import AlertRules
from monitor.notify.numbers import money, percent, span
from monitor.notify.remedies import quantity_words
from monitor.storage.outbox import OutboxRow

ADDED = "margin added"
REDUCED = "reduced"


class Amount(msgspec.Struct, frozen=True):
    """How much of what: margin in its asset, or a quantity of a position, named by symbol and side."""

    value: float
    of: str


class Deed(msgspec.Struct):
    """What was advised about one wallet in danger, and what came of doing it.

    ``at_ms`` is Unix time, UTC; ``room_without`` is a fraction.
    """

    account: str
    wallet: str
    symbol: str
    side: str
    what: str  # margin added, or reduced
    advised: tuple[Amount, ...]  # by the notice; what was done is the same
    below: str  # the level that ends with it
    notice: str  # key of the notice
    at_ms: int  # when it was done
    refused: str = ""  # why the exchange did not do it
    cleared_s: float | None = None  # from the deed until the wallet was below that level
    room_without: float | None = None  # what the wallet's room would have been then, had nothing been done
    all_clear: bool = False  # the end of the danger was delivered to who had read of it

    @property
    def subject(self) -> str:
        """Return what alerts about the wallet are filed under."""
        return str(SubjectKey(self.account, self.wallet))

    @property
    def who(self) -> str:
        """Return whose it is: account, symbol and side."""
        return f"{self.account} {self.symbol} {self.side}"

    @property
    def amounts(self) -> str:
        """Return what was advised, such as ``412.50 USDT`` or ``SOLUSDT LONG by 64.3 SOL``."""
        if self.what == ADDED:
            return ", ".join(money(one.value, one.of, commas=True) for one in self.advised)
        return ", ".join(f"{one.of} by {_counted(one)}" for one in self.advised)


def said(deed: Deed) -> str:
    """Return what was done, as it is told at once."""
    if deed.refused:
        return f"{deed.what}: {deed.amounts}, refused: {deed.refused}"
    whose = f" ({deed.who})" if deed.what == ADDED else f" ({deed.account})"
    return f"{deed.what}: {deed.amounts}, as advised{whose}"


def told(deed: Deed) -> str:
    """Return what came of it, for the summary."""
    verb = "add" if deed.what == ADDED else "reduce"
    begin = f"advised to {verb} {deed.amounts} to be below {deed.below}"
    if deed.refused:
        return f"{begin}: refused: {deed.refused}"
    if deed.cleared_s is None:
        return f"{begin}: done, not cleared"
    without = percent(deed.room_without)
    return f"{begin}: done, cleared after {span(deed.cleared_s)}; untouched it would have had {without} room then"


class Followed(NamedTuple):
    """Everything that was done as advised, and what it has to come to."""

    deeds: tuple[Deed, ...] = ()
    accounts: tuple[str, ...] = ()  # each has to have a deed
    without_advice: tuple[str, ...] = ()  # wallets whose emergency came without anything to do
    reader: str = ""  # the channel on which advice was read
    rules: AlertRules = AlertRules()  # by which a wallet would still be in danger

    def ended(self, accepted: Iterable[OutboxRow]) -> Self:
        """Return the same with what is known of all-clears.

        Args:
            accepted: messages that channels took.
        """
        ends = [row for row in accepted if row.channel == self.reader and row.kind is NoticeKind.CLOSED]
        deeds = (
            msgspec.structs.replace(
                deed, all_clear=any(end.subject == deed.subject and end.decided_ms >= deed.at_ms for end in ends)
            )
            for deed in self.deeds
        )
        return self._replace(deeds=tuple(deeds))

    def shortcomings(self) -> tuple[str, ...]:
        """Return what advice did not do, in words; empty if it ended each danger, and nothing else did."""
        wrong = [f"the emergency of {who} said nothing that could be done" for who in self.without_advice]
        missed = [name for name in self.accounts if all(deed.account != name for deed in self.deeds)]
        wrong += [f"nothing was done as advised in account {name}" for name in missed]
        found = ((deed.who, _shortcoming(deed, self.rules)) for deed in self.deeds)
        return (*wrong, *(f"{who}: {reason}" for who, reason in found if reason))


def _counted(amount: Amount) -> str:
    symbol, _, _ = amount.of.partition(" ")
    return quantity_words(amount.value, symbol, "")


def _shortcoming(deed: Deed, rules: AlertRules) -> str:
    if deed.refused:
        return f"what was advised was refused: {deed.refused}"
    level = Level[deed.below.upper()]
    limit = next((rule.room for rule in rules.levels if rule.level is level), None)
    by_itself = deed.room_without is None or limit is None or deed.room_without > limit
    if deed.cleared_s is None or by_itself:
        return f"{deed.what} as advised, {deed.amounts}, and that did not clear the alert"
    return "" if deed.all_clear else "cleared, and no all-clear was delivered"
