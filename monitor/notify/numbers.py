"""Numbers as people read them. Pure, and total: a message about trouble must never fail over a figure."""

import math
from datetime import UTC, datetime, tzinfo
from decimal import Decimal

UNKNOWN = "unknown"

_PRICE_FIGURES = 7  # BTC to the cent, and micro-priced tokens to seven figures
_COIN_FIGURES = 5
_COIN_DECIMALS = 6  # of an amount of coins that somebody has to pay
_FINEST_DECIMALS = 8  # that the exchange keeps of any asset
_NOISE = 2**-50  # relative; what a few operations on floats leave behind
_ALL_WHOLE = 1e15  # floats from here on have no decimals worth writing


def percent(fraction: float | None) -> str:
    """Return a fraction as percent, such as ``82 %``, ``2.1 %`` or ``0.10 %``; ``unknown`` for None.

    From 90 % to 100 % one decimal is kept and rounded down: what is still short of liquidation never reads
    as 100 %. What is not zero never reads as zero.
    """
    if fraction is None or not math.isfinite(fraction):
        return UNKNOWN
    size = round(abs(fraction) * 100, 9)  # 9 decimals: what binary fractions leave behind
    if not math.isfinite(size):
        return UNKNOWN
    sign = "-" if fraction < 0 else ""
    if size == 0:
        return "0 %"
    if size < 0.01:  # noqa: PLR2004 - the last digit shown
        return f"{sign}<0.01 %"
    if 90 <= size < 100:  # noqa: PLR2004 - the range the docstring names
        return f"{sign}{math.floor(round(size * 10, 6)) / 10:.1f} %"
    # The bounds are where rounding to the next coarser form carries over: 9.96 is 10, not 10.0.
    decimals = 0 if size >= 9.95 else 1 if size >= 0.995 else 2  # noqa: PLR2004 - see above
    return f"{sign}{size:.{decimals}f} %"


def price(value: float | None, missing: str = UNKNOWN) -> str:
    """Return a price with seven significant figures, never in scientific notation; ``missing`` for None."""
    if value is None or not math.isfinite(value):
        return missing
    return _trimmed(value, _decimals(value, _PRICE_FIGURES), keep=0)


def grouped(value: float | None, missing: str = UNKNOWN, *, figures: int = _PRICE_FIGURES) -> str:
    """Return a number with commas between thousands, such as ``59,136.55`` or ``0.5``; ``missing`` for None."""
    if value is None or not math.isfinite(value):
        return missing
    return _with_commas(_trimmed(value + 0.0, _decimals(value, figures), keep=0))


def money(value: float | None, asset: str, *, commas: bool = False) -> str:
    """Return an amount with its asset, such as ``928.00 USDT`` or ``0.0016 BTC``; ``unknown`` for None.

    Dollar-like assets get two decimals, coins as many as five significant figures need. ``commas`` go between
    thousands.
    """
    if value is None or not math.isfinite(value):
        return UNKNOWN
    decimals = 2
    if "USD" not in asset or (value != 0 and abs(value) < 0.005):  # noqa: PLR2004 - it would read 0.00
        decimals = max(2, _decimals(value, _COIN_FIGURES))
    text = _trimmed(value, decimals, keep=2)
    return f"{_with_commas(text) if commas else text} {asset}".rstrip()


def enough(value: float | None, asset: str) -> str:
    """Return an amount that somebody has to pay, such as ``1,412.51 USDT``: never less than it is.

    Rounded up: to cents of what is like a dollar, to millionths of a coin, below a thousandth of it to the
    exchange's eight decimals. Only what binary fractions leave behind is dropped.
    """
    return _bounded(value, asset, upward=True)


def at_most(value: float | None, asset: str) -> str:
    """Return an amount that somebody can count on, written as by ``enough``: never more than it is."""
    return _bounded(value, asset, upward=False)


def exact(value: float | None) -> str:
    """Return a multiple of a step with all its digits, such as ``0.118`` or ``12,000``; ``unknown`` for None."""
    if value is None or not math.isfinite(value):
        return UNKNOWN
    text = f"{value:.12g}"
    if not math.isclose(float(text), value, rel_tol=_NOISE):
        text = repr(value)
    whole, point, part = f"{Decimal(text):f}".partition(".")
    part = part.rstrip("0")
    return _with_commas(f"{whole}{point}{part}" if part else whole)


