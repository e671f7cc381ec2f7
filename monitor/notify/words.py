"""Words that titles and bodies share. Everything that came from outside passes through ``clean``."""

import unicodedata
from typing import NamedTuple

from monitor.core.notices import Facts
from monitor.notify.numbers import UNKNOWN

FIELD_CHARS = 80
DETAIL_CHARS = 400
TITLE_SYMBOLS = 3
FIRST_SEEN = "first seen"  # the reason of an alert that is told once
# What happened to a database that goes on, by the reason of its notice.
HAPPENED = {
    "damaged": "was damaged and is set aside; a new one holds what is known",
    "moved": "was removed or replaced; a new one holds what is known",
}
DRILL = "drill"  # in place of an environment: nothing of it happened
_TITLE_ACCOUNT_CHARS = 24


class Line(NamedTuple):
    """One labelled line of a message, not yet escaped."""

    label: str
    text: str


def clean(text: str, most: int = FIELD_CHARS) -> str:
    """Return ``text`` on one line without control marks: a line break in a title would start a mail header."""
    kept = "".join(" " if char.isspace() or unicodedata.category(char)[0] == "C" else char for char in text)
    short = " ".join(kept.split())
    return short if len(short) <= most else f"{short[: most - 1]}…"


def used_up(facts: Facts) -> bool:
    """Return whether nothing of the margin is left."""
    return facts.liquidatable or (facts.margin_ratio is not None and facts.margin_ratio >= 1)


def who(facts: Facts) -> str:
    """Return the worst position and how many more its wallet backs, or the wallet."""
    worst = f"{clean(facts.symbol)} {clean(facts.side)}".strip()
    wallet = clean(facts.wallet) or "wallet"
    if not worst:
        return wallet
    return f"{worst} +{facts.positions - 1} more ({wallet})" if facts.positions > 1 else worst


def whose(facts: Facts) -> str:
    """Return ``who`` after the account's name: two accounts may hold the same symbol in wallets of one name."""
    return f"{clean(facts.account, _TITLE_ACCOUNT_CHARS)} {who(facts)}".lstrip()


def symbols_of(facts: Facts, most: int) -> str:
    """Return the first symbols, and how many more there are."""
    names = [clean(name) for name in facts.symbols[:most]]
    more = len(facts.symbols) - len(names)
    return ", ".join(names) + (f" +{more} more" if more else "")


def environment(facts: Facts) -> str:
    """Return TESTNET, LIVE or DRILL, which no message may leave open."""
    return clean(facts.environment).upper() or "UNKNOWN ENVIRONMENT"


def is_drill(facts: Facts) -> bool:
    """Return whether this is an exercise: nothing of it happened."""
    return facts.environment.strip().lower() == DRILL


def account_of(facts: Facts) -> str:
    """Return the account and its wallet."""
    wallet = clean(facts.wallet)
    return ", ".join(part for part in (clean(facts.account), wallet and f"wallet {wallet}") if part) or UNKNOWN
