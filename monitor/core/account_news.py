"""What is told of an account once it is known: what changed, what the exchange did or warned of, new tiers."""

from collections.abc import Callable, Iterable, Mapping
from typing import Final

import msgspec

from monitor.core.changes import worth_telling
from monitor.core.events import MarginCall, OrderForced
from monitor.core.incidents import Incidents
from monitor.core.model import Change, ChangeKind, Compared, ForcedOrder, Level, Now, SubjectKey
from monitor.core.notices import Facts, NoticeKind
from monitor.core.settings import ChannelRule

CALL_LEVEL: Final = Level.CRITICAL
CALL_AGAIN_S: Final = 300.0  # the exchange repeats its call while it holds
FORCED_LEVELS: Final = {
    ForcedOrder.LIQUIDATION: Level.EMERGENCY,
    ForcedOrder.ADL: Level.CRITICAL,
    ForcedOrder.SETTLEMENT: Level.WARNING,
}
TIERS_LEVEL: Final = Level.WARNING
MOVED: Final = 0.001  # new tiers that move a liquidation price by more than this share are told


class AccountNews:
    """Announces it; ``environment`` is stamped on all of it."""

    def __init__(self, incidents: Incidents, environment: str) -> None:
        self._incidents = incidents
        self._calls: dict[SubjectKey, float] = {}  # when the exchange's call about a wallet was last told
        self.environment = environment

    def facts(
        self, account: str, *, wallet: str = "", symbol: str = "", side: str = "", symbols: tuple[str, ...] = (),
        compared: tuple[Compared, ...] = (), changes: tuple[Change, ...] = (), reason: str = "", detail: str = "",
        event_ms: int = 0,
    ) -> Facts:  # fmt: skip
        """Return what a message says of an account."""
        return Facts(
            environment=self.environment, account=account, wallet=wallet, symbol=symbol, side=side,
            symbols=symbols, compared=compared, changes=changes, reason=reason, detail=detail, event_ms=event_ms,
        )  # fmt: skip

    def changed(self, found: tuple[Change, ...], account: str, now: Now) -> None:
        """Record what changed, and tell it to the channels that asked for it."""
        self._incidents.changes.extend(found)
        news = tuple(filter(worth_telling, found))
        asking = tuple(ChannelRule(c.name, Level.NOTICE) for c in self._incidents.channels if c.changes)
        if news and asking:
            facts = self.facts(account, changes=news)
            self._incidents.announce(
                f"changed:{account}", NoticeKind.CHANGED, now.wall_ms, facts, level=Level.NOTICE, channels=asking
            )

    def forced(self, event: OrderForced, wallet: str | None, now: Now, *, first: bool) -> None:
        """Record that the exchange closed something by itself; tell it where it is the ``first`` of its order."""
        change = Change(
            event.event_ms, event.account, ChangeKind.FORCED, event.symbol, event.side.value,
            after=event.quantity, price=event.price or None, cause=event.kind.value,
        )  # fmt: skip
        self._incidents.changes.append(change)
        if first:
            level = FORCED_LEVELS[event.kind]
            facts = self.facts(
                event.account, wallet=wallet or "", symbol=event.symbol, side=event.side.value, changes=(change,),
                reason=event.kind.value, event_ms=event.event_ms,
            )  # fmt: skip
            about = f"forced:{event.account}"
            self._incidents.announce(
                about, NoticeKind.FORCED, now.wall_ms, facts,
                level=level, channels=self._incidents.audience(level),
            )  # fmt: skip

    def margin_call(
        self,
        event: MarginCall,
        wallets: Iterable[str],
        compared: Iterable[Compared],
        facts_of: Callable[[str], Facts],
        now: Now,
    ) -> None:
        """Tell the exchange's own warning, once in a while for each wallet.

        Args:
            event: the call.
            wallets: that it is about.
            compared: its figures beside ours.
            facts_of: what a message may say of a wallet.
            now: when it came.
        """
        for wallet in wallets:
            key = SubjectKey(event.account, wallet)
            if now.mono_s - self._calls.get(key, -CALL_AGAIN_S) < CALL_AGAIN_S:
                continue
            self._calls[key] = now.mono_s
            mine = tuple(row for row in compared if row.wallet == wallet)
            self._incidents.announce(
                f"call:{event.account}", NoticeKind.MARGIN_CALL, now.wall_ms,
                msgspec.structs.replace(facts_of(wallet), compared=mine, event_ms=event.event_ms),
                level=CALL_LEVEL, channels=self._incidents.audience(CALL_LEVEL),
            )  # fmt: skip

    def moved(
        self,
        account: str,
        before: Mapping[tuple[str, str], float | None],
        after: Mapping[tuple[str, str], float | None],
        now: Now,
    ) -> None:
        """Tell which liquidation prices new tiers moved, by symbol and side."""
        moved = tuple(
            (*leg, before[leg], price)
            for leg, price in after.items()
            if leg in before and _far(before[leg], price)
        )
        if moved:
            facts = msgspec.structs.replace(
                self.facts(account, symbols=tuple(sorted({symbol for symbol, *_ in moved}))), moved=moved
            )
            audience = self._incidents.audience(TIERS_LEVEL)
            about = f"brackets:{account}"
            self._incidents.announce(
                about, NoticeKind.BRACKETS, now.wall_ms, facts, level=TIERS_LEVEL, channels=audience
            )


def _far(before: float | None, after: float | None) -> bool:
    if before is None or after is None:
        return before is not after
    return abs(after - before) > MOVED * before
