"""What to do first, for the wallet that is worst off: one sentence for `status` and `watch`."""

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from monitor.cli.held import Held, find_inputs, joint_moves

if TYPE_CHECKING:
    from monitor.core.notices import Prescription
    from monitor.core.report import WalletView
    from monitor.core.settings import EngineSettings

_MOST_LOOKED_AT = 5  # each takes some milliseconds

Key = tuple[str, str]  # account and wallet
Ask = Callable[[Mapping[str, object]], Any]


class FirstRemedy(NamedTuple):
    """What to do about one wallet, in one sentence."""

    text: str
    whose: Key
    ahead: frozenset[Key]  # worse off, and nothing has to be done about them, or not enough is known


def first_remedy(ask: Ask, document: object, wallets: "Sequence[WalletView]") -> FirstRemedy | None:
    """Return what to do about the worst wallet at warning or worse; None where none is, or nothing is known.

    One whose level only has to run out comes after those about which something has to be done. It is worked out
    here, of what the daemon holds, by what it judges it by and at its marks: a file that it did not read has no
    part in it, and asking costs the daemon next to nothing.

    Args:
        ask: asks the running daemon.
        document: its status, as it came.
        wallets: those in it.
    """
    from monitor.errors import ControlError
    from monitor.notify.remedies import needs_nothing

    in_danger = endangered(wallets)
    if not in_danger:
        return None
    try:
        found = _found(ask, document)
    except ControlError:
        return None
    if found is None:
        return None
    held, settings = found
    marks = {name: one.price for name, one in find_inputs(held, {}).items()}
    calm: FirstRemedy | None = None
    for place, one in enumerate(in_danger[:_MOST_LOOKED_AT]):
        plan = _plan(held, one, marks, settings)
        if plan is None:
            continue
        ahead = frozenset(key_of(other) for other in in_danger[:place])
        remedy = FirstRemedy(_words(held, one, plan), key_of(one), ahead)
        if not needs_nothing(plan):
            return remedy
        calm = calm or remedy
    return calm


def endangered(wallets: "Sequence[WalletView]") -> "list[WalletView]":
    """Return the wallets at warning or worse, the worst first."""
    from monitor.core.model import Level

    judged = ((one, Level.of(one.level) or Level.OK) for one in wallets)
    worst_first = sorted(
        ((one, level) for one, level in judged if level >= Level.WARNING),
        key=lambda pair: (-pair[1], pair[0].cushion is None, pair[0].room or 0.0),
    )
    return [one for one, _ in worst_first]


def key_of(wallet: "WalletView") -> Key:
    """Return what tells a wallet from others."""
    return wallet.account, wallet.wallet


def _found(ask: Ask, document: Any) -> "tuple[Held, EngineSettings] | None":  # noqa: ANN401 - JSON
    """Return what the daemon holds, and what it judges it by; None of a version that does not tell.

    Raises:
        ControlError: it does not answer, or another version of this program did.
    """
    import msgspec

    from monitor.core.model import SubjectKey
    from monitor.core.settings import EngineSettings
    from monitor.errors import ControlError
    from monitor.status import Holdings

    try:
        holdings = msgspec.convert(ask({"command": "holdings"}), Holdings)
        corrections = {
            SubjectKey(one["account"], wallet): msgspec.convert(amounts, tuple[float, float])
            for one in document["engine"]["accounts"]
            for wallet, amounts in one["corrections"].items()
        }
    except (msgspec.ValidationError, KeyError, TypeError, AttributeError) as error:
        raise ControlError(f"the daemon is of another version than this command: {error}") from None
    judged = holdings.judged
    if judged is None:
        return None
    joint = joint_moves(holdings.accounts, ask)
    held = Held(holdings.accounts, holdings.tables, corrections, document, "", holdings.surroundings, joint)
    settings = EngineSettings(
        rules=judged.rules, overrides=judged.overrides, advice=judged.advice, lots=judged.lots
    )
    return held, settings


def _plan(
    held: Held, wallet: "WalletView", marks: Mapping[str, float], settings: "EngineSettings"
) -> "Prescription | None":
    """Return what to do about a wallet; None where nothing is in it, or not enough is known."""
    from monitor.cli.cases import case_of
    from monitor.core.advice import prescribe
    from monitor.errors import BracketError

    account = next((one for one in held.accounts if one.account == wallet.account), None)
    if account is None:
        return None
    try:
        return prescribe(case_of(held, account, wallet.wallet, marks, settings))
    except BracketError:  # the daemon is yet to learn the tiers
        return None


def _words(held: Held, wallet: "WalletView", plan: "Prescription") -> str:
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
