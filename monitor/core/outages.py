"""Trouble that is not about one wallet: feeds that went blind, databases that do not take writes."""

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass

import msgspec

from monitor.core import planner
from monitor.core.events import Distrusted, FeedState, StoreState
from monitor.core.incidents import Incidents
from monitor.core.marks import MarkBoard
from monitor.core.model import Level, Now
from monitor.core.notices import DataState, Facts, NoticeKind, SubjectState
from monitor.core.settings import EngineSettings
from monitor.core.steady import Returns, steady_s

# A severity decides which channels hear of it, the interval how often it is repeated.
BLIND_LEVEL = Level.CRITICAL
BLIND_REMINDER_S = 900.0
# With marks of REST for all that is blind nobody is in danger unseen, but it is no way to live.
BRIDGED_LEVEL = Level.WARNING
BRIDGED_REMINDER_S = 3600.0
BRIDGED_S = 10.0  # as old the newest of them may be
AGAIN_S = 60.0  # at most once in so long for one symbol that comes and goes
EASED_FREE, SIGHT_FREE, AGAIN_FREE = 0, 2, 3  # how often at first what comes and goes need not be steady
STORAGE_LEVEL = Level.WARNING
STORAGE_REMINDER_S = 7200.0
STORAGE_DWELL_S = 60.0  # how long a database takes writes before that is told: a slow disk comes and goes
FEED_PREFIX = "/feed:"
STORE_PREFIX = "/storage:"
UNCLAIMED = "marks"  # stands for a feed where none asked for a symbol
NO_MARKS = "no marks"
LIVE = "live"  # as a feed calls a connection that delivers
_MOST_REASONS = 3


@dataclass(slots=True)
class _Flaps:
    """How often things about one feed came and went. A blindness that returns is told ever less."""

    seeing_s: float | None = None  # since when all is seen
    again: int = 0  # symbols that were told in the present blindness were told again
    eased: int = 0  # times the present blindness became less by a bridge

    def sees_for(self, now_s: float) -> float:
        """Return for how long all has been seen, in seconds; below 0 where it is not."""
        return -1.0 if self.seeing_s is None else now_s - self.seeing_s


