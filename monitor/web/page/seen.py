"""What a page is made of: the snapshot, and what was looked up beside it."""

from collections.abc import Mapping, Sequence
from datetime import tzinfo
from typing import NamedTuple

from monitor.account_rows import AccountRow
from monitor.core.model import Level
from monitor.core.report import PositionView, WalletView
from monitor.core.view import OpenAlert
from monitor.health import Health
from monitor.notify.subjects import wallet_name
from monitor.notify.times import days_differ, local_time
from monitor.notify.words import Line
from monitor.status import Status
from monitor.storage.outbox import OutboxRow
from monitor.web.page.line import Point

_OFFSET_AT = len("14:02:10")


class Advice(NamedTuple):
    """What to do about a wallet, and when that was worked out (Unix milliseconds)."""

    lines: tuple[Line, ...]
    at_ms: int


class Seen(NamedTuple):
    """Everything one page shows."""

    status: Status
    health: Health
    zone: tzinfo | None  # None: the machine's own
    advice: Mapping[tuple[str, str], Advice] = {}  # by account and wallet; of the worst only
    lines: Mapping[tuple[str, str], Sequence[Point]] = {}  # of the worst few
    told: Sequence[OutboxRow] | None = ()  # the newest first; None: state.db cannot be read
    form_token: str = ""  # empty: whoever looks cannot change anything
    can_change: bool = False  # a token is configured
    said: str = ""  # what came of what somebody just did
    followed: Sequence[AccountRow] = ()  # every account
    worst: Sequence[WalletView] = ()  # as ``worst_first``
    legs: Mapping[tuple[str, str], Sequence[PositionView]] = {}  # by account and wallet

    def time(self, at_ms: int) -> str:
        """Return a moment, its day where that is not today's, its offset from UTC where that is not ``now``'s."""
        text = local_time(at_ms, self.zone, day=days_differ(at_ms, self.status.now_ms, self.zone))
        offset = self.now[_OFFSET_AT:]
        return text.removesuffix(offset) if len(text) - len(offset) >= _OFFSET_AT else text

    @property
    def now(self) -> str:
        """When all of this was known, with the offset from UTC that times have where none stands beside them."""
        return local_time(self.status.now_ms, self.zone)


def worst_first(wallets: Sequence[WalletView]) -> list[WalletView]:
    """Return wallets, those in danger first, then those nobody can judge, then by what is left of the way."""
    return sorted(wallets, key=lambda one: (-rank(one.level), 2.0 if one.room is None else one.room))


def rank(level: str) -> float:
    """Return how bad a level is; what was never judged stands between notice and warning."""
    found = Level.of(level)
    return Level.NOTICE + 0.5 if found is None else float(found)


def is_held(wallet: WalletView) -> bool:
    """Return whether anything can happen to a wallet: it backs a position, or is not known."""
    return wallet.maintenance_margin is None or wallet.maintenance_margin > 0 or wallet.level != Level.OK.label


def legs_of(positions: Sequence[PositionView]) -> dict[tuple[str, str], list[PositionView]]:
    """Return positions by the account and the wallet that backs them."""
    found: dict[tuple[str, str], list[PositionView]] = {}
    for one in positions:
        found.setdefault((one.account, one.wallet), []).append(one)
    return found


def nearest(mine: Sequence[PositionView]) -> PositionView | None:
    """Return the position that is nearest to its liquidation price; any, if none has one."""
    return min(mine, key=lambda one: 2.0 if one.distance is None else one.distance, default=None)


def alert_of(wallet: WalletView, alerts: Sequence[OpenAlert]) -> OpenAlert | None:
    """Return the incident of a wallet that is under way."""
    subject = f"{wallet.account}/{wallet.wallet}"
    return next((one for one in alerts if one.subject == subject), None)


def called(wallet: WalletView) -> str:
    """Return a wallet's name for people, its account before it."""
    return f"{wallet.account} {wallet_name(wallet.wallet)}"
