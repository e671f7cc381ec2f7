"""Makes docs/liquidation.md of liquidation.md.in, and its picture. Called by `make liquidation`.

The text holds names in double braces. Each stands for a figure out of the JSON of a command, or for all that a
command prints; nothing is computed here but where levels begin, which `assess` confirms.
"""

import json
import re
import shlex
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from typer.testing import CliRunner

from monitor.cli.root import app
from monitor.cli.rungs import usual_time
from monitor.config import Settings, load
from monitor.core.book import Book
from monitor.core.compile import compile_book
from monitor.core.leverage import CALL_RATIO
from monitor.core.model import Level
from monitor.core.risk import evaluate
from monitor.core.rules import compile_thresholds, conditions, reached
from monitor.notify.numbers import grouped, money, percent

HERE = Path(__file__).parent
TEMPLATE, TARGET, PICTURE = HERE / "liquidation.md.in", HERE / "liquidation.md", HERE / "liquidation.png"
CONFIG, README = HERE / "liquidation.toml", HERE.parent / "README.md"
FAMILIAR = ("5x", "10x", "20x", "50x", "125x")
ACCOUNTS = ("5x", "20x", "100x")
CALL = "the exchange's call"
AT_CALL = 59_673.0  # mark at which the 20x position has a margin ratio of 80 %
_MARK = 60_000.0  # at which something is done about it
_NAME = re.compile(r"\{\{(.+?)\}\}")
_BISECTIONS = 60
_WIDTH = {"COLUMNS": "80", "NO_COLOR": "1"}


class Onset(NamedTuple):
    """Where something is said first, as the price falls from entry."""

    what: str
    price: float
    down: float  # fraction of the entry price
    left: float  # to liquidation, fraction of the price there


class Story(NamedTuple):
    """One position on its way from entry to liquidation."""

    account: str
    book: Book
    settings: Settings
    entry: float
    liquidation: float

    def at(self, price: float) -> tuple[float, float, int]:
        """Return margin ratio, room and level at a price."""
        readings = evaluate(self.book, np.array([price]))
        levels = reached(conditions(self.book, compile_thresholds(self.book, self.settings.engine), readings))
        return float(readings.margin_ratio[0]), float(readings.room[0]), int(levels[0])

    def onsets(self) -> Iterator[Onset]:
        """Yield where each level begins and where the exchange calls; what holds from the start begins there."""
        for level in list(Level)[1:]:
            yield self._onset(level.label, lambda price, level=level: self.at(price)[2] >= level)  # type: ignore[misc]
        yield self._onset(CALL, lambda price: self.at(price)[0] >= CALL_RATIO)

    def _onset(self, what: str, holds: Callable[[float], bool]) -> Onset:
        safe, said = self.entry, self.liquidation
        if holds(safe):
            said = safe
        else:
            for _ in range(_BISECTIONS):
                middle = (safe + said) / 2.0
                safe, said = (safe, middle) if holds(middle) else (middle, said)
        return Onset(what, said, 1.0 - said / self.entry, 1.0 - self.liquidation / said)


def stories() -> tuple[Story, ...]:
    """Return the isolated positions of the configuration beside the text."""
    settings = load(CONFIG, {})
    tables = {table.symbol: table for table in settings.tables}
    found = []
    for account in settings.accounts:
        if account.account not in ACCOUNTS:
            continue
        book = compile_book((account,), tables)
        entry = account.positions[0].entry_price
        liquidation = float(evaluate(book, np.array([entry])).liquidation_price[0])
        found.append(Story(account.account, book, settings, entry, liquidation))
    return tuple(found)


@cache
def printed(command: str) -> str:
    """Return what a command prints on standard output, at 80 columns.

    Raises:
        RuntimeError: it failed.
    """
    words = shlex.split(command.replace("docs/liquidation.toml", str(CONFIG)))
    result = CliRunner().invoke(app, words, env=_WIDTH)
    if result.exit_code != 0:
        raise RuntimeError(f"{command}: {result.output}")
    return "\n".join(line.rstrip() for line in result.stdout.rstrip().splitlines())


def _json(command: str) -> Any:  # noqa: ANN401 - JSON
    return json.loads(printed(f"{command} --json"))


def figures() -> dict[str, str]:
    """Return every figure of the text by its name."""
    found = {"call ratio": percent(CALL_RATIO)}
    (small,) = _json("leverage BTCUSDT --daily-move 3%")["tables"]
    (large,) = _json("leverage BTCUSDT --size 5000000")["tables"]
    found |= {
        "size": _sum(small["size"]),
        "large size": _sum(large["size"]),
        "daily": f"{small['daily_move'] * 100:g} %",
    }
    found["first rate"] = _exact(_assessed(AT_CALL)["20x"]["maintenance_margin"] / _notional(AT_CALL, "20x"))
    for rung in small["rungs"]:
        found |= _of_rung(f"{rung['leverage']:g}x", rung)
    for rung in large["rungs"]:
        found[f"large {rung['leverage']:g}x"] = _exact(rung["short"]["move"])
    found["large most"] = f"{large['most_leverage']:g}x"
    found |= _of_accounts()
    found |= {
        "mark": grouped(_MARK),
        "after adding": _simulated("--add-margin BTCUSDT=500"),
        "after reducing": _simulated("--reduce BTCUSDT=50%"),
        "after putting back": _simulated("--reduce BTCUSDT=50% --put-back"),
    }
    for story in stories():
        for onset in story.onsets():
            found[f"{onset.what} {story.account}"] = _exact(onset.down)
            found[f"{onset.what} {story.account} left"] = _exact(onset.left)
        found[f"end {story.account}"] = _exact(1.0 - story.liquidation / story.entry)
    return found


