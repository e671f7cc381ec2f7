"""The figures of a run, for a terminal and for ``docs/faults.md``."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from pathlib import Path
from typing import Final

import msgspec

from tests.fuzz.run import Finding, Score

FAULTS: Final = Path(__file__).parents[2] / "docs" / "faults.md"
_TITLE: Final = "# Faults, and what was seen of them\n"


class FuzzResult(msgspec.Struct, frozen=True):
    """All targets of one run."""

    seed: str
    scores: tuple[Score, ...]

    @property
    def findings(self) -> tuple[Finding, ...]:
        """Everything found."""
        return tuple(finding for score in self.scores for finding in score.findings)


def render(result: FuzzResult) -> str:
    """Return a table with a line for each target."""
    lines = [
        f"{'target':<24}{'inputs':>10}{'accepted':>10}{'a second':>10}{'slowest ms':>12}{'blocks':>8}{'found':>7}"
    ]
    lines += [
        f"{one.target:<24}{one.inputs:>10,}{one.accepted:>10,}{_rate([one]):>10,.0f}{one.slowest_ms:>12.1f}"
        f"{one.blocks_grown:>8}{len(one.findings):>7}"
        for one in result.scores
    ]
    whole = result.scores
    lines.append(f"{'all':<24}{_sum(whole):>10,}{sum(one.accepted for one in whole):>10,}{_rate(whole):>10,.0f}")
    return "\n".join(lines)


def section(result: FuzzResult) -> str:
    """Return the part of ``docs/faults.md`` about a run: the endpoints of REST on one line."""
    rows = "\n".join(_rows(result.scores))
    found = f"{len(result.findings)} findings" if result.findings else "nothing found"
    return f"""
## Foreign bytes

`make fuzz` feeds every place where foreign bytes come in: bits flipped, bytes cut, joined and repeated, tokens
replaced by NaN, 1e999, digits without end, half surrogate pairs and bad UTF-8, keys said twice, 100,000 brackets.
An input passes if it is refused with the error that is documented for it, or if every figure of what is accepted
is finite and within its bounds and the engine takes it. Nothing may be kept of an input once it is judged.

The run of which these are the figures: {_sum(result.scores):,} inputs, seed `{result.seed}`, {found}. Times
are those of a machine with other work beside.

| what | inputs | accepted | inputs a second | slowest input, ms | memory blocks kept since the warm-up |
|---|---|---|---|---|---|
{rows}
"""


def _rows(scores: Iterable[Score]) -> Iterator[str]:
    for name, group in groupby(scores, key=lambda one: "REST replies" if one.target in _rest(one) else one.target):
        some = list(group)
        label = f"{name} ({len(some)} endpoints)" if len(some) > 1 else name
        slowest, blocks = max(one.slowest_ms for one in some), max(one.blocks_grown for one in some)
        accepted = sum(one.accepted for one in some)
        cells = (
            label,
            f"{_sum(some):,}",
            f"{accepted:,}",
            f"{_rate(some):,.0f}",
            f"{slowest:.1f}",
            f"{max(blocks, 0):,}",
        )
        yield f"| {' | '.join(cells)} |"


def _rest(score: Score) -> tuple[str, ...]:
    grouped = score.target.startswith("rest-") and score.target != "rest-refusals"
    return (score.target,) if grouped else ()


def _sum(scores: Sequence[Score]) -> int:
    return sum(one.inputs for one in scores)


def _rate(scores: Sequence[Score]) -> float:
    return _sum(scores) / max(sum(one.seconds for one in scores), 1e-9)


def write_section(name: str, text: str, path: Path = FAULTS) -> None:
    """Replace what stands between two markers in the document; what else stands in it stays as it is."""
    begin, end = f"<!-- {name} -->", f"<!-- /{name} -->"
    before = path.read_text(encoding="utf-8") if path.exists() else _TITLE
    head, found, rest = before.partition(begin)
    if found:
        _, _, tail = rest.partition(end)
    else:
        head, tail = f"{before.rstrip()}\n\n", "\n"
    path.write_text(f"{head}{begin}\n{text.strip()}\n{end}{tail}", encoding="utf-8")
