"""Moves and shares as people type them: percent with a sign, or plain fractions."""

import math
import re
from collections.abc import Iterable

from monitor.cli.common import misuse

_GROUPED = re.compile(r"[+-]?\d{1,3}(,\d{3})+(\.\d*)?", re.ASCII)
_MOST_MOVE = 100.0  # a bare figure from here on is meant to be a price
_NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)(e[+-]?\d+)?", re.IGNORECASE | re.ASCII)


def parse_move(option: str, text: str, whole: str) -> float:
    """Return a move such as ``-5%`` or ``-0.05`` as a fraction above -1.

    Args:
        option: that it was given with.
        text: the move.
        whole: all that was given, for the error.

    Raises:
        ConfigError: it is none, is -100 % or less, or does not say whether it is percent.
    """
    number = number_of(text.removesuffix("%"))
    allowed = "a move in percent or as a fraction"
    if number is None:
        raise misuse(option, repr(whole[:60]), allowed, "as in -5% or -0.05")
    if not text.endswith("%"):
        if abs(number) >= _MOST_MOVE:
            raise misuse(option, repr(whole[:60]), allowed, "a price goes in --mark, as in --mark BTCUSDT=60000")
        if abs(number) >= 1.0:
            percent = f"{text}%, or {number / 100:+g} for the same as a fraction"
            raise misuse(option, repr(whole[:60]), allowed, f"write {percent}")
    else:
        number /= 100.0
    if number <= -1.0:
        raise misuse(option, repr(whole[:60]), "a move above -100 %", "a price stays above 0")
    return number


def number_of(text: str) -> float | None:
    """Return a finite number, plain or with commas between thousands as texts show it; None if it is none."""
    text = without_commas(text)
    if not _NUMBER.fullmatch(text):
        return None
    value = float(text)
    return value if math.isfinite(value) else None


def without_commas(text: str) -> str:
    """Return a number without the commas between its thousands; text that has them elsewhere stays as it is."""
    return text.replace(",", "") if _GROUPED.fullmatch(text.strip()) else text


def meant(word: str, options: Iterable[str], unseen: str = "") -> str:
    """Return ``did you mean "BTCUSDT"?`` for a name in lower case, a coin alone or a slip; empty without any.

    Args:
        word: as typed.
        options: what it may be.
        unseen: why more options are not known here, which is likelier than a slip; empty if all are.
    """
    from monitor.config.problems import nearest, shown_text

    known = list(options)
    name = word.strip().upper()
    for likely in (name, *(f"{name}{quote}" for quote in ("USDT", "USDC", "USD_PERP", ":LONG", ":SHORT"))):
        if likely in known and likely != word:
            return f"did you mean {shown_text(likely)}?"
    return f"not known here: {unseen}" if unseen else nearest(word, known)


def in_percent(move: float) -> str:
    """Return a move with its sign, such as ``-5 %`` or ``+0.25 %``; no digit that counts is lost."""
    size = round(move * 100.0, 2 if abs(move) >= 0.001 else 6)  # noqa: PLR2004 - a tenth of a percent
    return f"{size or 0.0:+g} %" if size else "0 %"
