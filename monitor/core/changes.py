"""What changed between two states of an account. Pure."""

from collections.abc import Iterator

from monitor.core.model import AccountSnapshot, Change, ChangeKind, MarginMode, Position, Side

# Changes of balances come with nearly every other one; history has them, nobody is told.
UNTOLD = frozenset({ChangeKind.BALANCE})
UNTOLD_CAUSES = frozenset({"FUNDING_FEE"})


def changes(before: AccountSnapshot, after: AccountSnapshot, cause: str, at_ms: int) -> tuple[Change, ...]:
    """Return what is different in ``after``, modes first, then positions by symbol, then balances.

    Args:
        before: the account as it was.
        after: the same account now.
        cause: what made it change, a short constant.
        at_ms: when, Unix milliseconds.
    """
    return tuple(_changes(before, after, cause, at_ms))


def worth_telling(change: Change) -> bool:
    """Return whether a person who asked to be told of changes wants to hear of this one."""
    return change.kind not in UNTOLD and change.cause not in UNTOLD_CAUSES


def _changes(before: AccountSnapshot, after: AccountSnapshot, cause: str, at_ms: int) -> Iterator[Change]:
    name = after.account
    for kind, old, new in (
        (ChangeKind.MULTI_ASSETS, before.multi_assets, after.multi_assets),
        (ChangeKind.HEDGE_MODE, before.hedge_mode, after.hedge_mode),
    ):
        if old is not new:
            yield Change(at_ms, name, kind, before=float(old), after=float(new), cause=cause)
    held = {(p.symbol, p.side): p for p in before.positions}
    holds = {(p.symbol, p.side): p for p in after.positions}
    for symbol in sorted({symbol for symbol, _ in (*held, *holds)}):
        old_long, old_short = (held.get((symbol, side)) for side in Side)
        new_long, new_short = (holds.get((symbol, side)) for side in Side)
        if not after.hedge_mode and (flip := _flip((old_long, old_short), (new_long, new_short))):
            old_leg, new_leg = flip
            yield Change(
                at_ms, name, ChangeKind.FLIPPED, symbol, new_leg.side.value, before=old_leg.quantity,
                after=new_leg.quantity, price=new_leg.entry_price, cause=cause,
            )  # fmt: skip
            continue
        for old_leg_or_none, new_leg_or_none in ((old_long, new_long), (old_short, new_short)):
            yield from _leg(name, old_leg_or_none, new_leg_or_none, cause, at_ms)
    for asset in sorted(before.balances.keys() | after.balances.keys()):
        had, has = before.balances.get(asset, 0.0), after.balances.get(asset, 0.0)
        if had != has:
            yield Change(at_ms, name, ChangeKind.BALANCE, asset=asset, before=had, after=has, cause=cause)


def _flip(
    old: tuple[Position | None, Position | None], new: tuple[Position | None, Position | None]
) -> tuple[Position, Position] | None:
    """Return the position before and after if its direction turned round."""
    (old_long, old_short), (new_long, new_short) = old, new
    if old_long and not old_short and new_short and not new_long:
        return old_long, new_short
    if old_short and not old_long and new_long and not new_short:
        return old_short, new_long
    return None


def _leg(name: str, old: Position | None, new: Position | None, cause: str, at_ms: int) -> Iterator[Change]:
    if old is None:
        if new is not None:
            yield Change(
                at_ms, name, ChangeKind.OPENED, new.symbol, new.side.value, before=0.0, after=new.quantity,
                price=new.entry_price, cause=cause,
            )  # fmt: skip
        return
    if new is None:
        yield Change(
            at_ms, name, ChangeKind.CLOSED, old.symbol, old.side.value, before=old.quantity, after=0.0,
            price=old.entry_price, cause=cause,
        )  # fmt: skip
        return
    where = (new.symbol, new.side.value)
    if new.quantity != old.quantity:
        kind = ChangeKind.INCREASED if new.quantity > old.quantity else ChangeKind.REDUCED
        yield Change(
            at_ms, name, kind, *where, before=old.quantity, after=new.quantity, price=new.entry_price, cause=cause
        )
    if new.margin_mode is not old.margin_mode:
        isolated = (float(p.margin_mode is MarginMode.ISOLATED) for p in (old, new))
        yield Change(
            at_ms, name, ChangeKind.MARGIN_MODE, *where, before=next(isolated), after=next(isolated), cause=cause
        )
    elif new.quantity == old.quantity and new.margin != old.margin:
        yield Change(
            at_ms, name, ChangeKind.MARGIN, *where, asset=new.margin_asset, before=old.margin, after=new.margin,
            cause=cause,
        )  # fmt: skip
    if new.leverage != old.leverage and old.leverage is not None and new.leverage is not None:
        yield Change(
            at_ms, name, ChangeKind.LEVERAGE, *where, before=old.leverage, after=new.leverage, cause=cause
        )
