"""``audit``: our figures beside the exchange's own, as they were last compared."""

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import msgspec
import typer

from monitor.cli.common import (
    FAILED,
    WIDE,
    AccountsOption,
    ConfigOption,
    JsonOption,
    check_accounts,
    console,
    counted,
    globals_of,
    guarded,
    misuse,
    print_json,
)
from monitor.cli.despite import load_computed
from monitor.cli.verdict import FINE, UNKNOWN, WARNING, CheckOption, in_one_line, print_verdict
from monitor.errors import MonitorError, NotRunningError

if TYPE_CHECKING:
    import datetime as dt

    from rich.console import Console

    from monitor.config import AccountKey, KeyedAccount, Settings
    from monitor.core.model import Compared
    from monitor.doctor.figures import ClientOf


class Audited(msgspec.Struct, frozen=True):
    """What came of comparing one account."""

    account: str
    market: str
    asked: str  # daemon: its newest reconcile; exchange: compared just now, by this command
    audited_ms: int  # exchange time of the reply; 0 where nothing was compared
    agrees: bool  # everything was compared and agrees; never true of an account that nothing is known of
    reason: str  # why nothing, or not everything, could be compared; empty if it could
    compared: "tuple[Compared, ...]"
    corrections: dict[str, tuple[float, float]]  # by wallet: off its balance, on its maintenance margin
    released: tuple[int, int] = (0, 0)  # partial closes the daemon saw: as assumed, otherwise


@guarded
def audit(
    context: typer.Context,
    account: AccountsOption = None,
    config: ConfigOption = None,
    check: CheckOption = False,
    json: JsonOption = False,
) -> int:
    """Show our figures beside the exchange's, for each account followed by its key.

    The running daemon's newest comparison; without a daemon the exchange is asked once.
    """
    if check:
        try:
            code, text = _verdict(_found(load_computed(context, config), account or ()))
        except MonitorError as error:
            code, text = UNKNOWN, in_one_line(error)
        print_verdict("audit", code, text)
        return code
    settings = load_computed(context, config)
    found = _found(settings, account or ())
    if json or globals_of(context).json:
        print_json(found)
    else:
        _print(found, settings.display.zone())
    return 0 if all(one.agrees for one in found) else FAILED


def _found(settings: "Settings", names: Sequence[str]) -> "tuple[Audited, ...]":
    """Return what was compared of these accounts, of all if none is named.

    Raises:
        ConfigError: none is followed by its key, one named is not, or a key cannot be had.
        ControlError: the daemon does not answer.
    """
    from monitor.control import ask

    followed = [one.name for one in settings.keyed]
    if not followed:
        found, allowed = "no account followed by its key", "at least one with api_key and api_secret"
        raise misuse("accounts", found, allowed, "what is typed in has no figures of the exchange beside it")
    check_accounts(names, followed, "accounts followed by key")
    wanted = [name for name in followed if not names or name in names]
    try:
        status = ask(settings.state_directory(os.environ), {"command": "status"})
    except NotRunningError:
        return _asked(settings, wanted)
    return _told(settings, wanted, status)


def _told(settings: "Settings", wanted: Sequence[str], status: Any) -> "tuple[Audited, ...]":  # noqa: ANN401 - JSON
    from monitor.cli.status import decoded

    views = {one.account: one for one in decoded(status).engine.accounts}
    markets = {one.name: one.market.value for one in settings.keyed}
    found = []
    for name in wanted:
        view = views.get(name)
        if view is None:
            reason = "the daemon has yet to see this account"
            found.append(Audited(name, markets[name], "daemon", 0, False, reason, (), {}))
            continue
        reasons = [] if view.ok else [f"it cannot be followed: {view.reason}"]
        reasons += [] if view.audited_ms else ["nothing was compared yet"]
        reasons += [f"no maintenance tiers of {symbol}" for symbol in view.untabled]
        agrees = not reasons and all(row.agrees for row in view.compared)
        found.append(
            Audited(
                name, view.market, "daemon", view.audited_ms, agrees, "; ".join(reasons), view.compared,
                view.corrections, view.released,
            )
        )  # fmt: skip
    return tuple(found)


def _asked(settings: "Settings", wanted: Sequence[str]) -> "tuple[Audited, ...]":
    """Compare now: fetch each account and its tiers once."""
    import asyncio
    from random import Random

    from monitor.cli.exchange import client_factory
    from monitor.config import resolve_secrets
    from monitor.system_clock import SystemClock

    keys = resolve_secrets(settings, os.environ, channels=False, heartbeat=False, web=False).account_keys
    make = client_factory(settings, SystemClock(), Random())  # noqa: S311 - spreads retries, guards nothing
    chosen = [one for one in settings.keyed if one.name in wanted]

    async def ask_all() -> tuple[Audited, ...]:
        asked = (_compared(settings, one, keys[one.name], make) for one in chosen)
        return tuple(await asyncio.gather(*asked))

    return asyncio.run(ask_all())


async def _compared(settings: "Settings", keyed: "KeyedAccount", key: "AccountKey", make: "ClientOf") -> Audited:
    from monitor.doctor.figures import compare
    from monitor.errors import RestError, WireError

    own = {table.symbol: table for table in settings.own_tables}
    try:
        client = make(keyed, key)
        try:
            found = await compare(client, await client.account(), own, settings.engine.audit)
        finally:
            await client.close()
    except (RestError, WireError) as error:
        return Audited(keyed.name, keyed.market.value, "exchange", 0, False, str(error).rstrip("."), (), {})
    reasons = [] if found.consistent else ["the account changed while it was asked"]
    reasons += [f"no maintenance tiers of {symbol}" for symbol in found.untabled]
    result = found.audit
    return Audited(
        keyed.name, keyed.market.value, "exchange", result.at_ms,
        not reasons and all(row.agrees for row in result.compared), "; ".join(reasons), result.compared,
        {key.wallet: amounts for key, amounts in result.corrections.items()},
    )  # fmt: skip


