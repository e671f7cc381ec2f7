"""Keys that nobody knows, in parts of a file that are not needed: each may be meant for a part that is.

A table under another header, or a header under another name, takes what is needed out of its place: nothing is
wrong there then, and the default stands in for it.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping
from difflib import SequenceMatcher
from typing import Any, Final

from monitor.config.schema import (
    AccountSection,
    AdviceSection,
    AlertsSection,
    AuditSection,
    BracketsSection,
    ChannelSection,
    CheckupSection,
    CollateralSection,
    ContractsSection,
    DisplaySection,
    DocumentSection,
    ExchangeSection,
    HeartbeatSection,
    HistorySection,
    LevelSection,
    LogSection,
    PositionSection,
    Section,
    StateSection,
    SummarySection,
    WebSection,
)
from monitor.config.secret import Keeper

ASIDE: Final[Mapping[str, type[Section]]] = {  # what no figure of a position comes of
    "channels": ChannelSection,
    "history": HistorySection,
    "log": LogSection,
    "heartbeat": HeartbeatSection,
    "summary": SummarySection,
    "display": DisplaySection,
    "web": WebSection,
}
PLACES: Final = {"state": "directory", "history": "path"}  # the keys that say where a database is

_NEEDED = frozenset(
    name
    for model in (
        AccountSection, AdviceSection, AlertsSection, AuditSection, BracketsSection, CheckupSection,
        CollateralSection, ContractsSection, ExchangeSection, LevelSection, PositionSection, StateSection,
    )
    for name in model.model_fields
)  # fmt: skip
_ALL = frozenset(DocumentSection.model_fields)
_KEEPERS = frozenset(map(str, Keeper))
_SIMILAR = 0.6


def is_figure_astray(document: Mapping[str, Any]) -> bool:
    """Return whether what figures come of may stand somewhere else in a file.

    A misspelled key is taken for one of its own section only where it is more like one of those than like any that
    is needed; all else that nobody knows counts as astray.
    """
    if not _ALL.issuperset(document):
        return True
    return any(
        not _is_meant_for(key, {*model.model_fields, *_KEEPERS}, _NEEDED)
        for name, model in ASIDE.items()
        for key in _keys(document.get(name))
    )


def is_place_astray(document: Mapping[str, Any], needed: Collection[str]) -> bool:
    """Return whether a place in ``PLACES`` may stand somewhere else in a file; never where it stands in its own.

    Args:
        document: the file.
        needed: the sections whose place has to be known.
    """
    wanted = {key for name, key in PLACES.items() if name in needed and key not in _table(document, name)}
    if not wanted:
        return False
    others = {name: value for name, value in document.items() if name not in needed}
    if any(not _is_meant_for(name, _ALL - {*needed}, {*needed, *wanted}) for name in others):
        return True
    return any(_likeness(key, wanted) >= _SIMILAR for key in _keys(others))


def _is_meant_for(key: str, own: Collection[str], foreign: Collection[str]) -> bool:
    """Return whether a key is one of ``own``, or one of those misspelled."""
    if key in own:
        return True
    likeness = _likeness(key, own)
    return likeness >= _SIMILAR and likeness > _likeness(key, {*foreign} - {*own})


def _likeness(key: str, names: Iterable[str]) -> float:
    """Return how much a key is like the most similar of some names, from 0 to 1."""
    word = key[:100].lower()
    return max((SequenceMatcher(None, word, name).ratio() for name in names), default=0.0)


def _keys(value: object) -> Iterator[str]:
    """Yield the keys of a table and of all that is in it: a dotted key may be deeper than functions may call."""
    left = [value]
    while left:
        one = left.pop()
        if isinstance(one, dict):
            yield from one
            left += one.values()
        elif isinstance(one, list):
            left += one


def _table(document: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found = document.get(name)
    return found if isinstance(found, dict) else {}