class Outages:
    """Judges feeds at each heartbeat and stores when they report."""

    def __init__(self, incidents: Incidents) -> None:
        self._incidents = incidents
        self._feeds: dict[str, frozenset[str]] = {}  # symbols by feed
        self._named: dict[str, dict[str, float]] = {}  # symbols told in the present blindness and when, by feed
        self._returned: dict[str, set[str]] = {}  # those of them that came back since
        self._spoken: dict[str, tuple[str, ...]] = {}  # what a message of now would name, by subject
        self._wrong: dict[str, dict[str, str]] = {}  # what is wrong with the marks of symbols, by feed
        self._bridged_s: dict[str, float] = {}  # since when REST has had marks of all that is blind, by feed
        self._flaps: dict[str, _Flaps] = {}  # by feed
        self._broken: dict[str, str] = {}  # why a feed has no connection that delivers, as it last said
        self._returns = Returns()  # of blindness, by feed, and of failing stores, by subject
        self._failing: dict[str, tuple[str, tuple[str, ...]]] = {}  # file and advice of failing stores, by subject
        self._writing_s: dict[str, float] = {}  # since when a store that failed has taken writes, by subject

    def subscribed(self, feed: str, symbols: tuple[str, ...]) -> None:
        """Learn which symbols a feed is responsible for, besides those it asked for before."""
        self._feeds[feed] = self._feeds.get(feed, frozenset()).union(symbols)

    def distrusted(self, event: Distrusted) -> None:
        """Learn which symbols have a stream that is wrong, in place of what the feed said before."""
        self._wrong[event.feed] = event.reasons

    def connection(self, event: FeedState) -> None:
        """Learn why a feed has no connection that delivers. Whether it is blind is judged by its marks alone."""
        if event.reason:
            self._broken[event.feed] = event.reason
        elif event.state == LIVE:
            self._broken.pop(event.feed, None)

    def symbols_of(self, subject: str) -> tuple[str, ...]:
        """Return the symbols of a feed's incident, as a message about it would name them now."""
        return self._spoken.get(subject, ())

    def closing(self, subject: str, environment: str) -> Facts:
        """Return what a late message about the end of a blindness would say: it may only have become less."""
        state = self._incidents.get(subject)
        if state is not None and state.level > Level.OK:
            return Facts(environment=environment, reason="marks come from REST", bridged=True)
        return Facts(environment=environment, reason="marks are back")

    def watch_feeds(
        self,
        board: MarkBoard,
        settings: EngineSettings,
        now: Now,
        holders: Callable[[frozenset[str]], tuple[str, ...]],
        *,
        complete: bool = True,
        forgiven_s: float = 0.0,
    ) -> None:
        """Tell blindness by symbol and its end; symbols that no feed asked for yet are judged as one.

        ``holders`` names the wallets that hold some of these symbols, for people. ``complete``: every account is
        known, so that what is not watched is not needed. ``forgiven_s``: see ``Waking``.
        """
        self._end_left(board, settings, now, complete=complete)
        feeds = dict(self._feeds)
        unclaimed = frozenset(board.symbols).difference(*feeds.values())
        state = self._incidents.get(f"{FEED_PREFIX}{UNCLAIMED}")
        if state is not None and state.level > Level.OK:
            # Connecting took so long that it was told before a feed had asked: what it named has to come back.
            unclaimed |= self._named.get(UNCLAIMED, dict.fromkeys(board.symbols, 0.0)).keys()
        feeds[UNCLAIMED] = feeds.get(UNCLAIMED, frozenset()) | unclaimed
        for feed, symbols in feeds.items():
            watched = tuple(symbol for symbol in board.symbols if symbol in symbols)
            subject = f"{FEED_PREFIX}{feed}"
            state = self._incidents.get(subject) or planner.begin(subject, now.wall_ms)
            states = {
                symbol: board.state(symbol, now.mono_s, settings.freshness, forgiven_s) for symbol in watched
            }
            blind = frozenset(symbol for symbol, data in states.items() if data is DataState.BLIND)
            if not blind and state.level is Level.OK:
                self._spoken.pop(subject, None)
                continue
            # Marks of REST do not end it: what they stand in for is as silent as before.
            seeing = all(data is DataState.FRESH and board.is_heard(symbol) for symbol, data in states.items())
            seeing = seeing and (complete or bool(watched))
            marks = [mark for symbol in blind if (mark := board.newest(symbol)) is not None]
            silent, wrong = self._split(blind)
            named, over = self._over(feed, watched)
            facts = Facts(
                environment=settings.environment,
                symbols=_spoken(blind or named),
                wallets=holders(blind),
                mark_age_s=max((board.silence_s(symbol, now.mono_s) for symbol in silent), default=None),
                event_ms=min((mark.event_ms for mark in marks), default=0),
                reason=_why(silent, wrong) or over,
                detail=self._broken.get(feed, "") if silent else "",
                bridged=bool(blind) and all(board.is_bridged(s, now.mono_s, BRIDGED_S) for s in blind),
            )
            self._spoken[subject] = facts.symbols
            self._returned.setdefault(feed, set()).update(
                s for s, data in states.items() if data is DataState.FRESH
            )
            self._follow_feed(feed, state, facts, blind, seeing=seeing, now=now)

    def _end_left(self, board: MarkBoard, settings: EngineSettings, now: Now, *, complete: bool) -> None:
        """End what an earlier run left of feeds that nobody asks in this one, once all that is needed is seen."""
        for subject in self._incidents.subjects():
            feed = subject.removeprefix(FEED_PREFIX)
            state = self._incidents.get(subject)
            if feed in {subject, UNCLAIMED} or feed in self._feeds or state is None:
                continue
            if state.level > Level.OK and complete and all(map(board.is_heard, board.symbols)):
                facts = Facts(environment=settings.environment, reason="no position needs marks")
                self._incidents.fall(state, Level.OK, now.wall_ms, facts, kind=NoticeKind.SIGHT)

    def _over(self, feed: str, watched: tuple[str, ...]) -> tuple[Collection[str], str]:
        """Return which symbols an end is about, and why it is one: what is held no more did not come back."""
        named = self._named.get(feed) or dict.fromkeys(watched)
        back = [symbol for symbol in named if symbol in watched]
        return (back, "marks are back") if back else (named, "no position needs marks")

    def _split(self, blind: Collection[str]) -> tuple[tuple[str, ...], dict[str, str]]:
        """Return the symbols that are blind for silence, and what is wrong with each of the others."""
        wrong = {symbol: why for reasons in self._wrong.values() for symbol, why in reasons.items()}
        return (
            tuple(symbol for symbol in sorted(blind) if symbol not in wrong),
            {symbol: wrong[symbol] for symbol in sorted(blind) if symbol in wrong},
        )

    def _follow_feed(
        self, feed: str, state: SubjectState, facts: Facts, blind: frozenset[str], *, seeing: bool, now: Now
    ) -> None:
        named = self._named.setdefault(feed, {})
        returned = self._returned[feed]
        flaps = self._flaps.setdefault(feed, _Flaps())
        flaps.seeing_s = (now.mono_s if flaps.seeing_s is None else flaps.seeing_s) if seeing else None
        again_s = max(AGAIN_S, steady_s(flaps.again, AGAIN_FREE))
        bridged_s = self._bridged_for(feed, now, bridged=facts.bridged)
        level = BRIDGED_LEVEL if facts.bridged else BLIND_LEVEL
        # A symbol that came back and went again is news, however blind others still are.
        news = {
            symbol
            for symbol in blind
            if symbol not in named or (symbol in returned and now.mono_s - named[symbol] >= again_s)
        }
        if news or (blind and level > state.level):
            # More symbols in the same blindness are told too, and are no new incident.
            flaps.again += any(symbol in named for symbol in news)
            if state.level is Level.OK:
                self._returns.begun(feed, now.mono_s)
            level = max(level, state.level)
            audience = self._incidents.audience(level)
            self._incidents.rise(state, level, now.wall_ms, facts, kind=NoticeKind.BLIND, channels=audience)
            named.update(dict.fromkeys(news, now.mono_s))
            returned -= blind
        elif state.level > Level.OK and flaps.sees_for(now.mono_s) >= steady_s(
            self._returns.times(feed), SIGHT_FREE
        ):
            self._incidents.fall(state, Level.OK, now.wall_ms, facts, kind=NoticeKind.SIGHT)
            del self._named[feed]
            del self._returned[feed]
            flaps.eased = flaps.again = 0
            self._returns.over(feed, now.mono_s)
        elif blind and level < state.level and bridged_s >= steady_s(flaps.eased, EASED_FREE):
            # Recorded, and told only to those for whom it is over.
            flaps.eased += 1
            audience = self._incidents.audience(level)
            self._incidents.fall(state, level, now.wall_ms, facts, kind=NoticeKind.SIGHT, channels=audience)
        elif blind:
            reminder_s = BRIDGED_REMINDER_S if state.level is BRIDGED_LEVEL else BLIND_REMINDER_S
            due = self._incidents.due(state, reminder_s, self._incidents.audience(state.level), now.wall_ms)
            if due:
                self._incidents.remind(state, due, now.wall_ms, facts, kind=NoticeKind.BLIND)

    def _bridged_for(self, feed: str, now: Now, *, bridged: bool) -> float:
        """Return for how long REST has had marks of all that is blind, in seconds; 0 where it has not."""
        if not bridged:
            self._bridged_s.pop(feed, None)
            return 0.0
        return now.mono_s - self._bridged_s.setdefault(feed, now.mono_s)

    def store_state(self, event: StoreState, settings: EngineSettings, now: Now) -> None:
        """Tell that a database stopped taking writes, once; ``watch_stores`` tells that it resumed.

        What else happened to it is told beside that, and has no end.
        """
        subject = f"{STORE_PREFIX}{event.store}"
        audience = self._incidents.audience(STORAGE_LEVEL)
        if event.note:
            said = tuple(words for words in (event.reason, event.hint) if words)
            facts = Facts(
                environment=settings.environment, reason=event.note, detail=event.store, advice=said
            )  # fmt: skip
            self._incidents.announce(
                subject, NoticeKind.STORAGE, now.wall_ms, facts, level=STORAGE_LEVEL, channels=audience
            )
            return
        state = self._incidents.get(subject) or planner.begin(subject, now.wall_ms)
        if event.ok and state.level > Level.OK:
            self._writing_s.setdefault(subject, now.mono_s)
            return
        self._writing_s.pop(subject, None)
        if event.ok:
            return
        advice = (event.hint,) if event.hint else ()
        self._failing[subject] = event.path, advice
        if state.level is Level.OK:
            self._returns.begun(subject, now.mono_s)
            facts = Facts(
                environment=settings.environment, reason=event.reason, detail=event.store, advice=advice,
                path=event.path,
            )  # fmt: skip
            self._incidents.rise(
                state, STORAGE_LEVEL, now.wall_ms, facts, kind=NoticeKind.STORAGE, channels=audience
            )

    def watch_stores(self, settings: EngineSettings, now: Now) -> None:
        """Tell that a database has taken writes for long enough, or repeat that it is still failing."""
        for subject in self._incidents.subjects():
            state = self._incidents.get(subject)
            if state is None or not subject.startswith(STORE_PREFIX):
                continue
            facts = Facts(environment=settings.environment, detail=subject.removeprefix(STORE_PREFIX))
            if subject in self._writing_s:
                steady = max(STORAGE_DWELL_S, steady_s(self._returns.times(subject), SIGHT_FREE))
                if now.mono_s - self._writing_s[subject] >= steady:
                    del self._writing_s[subject]
                    self._failing.pop(subject, None)
                    self._returns.over(subject, now.mono_s)
                    self._incidents.fall(state, Level.OK, now.wall_ms, facts, kind=NoticeKind.STORAGE_BACK)
                continue
            audience = self._incidents.audience(STORAGE_LEVEL)
            due = self._incidents.due(state, STORAGE_REMINDER_S, audience, now.wall_ms)
            if due:
                path, advice = self._failing.get(subject, ("", ()))
                facts = msgspec.structs.replace(facts, reason="still failing", path=path, advice=advice)
                self._incidents.remind(state, due, now.wall_ms, facts, kind=NoticeKind.STORAGE)


def _spoken(names: Iterable[str]) -> tuple[str, ...]:
    """Return the names for people: the two rates of an asset are its index."""
    return tuple(sorted({f"{name.partition('@')[0]} index" if "@" in name else name for name in names}))


def _why(silent: Collection[str], wrong: Mapping[str, str]) -> str:
    """Return why nothing is seen of them; empty if there are none."""
    told = [f"{symbol}: {why}" for symbol, why in wrong.items()]
    more = [f"+{len(told) - _MOST_REASONS} more"] if len(told) > _MOST_REASONS else []
    return "; ".join([*([NO_MARKS] if silent else []), *told[:_MOST_REASONS], *more])
