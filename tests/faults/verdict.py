"""Judges a story by what crossed the ports: which crossings were received, and who was told of them.

Levels are reckoned here from the marks that arrived, by a formula of its own (a test compares it with the
product's), never taken from the service. Its own decisions are read only to see whether they came in time.
"""

import math
from bisect import bisect_right
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Final, NamedTuple

from monitor.core.model import AccountSnapshot, Level, MarginMode, Position, Side
from monitor.core.notices import ENDINGS, Notice, NoticeKind
from tests.faults.story import MMR, Fault, Story
from tests.faults.world import Moved, Received, Sent, World

COMMITTED_S: Final = 0.05  # from a frame to a row
BLIND_S: Final = 15.0
SUSPECT_S: Final = 3.0
FUTURE_MS: Final = 60_000
OLD_MS: Final = 30_000  # so old may a mark from REST be
STALE_S: Final = 5.0  # so long a stream must be silent before REST is surely asked
MINUTE_S: Final = 60.0
# How long a channel must work before what it owes must have arrived: at most a minute's pace where nothing had
# gone wrong, a full back-off beside that where something had, and the quarter of an hour after a refusal for good.
PACED_S: Final = 70.0
BACK_S: Final = 200.0
REFUSED_S: Final = 1000.0
REMEMBERED_S: Final = 130.0  # the longest back-off
TRUSTED_AGAIN_S: Final = 200.0  # after a feed stopped lying, with REST at hand
WRONG_S: Final = 90.0  # a comparison a minute, and three in a row that disagree
STUCK_S: Final = 160.0  # it must have stood still between two comparisons
AWAY_S: Final = 75.0  # the shortest that is surely looked at
LOOKED_AT_S: Final = 400.0  # so long a life must be for what came before to be told in it, quiet time included
FIRST_ROWS_S: Final = 30.0  # until the history of a life surely has some
CLOCK_S: Final = 10.0  # until it is noticed that a clock was set
DIED_S: Final = 3.0  # what a job that is started anew may take
ROUNDING: Final = 1e-9
_ROOMS: Final = {Level.NOTICE: 0.5, Level.WARNING: 0.2, Level.CRITICAL: 0.1, Level.EMERGENCY: 0.07}
_RATIOS: Final = {Level.WARNING: (0.65, 0.6), Level.CRITICAL: (0.8, 1.0), Level.EMERGENCY: (0.9, 1.0)}
_HEARD: Final = frozenset({NoticeKind.ALERT, NoticeKind.REMINDER})


class Figures(NamedTuple):
    """What one story came to."""

    crossings: int
    messages: int
    faults: tuple[str, ...]  # all that breaks a promise


class Wallet(NamedTuple):
    """What has a level."""

    subject: str
    balance: float
    legs: tuple[tuple[str, float, float], ...]  # symbol, signed quantity, entry price

    @property
    def symbols(self) -> frozenset[str]:
        return frozenset(symbol for symbol, _, _ in self.legs)

    def room_and_ratio(self, marks: Mapping[str, float]) -> tuple[float, float]:
        """Return the share of the way to liquidation that is left, and the margin ratio."""
        margin, required, at_entry = self.balance, 0.0, 0.0
        for symbol, quantity, entry in self.legs:
            margin += quantity * (marks[symbol] - entry)
            required += abs(quantity) * marks[symbol] * MMR
            at_entry += abs(quantity) * entry * MMR
        room = min((margin - required) / (self.balance - at_entry), 1.0)
        return room, required / margin if margin > 0.0 else math.inf

    def level(self, marks: Mapping[str, float], slack: float = ROUNDING) -> Level:
        """Return the highest level whose conditions surely hold; with a negative ``slack``, may hold."""
        room, ratio = self.room_and_ratio(marks)
        found = [level for level, most in _ROOMS.items() if room <= most - slack]
        found += [
            level
            for level, (least, most) in _RATIOS.items()
            if ratio >= least + slack and room <= most - (slack if most < 1.0 else 0.0)
        ]
        return max(found, default=Level.OK)


