"""``healthcheck``: whether the running daemon is well, for those who ask again and again.

The entry point answers a plain call before any of this is loaded; this is the same for help and completion.
"""

import os
from typing import Annotated

import typer

from monitor.cli.common import ConfigOption, JsonOption, globals_of, guarded


@guarded
def healthcheck(
    context: typer.Context,
    config: ConfigOption = None,
    ready: Annotated[
        bool,
        typer.Option("--ready", help="Ask whether its start is over and alerts would come."),
    ] = False,
    json: JsonOption = False,
) -> int:
    """Ask the running daemon whether it is well: exit code 0 or 1, and one line that says why."""
    from monitor.healthcheck import Wanted, check

    before = globals_of(context)
    chosen = config or before.config
    wanted = Wanted(None if chosen is None else str(chosen), ready=ready, json=json or before.json)
    return check(wanted, os.environ)
