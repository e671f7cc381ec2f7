"""Mistakes: collected with their place in the file, said in plain words, never with a secret in them."""

import difflib
import json
import math
import re
from collections.abc import Callable, Iterable
from typing import Any, Literal, TypeVar, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails, PydanticCustomError

from monitor.errors import ConfigError, Problem

Loc = tuple[str | int, ...]
ModelT = TypeVar("ModelT", bound=BaseModel)

SECRET_KEYS = frozenset({"api_key", "api_secret", "token", "url"})

_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")
_NAMES = ("name", "symbol")  # keys that say what an entry of a list is called
_LONGEST_SHOWN = 40
_LARGEST_INT_SHOWN = 10**18
_LONGEST_LIST_NAMED = 12
_PIECE_BOUNDS = re.compile(r"[\s/.]+")
_SHORTEST_TOKEN = 20  # the longest symbol of the exchange with digits in it has 19 characters
_ROUTE = re.compile(r"[A-Za-z]{0,20}|[A-Za-z0-9]{1,3}")  # of an address, such as market or v1
_WORD = re.compile(r"[^\s'\"(),]+")


def mistake(hint: str) -> PydanticCustomError:
    """Return what a validator raises; the field's description says what is allowed, ``hint`` how to fix it."""
    return PydanticCustomError("mistake", "{hint}", {"hint": hint})


def fix_of(validator: Callable[[object], object], value: object) -> str | None:
    """Return how to fix a value a validator refuses; None if it takes it."""
    try:
        validator(value)
    except PydanticCustomError as refusal:
        return refusal.message()
    return None


def nearest(word: str, options: Iterable[str]) -> str:
    """Return ``did you mean "..."?`` with the most similar option, or an empty text."""
    by_lower = {option.lower(): option for option in options}
    close = difflib.get_close_matches(word[:100].lower(), by_lower, n=1, cutoff=0.6)
    return f"did you mean {shown_text(by_lower[close[0]])}?" if close else ""


def listed(options: Iterable[str]) -> str:
    """Return the options as a readable list, cut where it gets long; ``none`` if there are none."""
    names = [shown_text(option) for option in options]
    more = f" and {len(names) - _LONGEST_LIST_NAMED} more" if len(names) > _LONGEST_LIST_NAMED else ""
    return (", ".join(names[:_LONGEST_LIST_NAMED]) or "none") + more


def key_path(loc: Loc) -> str:
    """Return a place as the user wrote it, such as ``accounts[0].positions[1].quantity``."""
    path = ""
    for part in loc:
        if isinstance(part, int):
            path += f"[{part}]"
        else:
            key = part if _BARE_KEY.fullmatch(part) and len(part) <= _LONGEST_SHOWN else shown_text(part)
            if seems_secret(part):
                key = "(a key that may be a secret, not shown)"
            path += f".{key}" if path else key
    return path


def named(document: object, loc: Loc) -> str:
    """Return what people call what a place stands in, such as ``by-hand BTCUSDT``; empty where it has no name.

    Places in lists are counted, and nobody counts twenty positions from 0. Where the name itself is the place,
    it is said there.
    """
    node, names = document, []
    for at, part in enumerate(loc):
        counted = isinstance(node, list)
        node = _at(node, part)
        if counted and isinstance(node, dict):
            names += [node[key] for key in _NAMES if loc[at + 1 :] != (key,) and _is_name(node.get(key))]
    return " ".join(names)


def _at(node: object, part: str | int) -> object:
    if isinstance(node, dict):
        return node.get(part)
    if isinstance(node, list) and isinstance(part, int) and part < len(node):
        return node[part]
    return None


def _is_name(value: object) -> bool:
    """Return whether it can be said in few words on one line, and is neither an address nor like a secret."""
    return (
        isinstance(value, str)
        and 0 < len(value) <= _LONGEST_SHOWN
        and value.isprintable()
        and not _has_address(value)
        and not seems_secret(value)
    )


def seems_secret(text: str) -> bool:
    """Return whether text may hold a token or a key: a long piece of it has letters and digits.

    Whoever takes the wrong key or line for it must not find it in the log afterwards.
    """
    return any(
        len(piece) >= _SHORTEST_TOKEN and any(map(str.isalpha, piece)) and any(map(str.isdigit, piece))
        for piece in _PIECE_BOUNDS.split(text)
    )


def _has_address(text: str) -> bool:
    return "://" in text or "@" in text


def without_secrets(sentence: str) -> str:
    """Return a sentence of a parser, without words out of the file that may be secrets or hold an address."""
    return _WORD.sub(
        lambda word: "(not shown)" if _has_address(word[0]) or seems_secret(word[0]) else word[0], sentence
    )


def shown_text(text: str) -> str:
    """Return text in quotes, shortened, on one line; one that looks like an address or a secret is not shown."""
    if _has_address(text):
        return "text with an address in it (not shown)"
    return "text that may be a secret (not shown)" if seems_secret(text) else _quoted(text)


def shown_address(text: str) -> str:
    """Return an address that is no secret, in quotes; not shown if it has a place where a secret could be.

    Of a path only what looks like a route is shown.
    """
    if set(text) & set("@?#"):
        return "an address with a user or a query (not shown)"
    scheme, colon, rest = text.partition("://")
    host, _, path = rest.partition("/")
    if not colon or seems_secret(f"{scheme} {host}"):
        return "an address that may hold a secret (not shown)" if colon else shown_text(text)
    is_route = all(map(_ROUTE.fullmatch, path.split("/")))
    return _quoted(text if is_route else f"{scheme}://{host}/...")


