"""What ``status`` says of a feed's addresses, and of REST beside its stream."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from monitor.cli.common import WIDE, counted

if TYPE_CHECKING:
    from rich.console import Console

_NAMED = 5


def print_candidate(one: dict[str, Any], out: "Console") -> None:
    """Print what became of one address, and why."""
    why = " ".join(part for part in (one.get("reason", ""), one.get("detail", "")) if part)
    out.print(
        f"  {one['base']}: {one['outcome']}{f', {why}' if why else ''}", markup=False, soft_wrap=out.width >= WIDE
    )


def print_bridge(bridge: dict[str, Any], out: "Console") -> None:
    """Print what REST does in the stream's place, and what became of their comparison."""
    for text, style in _lines(bridge):
        out.print(f"  {text}", style=style, markup=False, highlight=False, soft_wrap=out.width >= WIDE)
    tried = [one for one in bridge["hosts"] if one["outcome"] != "untried"]
    if any(one["outcome"] != "live" for one in tried):
        for one in tried:
            print_candidate(one, out)


def _lines(bridge: dict[str, Any]) -> Iterator[tuple[str, str | None]]:
    from monitor.notify.numbers import percent, span

    no_answer = f"no answer ({bridge['failing'].replace('_', ' ')}), asked again" if bridge["failing"] else ""
    if bridge["bridged"]:
        age_s = bridge["mark_age_s"]
        last = "no mark yet" if age_s is None else f"the last mark {span(age_s)} ago"
        parts = (f"{counted(bridge['polls'], 'question')} so far", last, no_answer)
        words = ", ".join(part for part in parts if part)
        yield f"REST stands in for {_named(bridge['bridged'])}: {words}.", "yellow"
    for symbol, why in bridge["distrusted"].items():
        yield f"Not believed: {symbol}, {why}.", "bold red"
    if bridge["at_rest"]:
        yield f"Markets closed, prices unmoved: {_named(bridge['at_rest'])}.", None
    if bridge["check_age_s"] is None:
        yield "The stream was not compared with REST yet.", None
    else:
        worst = bridge["worst"]
        apart = "" if worst is None else f", at most {percent(worst)} apart ({bridge['worst_symbol']})"
        yield f"Compared with REST {span(bridge['check_age_s'])} ago{apart}.", None
    if no_answer and not bridge["bridged"]:
        yield f"REST: {no_answer}.", "yellow"
    if around := bridge.get("around"):
        yield _around(around), None


def _around(around: dict[str, Any]) -> str:
    """Return what is known around the symbols of a market, and how old it is."""
    from monitor.account_rows import part_words

    rules = part_words(f"order steps of {counted(around['lots'], 'contract')}", around["rules"])
    funding = part_words(f"next funding of {counted(around['funding'], 'symbol')}", around["marks"])
    return f"Known beside: {rules}; {funding}."


def _named(names: list[str]) -> str:
    more = len(names) - _NAMED
    return ", ".join(names[:_NAMED]) + (f" +{more} more" if more > 0 else "")
