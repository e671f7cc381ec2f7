"""Control messages of a stream connection: a text in, the exchange's answer out. No connection in sight."""

import json
from dataclasses import dataclass, field
from typing import Any

_UNKNOWN_PROPERTY, _WRONG_TYPE, _INVALID_REQUEST, _INVALID_JSON = range(4)
_LONGEST_ID = 64
_METHODS = ("SUBSCRIBE", "UNSUBSCRIBE", "LIST_SUBSCRIPTIONS", "SET_PROPERTY", "GET_PROPERTY")


class _RefusedError(Exception):
    def __init__(self, code: int, reason: str) -> None:
        super().__init__(code, reason)
        self.code = code
        self.reason = reason


@dataclass(slots=True)
class Subscriptions:
    """What one connection asked for.

    Attributes:
        combined: wrap every event with the name of its stream.
        limit: most streams a connection may hold.
        names: the streams, in the order of subscription; any name is taken, known or not.
    """

    combined: bool
    limit: int = 1024
    names: dict[str, None] = field(default_factory=dict)

    def answer(self, text: str | bytes) -> str:
        """Act on one control message and return the reply.

        A name that exists nowhere is acknowledged like any other: an acknowledgement proves nothing.
        """
        try:
            try:
                message = json.loads(text)
            except ValueError as error:
                raise _RefusedError(_INVALID_JSON, f"Invalid JSON: {error}") from error
            reply: dict[str, Any] = self._act(message)
        except _RefusedError as refused:
            reply = {"code": refused.code, "msg": refused.reason}
        return json.dumps(reply, separators=(",", ":"))

    def _act(self, message: object) -> dict[str, Any]:
        if not isinstance(message, dict):
            raise _RefusedError(_INVALID_REQUEST, "Invalid request: expected an object")
        method, number, params = message.get("method"), message.get("id"), message.get("params", [])
        if method not in _METHODS:
            raise _RefusedError(_INVALID_REQUEST, f"Invalid request: method must be one of {', '.join(_METHODS)}")
        if not _is_id(number):
            raise _RefusedError(_INVALID_REQUEST, "Invalid request: request ID must be an unsigned integer")
        if not isinstance(params, list):
            raise _RefusedError(_INVALID_REQUEST, "Invalid request: params must be a list")
        result: object = None
        if method == "SUBSCRIBE":
            self._subscribe(_strings(params))
        elif method == "UNSUBSCRIBE":
            for name in _strings(params):
                self.names.pop(name, None)
        elif method == "LIST_SUBSCRIPTIONS":
            result = list(self.names)
        elif method == "SET_PROPERTY":
            self._set_property(params)
        else:
            _known_property(params, 1)
            result = self.combined
        return {"result": result, "id": number}

    def _subscribe(self, names: list[str]) -> None:
        wanted = self.names | dict.fromkeys(names)
        if len(wanted) > self.limit:
            raise _RefusedError(_INVALID_REQUEST, f"Invalid request: more than {self.limit} streams")
        self.names = wanted

    def _set_property(self, params: list[Any]) -> None:
        _known_property(params, 2)
        if not isinstance(params[1], bool):
            raise _RefusedError(_WRONG_TYPE, "Invalid value type: expected Boolean")
        self.combined = params[1]


def _is_id(value: object) -> bool:
    """Say whether this may be a request id; the official client numbers its requests with texts."""
    if isinstance(value, str):
        return 0 < len(value) <= _LONGEST_ID
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _strings(params: list[Any]) -> list[str]:
    if not params or not all(isinstance(name, str) for name in params):
        raise _RefusedError(_INVALID_REQUEST, "Invalid request: params must be a list of stream names")
    return params


def _known_property(params: list[Any], count: int) -> None:
    if len(params) != count or not isinstance(params[0], str):
        raise _RefusedError(_INVALID_REQUEST, f"Invalid request: expected {count} parameters, the first a name")
    if params[0] != "combined":
        raise _RefusedError(_UNKNOWN_PROPERTY, "Unknown property")
