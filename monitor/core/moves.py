"""Typical moves of prices, and of what wallets have left: from one-minute logarithms of marks to one hour.

Pure functions over matrices with time along the first axis, oldest first, one row a minute, and one column for
each series. NaN is a gap: it and the returns next to it are left out, nothing is filled in.

The deviation of one hour is sqrt(60) times the larger of two of one minute: of the whole window, about its mean,
which remembers what a day can be like; and of its recent part, whose weights halve every 30 minutes, which knows
what is going on now. The recent one is taken about zero: a steady fast fall has hardly any deviation about its own
mean, and is the last thing to be called calm.
"""

import math

import numpy as np

from monitor.core.book import Bools, Floats

HALF_LIFE = 30.0  # minutes
LEAST_RETURNS = 30  # fewer say nothing about an hour
# A price with fewer changes than this in the window does not move: a closed session, an idle contract.
LEAST_CHANGES = 10
# The recent deviation counts only where this share of its weights has returns. The newest 30 minutes are a half;
# a gap or two in them do no harm.
LEAST_WEIGHT = 0.45
# No price is calmer than this for long: log return of one hour. What is quiet now may be awake in a minute.
FLOOR = 0.001
_ROOT_OF_HOUR = math.sqrt(60.0)
_BLOCK = 32_768  # numbers at once
_LEAST_ROWS = 8


def log_returns(logs: Floats) -> Floats:
    """Return one-minute log returns, shape (minutes - 1, k), NaN beside gaps.

    Args:
        logs: natural logarithms of closes, shape (minutes, k), NaN where there is none.
    """
    return np.diff(logs, axis=0)


def day_deviation(changes: Floats) -> Floats:
    """Return the sample standard deviation of each column, shape (k,); NaN below LEAST_RETURNS changes.

    Args:
        changes: one-minute changes of any unit, shape (minutes, k), NaN where not known.
    """
    return _deviations(changes)[0]


def recent_deviation(changes: Floats) -> Floats:
    """Return the root of the mean square of each column, weights halving every HALF_LIFE minutes, shape (k,).

    NaN where returns are missing for more than LEAST_WEIGHT of the weights.

    Args:
        changes: one-minute changes of any unit, shape (minutes, k), oldest first, NaN where not known.
    """
    return _deviations(changes)[1]


def hourly_deviation(changes: Floats) -> Floats:
    """Return sqrt(60) times the larger of day and recent deviation, shape (k,), in the unit of the changes.

    NaN where fewer than LEAST_RETURNS are known. Not floored: 0 where nothing changes.

    Args:
        changes: one-minute changes, shape (minutes, k), oldest first, NaN where not known.
    """
    day, recent = _deviations(changes)
    return np.fmax(day, np.where(np.isnan(day), np.nan, recent)) * _ROOT_OF_HOUR


def typical_moves(returns: Floats, floor: float = FLOOR) -> Floats:
    """Return the typical hourly move of each symbol, a log return, shape (k,).

    NaN until LEAST_RETURNS are known, and where the price does not move.

    Args:
        returns: one-minute log returns, shape (minutes, k), oldest first, NaN where not known.
        floor: the least that is returned for a price that moves.
    """
    return floored(hourly_deviation(returns), changing(returns), floor)


def floored(deviation: Floats, moving: Bools, floor: float = FLOOR) -> Floats:
    """Return hourly deviations of prices as typical moves: at least ``floor``, NaN where a price does not move."""
    return np.where(moving, np.maximum(deviation, floor), np.nan)


def changing(returns: Floats) -> Bools:
    """Return which prices move at all: at least LEAST_CHANGES returns other than zero, shape (k,)."""
    # NaN differs from zero as well and is no change.
    moved = np.count_nonzero(returns, axis=0) - np.count_nonzero(np.isnan(returns), axis=0)
    enough: Bools = moved >= LEAST_CHANGES
    return enough


def moves_left(cushion: Floats, deviation: Floats) -> Floats:
    """Return cushion / hourly deviation of the cushion, at least 0, shape (w,).

    NaN where one of them is not known, infinity where nothing that moves touches the wallet.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.maximum(cushion, 0.0) / deviation


def _deviations(changes: Floats) -> tuple[Floats, Floats]:
    """Return day and recent deviation, from sums over blocks of minutes that stay in the cache.

    Matrix products would be shorter, and hand the work to threads that spin where others need the processor.
    """
    minutes, series = changes.shape
    weights = np.exp2(np.arange(1.0 - minutes, 1.0) / HALF_LIFE)
    count, weight = np.full(series, float(minutes)), np.full(series, weights.sum())
    total, squares, recent = np.zeros((3, series))
    rows = max(_LEAST_ROWS, _BLOCK // max(series, 1))
    for start in range(0, minutes, rows):
        part, ages = changes[start : start + rows], weights[start : start + rows]
        missing = np.isnan(part)
        if missing.any():
            part = np.where(missing, 0.0, part)
            count -= missing.sum(axis=0)
            weight -= np.einsum("m,mk->k", ages, missing.astype(np.float64))
        total += part.sum(axis=0)
        squares += np.einsum("mk,mk->k", part, part)
        recent += np.einsum("m,mk,mk->k", ages, part, part)
    with np.errstate(divide="ignore", invalid="ignore"):
        spread = np.maximum(squares - total * total / count, 0.0) / (count - 1.0)
        day = np.where(count >= LEAST_RETURNS, np.sqrt(spread), np.nan)
        known = (count > 0.0) & (weight >= LEAST_WEIGHT * weights.sum())
        return day, np.where(known, np.sqrt(recent / weight), np.nan)
