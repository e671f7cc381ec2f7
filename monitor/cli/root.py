"""The command line: global options and the list of commands.

Command modules load only what every command needs; the heavy parts are imported inside the commands.
"""

import sys
from pathlib import Path
from typing import Annotated

import typer

from monitor import __version__
from monitor.cli import (
    alerts,
    assess,
    audit,
    channels,
    check,
    checkup,
    completion,
    demo,
    doctor,
    drill,
    explain,
    healthcheck,
    helping,
    history,
    holds,
    init,
    leverage,
    reload,
    replay,
    report_failure,
    service,
    simulate,
    status,
    stress,
    watch,
)
from monitor.cli.common import Globals
from monitor.cli.in_order import InOrder
from monitor.cli.spoken import Spoken

app = typer.Typer(
    name="position-monitor",
    cls=Spoken,
    help="Watches leveraged Binance futures positions and warns their owner while there is still time to act.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    rich_markup_mode=None,
)

app.command("init")(init.init)
app.command("run")(service.run)
app.command("reload")(reload.reload)
app.command("demo")(demo.demo)
app.command("check-config")(check.check_config)
app.command("assess")(assess.assess)
app.command("explain")(explain.explain)
app.command("leverage")(leverage.leverage)
app.command("simulate", cls=InOrder)(simulate.simulate)
app.command("checkup")(checkup.checkup)
app.command("stress")(stress.stress)
app.command("status")(status.status)
app.command("watch")(watch.watch)
app.command("healthcheck")(healthcheck.healthcheck)
app.command("audit")(audit.audit)
app.command("history")(history.history)
app.command("doctor")(doctor.doctor)
app.command("alerts")(alerts.alerts)
app.command("ack")(holds.ack)
app.command("snooze")(holds.snooze)
app.command("mute")(holds.mute)
app.command("unsnooze")(holds.unsnooze)
app.command("test-alert")(channels.alert)
app.command("drill")(drill.drill)
app.command("replay")(replay.replay)
app.command("completion")(completion.completion)
app.command("help")(helping.help_)
app.command("report-failure")(report_failure.report_failure)


def _version(wanted: bool) -> None:
    if wanted:
        sys.stdout.write(f"position-monitor {__version__}\n")
        raise typer.Exit


@app.callback()
def _globals(
    context: typer.Context,
    config: Annotated[
        Path | None,
        typer.Option("--config", metavar="PATH", readable=False, help="Configuration file for every command."),
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print JSON wherever something is printed.")] = False,
    verbose: Annotated[bool, typer.Option("-v", "--verbose", help="Log more.")] = False,
    version: Annotated[  # noqa: ARG001 - handled by its callback
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and stop.")
    ] = False,
) -> None:
    context.obj = Globals(config, json, verbose)


def run() -> int:
    """Run the command line and return the exit code."""
    try:
        app(prog_name="position-monitor")
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else int(bool(end.code))
    return 0
