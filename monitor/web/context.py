"""What every route is handed, and how it is described: the contract between the server and its pages.

A module with routes has one function ``routes(context) -> Sequence[Route]``, which ``collected.collected`` calls.
Whether a request may be answered is decided before a handler runs: host, token, origin, form token, sizes, times.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import Enum
from typing import Final, NamedTuple, Protocol, TypeVar

from aiohttp import web

from monitor.ports import Clock
from monitor.status import Status
from monitor.web.watched import Watched

T = TypeVar("T")

# So old may be what pages show: making it costs milliseconds that marks would wait for.
SNAPSHOT_S: Final = 1.0

# Runs on the event loop and must be over in milliseconds but for ``Context.read``. The body was read before:
# ``request.read()`` and ``forms.fields_of`` answer at once.
Handler = Callable[[web.Request], Awaitable[web.Response]]


class Access(Enum):
    """Who may use a route."""

    OPEN = "open"  # everybody: the login and files that tell nothing of this installation
    READ = "read"  # everybody on loopback; once a token is configured, who shows it
    CHANGE = "change"  # who shows the configured token; POST only, and never from another site


class Route(NamedTuple):
    """One way in. HEAD comes with each GET."""

    method: str  # GET or POST
    path: str  # as aiohttp's router writes it, such as "/api/v1/alerts/{number}"
    handler: Handler
    access: Access = Access.READ
    # For people: sent to the login instead of told 401, and what it takes is a form with ``Context.form_token`` in
    # its field "form_token" instead of JSON.
    page: bool = False
    # Only so many run at a time, so that marks come between any number of heavy answers. Not so probes, which cost
    # nothing and must not wait behind a query that hangs.
    in_turn: bool = True


class Read(Protocol):
    """Runs what blocks, such as a query of a database, in a thread."""

    async def __call__(self, job: Callable[[], T]) -> T:
        """Return what the job returns; raises BusyError while as many run as may."""
        ...


@dataclass(frozen=True, slots=True)
class Context:
    """What routes are made of.

    Attributes:
        watched: the daemon. For what costs little: health, readiness, hold and lift.
        clock: its time.
        snapshot: everything as it stood within the last ``SNAPSHOT_S`` seconds; one for all routes.
        read: readers of state.db and history.db for the page go through it.
        recorded: the same for programs, which ask for much: they must not take the page's places.
        form_token: what the forms of this request's session have to send back; empty without a session.
        can_change: whether a token is configured, without which nothing can be changed.
        changed: has the next snapshot made anew; for whoever changed something.
    """

    watched: Watched
    clock: Clock
    snapshot: Callable[[], Status]
    read: Read
    recorded: Read
    form_token: Callable[[web.Request], str]
    can_change: Callable[[], bool]
    changed: Callable[[], None] = lambda: None
