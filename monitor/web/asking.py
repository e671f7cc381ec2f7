"""Requests into values and values into answers, for the JSON interface. Nothing asked wrongly is guessed at."""

from collections.abc import Collection, Mapping
from http import HTTPStatus
from typing import Any, Final, TypeVar

import msgspec
from aiohttp import web

from monitor.config.problems import listed, nearest
from monitor.errors import MonitorError, Problem
from monitor.web.shapes import Failure, Query

JSON: Final = "application/json"
_SHOWN_CHARS: Final = 60

QueryT = TypeVar("QueryT", bound=Query)


class AskedWronglyError(MonitorError):
    """A request that cannot be answered, with the status that says why."""

    def __init__(self, status: HTTPStatus, error: str, problems: tuple[Problem, ...] = ()) -> None:
        super().__init__(error)
        self.status = status
        self.error = error
        self.problems = problems


def answered(value: object, status: HTTPStatus = HTTPStatus.OK) -> web.Response:
    """Return a value as JSON; one that is bytes is JSON already. Infinities and NaN are null."""
    body = value if isinstance(value, bytes) else msgspec.json.encode(value)
    return web.Response(body=body, status=status, content_type=JSON)


def failed(status: HTTPStatus, error: str, problems: tuple[Problem, ...] = ()) -> web.Response:
    """Return why there is no answer, in the one shape that all of the JSON interface has for it."""
    return answered(Failure(error, problems), status)


def asked(given: Mapping[str, str], shape: type[QueryT]) -> QueryT:
    """Return the parameters of a request.

    Args:
        given: a multi-dict; each name is allowed once.
        shape: what there may be.

    Raises:
        AskedWronglyError: with every parameter that is unknown, doubled or malformed.
    """
    fields = {one.encode_name: one for one in msgspec.structs.fields(shape)}
    values: dict[str, Any] = {}
    problems = []
    for name, text in given.items():
        if name not in fields:
            problems.append(_unknown(name, list(fields)))
        elif name in values:
            problems.append(Problem(f"query.{name}", "it twice", "one value"))
        else:
            try:
                values[name] = msgspec.convert(text, fields[name].type, strict=False)
            except msgspec.ValidationError as error:
                values[name] = None
                problems.append(Problem(f"query.{name}", shown(text), _allowed(fields[name].type, error)))
    if problems:
        raise AskedWronglyError(HTTPStatus.BAD_REQUEST, "the query cannot be understood", tuple(problems))
    return shape(**values)


def body_of(raw: bytes, shape: Any) -> Any:  # noqa: ANN401 - a union of structs is no type
    """Return the body of a request.

    Raises:
        AskedWronglyError: 400 where it is no JSON, 422 where it is and says something else; with the place.
    """
    try:
        return msgspec.json.decode(raw, type=shape)
    except msgspec.ValidationError as error:
        words, _, place = str(error).partition(" - at ")
        problem = Problem(place.strip("`").replace("$", "body", 1) or "body", "something else", words)
        raise AskedWronglyError(
            HTTPStatus.UNPROCESSABLE_ENTITY, "the body cannot be understood", (problem,)
        ) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise AskedWronglyError(HTTPStatus.BAD_REQUEST, "the body is no JSON") from None


def must_be_known(field: str, name: str, known: Collection[str]) -> None:
    """Refuse a name that is not there; an empty one is any.

    Raises:
        AskedWronglyError: with the names that are.
    """
    if name and name not in known:
        names = listed(sorted(set(known)))
        raise AskedWronglyError(
            HTTPStatus.NOT_FOUND, f"there is no such {field}", (Problem(f"query.{field}", shown(name), names),)
        )


def shown(text: str) -> str:
    """Return what somebody sent as it may be repeated: short, and without what a terminal obeys."""
    return ascii(text[:_SHOWN_CHARS]) + ("..." if len(text) > _SHOWN_CHARS else "")


def _unknown(name: str, known: list[str]) -> Problem:
    allowed = ", ".join(known) or "no parameter"
    return Problem("query", shown(name), allowed, nearest(name[:_SHOWN_CHARS], known) if known else "")


def _allowed(kind: Any, error: msgspec.ValidationError) -> str:  # noqa: ANN401 - an annotation
    words = msgspec.json.schema(kind)
    return ", ".join(words["enum"]) if "enum" in words else str(error).replace("`", "")
