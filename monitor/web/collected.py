"""Every route there is: each module that has some is named here once."""

from collections.abc import Callable, Sequence

from monitor.web import probes
from monitor.web.context import Context, Route


def collected(context: Context, standing: Callable[[], Sequence[str]]) -> Sequence[Route]:
    """Return all routes; ``standing`` as for ``probes.routes``."""
    return (*probes.routes(context, standing),)
