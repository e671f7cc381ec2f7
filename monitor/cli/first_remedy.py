"""What to do first, for the wallet that is worst off: one sentence for `status`."""

from typing import TYPE_CHECKING

from monitor.cli.held import find_held, find_inputs

if TYPE_CHECKING:
    from collections.abc import Sequence

    from monitor.config import Settings
    from monitor.core.report import WalletView


def first_remedy(settings: "Settings", wallets: "Sequence[WalletView]") -> str:
    """Return what to do about the worst wallet at warning or worse; empty where none is, or nothing is known.

    It is worked out here, of what the daemon holds and at its marks, so that asking costs the daemon nothing.
    """
    from monitor.cli.cases import case_of
    from monitor.core.advice import prescribe
    from monitor.core.model import Level
    from monitor.core.notices import Facts
    from monitor.errors import BracketError
    from monitor.notify.remedies import remedy_lines

    levels = {level.label: level for level in Level}
    worst = min(
        (one for one in wallets if levels.get(one.level, Level.OK) >= Level.WARNING),
        key=lambda one: (-levels[one.level], one.cushion is None, one.room or 0.0),
        default=None,
    )
    if worst is None:
        return ""
    held = find_held(settings, ask_daemon=True)
    account = next((one for one in held.accounts if one.account == worst.account), None)
    if account is None or held.status is None:
        return ""
    marks = {name: one.price for name, one in find_inputs(held, {}).items()}
    try:
        plan = prescribe(case_of(held, account, worst.wallet, marks, settings.engine))
    except BracketError:  # the daemon is yet to learn the tiers
        return ""
    if plan is None:
        return ""
    count = sum(account.wallet_of(p) == worst.wallet and p.quantity > 0 for p in account.positions)
    facts = Facts(
        wallet=worst.wallet, positions=count, margin_ratio=worst.margin_ratio,
        liquidatable=worst.liquidatable is True, prescription=plan,
    )  # fmt: skip
    words = "; ".join(
        f"{line.label.lower()}: {line.text}" if i else line.text
        for i, line in enumerate(remedy_lines(facts, brief=True))
    )
    return f"To do about {worst.account} {worst.wallet}: {words}."
