"""What is held, for commands that compute with it: typed in, and what only a running daemon knows."""

import os
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from monitor.cli.steps import Input
    from monitor.config import Settings
    from monitor.core.changed_moves import Measured
    from monitor.core.model import AccountSnapshot, BracketTable, Level, SubjectKey
    from monitor.core.scene import KnownMoves
    from monitor.core.settings import EngineSettings
    from monitor.core.surroundings import Surroundings
    from monitor.status import Judged

_ATTEMPTS = 3
_RUNNING = "start `position-monitor run`"
_LOOK = "`position-monitor doctor` looks into it"


class Held(NamedTuple):
    """What is held as far as is known: typed in, and, of accounts followed by key, what a running daemon says."""

    accounts: "tuple[AccountSnapshot, ...]"
    tables: "dict[str, BracketTable]"
    corrections: "dict[SubjectKey, tuple[float, float]]"
    status: Any  # the daemon's own, None without one
    unknown: str  # what cannot be explained and why; empty if nothing
    surroundings: "Surroundings"
    joint: "KnownMoves | None" = None  # of names that share a wallet: how they moved together; None if not known
    differs: str = ""  # how what the daemon watches and judges by is not what the file says; empty if it is
    silent: str = ""  # why no daemon answered, and what to do about it; empty if one did

    @property
    def symbols(self) -> tuple[str, ...]:
        """Every symbol held, once."""
        return tuple(dict.fromkeys(p.symbol for account in self.accounts for p in account.positions))


def find_held(settings: "Settings", *, ask_daemon: bool) -> Held:
    """Return what is held; the daemon is asked for what only it knows.

    Args:
        settings: the configuration.
        ask_daemon: its marks are wanted even where no account is followed by its key.
    """
    from monitor.control import ask
    from monitor.core.surroundings import Surroundings
    from monitor.errors import ControlError, NotRunningError

    tables = {table.symbol: table for table in settings.tables}
    followed = ", ".join(one.name for one in settings.keyed)
    directory = settings.state_directory(os.environ)
    around = Surroundings(lots=settings.engine.lots)
    status: Any = None
    if ask_daemon or followed:
        try:
            status = ask(directory, {"command": "status"})
            held = _told(settings, tables, status, ask(directory, {"command": "holdings"}))
            return held._replace(joint=joint_moves(held.accounts, partial(ask, directory)))
        except ControlError as error:
            silent = f"{error}; {_RUNNING if isinstance(error, NotRunningError) else _LOOK}"
            unknown = f"what is followed by key ({followed}); {silent}" if followed else ""
            told = None if followed else status
            return Held(settings.accounts, tables, {}, told, unknown, around, silent=silent)
    return Held(settings.accounts, tables, {}, status, "", around)


def _told(
    settings: "Settings", tables: "dict[str, BracketTable]", status: Any, answer: object  # noqa: ANN401 - JSON
) -> Held:  # fmt: skip
    """Return accounts as the daemon has them where they are followed by key, and as typed in where not.

    Raises:
        ControlError: another version of this program answered.
    """
    import msgspec

    from monitor.core.model import SubjectKey
    from monitor.errors import ControlError
    from monitor.status import Holdings

    names = {one.name for one in settings.keyed}
    try:
        holdings = msgspec.convert(answer, Holdings)
        corrections = {
            SubjectKey(one["account"], wallet): msgspec.convert(amounts, tuple[float, float])
            for one in status["engine"]["accounts"]
            for wallet, amounts in one["corrections"].items()
            if one["account"] in names
        }
    except (msgspec.ValidationError, KeyError, TypeError, AttributeError) as error:
        raise ControlError(f"the daemon is of another version than this command: {error}") from None
    known = tuple(one for one in holdings.accounts if one.account in names)
    missing = ", ".join(sorted(names - {one.account for one in known}))
    unknown = f"what is followed by key ({missing}): the daemon has yet to see it" if missing else ""
    lots = settings.engine.lots | holdings.surroundings.lots
    around = msgspec.structs.replace(holdings.surroundings, lots=lots)
    # Tables that the daemon has for typed-in symbols are of its configuration, which may be an older one.
    accounts = (*settings.accounts, *known)
    typed = [one for one in holdings.accounts if one.account not in names]
    differs = _sentence([*_sections(settings.engine, holdings.judged), *_differ(settings.accounts, typed)])
    return Held(accounts, holdings.tables | tables, corrections, status, unknown, around, None, differs)


def _differ(typed: "Sequence[AccountSnapshot]", watched: "Sequence[AccountSnapshot]") -> list[str]:
    """Return the typed-in accounts that the daemon has otherwise."""
    ours, theirs = ({one.account: one for one in some} for some in (typed, watched))
    return [
        name
        for name in dict.fromkeys((*ours, *theirs))
        if name not in ours or name not in theirs or _typed(ours[name]) != _typed(theirs[name])
    ]


def _sections(ours: "EngineSettings", theirs: "Judged | None") -> list[str]:
    """Return the sections of the file by which the daemon judges otherwise; none where it does not tell."""
    if theirs is None:
        return []
    alerts, others = (
        (one.rules, {(scope.account, scope.symbol): scope.rules for scope in one.overrides})
        for one in (ours, theirs)
    )
    found = {"[alerts]": alerts != others, "[advice]": ours.advice != theirs.advice}
    return [name for name, differs in found.items() if differs]