class Judged(NamedTuple):
    """The level of a wallet as the marks that had arrived say."""

    at_s: float
    life: int
    level: Level
    most: Level  # with the benefit of rounding


def wallets_of(accounts: Sequence[AccountSnapshot]) -> list[Wallet]:
    """Return everything that has a level."""
    found = []
    for one in accounts:
        crossed = [held for held in one.positions if held.margin_mode is MarginMode.CROSS]
        if crossed:
            legs = tuple(map(_leg, crossed))
            found.append(Wallet(f"{one.account}/cross:USDT", one.balances["USDT"], legs))
        for held in one.positions:
            if held.margin_mode is MarginMode.ISOLATED:
                subject = f"{one.account}/isolated:{held.symbol}:{held.side.value}"
                found.append(Wallet(subject, held.margin or 0.0, (_leg(held),)))
    return found


def _leg(held: Position) -> tuple[str, float, float]:
    return held.symbol, held.quantity if held.side is Side.LONG else -held.quantity, held.entry_price


def judge(world: World) -> Figures:
    """Return what a story that was lived came to."""
    court = _Court(world)
    faults = [*court.outside(), *court.levels(), *court.falls(), *court.commits(), *court.told(), *court.blind()]
    faults += [*court.lies(), *court.away()]
    faults += [*court.closings(), *court.repeats(), *court.flapping(), *court.pace()]
    return Figures(len(court.crossings), len(world.tape.sent), tuple(faults))


class _Crossing(NamedTuple):
    at_s: float
    life: int
    wallet: Wallet
    level: Level


