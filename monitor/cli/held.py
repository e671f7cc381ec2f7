"""What is held, for commands that compute with it: typed in, and what only a running daemon knows."""

import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from monitor.cli.steps import Input
    from monitor.config import Settings
    from monitor.core.model import AccountSnapshot, BracketTable, SubjectKey
    from monitor.core.surroundings import Surroundings

_RUNNING = "start `position-monitor run`"


class Held(NamedTuple):
    """What is held as far as is known: typed in, and, of accounts followed by key, what a running daemon says."""

    accounts: "tuple[AccountSnapshot, ...]"
    tables: "dict[str, BracketTable]"
    corrections: "dict[SubjectKey, tuple[float, float]]"
    status: Any  # the daemon's own, None without one
    unknown: str  # what cannot be explained and why; empty if nothing
    surroundings: "Surroundings"

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
    from monitor.errors import ControlError

    tables = {table.symbol: table for table in settings.tables}
    followed = ", ".join(one.name for one in settings.keyed)
    directory = settings.state_directory(os.environ)
    around = Surroundings(lots=settings.engine.lots)
    status: Any = None
    if ask_daemon or followed:
        try:
            status = ask(directory, {"command": "status"})
            return _told(settings, tables, status, ask(directory, {"command": "holdings"}))
        except ControlError as error:
            unknown = f"what is followed by key ({followed}); {error}; {_RUNNING}" if followed else ""
            return Held(settings.accounts, tables, {}, None if followed else status, unknown, around)
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
    return Held((*settings.accounts, *known), holdings.tables | tables, corrections, status, unknown, around)


def find_inputs(held: Held, given: Mapping[str, float]) -> "dict[str, Input]":
    """Return marks and rates by name: as given, else as the running daemon knows them."""
    from monitor.cli.steps import Input

    inputs = {name: Input(price, "given", None) for name, price in given.items()}
    if held.status is not None:
        wanted = {*held.symbols, *_rates(held.accounts)}
        for view in held.status["engine"]["symbols"]:
            if view["mark"] is not None and view["symbol"] in wanted:
                inputs.setdefault(view["symbol"], Input(view["mark"], view["source"], view["age_s"]))
    return inputs


def _rates(accounts: "Sequence[AccountSnapshot]") -> set[str]:
    from monitor.core.model import rate_symbols

    return {
        name
        for account in accounts
        if account.multi_assets
        for asset, rate in account.rates.items()
        if not rate.fixed
        for name in rate_symbols(asset)
    }


def sharing(accounts: "Sequence[AccountSnapshot]", symbol: str) -> set[str]:
    """Return the symbols that share a wallet with ``symbol``."""
    needed = {symbol}
    for account in accounts:
        wallets = {account.wallet_of(p) for p in account.positions if p.symbol == symbol}
        needed |= {p.symbol for p in account.positions if account.wallet_of(p) in wallets}
    return needed
