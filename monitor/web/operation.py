"""One operation of the JSON interface, described once for serving and for documenting it."""

from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple

from aiohttp import web

from monitor.web.context import Access, Context
from monitor.web.shapes import Query


class Asked(NamedTuple):
    """What an operation is handed: the request's parameters and body as values, checked."""

    context: Context
    request: web.Request
    query: Any  # of the operation's shape
    body: Any  # None where there is none


class Operation(NamedTuple):
    """What may be asked at a path, and what comes back."""

    path: str
    summary: str
    answer: Any  # the shape, a struct
    answers: Callable[[Asked], Awaitable[object]]  # a value of that shape, or its JSON
    query: type[Query] = Query
    body: Any = None  # a struct or a union of structs; None: it is a GET
    named: bool = False  # parameters name what may not be there
    recorded: bool = False  # it reads a database, which may be busy or damaged

    @property
    def method(self) -> str:
        """GET, or POST where it changes something."""
        return "GET" if self.body is None else "POST"

    @property
    def access(self) -> Access:
        """Who may ask."""
        return Access.READ if self.body is None else Access.CHANGE