class _Court:
    def __init__(self, world: World) -> None:
        self.story: Story = world.story
        self.tape = world.tape
        self.world = world
        self.wallets = {wallet.subject: wallet for wallet in wallets_of(self.story.accounts)}
        self.dwell_s = {rule.level: rule.dwell_s for rule in self.story.settings.rules.levels}
        self.fresh = list(_believed(self.tape.received))
        self.seen = _times([one for one in self.fresh if not one.rest])
        self.judged: dict[str, list[Judged]] = {subject: [] for subject in self.wallets}
        self.crossings: list[_Crossing] = []
        self._reckon()
        self.moved: dict[str, list[Moved]] = defaultdict(list)
        for move in self.tape.moved:
            self.moved[move.transition.subject].append(move)

    def _reckon(self) -> None:
        """Follow each wallet through the marks that arrived."""
        marks: dict[tuple[int, str], float] = {}
        for at_s, life, symbols in _moments(self.fresh, marks):
            known = {symbol: price for (owner, symbol), price in marks.items() if owner == life}
            for wallet in self.wallets.values():
                if wallet.symbols.isdisjoint(symbols) or not known.keys() >= wallet.symbols:
                    continue
                level = wallet.level(known)
                story = self.judged[wallet.subject]
                before = story[-1] if story and story[-1].life == life else None
                story.append(Judged(at_s, life, level, wallet.level(known, -ROUNDING)))
                if level > (before.level if before is not None else Level.OK):
                    self.crossings.append(_Crossing(at_s, life, wallet, level))

    # What the story says

    def wrong(self, begin_s: float, end_s: float, *kinds: str, about: str = "") -> bool:
        """Return whether any of these went wrong in a time."""
        return any(
            fault.start_s <= end_s and begin_s < fault.end_s
            for fault in self.story.faults
            if fault.kind.startswith(kinds) and (not about or not fault.about or about in fault.about)
        )

    def lied_to(self, begin_s: float, end_s: float, symbols: frozenset[str]) -> bool:
        """Return whether marks of these may have been wrong, or right ones not believed."""
        for fault in self.story.faults:
            if fault.kind in {"feed-stuck", "feed-wrong"} and symbols & frozenset(fault.about):
                until_s = self._trusted_s(fault)
                if fault.start_s <= end_s and begin_s < until_s:
                    return True
        return False

    def _trusted_s(self, lie: Fault) -> float:
        """Return until when the stream may be distrusted: without REST nothing can clear it."""
        until_s = lie.end_s + TRUSTED_AGAIN_S
        for fault in sorted(self.story.faults, key=lambda one: one.start_s):
            if fault.kind.startswith(("rest-", "crash", "feed-")) and fault.start_s <= until_s:
                until_s = max(until_s, fault.end_s + TRUSTED_AGAIN_S)
        return until_s

    def died(self, begin_s: float, end_s: float) -> bool:
        return self.wrong(begin_s - DIED_S, end_s, "job-dies")

    def life_ends_s(self, life: int) -> float:
        return self.tape.lives[life][1]

    def worked(self, channel: str, begin_s: float, end_s: float, *, refused: bool = False) -> bool:
        """Return whether a channel worked for so long, at one stretch, that it must have got what it was owed."""
        needed_s = REFUSED_S if refused else PACED_S
        at_s = begin_s
        for start_s, stop_s, back_s in self._bad(channel):
            if stop_s + REMEMBERED_S <= begin_s:
                continue
            if min(start_s, end_s) - at_s >= needed_s:
                return True
            at_s = max(at_s, stop_s)
            needed_s = REFUSED_S if refused else PACED_S + back_s
        return end_s - at_s >= needed_s

    def _bad(self, channel: str) -> list[tuple[float, float, float]]:
        """Return when a channel did not work, in order, and how long after that it may be before it is tried."""
        asked_s = {"channel-hangs": 21.0, "channel-limits": 46.0}
        found: list[tuple[float, float, float]] = []
        began_s = -math.inf
        for fault in sorted(self.story.faults, key=lambda one: one.start_s):
            about = fault.kind.startswith("channel") and channel in fault.about
            if not about and fault.kind not in {"crash", "job-dies"}:
                continue
            stop_s = fault.end_s + asked_s.get(fault.kind, 0.0)
            if not found or fault.start_s > found[-1][1] + REMEMBERED_S:
                began_s = fault.start_s
            # Pauses double, so the last one is no longer than all before it together.
            found.append((fault.start_s, stop_s, min(REMEMBERED_S, 1.5 * (stop_s - began_s) + 6.0)))
        return found

    def read(self, channel: str) -> Iterator[tuple[Sent, Notice]]:
        """Yield what people surely read on a channel."""
        for sent in self.tape.sent:
            if sent.channel == channel and sent.read:
                for notice in sent.notices:
                    yield sent, notice

    # What must hold

    def outside(self) -> Iterator[str]:
        """Nothing escapes, nothing gives up, nothing is left behind, no secret is told."""
        yield from self.tape.faults
        yield from (f"died: {text}" for text in self.tape.deaths)
        yield from (f"a secret in the log: {text}" for text in self.tape.logs if "s3cr3t" in text)
        if self.world.life is not None:
            unproven = {
                f"/channel:{rule.name}" for rule in self.story.settings.channels if self._unproven(rule.name)
            }
            left = (text for about, text in self.world.life.left if about not in unproven)
            yield from (f"left behind: {text}" for text in left)

    def _unproven(self, channel: str) -> bool:
        """Return whether a channel had nothing to take since it refused: nobody can know that it works again."""
        outcomes = [sent.outcome for sent in self.tape.sent if sent.channel == channel]
        return bool(outcomes) and outcomes[-1] != "accepted"

    def level_at(self, subject: str, life: int, at_s: float) -> Level:
        """Return what the service took a wallet's level for."""
        level = self.tape.restored.get((life, subject), Level.OK)
        for move in self.moved[subject]:
            if move.life == life and move.at_s <= at_s:
                level = move.transition.level
        return level

    def levels(self) -> Iterator[str]:
        """A level that a received mark reaches is decided at once; none is reached that no mark has reached."""
        for at_s, life, wallet, level in self.crossings:
            if self.lied_to(at_s - COMMITTED_S, at_s, wallet.symbols) or self._unclear(at_s, life, wallet):
                continue
            late_s = DIED_S if self.died(at_s, at_s) else COMMITTED_S
            if at_s + late_s >= self.life_ends_s(life):
                continue
            if (found := self.level_at(wallet.subject, life, at_s + late_s)) < level:
                yield f"{at_s:.2f} {wallet.subject} crossed {level.label}, taken for {found.label}"
        for subject, moves in self.moved.items():
            if subject not in self.wallets or len((wallet := self.wallets[subject]).legs) > 1:
                continue  # extremes of several symbols may be taken together
            for move in moves:
                change = move.transition
                if change.level <= change.previous or self.lied_to(move.at_s - 60.0, move.at_s, wallet.symbols):
                    continue
                before = [one for one in self.judged[subject] if move.at_s - 3.5 <= one.at_s <= move.at_s]
                if before and max(one.most for one in before) < change.level and not self._bridged(move, wallet):
                    yield f"{move.at_s:.2f} {subject} rose to {change.level.label}, no mark did"

    def _bridged(self, move: Moved, wallet: Wallet) -> bool:
        """Return whether a mark from REST reached the level."""
        return any(
            one.rest and one.symbol in wallet.symbols and wallet.level({one.symbol: one.price}, -ROUNDING)
            >= move.transition.level
            for one in self.tape.received
            if move.at_s - 20.0 <= one.at_s <= move.at_s
        )  # fmt: skip

    def _unclear(self, at_s: float, life: int, wallet: Wallet) -> bool:
        """Return whether a mark from REST came while it was not known what the exchange's time is."""
        silent = any(at_s - self._last_s(life, symbol, at_s) >= SUSPECT_S for symbol in wallet.symbols)
        return silent and self.wrong(at_s - CLOCK_S, at_s, "clock-")

    def falls(self) -> Iterator[str]:
        """No level falls while a symbol is silent, nor before its conditions were missed for the dwell time."""
        for subject, wallet in self.wallets.items():
            for move in self.moved[subject]:
                change = move.transition
                if change.level >= change.previous:
                    continue
                for symbol in wallet.symbols:
                    last_s = self._last_s(move.life, symbol, move.at_s)
                    if (silent_s := move.at_s - last_s) >= SUSPECT_S + ROUNDING:
                        yield f"{move.at_s:.2f} {subject} fell while {symbol} was silent for {silent_s:.1f} s"
                left = Level(change.level + 1)
                begin_s = max(move.at_s - self.dwell_s[left] + 1.5, self.tape.lives[move.life][0])
                if not self.lied_to(begin_s, move.at_s, wallet.symbols):
                    there = [j for j in self.judged[subject] if begin_s <= j.at_s < move.at_s]
                    if any(one.level >= left for one in there):
                        yield f"{move.at_s:.2f} {subject} fell to {change.level.label} before its time"

    def _last_s(self, life: int, symbol: str, at_s: float) -> float:
        times = self.seen.get((life, symbol), [])
        place = bisect_right(times, at_s)
        return times[place - 1] if place else self.tape.lives[life][0]

    def commits(self) -> Iterator[str]:
        """What is decided is told to all who asked, and on disk in time while the store works."""
        for subject in self.wallets:
            for move in self.moved[subject]:
                change = move.transition
                if change.level <= change.previous:
                    continue
                for rule in self.story.settings.channels:
                    if rule.min_level > change.level:
                        continue
                    key = next(
                        (
                            name
                            for name, (at_s, notice) in self.tape.decided.items()
                            if name[1] == rule.name and notice.subject == subject and at_s == move.at_s
                        ),
                        None,
                    )
                    where = f"{move.at_s:.2f} {subject} {change.level.label} {rule.name}"
                    if key is None:
                        yield f"{where}: nobody is told"
                        continue
                    troubled = self.wrong(move.at_s - 12.0, move.at_s + 1.0, "store-", "job-dies", "crash")
                    committed_s = self.tape.committed.get(key, math.inf)
                    if not troubled and committed_s - move.at_s > COMMITTED_S:
                        yield f"{where}: committed after {committed_s - move.at_s:.2f} s"

    def told(self) -> Iterator[str]:
        """Every crossing reaches every channel that asked, or who stands in for it, while it lasts."""
        for at_s, life, wallet, level in self.crossings:
            unclear = self._unclear(at_s, life, wallet) or self._unrecorded(at_s, life)
            if unclear or self.lied_to(at_s, at_s, wallet.symbols):
                continue
            subject = wallet.subject
            below = (move.at_s for move in self.moved[subject] if move.transition.level < level)
            ends_s = next((below_s for below_s in below if below_s > at_s), self.story.length_s)
            for rule in self.story.settings.channels:
                if rule.min_level > level:
                    continue
                refused = any(
                    sent.outcome == "refused" and sent.channel == rule.name and at_s - 1000.0 < sent.at_s < ends_s
                    for sent in self.tape.sent
                )
                names = {rule.name, rule.fallback} if self.worked(rule.name, at_s, ends_s, refused=refused) else {}
                if names and not any(self._knows(name, subject, level, at_s) for name in names):
                    yield f"{at_s:.2f} {subject} crossed {level.label}, {rule.name} never heard"

    def _unrecorded(self, at_s: float, life: int) -> bool:
        """Return whether a crash may have taken a decision that was on no disk, as promised."""
        if life == len(self.tape.lives) - 1:
            return False
        killed_s = self.life_ends_s(life)
        if killed_s - at_s <= COMMITTED_S or self.wrong(at_s, at_s, "job-dies"):
            return True
        return self.wrong(at_s - 1.0, at_s + 1.0, "store-") and self.wrong(killed_s - 12.0, killed_s, "store-")

    def _knows(self, channel: str, subject: str, level: Level, at_s: float) -> bool:
        falls = [move.at_s for move in self.moved[subject] if move.transition.level < level]
        return any(
            notice.subject == subject and notice.level >= level and notice.kind in _HEARD
            and not any(sent.at_s < fall_s <= at_s for fall_s in falls)
            for sent, notice in self.read(channel)
        )  # fmt: skip

    def blind(self) -> Iterator[str]:
        """A symbol without new marks is told of within the promised time."""
        for life, (begins_s, ends_s) in enumerate(self.tape.lives):
            for symbol in self.story.symbols:
                times = [begins_s, *self.seen.get((life, symbol), []), ends_s]
                for last_s, next_s in pairwise(times):
                    if next_s - last_s > BLIND_S:
                        yield from self._gap(symbol, last_s, next_s)

    def _gap(self, symbol: str, last_s: float, next_s: float) -> Iterator[str]:
        until_s = last_s + BLIND_S + (DIED_S if self.died(last_s, last_s + BLIND_S) else ROUNDING)
        if until_s > next_s:
            return
        named = [
            (at_s, notice)
            for at_s, notice in self.tape.decided.values()
            if notice.kind is NoticeKind.BLIND and symbol in notice.facts.symbols and at_s <= until_s
        ]
        since_s = -math.inf if self.lied_to(last_s, until_s, frozenset({symbol})) else last_s - 75.0
        named = [(at_s, notice) for at_s, notice in named if at_s > since_s]
        if not named:
            yield f"{last_s:.2f} {symbol} silent for {next_s - last_s:.1f} s, nobody is told"
            return
        asked = {notice.channel for _, notice in named}
        for channel in asked:
            if self.worked(channel, until_s, next_s) and not any(
                notice.kind is NoticeKind.BLIND and symbol in notice.facts.symbols and sent.at_s > since_s
                for sent, notice in self.read(channel)
            ):
                yield f"{last_s:.2f} {symbol} silent for {next_s - last_s:.1f} s, {channel} never heard"

    def lies(self) -> Iterator[str]:
        """A stream that is wrong is told of within the time that comparing it takes; meanwhile nothing falls."""
        for fault in self.story.faults:
            within_s = {"feed-wrong": WRONG_S, "feed-stuck": STUCK_S}.get(fault.kind)
            if within_s is None:
                continue
            other = [one for one in self.story.faults if one is not fault]
            until_s = fault.start_s + within_s
            disturbed = any(
                one.kind.startswith(("feed-", "rest-", "crash", "clock-", "job-"))
                and one.start_s <= until_s and fault.start_s - WRONG_S < one.end_s
                for one in other
            )  # fmt: skip
            named = {
                symbol: at_s
                for at_s, notice in reversed(self.tape.decided.values())
                if notice.kind is NoticeKind.BLIND and fault.start_s <= at_s
                for symbol in notice.facts.symbols
            }
            for symbol in fault.about:
                if not disturbed and fault.end_s > until_s and named.get(symbol, math.inf) > until_s:
                    yield f"{fault.start_s:.2f} {symbol} was {fault.kind}, nobody is told"
            for subject, wallet in self.wallets.items():
                for move in self.moved[subject]:
                    knew_s = min(
                        (named.get(symbol, math.inf) for symbol in wallet.symbols & {*fault.about}), default=0
                    )
                    if knew_s and knew_s < move.at_s < fault.end_s:
                        change = move.transition
                        if change.level < change.previous and not self.wrong(fault.start_s, move.at_s, "crash"):
                            yield f"{move.at_s:.2f} {subject} fell on marks that were known to be wrong"

    def away(self) -> Iterator[str]:
        """What a time without a life was like is told after it."""
        for number, crash in enumerate(self.story.crashes()):
            before_s, killed_s = self.tape.lives[number]
            heard_s = max((one.at_s for one in self.fresh if one.life == number), default=-math.inf)
            if crash.end_s - crash.start_s < AWAY_S or heard_s - before_s < FIRST_ROWS_S:
                continue
            unknown = self.wrong(before_s, crash.end_s + 1.0, "history-") or killed_s - heard_s > FIRST_ROWS_S
            if unknown or self.wrong(crash.end_s, crash.end_s + BACK_S, "channel-refuses"):
                continue
            begins_s, ends_s = self.tape.lives[number + 1]
            worst = self._worst(killed_s, begins_s)
            if ends_s - begins_s <= LOOKED_AT_S or worst < min(c.min_level for c in self.story.settings.channels):
                continue
            if not any(
                notice.kind is NoticeKind.AWAY and notice.level >= worst and sent.life == number + 1
                for rule in self.story.settings.channels
                for sent, notice in self.read(rule.name)
            ):
                away_s = begins_s - killed_s
                yield f"{killed_s:.2f} {worst.label} in the {away_s:.0f} s nobody watched, and nobody is told"

    def _worst(self, begin_s: float, end_s: float) -> Level:
        """Return the highest level that any wallet really had in a time."""
        return max(
            wallet.level({symbol: self.world.exchange.price(symbol, second) for symbol in wallet.symbols})
            for second in range(math.ceil(begin_s), math.ceil(end_s))
            for wallet in self.wallets.values()
        )

    def closings(self) -> Iterator[str]:
        """What a channel reads of a subject begins with an alert, and each run of alerts ends with one message."""
        for rule in self.story.settings.channels:
            stories: dict[str, dict[str, bool]] = defaultdict(dict)  # by subject and key: whether it is an end
            doubted: set[str] = set()  # keys that may have been read without anybody knowing
            for sent in self.tape.sent:
                if sent.channel != rule.name:
                    continue
                for notice in sent.notices:
                    if sent.outcome in {"lost", "killed", "unsure"}:
                        doubted.add(notice.key)
                    if sent.read and not notice.subject.startswith("/told:") and not self._forgotten(sent, notice):
                        stories[notice.subject].setdefault(notice.key, notice.kind in ENDINGS)
            for subject, story in stories.items():
                where = f"{rule.name} {subject}"
                # An end that is in doubt, and that a new alert then overtakes, may have to be told again.
                sure = [is_end for key, is_end in story.items() if not (is_end and key in doubted)]
                unheard = {key for key, _ in self._doubts(rule.name, subject)} & doubted
                if sure and sure[0] and not unheard:
                    yield f"{where}: an end without a beginning"
                if any(one and other for one, other in pairwise(sure)) and not unheard:
                    yield f"{where}: two ends of one incident"
                known = not subject.startswith("/channel:") or not self._unproven(
                    subject.removeprefix("/channel:")
                )
                if not list(story.values())[-1] and known:
                    yield f"{where}: never told that it is over"

    def _forgotten(self, sent: Sent, notice: Notice) -> bool:
        """Return whether a message left while no database took it, and the life that knew of it was killed."""
        return sent.life < len(self.tape.lives) - 1 and (notice.key, sent.channel) not in self.tape.committed

    def _doubts(self, channel: str, subject: str) -> Iterator[tuple[str, NoticeKind]]:
        """Yield the alerts of a subject that a channel may have read, and nobody knows."""
        for sent in self.tape.sent:
            if sent.channel == channel and sent.outcome in {"lost", "killed", "unsure"}:
                for notice in sent.notices:
                    if notice.subject == subject and notice.kind not in ENDINGS:
                        yield notice.key, notice.kind

    def repeats(self) -> Iterator[str]:
        """One notice is accepted once in a life, and once more for each crash."""
        crashes = len(self.story.crashes())
        lives: Counter[tuple[str, str, int]] = Counter()
        for sent in self.tape.sent:
            if sent.outcome == "accepted":
                lives.update((sent.channel, notice.key, sent.life) for notice in sent.notices)
        yield from (f"{key} was accepted {count} times" for key, count in lives.items() if count > 1)
        whole = Counter((channel, key) for channel, key, _ in lives.elements())
        yield from (f"{key} was accepted {count} times" for key, count in whole.items() if count > 1 + crashes)

    def flapping(self) -> Iterator[str]:
        """A level is told again within an incident only after it was left, which takes its dwell time."""
        for rule in self.story.settings.channels:
            told: dict[tuple[str, int, Level], dict[str, int]] = defaultdict(dict)
            for _, notice in self.read(rule.name):
                if notice.kind is NoticeKind.ALERT and not notice.facts.liquidatable and not notice.facts.via:
                    told[notice.subject, notice.number, notice.level].setdefault(notice.key, 0)
            for (subject, number, level), keys in told.items():
                times = sorted(self.tape.decided[key, rule.name][0] for key in keys)
                for one_s, other_s in pairwise(times):
                    if other_s - one_s < self.dwell_s[level] - 1.5 and not self.wrong(one_s, other_s, "crash"):
                        yield f"{other_s:.2f} {rule.name} {subject} {number}: {level.label} told again"

    def pace(self) -> Iterator[str]:
        """At most five messages a minute reach a channel."""
        for rule in self.story.settings.channels:
            for life in range(len(self.tape.lives)):
                starts = sorted(
                    sent.began_s
                    for sent in self.tape.sent
                    if (sent.channel, sent.life) == (rule.name, life) and sent.outcome not in {"failed", "refused"}
                )
                for one_s, sixth_s in zip(starts, starts[5:], strict=False):
                    if sixth_s - one_s < MINUTE_S - ROUNDING:
                        yield f"{sixth_s:.2f} {rule.name} got six messages within {sixth_s - one_s:.1f} s"


