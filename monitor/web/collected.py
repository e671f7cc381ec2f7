"""Every route there is: each module that has some is named here once."""

from collections.abc import Callable, Sequence

from monitor.web import metrics, probes
from monitor.web.context import Context, Route
from monitor.web.metrics import Meter


def collected(context: Context, standing: Callable[[], Sequence[str]], meter: Meter) -> Sequence[Route]:
    """Return all routes; ``standing`` as for ``probes.routes``, ``meter`` as for ``metrics.routes``."""
    return (*probes.routes(context, standing), *metrics.routes(context, meter))
