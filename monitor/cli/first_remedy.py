"""What to do first, for the wallet that is worst off: one sentence for `status`."""

from typing import TYPE_CHECKING

from monitor.cli.held import find_held, find_inputs

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from monitor.cli.held import Held
    from monitor.config import Settings
    from monitor.core.notices import Prescription
    from monitor.core.report import WalletView

_MOST_LOOKED_AT = 5  # each takes some milliseconds


def first_remedy(settings: "Settings", wallets: "Sequence[WalletView]") -> str:
    """Return what to do about the worst wallet at warning or worse; empty where none is, or nothing is known.

    One whose level only has to run out comes after those about which something has to be done. It is worked out
    here, of what the daemon holds and at its marks, so that asking costs the daemon nothing.
    """
    from monitor.core.model import Level
    from monitor.notify.remedies import needs_nothing

    judged = ((one, Level.of(one.level) or Level.OK) for one in wallets)
    worst_first = sorted(
        ((one, level) for one, level in judged if level >= Level.WARNING),
        key=lambda pair: (-pair[1], pair[0].cushion is None, pair[0].room or 0.0),
    )
    in_danger = [one for one, _ in worst_first]
    if not in_danger:
        return ""
    held = find_held(settings, ask_daemon=True)
    if held.status is None:
        return ""
    marks = {name: one.price for name, one in find_inputs(held, {}).items()}
    calm = ""
    for one in in_danger[:_MOST_LOOKED_AT]:
        plan = _plan(held, one, marks, settings)
        if plan is None:
            continue
        if not needs_nothing(plan):
            return _words(held, one, plan)
        calm = calm or _words(held, one, plan)
    return calm


def _plan(
    held: "Held", wallet: "WalletView", marks: "Mapping[str, float]", settings: "Settings"
) -> "Prescription | None":
    """Return what to do about a wallet; None where nothing is in it, or not enough is known."""
    from monitor.cli.cases import case_of
    from monitor.core.advice import prescribe
    from monitor.errors import BracketError

    account = next((one for one in held.accounts if one.account == wallet.account), None)
    if account is None:
        return None
    try:
        return prescribe(case_of(held, account, wallet.wallet, marks, settings.engine))
    except BracketError:  # the daemon is yet to learn the tiers
        return None


def _words(held: "Held", wallet: "WalletView", plan: "Prescription") -> str:
    from monitor.core.notices import Facts
    from monitor.notify.remedies import TO_DO, remedy_lines
    from monitor.notify.subjects import wallet_name

    (account,) = (one for one in held.accounts if one.account == wallet.account)
    count = sum(account.wallet_of(p) == wallet.wallet and p.quantity > 0 for p in account.positions)
    facts = Facts(
        wallet=wallet.wallet, positions=count, margin_ratio=wallet.margin_ratio,
        liquidatable=wallet.liquidatable is True, prescription=plan,
    )  # fmt: skip
    first, *others = remedy_lines(facts, brief=True)
    words = "; ".join((first.text, *(f"{line.label.lower()}: {line.text}" for line in others)))
    also = first.label.removeprefix(TO_DO)
    return f"{TO_DO} about {wallet.account} {wallet_name(wallet.wallet)}{also}: {words}."
