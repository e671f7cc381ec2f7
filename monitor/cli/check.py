"""``check-config``: every mistake at once, and whether the channels' addresses can be used."""

import os

import typer

from monitor.cli.common import ConfigOption, JsonOption, console, globals_of, guarded, load, print_json


@guarded
def check_config(context: typer.Context, config: ConfigOption = None, json: JsonOption = False) -> int:
    """Check the configuration; every mistake at once, each with its key path and the fix."""
    from monitor.cli.wiring import build_channels

    settings = load(context, config)
    built = build_channels(settings, os.environ)
    for channel in built.channels:
        channel.close()
    warnings = (*settings.warnings, *built.warnings)
    positions = sum(len(account.positions) for account in settings.accounts)
    shipped = sorted({table.label for table in settings.tables if table.origin == "shipped"})
    if json or globals_of(context).json:
        print_json(
            {
                "source": settings.source,
                "environment": settings.exchange.environment,
                "accounts": len(settings.accounts),
                "positions": positions,
                "channels": [one.name for one in settings.channels],
                "brackets": {table.symbol: table.label for table in settings.tables},
                "warnings": list(warnings),
            }
        )
        return 0
    out = console()
    out.print(
        f"{settings.source}: fine. {settings.exchange.environment}, {len(settings.accounts)} accounts, "
        f"{positions} positions, {len(settings.channels)} channels.",
        markup=False,
    )
    if shipped:
        out.print(
            f"Maintenance tiers: {', '.join(shipped)} for symbols without a table of their own.", markup=False
        )
    for warning in warnings:
        out.print(f"warning: {warning}", markup=False)
    return 0
