"""Looks at accepted values from outside: each number finite and within what its type declares."""

import math
from collections import deque
from collections.abc import Iterator, Mapping
from enum import Enum
from functools import cache
from typing import Any

import msgspec
from msgspec import inspect


@cache
def declared(kind: type) -> inspect.Type:
    """Return what a type declares."""
    return inspect.type_info(kind)


def faults(value: object, kind: type) -> list[str]:
    """Return what of a value breaks its declaration, or is no finite number; empty if nothing does."""
    return list(_of(value, declared(kind), kind.__name__))


def infinite(value: object, place: str = "") -> Iterator[str]:
    """Yield where a value, of whatever shape, holds a number that is not finite."""
    match value:
        case float():
            if not math.isfinite(value):
                yield f"{place}: {value}"
        case msgspec.Struct():
            for name in value.__struct_fields__:
                yield from infinite(getattr(value, name), f"{place}.{name}")
        case dict():
            for key, one in value.items():
                yield from infinite(one, f"{place}[{key!r:.40}]")
        case list() | tuple() | frozenset():
            for one in value:
                yield from infinite(one, f"{place}[]")


def _of(value: object, node: inspect.Type, place: str) -> Iterator[str]:
    match node:
        case inspect.Metadata():
            yield from _of(value, node.type, place)
        case inspect.FloatType() | inspect.IntType():
            yield from _number(value, node, place)
        case inspect.StrType():
            if not isinstance(value, str) or not _fits(len(value), node):
                yield f"{place}: text of the wrong length"
        case inspect.LiteralType():
            if value not in node.values:
                yield f"{place}: {value!r:.40}"
        case inspect.UnionType():
            if all(any(True for _ in _of(value, one, place)) for one in node.types):
                yield f"{place}: none of what it may be"
        case inspect.VarTupleType() | inspect.ListType():
            if not isinstance(value, list | tuple):
                yield f"{place}: no list"
                return
            for one in value:
                yield from _of(one, node.item_type, f"{place}[]")
        case inspect.DictType():
            if not isinstance(value, dict):
                yield f"{place}: no mapping"
                return
            for one in value.values():
                yield from _of(one, node.value_type, f"{place}[]")
        case inspect.StructType():
            if not isinstance(value, node.cls):
                yield f"{place}: no {node.cls.__name__}"
                return
            for field in node.fields:
                yield from _of(getattr(value, field.name), field.type, f"{place}.{field.name}")
        case inspect.NoneType():
            if value is not None:
                yield f"{place}: not None"


def _number(value: object, node: Any, place: str) -> Iterator[str]:  # noqa: ANN401 - two kinds of nodes with the same bounds
    wanted = float if isinstance(node, inspect.FloatType) else int
    if isinstance(value, bool) or not isinstance(value, wanted):
        yield f"{place}: {type(value).__name__}"
        return
    # Compared the way NaN cannot pass.
    within = (
        abs(value) < math.inf,
        isinstance(value, float) or abs(value) < 2**64,  # what no database and no other language takes
        node.ge is None or value >= node.ge,
        node.gt is None or value > node.gt,
        node.le is None or value <= node.le,
        node.lt is None or value < node.lt,
    )
    if not all(within):
        yield f"{place}: {value!r:.40}"


def _fits(length: int, node: inspect.StrType) -> bool:
    return (node.min_length or 0) <= length and (node.max_length is None or length <= node.max_length)


def example(kind: type) -> object:
    """Return what a valid value of a type looks like in JSON, every field of it there."""
    return _example(declared(kind))


def _example(node: inspect.Type) -> object:  # noqa: PLR0911 - a kind of node, a line
    match node:
        case inspect.Metadata():
            return _example(node.type)
        case inspect.FloatType():
            return "0.25" if node.lt is not None else "1250.75"
        case inspect.IntType():
            return 1 if node.le is None else 1_780_000_000_000
        case inspect.StrType():
            return "BTCUSDT"
        case inspect.BoolType():
            return True
        case inspect.LiteralType():
            return node.values[0]
        case inspect.EnumType():
            first: Enum = next(iter(node.cls))
            return first.value
        case inspect.UnionType():
            return _example(next(one for one in node.types if not isinstance(one, inspect.NoneType)))
        case inspect.VarTupleType() | inspect.ListType():
            return [_example(node.item_type)]
        case inspect.DictType():
            return {"LONG": _example(node.value_type)}
        case inspect.StructType():
            values = {field.encode_name: _example(field.type) for field in node.fields}
            return list(values.values()) if node.array_like else values
    return None


def kept(value: object) -> int:
    """Return how many entries the containers hold that an object of ours reaches through its own attributes."""
    count, seen, todo = 0, set[int](), [value]
    while todo:
        one = todo.pop()
        if id(one) in seen:
            continue
        seen.add(id(one))
        if isinstance(one, Mapping):
            count += len(one)
            todo += [*one.values()]
        elif isinstance(one, list | tuple | set | frozenset | deque):
            count += len(one)
            todo += [*one]
        elif type(one).__module__.startswith("monitor.") and not isinstance(one, Enum):
            names = [name for kind in type(one).__mro__ for name in getattr(kind, "__slots__", ())]
            todo += [*vars(one).values()] if hasattr(one, "__dict__") else []
            todo += [getattr(one, name) for name in names if hasattr(one, name)]
    return count