def _of_rung(name: str, rung: dict[str, Any]) -> dict[str, str]:
    return {
        f"thumb {name}": _exact(rung["rule_of_thumb"]),
        f"long {name}": _exact(rung["long"]["move"]),
        f"short {name}": _exact(rung["short"]["move"]),
        f"off {name}": f"{-round(rung['off'] * 100)} %",
        f"after call {name}": _exact(rung["long"]["call"]),
        f"usual {name}": usual_time(rung["short"]["usual_days"]),
    }


def _of_accounts() -> dict[str, str]:
    (bet,) = [one for one in _assessed(62_500.0).values() if one["account"] == "20x"]
    at_call, cross = _assessed(AT_CALL)["20x"], _assessed(AT_CALL)["cross"]
    held = {one["account"]: one for one in _json(_assess(AT_CALL))["positions"]}
    end = held["20x"]["liquidation_price"]
    at_end = _assessed(float(f"{end:.8f}"))["20x"]
    return {
        "entry": grouped(held["20x"]["entry_price"]),
        "notional": _sum(held["20x"]["quantity"] * held["20x"]["entry_price"]),
        "margin": _sum(bet["wallet_balance"]),
        "mark at call": grouped(AT_CALL),
        "cushion at call": _sum(at_call["cushion"]),
        "distance at call": percent(held["20x"]["distance"]),
        "room at call": percent(at_call["room"]),
        "end": grouped(end),
        "left at end": _sum(at_end["margin_balance"]),
        "cross balance": _sum(cross["wallet_balance"]),
        "cross end": grouped(held["cross"]["liquidation_price"]),
    }


def _assess(mark: float) -> str:
    return f"assess --config docs/liquidation.toml --mark BTCUSDT={mark:.10g}"


def _assessed(mark: float) -> dict[str, dict[str, Any]]:
    return {one["account"]: one for one in _json(_assess(mark))["wallets"]}


def _notional(mark: float, account: str) -> float:
    (found,) = [one["notional"] for one in _json(_assess(mark))["positions"] if one["account"] == account]
    return float(found)


def _simulated(deed: str) -> str:
    """Return the liquidation price of the 20x position after something was done about it."""
    document = _json(f"simulate --config docs/liquidation.toml --mark BTCUSDT={_MARK:.10g} --account 20x {deed}")
    return grouped(document["after"]["positions"][0]["liquidation_price"])


def _exact(fraction: float) -> str:
    return f"{fraction * 100:.2f} %"


def _sum(amount: float) -> str:
    return money(amount, "USDT", commas=True).replace(".00 ", " ")


def document() -> str:
    """Return the text with every name in it replaced.

    Raises:
        KeyError: a name stands for nothing.
    """
    known = figures()

    def stand_in(match: re.Match[str]) -> str:
        name = match[1]
        if name.startswith("$ "):
            command = name.removeprefix("$ position-monitor ")
            return f"```console\n{name}\n{printed(command)}\n```"
        return known[name]

    return _NAME.sub(stand_in, TEMPLATE.read_text(encoding="utf-8"))


def readme_table() -> str:
    """Return the familiar leverages of the README, exact beside the rule of thumb."""
    known = figures()
    titles = ("leverage", "rule of thumb", "LONG", "SHORT", "left after the call",
              f"usual in, at {known['daily']} a day", f"SHORT of {known['large size']}")  # fmt: skip
    lines = [f"| {' | '.join(titles)} |", "|---" * len(titles) + "|"]
    for name in FAMILIAR:
        names = ("thumb", "long", "short", "after call", "usual", "large")
        cells = " | ".join(known.get(f"{one} {name}", "not allowed") for one in names)
        lines.append(f"| {name} | {cells} |")
    return "\n".join(lines)


def readme(text: str) -> str:
    """Return the README with the table between its marks renewed."""
    before, begin, rest = text.partition("<!-- leverage -->\n")
    _, end, after = rest.partition("<!-- end of leverage -->\n")
    return f"{before}{begin}{readme_table()}\n{end}{after}"


def main() -> None:
    """Write the text and the README's table, and draw the picture."""
    from docs.liquidation_chart import draw  # noqa: PLC0415 - only drawing needs matplotlib

    TARGET.write_text(document(), encoding="utf-8")
    PICTURE.write_bytes(draw(stories()))
    README.write_text(readme(README.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main()
