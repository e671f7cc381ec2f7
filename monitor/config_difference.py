"""What another configuration changes in a running service, and what of it only a restart can. Pure.

Words are for people and logs. They name keys, accounts and channels; never what a secret is.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple

from monitor.config import KeyedAccount, Secret, Secrets, Settings
from monitor.core.model import Market
from monitor.errors import Problem

RESTART: Final = "restart the service for it; nothing was changed"

_EXCHANGE: Final = ("environment", "rest_url", "market_stream_url", "private_stream_url", "typical_moves")
_LISTENS: Final = ("host", "port")
# Settings of the engine by what they are called in the file; what they hold is too long for a line.
_SECTIONS: Final = {
    "rules": "alerts: levels",
    "overrides": "alerts: of accounts or symbols",
    "escalate_after_s": "alerts: escalate_after",
    "audit": "audit",
    "advice": "advice",
    "checkup": "checkup",
    "lots": "contracts",
}


class InForce(NamedTuple):
    """A configuration with what it refers to, as a service runs with it."""

    settings: Settings
    secrets: Secrets
    state_dir: Path
    history_path: Path


class Difference(NamedTuple):
    """What changes. Sets hold names; an account or channel that is in none of them goes on untouched."""

    words: tuple[str, ...]  # short lines
    typed: frozenset[str]  # accounts whose typed-in state is new or another one
    followed: frozenset[str]  # accounts that are followed anew: with a key, or with another one
    left: frozenset[str]  # accounts whose present key is used no more
    channels: frozenset[str]  # channels that are new, or send elsewhere or otherwise
    # Of ``followed``, by name: what the same account was called; empty where another one may have had the name.
    origins: Mapping[str, str] = {}

    @classmethod
    def nothing(cls) -> "Difference":
        """Return that nothing changes."""
        none: frozenset[str] = frozenset()
        return cls((), none, none, none, none)


def difference(before: InForce, after: InForce) -> Difference:
    """Return what has to be done to get from one configuration to the other."""
    old, new = before.settings, after.settings
    typed_before = {account.account: account for account in old.accounts}
    typed = {one.account for one in new.accounts if typed_before.get(one.account) != one}
    keyed_before = {one.name: one for one in old.keyed}
    keyed_after = {one.name: one for one in new.keyed}
    followed = {
        name
        for name, one in keyed_after.items()
        if not _same_key(name, keyed_before.get(name), one, before, after)
    }
    left = {name for name in keyed_before if name not in keyed_after or name in followed}
    channels = {name for name in after.secrets.channel_urls if not _same_channel(name, before, after)}
    return Difference(
        words=(
            *_accounts(old, new, typed, followed),
            *_channels(old, new, channels),
            *_rules(old, new),
            *_others(before, after),
        ),
        typed=frozenset(typed),
        followed=frozenset(followed),
        left=frozenset(left),
        channels=frozenset(channels),
        origins=dict(_origins(followed, before, after)),
    )


def only_by_restart(before: InForce, after: InForce) -> tuple[Problem, ...]:
    """Return the changes that a running service cannot make; secrets are of no matter."""
    return tuple(_refused(before, after))


def _refused(before: InForce, after: InForce) -> Iterator[Problem]:
    old, new = before.settings, after.settings
    for key in _EXCHANGE:
        yield from _fixed(f"exchange.{key}", getattr(old.exchange, key), getattr(new.exchange, key))
    yield from _fixed("state.directory", before.state_dir, after.state_dir)
    if before.state_dir == after.state_dir:  # else it may lie there
        yield from _fixed("history.path", before.history_path, after.history_path)
    yield from _fixed("web.enabled", old.web.enabled, new.web.enabled)
    if old.web.enabled and new.web.enabled:
        was, is_now = (tuple(getattr(one.web, key) for key in _LISTENS) for one in (old, new))
        yield from _fixed("web.listen", ":".join(map(str, was)), ":".join(map(str, is_now)))


def _fixed(path: str, was: object, is_now: object) -> Iterator[Problem]:
    if was != is_now:
        yield Problem(path, _shown(is_now), f"{_shown(was)}, as the service was started", RESTART)


def _shown(value: object) -> str:
    """Return a value of the configuration that is no secret."""
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:g}" if isinstance(value, float) else str(value)


def _same(one: Secret | None, other: Secret | None) -> bool:
    return (None if one is None else one.reveal()) == (None if other is None else other.reveal())


def _same_key(name: str, old: KeyedAccount | None, new: KeyedAccount, before: InForce, after: InForce) -> bool:
    """Return whether an account is followed by what it was followed by; where its key lies does not matter."""
    if old is None or (old.market, old.allow_trading_key) != (new.market, new.allow_trading_key):
        return False
    was, is_now = before.secrets.account_keys[name], after.secrets.account_keys[name]
    return _same(was.key, is_now.key) and _same(was.secret, is_now.secret)


def _origins(followed: set[str], before: InForce, after: InForce) -> Iterator[tuple[str, str]]:
    earlier = {_identity(name, before): name for name in before.secrets.account_keys}
    for name in sorted(followed):
        identity = _identity(name, after)
        if name in before.secrets.account_keys and _identity(name, before) == identity:
            continue
        if identity in earlier or name in before.secrets.account_keys:
            yield name, earlier.get(identity, "")


def _identity(name: str, side: InForce) -> tuple[Market, str]:
    """Return what an account is to the exchange; part of it is a secret."""
    (market,) = (one.market for one in side.settings.keyed if one.name == name)
    return market, side.secrets.account_keys[name].key.reveal()


def _same_channel(name: str, before: InForce, after: InForce) -> bool:
    old, new = ({one.name: one for one in side.settings.channels} for side in (before, after))
    if name not in old or (old[name].format, old[name].chart) != (new[name].format, new[name].chart):
        return False
    return _same(before.secrets.channel_urls[name], after.secrets.channel_urls[name])


def _accounts(old: Settings, new: Settings, typed: set[str], followed: set[str]) -> Iterator[str]:
    were, are = old.engine.accounts, new.engine.accounts
    keyed_before, keyed_after = ({one.name for one in side.keyed} for side in (old, new))
    for name in are:
        if name not in were:
            yield f"account {name}: added"
        elif name in keyed_after and name not in keyed_before:
            yield f"account {name}: followed by its key, typed in before"
        elif name in keyed_before and name not in keyed_after:
            yield f"account {name}: typed in, followed by its key before"
        elif name in followed:
            yield f"account {name}: followed anew with another key, market or allowance"
        elif name in typed:
            yield f"account {name}: changed"
    yield from (f"account {name}: taken out" for name in were if name not in are)


def _channels(old: Settings, new: Settings, built: set[str]) -> Iterator[str]:
    were = {one.name: one.rule() for one in old.channels}
    rules = {one.name: one for one in new.engine.channels}
    rules_before = {one.name: one for one in old.engine.channels}
    for one in new.channels:
        if one.name not in were:
            yield f"channel {one.name}: added"
        elif one.name in built:
            yield f"channel {one.name}: another address or format"
        if one.name in were and rules[one.name] != rules_before[one.name]:
            yield f"channel {one.name}: what it is told"
    yield from (f"channel {name}: taken out" for name in were if name not in rules)


def _rules(old: Settings, new: Settings) -> Iterator[str]:
    for field, words in _SECTIONS.items():
        if getattr(old.engine, field) != getattr(new.engine, field):
            yield words
    were, are = ({table.symbol: table for table in side.own_tables} for side in (old, new))
    changed = sorted(name for name in were.keys() | are.keys() if were.get(name) != are.get(name))
    if changed:
        yield f"brackets: {', '.join(changed)}"


def _others(before: InForce, after: InForce) -> Iterator[str]:
    old, new = before.settings, after.settings
    for section in ("history", "log", "display", "summary"):
        was, is_now = getattr(old, section), getattr(new, section)
        fields: Mapping[str, Any] = type(is_now).__dataclass_fields__
        for key in fields:
            if key != "path" and getattr(was, key) != getattr(is_now, key):
                yield f"{section}.{key}: {_shown(getattr(was, key))} -> {_shown(getattr(is_now, key))}"
    if old.heartbeat is None or new.heartbeat is None:
        if old.heartbeat is not new.heartbeat:
            yield "heartbeat: added" if old.heartbeat is None else "heartbeat: taken out"
    elif _pings(before) != _pings(after):
        yield "heartbeat: address or rhythm"
    if not _same(before.secrets.web_token, after.secrets.web_token):
        yield "web.token"
    if new.web.enabled and old.web.names != new.web.names:
        yield "web.names"


def _pings(side: InForce) -> tuple[object, ...]:
    chosen, url = side.settings.heartbeat, side.secrets.heartbeat_url
    if chosen is None or url is None:
        return ()
    return url.reveal(), chosen.kind, chosen.interval_s, chosen.tell_failure
