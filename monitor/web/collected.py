"""Every route there is: each module that has some is named here once."""

from collections.abc import Sequence

from monitor.web import api, files, login, metrics, probes
from monitor.web.context import Context, Route
from monitor.web.keeper import Keeper
from monitor.web.limits import Tally
from monitor.web.metrics import Meter
from monitor.web.page import serve as page


def collected(context: Context, keeper: Keeper, tally: Tally, meter: Meter) -> Sequence[Route]:
    """Return all routes.

    Args:
        context: what most are made of.
        keeper: whom a login has to satisfy.
        tally: where logins that fail are counted.
        meter: as for ``metrics.routes``.
    """
    return (
        *page.routes(context),
        *api.routes(context),
        *probes.routes(context),
        *metrics.routes(context, meter),
        *login.routes(keeper, tally),
        *files.routes(),
    )
