"""The top of the page: is anybody watching, what is wrong, and the worst wallets with what to do about them."""

from collections.abc import Sequence

from monitor.core.model import Level
from monitor.core.report import UNKNOWN, PositionView, WalletView
from monitor.notify.numbers import grouped, money, percent
from monitor.notify.reach import within_reach
from monitor.web.page.line import Point, bar, line
from monitor.web.page.markup import Html, tag
from monitor.web.page.seen import Seen, alert_of, called, is_held, nearest, rank
from monitor.web.page.words import WATCHING, reasons, state_of, unsure, worst_of

CARDS = 6
LINE_MS = 6 * 3600 * 1000
_MANY_MOVES = 99.0


def verdict(seen: Seen) -> str:
    """Return in a few words whether anybody watches and how bad it is; no figures, so that it seldom changes."""
    worst = next(iter(seen.worst), None)
    state = state_of(seen)[0]
    if worst is None or rank(worst.level) <= Level.OK:
        return state
    return f"{state}. {worst.level.capitalize()}: {called(worst)}"


def watch(seen: Seen) -> Html:
    """Return whether it watches, as large as it matters."""
    status = seen.status
    state, words = state_of(seen)
    bad = state != WATCHING
    worst = _worst(seen)
    calm = "bad" if bad else "good" if worst is None else "uneasy"
    wrong = reasons(seen)
    return tag(
        "header",
        tag("p", "position-monitor ", badge(status.engine.environment), class_="name"),
        tag("h1", state, *(() if worst is None else (" - ", worst))),
        tag("p", words),
        tag("ul", *(tag("li", one) for one in wrong), class_="reasons") if wrong else None,
        tag("p", "As of ", tag("time", seen.now, id="as-of"), ". ",
            tag("a", "Look again", href="/", id="again"), class_="small"),
        class_=f"watch {calm}", id="watch", data_part=True,
    )  # fmt: skip


def _worst(seen: Seen) -> Html | None:
    """Return the worst level with how many wallets are at it; None where all is calm."""
    worst = worst_of(seen)
    return None if worst is None else tag("span", worst[1], class_=f"worst {level_class(worst[0])}")


def wallets(seen: Seen) -> Html:
    """Return the worst wallets, the very worst first."""
    held = [one for one in seen.worst if is_held(one)]
    shown = held[:CARDS]
    more = len(held) - len(shown)
    return tag(
        "section",
        tag("h2", "Wallets, the worst first"),
        *(_card(seen, one) for one in shown),
        None if held else tag("p", "No wallet backs a position."),
        tag("p", f"and {more} more that are better off; /api/v1/wallets has all.") if more > 0 else None,
        id="wallets", data_part=True,
    )  # fmt: skip


def _card(seen: Seen, wallet: WalletView) -> Html:
    alert = alert_of(wallet, seen.status.engine.alerts)
    key = (wallet.account, wallet.wallet)
    since = None if alert is None else tag("p", f"Alert {alert.number}, since {seen.time(alert.since_ms)}",
                                           class_="small")  # fmt: skip
    points = seen.lines.get(key)
    now_ms = seen.status.now_ms
    return tag(
        "article",
        tag("h3", badge(wallet.level), " ", called(wallet)),
        since,
        _unsure(unsure(seen, wallet)),
        _to_do(seen, wallet),
        tag("div", tag("p", "Room left ", tag("strong", percent(wallet.room))), bar(wallet.room), class_="room"),
        tag("dl", *(tag("div", tag("dt", name), tag("dd", value)) for name, value in _figures(seen, wallet))),
        None if not points else line(_with_now(points, wallet, now_ms), now_ms),
        class_=f"wallet {level_class(wallet.level)}",
    )


def _unsure(words: str) -> Html | None:
    return tag("p", words, class_="bad") if words else None


def _legs(seen: Seen, wallet: WalletView) -> Sequence[PositionView]:
    return seen.legs.get((wallet.account, wallet.wallet), ())


def _with_now(points: Sequence[Point], wallet: WalletView, now_ms: int) -> list[Point]:
    return [*points, Point(now_ms, wallet.margin_ratio)]


def _figures(seen: Seen, wallet: WalletView) -> list[tuple[str, str]]:
    """Return what is known of a wallet, what matters first."""
    near = nearest(_legs(seen, wallet))
    ratio = "used up" if wallet.liquidatable is True else percent(wallet.margin_ratio)
    found = [("Margin ratio", ratio)]
    if near is not None:
        goal = within_reach(near.liquidation_price, near.mark_price)
        found += [
            ("Distance", "none" if near.distance is None and goal is None else percent(near.distance)),
            (f"Liquidation {near.symbol} {near.side}", grouped(goal, "none")),
            ("Mark", grouped(near.mark_price)),
        ]
    left = wallet.moves_left
    moves = UNKNOWN if left is None else f"{left:.1f} h" if left < 0 else f"{min(left, _MANY_MOVES):.1f}"
    return [
        *found,
        ("Typical hourly moves left", moves),
        ("If all prices move", "none" if wallet.joint_distance is None else percent(wallet.joint_distance)),
        ("Left to lose", money(wallet.cushion, wallet.asset, commas=True)),
    ]


def _to_do(seen: Seen, wallet: WalletView) -> Html | None:
    advice = seen.advice.get((wallet.account, wallet.wallet))
    if advice is not None and advice.lines:
        lines = [tag("p", tag("strong", f"{one.label}: "), one.text, class_="todo-line") for one in advice.lines]
        return tag("div", *lines, tag("p", f"As of {seen.time(advice.at_ms)}", class_="small"), class_="todo")
    if rank(wallet.level) < Level.WARNING:
        return None
    near = nearest(_legs(seen, wallet))
    how = f"position-monitor explain {near.symbol}" if near else "position-monitor status"
    return tag("div", tag("p", "Add margin or reduce: ", tag("code", how), " says how much."), class_="todo")


def badge(word: str) -> Html:
    """Return a word that has to be seen first."""
    return tag("span", word.upper(), class_="badge")


def level_class(level: str) -> str:
    """Return the class that colours a level; the word stands beside it always."""
    return f"level-{level}" if level in {*(one.label for one in Level), UNKNOWN} else "level-unknown"
