"""``stress``: large moves of all marks and of each one, and the smallest that liquidates anything."""

import typer

from monitor.cli.assess import MarkOption
from monitor.cli.common import ConfigOption, JsonOption, console, globals_of, guarded, now_text, print_json
from monitor.cli.despite import load_computed
from monitor.cli.simulate import AccountOption, tell_gaps


@guarded
def stress(
    context: typer.Context,
    config: ConfigOption = None,
    mark: MarkOption = None,
    account: AccountOption = None,
    json: JsonOption = False,
) -> int:
    """Show what moves of 1 to 30 % do to everything held, and the smallest move that liquidates anything.

    All marks move together, then each one alone; in multi-assets mode collateral moves with its own coin. Marks
    come from --mark; those not given are asked of the running daemon, and so is what accounts followed by their
    key hold. Cascades are not modelled.
    """
    from monitor.cli.ground import find_ground
    from monitor.cli.stress_tables import print_stress
    from monitor.cli.stress_view import Stress

    ground = find_ground(load_computed(context, config), mark or (), account or "")
    view = Stress(ground.grid(ground.accounts, ground.marks), ground.measured.typical).view(now_text())
    if json or globals_of(context).json:
        print_json(view)
    else:
        print_stress(console(), view)
    tell_gaps(ground)
    return 0
