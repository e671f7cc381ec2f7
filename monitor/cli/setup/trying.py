"""Whether what was written works: one real message, and the key asked of the exchange as ``doctor`` does."""

import asyncio
import sys
from collections.abc import Mapping
from random import Random

from msgspec import structs

from monitor.cli.aside import log_to
from monitor.cli.exchange import client_factory
from monitor.cli.trial import Trial, show_all
from monitor.cli.wiring import build_channels
from monitor.config import Settings, gather_secrets
from monitor.doctor.checks import ACCOUNT_S, checks_of
from monitor.doctor.finding import Finding, State
from monitor.system_clock import SystemClock

_ACCOUNT = "account "
_TOLD = (State.FAIL, State.WARN)


def try_channels(settings: Settings, environ: Mapping[str, str], *, silent: bool) -> dict[str, str]:
    """Send a test message through each channel and show what it answers; return by name why it failed.

    Raises:
        ConfigError: an address cannot be had, such as from a variable that is not set here.
    """
    built = build_channels(settings, environ).channels
    trial = Trial(settings.channels, settings.channels, silent=silent)
    try:
        with log_to(sys.stderr, "error"), trial:
            asyncio.run(show_all(built, settings.exchange.environment, None, trial))
    finally:
        for one in built:
            one.close()
    return {one.name: one.reason for one in trial.outcomes}


def try_accounts(settings: Settings, environ: Mapping[str, str]) -> list[Finding]:
    """Return what is to say about the keys; an exchange that cannot be reached says nothing against one."""
    return asyncio.run(_try_accounts(settings, environ))


async def _try_accounts(settings: Settings, environ: Mapping[str, str]) -> list[Finding]:
    secrets, problems = gather_secrets(settings, environ, channels=False, heartbeat=False, web=False)
    clock = SystemClock()
    checks = checks_of(
        settings,
        secrets,
        problems,
        unusable=(),
        environ=environ,
        clock=clock,
        client_of=client_factory(settings, clock, Random()),  # noqa: S311 - spreads retries, guards nothing
        send=None,
    )
    found: list[Finding] = []
    for check in checks:
        if not check.name.startswith(_ACCOUNT):
            continue
        try:
            async with asyncio.timeout(check.limit_s):
                await check.run(found.append)
        except TimeoutError:
            name = check.name.removeprefix(_ACCOUNT)
            found.append(Finding("key", name, State.UNKNOWN, f"no answer within {ACCOUNT_S:.0f} s"))
    return _worth_telling(found)


def _worth_telling(found: list[Finding]) -> list[Finding]:
    """Return how it stands with the key itself, and whatever else is not as it should be."""
    unknown = [one for one in found if one.area == "key" and one.state is State.UNKNOWN]
    if unknown:
        # Nothing is wrong with the key as far as is known, and nothing else could be looked at.
        fix = "`position-monitor doctor` asks again and looks at the hosts"
        return [structs.replace(one, fix=fix) for one in unknown]
    return [one for one in found if one.area in {"key", "permissions", "mode"} or one.state in _TOLD]
