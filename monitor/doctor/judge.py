"""What is to think of an account's key, modes and tiers. No input and no output: replies in, findings out."""

from collections.abc import Mapping

from monitor.binance.permissions import Permissions
from monitor.core.audit import Audit
from monitor.core.model import AccountSnapshot, BracketTable, Compared
from monitor.doctor.finding import Finding, State

MANAGE = {
    "live": "https://www.binance.com/en/my/settings/api-management",
    "testnet": "https://demo.binance.com/en/my/settings/api-management",
}


def judge_mode(account: AccountSnapshot) -> Finding:
    """Return how the account is set up."""
    held = len(account.positions)
    words = [
        account.market.value,
        "hedge mode" if account.hedge_mode else "one-way mode",
        "multi-assets mode" if account.multi_assets else "single-asset mode",
        f"{held} position{'' if held == 1 else 's'} held",
    ]
    return Finding("mode", account.account, State.OK, ", ".join(words))


def judge_tables(
    account: AccountSnapshot,
    fetched: Mapping[str, BracketTable],
    own: Mapping[str, BracketTable],
    shipped: Mapping[str, BracketTable],
) -> list[Finding]:
    """Return where the tiers of what is held come from, and how they differ from others that could serve.

    Args:
        account: what is held.
        fetched: the account's tables by symbol, from the exchange just now.
        own: tables of the configuration by symbol; they win.
        shipped: tables that come with the program.
    """
    name, found = account.account, []
    held = sorted({position.symbol for position in account.positions})
    missing = [symbol for symbol in held if symbol not in fetched and symbol not in own]
    if missing:
        words = f"none of {', '.join(missing)}: not watched"
        fix = f"give them as [brackets.{missing[0]}] rows = [[floor, cap, mmr, cum], ...]"
        found.append(Finding("brackets", name, State.FAIL, words, fix))
    for symbol in held:
        if symbol in own and symbol in fetched and own[symbol].brackets != fetched[symbol].brackets:
            words = f"{symbol}: the configuration's differ from the account's and win"
            fix = f"remove [brackets.{symbol}] unless that is meant"
            found.append(Finding("brackets", name, State.WARN, words, fix))
    used = [fetched[symbol] for symbol in held if symbol in fetched]
    other = [
        one.symbol
        for one in used
        if one.symbol in shipped and one.brackets != shipped[one.symbol].brackets and one.symbol not in own
    ]
    if used:
        words = f"{', '.join(one.symbol for one in used)}: of the account itself, fetched just now"
        if other:
            words += (
                f"; those shipped {shipped[other[0]].as_of} are different for {', '.join(other)}, which matters to"
                " `assess` only"
            )
        found.append(Finding("brackets", name, State.OK, words))
    if not held:
        words = f"nothing is held; the account's tables of {len(fetched)} symbols can be had"
        found.append(Finding("brackets", name, State.OK, words))
    return found


def judge_figures(name: str, audit: Audit) -> Finding:
    """Return whether our figures are the exchange's."""
    if not audit.compared:
        return Finding("figures", name, State.OK, "nothing is held, nothing to compare")
    if audit.drifting:
        worst = audit.drifting[0]
        words = f"{len(audit.drifting)} of {len(audit.compared)} differ, such as {_said(worst)}"
        fix = "`position-monitor audit` shows all; remove tables of your own, and report it if there are none"
        return Finding("figures", name, State.FAIL, words, fix)
    return Finding("figures", name, State.OK, f"all {len(audit.compared)} agree with the exchange's")


def _said(row: Compared) -> str:
    what = " ".join(part for part in (row.symbol or row.wallet, row.side, row.figure.value) if part)
    ours, theirs = ("none" if value is None else f"{value:.10g}" for value in (row.ours, row.theirs))
    return f"{what}: {ours}, theirs {theirs}"


def judge_permissions(name: str, environment: str, may: Permissions | None, *, allowed: bool) -> Finding:
    """Return what the key may do.

    Args:
        name: of the account.
        environment: testnet or live.
        may: what the exchange says; None where it does not say.
        allowed: the configuration takes a key that can trade.
    """
    edit = f"{MANAGE.get(environment, MANAGE['live'])}, this key, Edit restrictions"
    if may is None:
        words = "cannot be known: the exchange does not say here what a key may do"
        fix = f"make sure yourself: {edit}: only Enable Reading is on, access is limited to this machine's address"
        return Finding("permissions", name, State.UNKNOWN, words, fix)
    more = [
        words
        for on, words in ((may.can_trade, "trade"), (may.can_withdraw, "withdraw"), (may.can_transfer, "transfer"))
        if on
    ]
    if more:
        words = f"may do more than read: {', '.join(more)}"
        fix = f"{edit}: leave only Enable Reading on"
        if allowed:
            return Finding("permissions", name, State.WARN, f"{words} (allow_trading_key is on)", fix)
        refused = may.can_trade or may.can_withdraw
        if refused:
            words, fix = f"{words}; the daemon refuses it", f"{fix}; or set allow_trading_key = true"
        return Finding("permissions", name, State.FAIL if refused else State.WARN, words, fix)
    if not may.ip_restricted:
        fix = f"{edit}: limit access to this machine's address"
        return Finding("permissions", name, State.WARN, "may only read, but from any address", fix)
    return Finding("permissions", name, State.OK, "may only read, and only from listed addresses")