def _verdict(found: "Sequence[Audited]") -> tuple[int, str]:
    """Return the exit code of ``--check`` and its line, performance data included."""
    rows = [row for one in found for row in one.compared]
    differing = [row for row in rows if not row.agrees]
    unknown = [f"{one.account}: {one.reason}" for one in found if one.reason]
    said = [*unknown]
    if differing:
        worst = differing[0]
        what = " ".join(part for part in (worst.account, worst.wallet, worst.symbol, worst.side) if part)
        said.append(f"{counted(len(differing), 'figure')} not the exchange's, such as {what} {worst.figure.value}")
    code = UNKNOWN if unknown else WARNING if differing else FINE
    text = "; ".join(said) or f"{counted(len(rows), 'figure')} of {counted(len(found), 'account')} agree"
    return code, f"{text.replace('|', '/')} | figures={len(rows)} differing={len(differing)}"


def _print(found: "Sequence[Audited]", zone: "dt.tzinfo | None") -> None:
    from rich.text import Text

    from monitor.account_rows import released
    from monitor.cli.tables import Column, FittedTable, wallet_name
    from monitor.notify.numbers import money
    from monitor.notify.times import local_time

    out = console()
    rows = [row for one in found for row in one.compared]
    table = FittedTable(
        (
            Column("account", [row.account for row in rows]),
            Column("wallet", [wallet_name(row.wallet, row.symbol) for row in rows], 2),
            Column("symbol", [row.symbol or wallet_name(row.wallet, row.symbol) for row in rows]),
            Column("side", [row.side or "-" for row in rows]),
            Column("figure", [row.figure.value for row in rows]),
            Column("ours", [_figure(row.ours) for row in rows], right=True),
            Column("exchange's", [_figure(row.theirs) for row in rows], right=True),
            Column("difference", [_difference(row) for row in rows], 3, right=True),
            Column("tolerance", [f"{row.tolerance:.3g}" for row in rows], 5, right=True),
            Column(
                "verdict",
                [Text("agrees", "green") if row.agrees else Text("DIFFERS", "bold red") for row in rows],
            ),
        ),
        empty="No figures were compared.",
    )
    if not rows or table.fits(out.width):
        out.print(table)
    else:
        _print_narrow(rows, out)
    out.print()
    for one in found:
        when = f"compared {local_time(one.audited_ms, zone, day=True)}" if one.audited_ms else "not compared"
        who = "by the running daemon" if one.asked == "daemon" else "just now; no daemon is running"
        differing = sum(not row.agrees for row in one.compared)
        words = f"{counted(differing, 'figure')} of {len(one.compared)} differ" if differing else (
            f"all {len(one.compared)} agree" if one.compared else "nothing held, nothing to compare"
        )  # fmt: skip
        text = (
            f"{one.account} ({one.market}): {when}, {who}: {words}."
            if one.audited_ms
            else f"{one.account}: {when}."
        )
        out.print(Text(text, "bold red" if differing else ""), soft_wrap=out.width >= WIDE)
        if one.reason:
            out.print(Text(f"{one.account}: {one.reason}.", "bold red"), soft_wrap=out.width >= WIDE)
        if any(one.released):
            out.print(
                released(one.account, one.released), markup=False, highlight=False, soft_wrap=out.width >= WIDE
            )
        assets = {row.wallet: _asset(row.wallet) for row in one.compared}
        for wallet, (less, extra) in one.corrections.items():
            asset = assets.get(wallet, "")
            parts = [f"{money(less, asset)} off its balance"] if less else []
            parts += [f"{money(extra, asset)} on its maintenance margin"] if extra else []
            out.print(
                f"{one.account} {wallet_name(wallet)}: the worse figures rule: {' and '.join(parts)}.",
                markup=False, soft_wrap=out.width >= WIDE,
            )  # fmt: skip


def _print_narrow(rows: "Sequence[Compared]", out: "Console") -> None:
    """Print two lines for each figure, so that no figure and no verdict is cut where the terminal is narrow."""
    from rich.text import Text

    from monitor.cli.tables import wallet_name

    for row in rows:
        what = f"{row.symbol} {row.side}" if row.symbol else wallet_name(row.wallet, row.symbol)
        verdict = Text("agrees", "green") if row.agrees else Text("DIFFERS", "bold red")
        out.print(Text.assemble(f"{row.account} {what}, {row.figure.value}: ", verdict))
        out.print(Text(f"  {_figure(row.ours)} here, {_figure(row.theirs)} at the exchange"))


def _asset(wallet: str) -> str:
    """Return the asset of a cross wallet; an isolated one's name does not say it."""
    mode, _, rest = wallet.partition(":")
    return {"cross:multi": "USD"}.get(wallet, rest if mode == "cross" else "")


def _figure(value: float | None) -> str:
    return "none" if value is None else f"{value:.10g}"


def _difference(row: "Compared") -> str:
    if row.ours is None or row.theirs is None:
        return "-"
    return f"{row.ours - row.theirs:+.3g}" if row.ours != row.theirs else "0"