def _sentence(differ: "Sequence[str]") -> str:
    """Return what there is to say of what the daemon has otherwise; empty where it has the same."""
    if not differ:
        return ""
    return (
        f"The running daemon has another configuration of {', '.join(differ)}: its alerts follow that one. "
        "`position-monitor run` started anew takes this one."
    )


def _typed(account: "AccountSnapshot") -> object:
    """Return what is typed in of an account, in no order."""
    legs = {
        (p.symbol, p.side): (p.quantity, p.entry_price, p.margin_mode, p.margin, p.leverage)
        for p in account.positions
    }
    return legs, dict(account.balances), account.multi_assets


def joint_moves(
    accounts: "Sequence[AccountSnapshot]", ask: Callable[[Mapping[str, object]], Any]
) -> "KnownMoves | None":
    """Return how names that share a wallet moved together; None where a daemon of another version cannot tell."""
    import msgspec
    import numpy as np

    from monitor.core.scene import KnownMoves
    from monitor.core.trial import batched
    from monitor.errors import ControlError
    from monitor.status import MOST_NAMES, JointMoves

    names = sorted(_sharing_names(accounts))
    if not names:
        return None
    for _ in range(_ATTEMPTS):
        try:
            told = [
                msgspec.convert(ask({"command": "moves", "names": some}), JointMoves)
                for some in batched(names, MOST_NAMES)
            ]
            parts = [np.frombuffer(one.returns, "<f8").reshape(-1, len(one.names)) for one in told if one.names]
            if parts and len({one.made_s for one in told}) == 1:
                returns = np.hstack(parts)
                typical = np.full(returns.shape[1], np.nan)  # the status has them
                return KnownMoves(tuple(name for one in told for name in one.names), returns, typical)
        except (ControlError, msgspec.ValidationError, ValueError):
            return None
    return None  # made anew between each two answers: unheard of


def _sharing_names(accounts: "Sequence[AccountSnapshot]") -> set[str]:
    """Return the names of which several move the same wallet."""
    shared = {one.account for one in accounts if one.multi_assets}
    found = rates_of(accounts)
    for account in accounts:
        by_wallet: dict[str, set[str]] = {}
        for p in account.positions:
            by_wallet.setdefault(account.wallet_of(p), set()).add(p.symbol)
        for symbols in by_wallet.values():
            if len(symbols) > 1 or account.account in shared:
                found |= symbols
    return found


def find_inputs(held: Held, given: Mapping[str, float]) -> "dict[str, Input]":
    """Return marks and rates by name: as given, else as the running daemon knows them."""
    from monitor.cli.steps import Input

    inputs = {name: Input(price, "given", None) for name, price in given.items()}
    if held.status is not None:
        wanted = {*held.symbols, *rates_of(held.accounts)}
        for view in held.status["engine"]["symbols"]:
            if view["mark"] is not None and view["symbol"] in wanted:
                inputs.setdefault(view["symbol"], Input(view["mark"], view["source"], view["age_s"]))
    return inputs


def where_marks_are(held: Held) -> str:
    """Return the hint of a price that is missing, for commands that ask the daemon for them."""
    if held.status is None:
        return f"a running daemon knows it, but {held.silent}"
    return "the running daemon does not know it yet"


def rates_of(accounts: "Sequence[AccountSnapshot]") -> set[str]:
    """Return the names of rates that move, see ``model.rate_symbols``."""
    from monitor.core.model import rate_symbols

    return {
        name
        for account in accounts
        if account.multi_assets
        for asset, rate in account.rates.items()
        if not rate.fixed
        for name in rate_symbols(asset)
    }


def held_levels(status: Any) -> "dict[SubjectKey, Level]":  # noqa: ANN401 - JSON
    """Return the level that the running daemon keeps of each wallet; nothing without a daemon."""
    from monitor.core.model import Level, SubjectKey

    wallets = () if status is None else status["engine"].get("wallets", ())
    return {
        SubjectKey(one["account"], one["wallet"]): level
        for one in wallets
        if (level := Level.of(one.get("level"))) is not None
    }


def measured(status: Any) -> "Measured":  # noqa: ANN401 - JSON
    """Return how prices and wallets move, as the running daemon measured it; nothing without a daemon."""
    from monitor.core.changed_moves import Measured
    from monitor.core.model import SubjectKey

    engine = {} if status is None else status["engine"]  # another version's may lack what this one knows
    typical = {
        one["symbol"]: float(one["typical_move"]) for one in engine.get("symbols", ()) if one.get("typical_move")
    }
    # Cushion over moves left: what the joint returns of a wallet's prices came to, which only the daemon has.
    deviation = {
        SubjectKey(one["account"], one["wallet"]): one["cushion"] / one["moves_left"]
        for one in engine.get("wallets", ())
        if one.get("moves_left") and one.get("cushion")
    }
    return Measured(typical, deviation)


def sharing(accounts: "Sequence[AccountSnapshot]", symbol: str) -> set[str]:
    """Return the symbols that share a wallet with ``symbol``."""
    needed = {symbol}
    for account in accounts:
        wallets = {account.wallet_of(p) for p in account.positions if p.symbol == symbol}
        needed |= {p.symbol for p in account.positions if account.wallet_of(p) in wallets}
    return needed