def _bounded(value: float | None, asset: str, *, upward: bool) -> str:
    if value is None or not math.isfinite(value):
        return UNKNOWN
    coins = _FINEST_DECIMALS if abs(value) < 0.001 else _COIN_DECIMALS  # noqa: PLR2004 - as the docstrings say
    decimals = 2 if "USD" in asset else coins
    if abs(value) >= _ALL_WHOLE:
        return f"{_with_commas(f'{value:.0f}')} {asset}".rstrip()
    nearest = Decimal(f"{value:.{decimals}f}")
    off = Decimal(value) - nearest
    if (off > 0) is upward and abs(off) > abs(value) * _NOISE:
        nearest += Decimal(1 if upward else -1).scaleb(-decimals)
    whole, _, part = f"{nearest:f}".partition(".")
    digits = part.rstrip("0").ljust(2, "0")
    return f"{_with_commas(f'{whole}.{digits}')} {asset}".rstrip()


def moves(left: float | None) -> str:
    """Return how many typical hourly moves are left until liquidation: ``1.8 typical hourly moves left``."""
    if left is None or not math.isfinite(left):
        return "unknown, for want of a typical hourly move"
    size = max(0.0, left)
    if size >= 99.5:  # noqa: PLR2004 - beyond, nothing is told by the figure
        return "more than 99 typical hourly moves left"
    figure = f"{size:.0f}" if size >= 9.95 else f"{size:.1f}"  # noqa: PLR2004 - where rounding carries over
    return f"{figure} typical hourly moves left"


def span(seconds: float | None) -> str:
    """Return a duration in the two largest units worth reading, such as ``0.4 s`` or ``2 h 5 min``."""
    if seconds is None or not math.isfinite(seconds):
        return UNKNOWN
    seconds = max(0.0, seconds)
    if seconds < 9.95:  # noqa: PLR2004 - below, tenths matter; above, they are noise
        return f"{seconds:.1f}".removesuffix(".0") + " s"
    whole = round(seconds)
    if whole < 120:  # noqa: PLR2004 - two minutes
        return f"{whole} s"
    minutes = whole // 60
    if minutes < 120:  # noqa: PLR2004 - two hours
        return f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    if hours < 48:  # noqa: PLR2004 - two days
        return f"{hours} h {minutes} min"
    days, hours = divmod(hours, 24)
    return f"{days} d {hours} h"


def moment(at_ms: int, tz: tzinfo = UTC) -> str:
    """Return Unix milliseconds as UTC, followed by ``tz``'s time with its offset where that differs."""
    utc = _when(at_ms)
    if utc is None:
        return UNKNOWN
    local = utc.astimezone(tz)
    text = utc.strftime("%Y-%m-%dT%H:%M:%SZ")
    return text if not local.utcoffset() else f"{text} ({local.isoformat(sep=' ', timespec='seconds')})"


def clock_time(at_ms: int) -> str:
    """Return the time of day of Unix milliseconds, such as ``14:02:10 UTC``."""
    utc = _when(at_ms)
    return UNKNOWN if utc is None else utc.strftime("%H:%M:%S UTC")


def time_of_day(at_ms: int) -> str:
    """Return hours and minutes of Unix milliseconds in UTC, such as ``14:02``."""
    utc = _when(at_ms)
    return UNKNOWN if utc is None else utc.strftime("%H:%M")


def day_time(at_ms: int) -> str:
    """Return day, hours and minutes of Unix milliseconds in UTC, such as ``11-30 14:02``."""
    utc = _when(at_ms)
    return UNKNOWN if utc is None else utc.strftime("%m-%d %H:%M")


def _when(at_ms: int) -> datetime | None:
    try:
        return datetime.fromtimestamp(at_ms // 1000, UTC)
    except (OverflowError, ValueError, OSError):
        return None


def _decimals(value: float, figures: int) -> int:
    """Return how many decimals show ``figures`` significant figures; never negative."""
    return 0 if value == 0 else max(0, figures - 1 - math.floor(math.log10(abs(value))))


def _with_commas(text: str) -> str:
    whole, point, part = text.partition(".")
    sign = "-" if whole.startswith("-") else ""
    return f"{sign}{int(whole.removeprefix('-')):,}{point}{part}"


def _trimmed(value: float, decimals: int, keep: int) -> str:
    """Return fixed notation without trailing zeros beyond ``keep`` decimals."""
    whole, _, part = f"{value:.{decimals}f}".partition(".")
    part = part.rstrip("0").ljust(keep, "0")
    return f"{whole}.{part}" if part else whole