def _believed(received: Sequence[Received]) -> Iterator[Received]:
    """Yield the marks that are news and cannot be refused: the stream's, and where it is silent those of REST."""
    newest: dict[tuple[int, str], int] = {}
    heard_s: dict[tuple[int, str], float] = {}
    for one in received:
        key = (one.life, one.symbol)
        if one.event_ms <= newest.get(key, 0) or one.event_ms > one.wall_ms + FUTURE_MS:
            continue
        if one.rest and (one.at_s - heard_s.get(key, one.at_s) < STALE_S or one.event_ms < one.wall_ms - OLD_MS):
            continue
        newest[key] = one.event_ms
        if not one.rest:
            heard_s[key] = one.at_s
        yield one


def _times(received: Sequence[Received]) -> dict[tuple[int, str], list[float]]:
    found: dict[tuple[int, str], list[float]] = defaultdict(list)
    for one in received:
        found[one.life, one.symbol].append(one.at_s)
    return found


def _moments(
    received: Sequence[Received], marks: dict[tuple[int, str], float]
) -> Iterator[tuple[float, int, set[str]]]:
    """Yield the moments at which marks arrived, with ``marks`` as they stood then."""
    symbols: set[str] = set()
    for place, one in enumerate(received):
        marks[one.life, one.symbol] = one.price
        symbols.add(one.symbol)
        following = received[place + 1] if place + 1 < len(received) else None
        if following is None or (following.at_s, following.life) != (one.at_s, one.life):
            yield one.at_s, one.life, symbols
            symbols = set()
