"""The OpenAPI document of the JSON interface, made of what it is served with: it cannot say anything else."""

from collections.abc import Sequence
from http import HTTPStatus
from typing import Any, Final

import msgspec

from monitor.web.operation import Operation
from monitor.web.shapes import Failure

_REF: Final = "#/components/schemas/{name}"
_WORDS: Final = {
    HTTPStatus.BAD_REQUEST: "The request cannot be understood; problems names each mistake.",
    HTTPStatus.UNAUTHORIZED: "A token is configured, and the request does not show it.",
    HTTPStatus.FORBIDDEN: "The request is another site's; or [web] has no token, so that nothing can be changed.",
    HTTPStatus.NOT_FOUND: "There is nothing of that name.",
    HTTPStatus.METHOD_NOT_ALLOWED: "Not with this method.",
    HTTPStatus.REQUEST_TIMEOUT: "The request took too long to arrive.",
    HTTPStatus.CONFLICT: "Nothing was changed, and the text says why: it is about what is not there now.",
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: "The body is larger than any request needs to be.",
    HTTPStatus.UNSUPPORTED_MEDIA_TYPE: "The body has to be application/json.",
    HTTPStatus.EXPECTATION_FAILED: "Nothing can be expected but 100-continue.",
    HTTPStatus.MISDIRECTED_REQUEST: "The Host header names another machine.",
    HTTPStatus.UNPROCESSABLE_ENTITY: "The body is JSON that cannot be understood; problems names the place.",
    HTTPStatus.TOO_MANY_REQUESTS: "Too many wrong tokens came.",
    HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE: "The head is larger than any request needs to be.",
    HTTPStatus.SERVICE_UNAVAILABLE: (
        "Too many ask at a time, or a database cannot be read now; asking again may help, after Retry-After "
        "seconds where that is said."
    ),
    HTTPStatus.GATEWAY_TIMEOUT: "The answer took too long.",
}
_ALWAYS: Final = (
    HTTPStatus.BAD_REQUEST,
    HTTPStatus.UNAUTHORIZED,
    HTTPStatus.FORBIDDEN,
    HTTPStatus.METHOD_NOT_ALLOWED,
    HTTPStatus.REQUEST_TIMEOUT,
    HTTPStatus.EXPECTATION_FAILED,
    HTTPStatus.MISDIRECTED_REQUEST,
    HTTPStatus.TOO_MANY_REQUESTS,
    HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE,
    HTTPStatus.SERVICE_UNAVAILABLE,
    HTTPStatus.GATEWAY_TIMEOUT,
)
_CHANGING: Final = (
    HTTPStatus.CONFLICT,
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
    HTTPStatus.UNPROCESSABLE_ENTITY,
)


def encoded(base: str, operations: Sequence[Operation]) -> bytes:
    """Return the document as indented JSON with a newline at its end."""
    return msgspec.json.format(msgspec.json.encode(document(base, operations)), indent=2) + b"\n"


def document(base: str, operations: Sequence[Operation]) -> dict[str, Any]:
    """Return the document.

    Args:
        base: what all paths begin with.
        operations: all there are.
    """
    shapes = [*(one.answer for one in operations), *(one.body for one in operations if one.body), Failure]
    found, components = msgspec.json.schema_components(shapes, ref_template=_REF)
    schemas = dict(zip(map(id, shapes), found, strict=True))
    paths: dict[str, dict[str, Any]] = {}
    for one in operations:
        paths.setdefault(f"{base}{one.path}", {})[one.method.lower()] = _described(one, schemas)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "position-monitor",
            "version": base.rpartition("/v")[2],
            "description": (
                "What the running daemon knows and recorded. Ratios are fractions, names that end in _ms are Unix "
                "milliseconds, and what is not known is null: where a balance is used up the margin ratio is null "
                "and liquidatable true. Without a configured token everything can be read on loopback and nothing "
                "can be changed."
            ),
            "license": {"name": "MIT", "identifier": "MIT"},
        },
        "servers": [
            {"url": "http://127.0.0.1:9757", "description": "as [web] listens unless configured otherwise"}
        ],
        "security": [{"token": []}],
        "paths": paths,
        "components": {
            "schemas": components,
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
    }


def _described(operation: Operation, schemas: dict[int, Any]) -> dict[str, Any]:
    failure = schemas[id(Failure)]
    statuses = [
        *_ALWAYS,
        *([HTTPStatus.NOT_FOUND] if operation.named else []),
        *(_CHANGING if operation.body else []),
    ]
    answers = {"200": _content("As asked.", schemas[id(operation.answer)])}
    answers |= {str(status.value): _content(_WORDS[status], failure) for status in sorted(statuses)}
    found: dict[str, Any] = {
        "operationId": _name(operation),
        "summary": operation.summary,
        "parameters": _parameters(operation),
        "responses": answers,
    }
    if operation.body:
        content = {"application/json": {"schema": schemas[id(operation.body)]}}
        found["requestBody"] = {"required": True, "content": content}
    return found


def _parameters(operation: Operation) -> list[dict[str, Any]]:
    found = []
    for one in msgspec.structs.fields(operation.query):
        schema = msgspec.json.schema(one.type)
        schema.pop("$schema", None)
        description = schema.pop("description", "")
        if one.default != "":  # an empty text is no value of it: it stands for any
            schema["default"] = one.default
        parameter = {"name": one.encode_name, "in": "query", "required": False, "schema": schema}
        found.append(parameter | ({"description": description} if description else {}))
    return found


def _content(words: str, schema: Any) -> dict[str, Any]:  # noqa: ANN401 - JSON
    return {"description": words, "content": {"application/json": {"schema": schema}}}


def _name(operation: Operation) -> str:
    words = operation.path.strip("/").replace("/", "_")
    return f"{'get' if operation.body is None else 'post'}_{words}"
