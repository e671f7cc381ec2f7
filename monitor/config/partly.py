"""Settings of a file with mistakes, for commands that need only some of it and say that there are mistakes.

What they need has to be right, and nothing unknown may stand elsewhere that could be meant for it. All else with a
mistake is left out, as if nobody had written it: a section, or an account or a channel.
"""

import re
import tomllib
from collections.abc import Collection, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import msgspec

from monitor.config.astray import PLACES, is_figure_astray, is_place_astray
from monitor.config.load import load_document, load_text
from monitor.config.locate import find_config, read_config
from monitor.config.problems import key_path, nearest
from monitor.config.salvage import block, salvaged
from monitor.config.schema import DocumentSection
from monitor.config.settings import Settings
from monitor.errors import ConfigError, Problem
from monitor.places import seeming_directory

RECORDED: Final = frozenset({"state", "history"})  # where databases are
COMPUTED: Final = frozenset(  # what figures of positions come of
    {"exchange", "accounts", "brackets", "contracts", "collateral", "alerts", "advice", "audit", "checkup"}
) | {"state"}  # where the daemon is that knows the rest

_ALL = tuple(DocumentSection.model_fields)
_ENTRY = re.compile(r"(accounts|channels)\[(\d+)\]")
_TOP = re.compile(r"[.\[]")  # behind the key of the top level
_MANY_LINES = ('"""', "'''")  # within such a string lines look like what they are not
_NOBODY = {"name": "nobody", "api_key": {"env": "NOT_READ"}, "api_secret": {"env": "NOT_READ"}}


def load_partly(
    path: Path | None, environ: Mapping[str, str], needed: Collection[str]
) -> tuple[Settings, ConfigError | None]:
    """Return the settings of a file, and what is wrong with it where that is nothing that is needed.

    Args:
        path: as ``find_config`` takes it.
        environ: the environment.
        needed: the sections that have to be right, such as ``COMPUTED``; of a text that is no TOML any more only
            those of ``RECORDED`` can be found.

    Raises:
        ConfigError: the file cannot be read, or what is needed holds mistakes; all of them are told.
    """
    chosen = find_config(path, environ)
    return partly_of(read_config(chosen), str(chosen), needed)


def partly_of(text: str, source: str, needed: Collection[str]) -> tuple[Settings, ConfigError | None]:
    """Return what ``load_partly`` does, of a text; ``source`` is what errors call it.

    Raises:
        ConfigError: as there.
    """
    try:
        return load_text(text, source), None
    except ConfigError as error:
        mistakes = error
    try:
        document = tomllib.loads(text)
    except (ValueError, RecursionError):
        if not RECORDED.issuperset(needed) or _is_lost(text, needed):
            raise mistakes from None
        return replace(_sound(_pieces(text), mistakes), channels=salvaged(text)[1]), mistakes
    if any(_concerns(problem, document, needed) for problem in mistakes.problems) or _is_astray(document, needed):
        raise mistakes
    return _sound(document, mistakes), mistakes


def may_hide(section: str, mistakes: ConfigError) -> bool:
    """Return whether a section may say more than was read of it: a mistake is in it, or in no section."""
    others = {*_ALL} - {section}
    return any(_TOP.split(one.path, maxsplit=1)[0] not in others for one in mistakes.problems)


def _concerns(problem: Problem, document: Mapping[str, Any], needed: Collection[str]) -> bool:
    """Return whether a mistake is in what is needed, or in what is meant to be that and misspelled."""
    section = _section(problem.path, document)
    meant = "" if section in _ALL else nearest(section, _ALL)
    return section in needed or any(f'"{name}"' in meant for name in needed)


def _is_astray(document: Mapping[str, Any], needed: Collection[str]) -> bool:
    """Return whether what is needed may stand where nobody looks for it."""
    if RECORDED.issuperset(needed):
        return is_place_astray(document, needed)
    return is_figure_astray(document)


def _section(path: str, document: Mapping[str, Any]) -> str:
    """Return the key of the top level that a place is below."""
    names = (name for name in (*document, *_ALL) if re.match(rf"{re.escape(key_path((name,)))}(\.|\[|$)", path))
    return next(names, "")


def _sound(document: dict[str, Any], mistakes: ConfigError) -> Settings:
    """Return the settings of what is left once everything with a mistake is left out, round by round."""
    left = dict(document)
    for _ in range(len(left) + len(_ALL)):
        nobody = not left.get("accounts")
        try:
            settings = load_document({**left, "accounts": [_NOBODY]} if nobody else left, mistakes.source)
        except ConfigError as more:
            left = _without(left, more.problems)
            continue
        if nobody:
            engine = msgspec.structs.replace(settings.engine, accounts=())
            return replace(settings, accounts=(), keyed=(), engine=engine)
        return settings
    raise mistakes  # what is wrong is in no section


def _without(document: dict[str, Any], problems: Collection[Problem]) -> dict[str, Any]:
    entries = {(found[1], int(found[2])) for one in problems if (found := _ENTRY.match(one.path))}
    lists = {name for name, _ in entries}
    whole = {_section(one.path, document) for one in problems if not _ENTRY.match(one.path)}
    return {
        key: [one for at, one in enumerate(value) if (key, at) not in entries] if key in lists else value
        for key, value in document.items()
        if key not in whole
    }


def _is_lost(text: str, needed: Collection[str]) -> bool:
    """Return whether a text that is no TOML says where databases are in a way that cannot be understood."""
    understood = {"state": seeming_directory(text) is not None, "history": "path" in block(text, "history")}
    for section in understood.keys() & {*needed}:
        written = _written(section, PLACES[section], text)
        if written > 1 or (written and (not understood[section] or any(mark in text for mark in _MANY_LINES))):
            return True
    return False


def _written(section: str, key: str, text: str) -> int:
    """Return how many lines seem to say where a database is."""
    section, key = rf"""["']?{section}["']?""", rf"""["']?{key}["']?"""
    return len(re.findall(rf"^\s*(?:{section}\s*\.\s*)?{key}\s*=|^\s*{section}\s*=", text, re.MULTILINE))


def _pieces(text: str) -> dict[str, Any]:
    """Return what can be read of a text that is no TOML about what is recorded, and how it is shown."""
    directory = seeming_directory(text)
    state = {"directory": directory} if directory else {}
    return {"state": state, **{name: block(text, name) for name in ("history", "display", "log")}}