def _quoted(text: str) -> str:
    cut = text if len(text) <= _LONGEST_SHOWN else text[: _LONGEST_SHOWN - 3] + "..."
    # A lone surrogate cannot be printed; everything else unprintable is escaped by JSON already.
    return json.dumps(cut, ensure_ascii=False).encode("utf-8", "backslashreplace").decode()


def shown(value: object) -> str:
    """Return what stands somewhere, for a person: scalars shortened, the inside of tables and lists not at all."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int) and abs(value) >= _LARGEST_INT_SHOWN:
        return "a number with very many digits"
    if isinstance(value, (int, float)):
        return str(value)
    if isinstance(value, str):
        return shown_text(value)
    if isinstance(value, list):
        return f"a list of {len(value)}"
    return {dict: "a table", type(None): "nothing"}.get(type(value), "a date or a time")


def kind(value: object) -> str:
    """Return what stands where several keys should: text is not shown, it may be meant for any of them."""
    return "text" if isinstance(value, str) else shown(value)


def sound_parts(model: type[BaseModel], raw: object) -> dict[str, Any]:
    """Return those keys of a table that are fine in themselves, so that one mistake does not hide another."""
    if not isinstance(raw, dict):
        return {}
    try:
        model.model_validate(raw)
    except ValidationError as error:
        wrong = {details["loc"][0] for details in error.errors(include_url=False, include_input=False)}
        return {key: value for key, value in raw.items() if key not in wrong}
    return raw


class Problems:
    """Collects mistakes of one document, and reports them in the order of the file."""

    def __init__(self, document: dict[str, Any], source: str) -> None:
        self._document = document
        self._source = source
        self._found: list[tuple[tuple[int, ...], Problem]] = []

    def add(self, loc: Loc, found: str, allowed: str, hint: str = "") -> None:
        """Record one mistake."""
        about = named(self._document, loc)
        self._found.append((self._order(loc), Problem(key_path(loc), found, allowed, hint, about)))

    def check(self, model: type[ModelT], raw: object, loc: Loc) -> ModelT | None:
        """Return ``raw`` as a model, or None after recording everything wrong with it."""
        if not isinstance(raw, dict):
            self.add(loc, kind(raw), "a table", "write it with its keys, not as a single value")
            return None
        try:
            return model.model_validate(raw)
        except ValidationError as error:
            self._translate(model, raw, loc, error.errors(include_url=False, include_input=False))
            return None

    def raise_any(self) -> None:
        """Raise ConfigError if there was a mistake."""
        if self._found:
            # The sort is stable: mistakes of one place keep the order in which they were found.
            ordered = sorted(self._found, key=lambda item: item[0])
            raise ConfigError(self._source, [problem for _, problem in ordered])

    def _order(self, loc: Loc) -> tuple[int, ...]:
        """Return the place as numbers, in the order of the file; what is missing comes last in its table."""
        node: object = self._document
        order: list[int] = []
        for part in loc:
            if isinstance(node, dict):
                keys = list(node)
                order.append(keys.index(part) if part in node else len(keys))
                node = node.get(part)
            elif isinstance(node, list) and isinstance(part, int) and part < len(node):
                order.append(part)
                node = node[part]
            else:
                break
        return tuple(order)

    def _translate(
        self, model: type[BaseModel], raw: dict[str, Any], loc: Loc, errors: list[ErrorDetails]
    ) -> None:
        unknown = [str(error["loc"][0]) for error in errors if error["type"] == "extra_forbidden"]
        meant = {key: nearest(key, [name for name in model.model_fields if name not in raw]) for key in unknown}
        for error in errors:
            inner: Loc = error["loc"]
            key = str(inner[0])
            if error["type"] == "extra_forbidden":
                hint = meant[key] or nearest(key, model.model_fields)
                self.add((*loc, key), "an unknown key", f"one of {', '.join(model.model_fields)}", hint)
                continue
            field = model.model_fields[key]
            allowed = field.description or "another value"
            if error["type"] == "missing":
                # A misspelled key explains why the right one is missing; said once is enough.
                if not any(f'"{key}"' in suggestion for suggestion in meant.values()):
                    self.add((*loc, key), "nothing", allowed)
            elif key in SECRET_KEYS:
                # The place stops at the reference: even a key inside could be a misplaced secret.
                literal = isinstance(raw[key], (str, int, float, list))
                found = "a literal secret" if literal else "no usable reference to a secret"
                self.add((*loc, key), found, allowed, error["msg"])
            else:
                value = _inside(raw, inner)
                if isinstance(value, str) and key.endswith("_url"):
                    found = shown_address(value)
                else:
                    found = kind(value) if error["type"] in {"dict_type", "list_type"} else shown(value)
                self.add((*loc, *inner), found, allowed, _hint(error, field, value))


def _inside(raw: dict[str, Any], loc: Loc) -> object:
    value: Any = raw
    for part in loc:
        value = value[part]
    return value


def _hint(error: ErrorDetails, field: FieldInfo, value: object) -> str:
    if error["type"] == "mistake":
        return error["msg"]
    if error["type"] == "literal_error" and isinstance(value, str):
        return nearest(value, _choices(field.annotation))
    if error["type"] == "float_type" and isinstance(value, str):
        return "write the number without quotes" if _is_number(value) else ""
    if error["type"] == "list_type" and isinstance(value, dict):
        return "write it with two brackets, once for each: [[...]]"
    return ""


def _choices(annotation: object) -> list[str]:
    if get_origin(annotation) is Literal:
        return [str(choice) for choice in get_args(annotation)]
    return [choice for part in get_args(annotation) for choice in _choices(part)]


def _is_number(text: str) -> bool:
    try:
        return math.isfinite(float(text))
    except ValueError:
        return False
