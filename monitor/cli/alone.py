"""Quiet while no daemon runs: written to its database, while none can start."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

from monitor.commands import Answer, Wish, granted, holds_for, nothing_lifted
from monitor.config import Settings
from monitor.control import Lock
from monitor.core.holds import ALL
from monitor.core.model import AccountSnapshot, Level, SubjectKey
from monitor.core.notices import HoldKind, SubjectState
from monitor.errors import AlreadyRunningError, ControlError, StoreError
from monitor.storage.account_cache import AccountCache
from monitor.storage.paths import LOCK_FILE, STATE_DB
from monitor.storage.place import check_place
from monitor.storage.state_writer import StateWriter


class Remembered(msgspec.Struct, frozen=True):
    """An open alert as the last run left it."""

    number: int
    subject: str
    level: Level
    symbols: tuple[str, ...]
    since_ms: int


def make(state: Path, settings: Settings, wish: Wish, now_ms: int) -> Answer:
    """Write holds, with the levels that the last run left.

    Raises:
        ControlError: refused, or a daemon just starts.
        StoreError: the database cannot be read or written.
    """
    with _database(state) as writer:
        accounts = (*settings.accounts, *AccountCache(state).load())
        alerts = remembered(writer.subjects(), accounts)
        watched = {position.symbol for account in accounts for position in account.positions}
        levels = {alert.subject: alert.level for alert in alerts}
        made = [msgspec.structs.replace(hold, levels=levels) for hold in holds_for(wish, alerts, watched, now_ms)]
        writer.hold(*made)
    return Answer(made=tuple(granted(hold, alerts) for hold in made), daemon=False)


def lift(state: Path, settings: Settings, target: str, now_ms: int) -> Answer:
    """End snoozes and mutes of one target, or with "all" every one.

    Raises:
        ControlError: there are none, or a daemon just starts.
        StoreError: the database cannot be read or written.
    """
    with _database(state) as writer:
        alerts = remembered(writer.subjects(), (*settings.accounts, *AccountCache(state).load()))
        in_force = writer.holds()
        ended = [hold for hold in in_force if hold.kind is not HoldKind.ACK and target in {ALL, hold.target}]
        if not ended and target != ALL:
            raise nothing_lifted(target, in_force)
        writer.lift(target, now_ms)
    return Answer(lifted=tuple(granted(hold, alerts) for hold in ended), daemon=False)


def remembered(states: Iterable[SubjectState], accounts: Iterable[AccountSnapshot]) -> tuple[Remembered, ...]:
    """Return the alerts that were open when the last run ended; accounts say which symbols a wallet backs."""
    symbols = backed(accounts)
    return tuple(
        Remembered(one.number, one.subject, one.level, symbols.get(one.subject, ()), one.since_ms)
        for one in states
        if one.level > Level.OK and one.number
    )


def backed(accounts: Iterable[AccountSnapshot]) -> dict[str, tuple[str, ...]]:
    """Return the symbols that each wallet backs, by subject."""
    symbols: dict[str, dict[str, None]] = {}
    for account in accounts:
        for position in account.positions:
            subject = str(SubjectKey(account.account, account.wallet_of(position)))
            symbols.setdefault(subject, {})[position.symbol] = None
    return {subject: tuple(names) for subject, names in symbols.items()}


@contextmanager
def _database(state: Path) -> Iterator[StateWriter]:
    path = state / STATE_DB
    check_place(path, made=False)
    if not path.is_file():
        raise StoreError(str(path), "open", "there is no such file", "`position-monitor run` makes it")
    try:
        with Lock(state / LOCK_FILE), StateWriter(path) as writer:
            yield writer
    except AlreadyRunningError:
        raise ControlError(f"a daemon just starts on {state}; ask again") from None
