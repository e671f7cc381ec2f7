"""Accounts as ``status`` prints them."""

from typing import TYPE_CHECKING

from monitor.account_rows import account_rows, around_lines, release_lines, untabled_lines
from monitor.cli.common import WIDE

if TYPE_CHECKING:
    import datetime as dt

    from rich.console import Console

    from monitor.status import Status


def print_accounts(found: "Status", out: "Console", zone: "dt.tzinfo | None") -> None:
    """Print the table where there is more to say than that all are typed in."""
    from rich.text import Text

    from monitor.cli.tables import Column, FittedTable
    from monitor.notify.times import local_time

    rows = account_rows(found)
    if all(row.followed == "typed in" and not row.untabled for row in rows):
        return
    out.print()
    out.print(
        FittedTable(
            (
                Column("account", [row.account for row in rows]),
                Column("market", [row.market for row in rows], 3),
                Column(
                    "positions", ["?" if row.positions is None else str(row.positions) for row in rows], 4, True
                ),
                Column("as of", [local_time(row.as_of_ms, zone) if row.as_of_ms else "never" for row in rows], 1),
                Column("followed", [Text(row.followed, "bold red" if row.trouble else "green") for row in rows]),
                Column("REST / stream", [row.heard for row in rows], 5),
                Column("figures", [Text(row.figures, "bold red" if row.drifting else "") for row in rows], 2),
            ),
            empty="No account.",
        )
    )
    for line in untabled_lines(rows):
        out.print(line, style="bold red", markup=False)
    for line in (*around_lines(found), *release_lines(found)):
        out.print(line, markup=False, highlight=False, soft_wrap=out.width >= WIDE)
    if any(row.trouble for row in rows):
        out.print(
            "Positions of accounts that are not followed may have changed; `position-monitor doctor` says why."
        )
