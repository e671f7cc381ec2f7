"""``check-config``: every mistake at once, and whether the channels' addresses can be used."""

import os
from typing import TYPE_CHECKING

import typer

from monitor.cli.common import ConfigOption, JsonOption, console, counted, globals_of, guarded, load, print_json
from monitor.errors import ConfigError

if TYPE_CHECKING:
    from monitor.config import Settings


@guarded
def check_config(context: typer.Context, config: ConfigOption = None, json: JsonOption = False) -> int:
    """Check the configuration; every mistake at once, each with its key path and the fix."""
    from monitor.cli.wiring import build_channels, check_keys, state_problems
    from monitor.config import resolve_secrets

    settings = load(context, config)
    problems = state_problems(settings, os.environ)
    if problems:
        raise ConfigError(settings.source, problems)
    built = build_channels(settings, os.environ)
    for channel in built.channels:
        channel.close()
    keys = resolve_secrets(settings, os.environ, channels=False)
    check_keys(settings, os.environ)
    warnings = (*settings.warnings, *built.warnings, *keys.warnings)
    address, unusable = _web(settings)
    warnings = (*warnings, *unusable, *_delivered(settings))
    accounts = len(settings.engine.accounts)
    positions = sum(len(account.positions) for account in settings.accounts)
    shipped = sorted({table.label for table in settings.tables if table.origin == "shipped"})
    if json or globals_of(context).json:
        print_json(
            {
                "source": settings.source,
                "environment": settings.exchange.environment,
                "accounts": accounts,
                "followed": [one.name for one in settings.keyed],
                "positions": positions,
                "channels": [one.name for one in settings.channels],
                "brackets": {table.symbol: table.label for table in settings.tables},
                "web": address,
                "warnings": list(warnings),
            }
        )
        return 0
    out = console()
    out.print(
        f"{settings.source}: fine. {settings.exchange.environment}, "
        f"{counted(accounts, 'account')}{_followed(settings)}, {counted(positions, 'position')}, "
        f"{counted(len(settings.channels), 'channel')}.",
        markup=False,
    )
    if shipped:
        out.print(
            f"Maintenance tiers: {', '.join(shipped)} for symbols without a table of their own.", markup=False
        )
    if address is not None:
        rights = "nothing can be changed there" if settings.web.token is None else "with a token"
        out.print(f"Status page, health and metrics: {address}, {rights}.", markup=False)
    for one in warnings:
        out.print(f"warning: {one}", markup=False)
    return 0


def _delivered(settings: "Settings") -> list[str]:
    """Return which typed-in positions cannot be held any more: that depends on the day, which loading does not."""
    from monitor.config.contracts import is_over
    from monitor.system_clock import SystemClock

    now_ms = SystemClock().wall_ms()
    return [
        f"{account.account} {position.symbol}: its delivery is past or of no such day, and no price of it comes"
        " any more: take the position out"
        for account in settings.accounts
        for position in account.positions
        if is_over(position.symbol, now_ms)
    ]


def _web(settings: "Settings") -> tuple[str | None, tuple[str, ...]]:
    """Return where pages are served, None for nowhere, and what keeps them from it."""
    from monitor.doctor.finding import State
    from monitor.doctor.web import address_finding, address_of

    if not settings.web.enabled:
        return None, ()
    found = address_finding(settings.web, settings.state_directory(os.environ))
    words = () if found.state is State.OK else (f"web.listen: {found.found}; {found.fix}",)
    return address_of(settings.web), words


def _followed(settings: "Settings") -> str:
    names = ", ".join(one.name for one in settings.keyed)
    return f" (followed by key: {names})" if names else ""
