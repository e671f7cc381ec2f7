"""Simulated one-minute returns: volatility that clusters, fat tails, jumps, symbols that fall together.

The log of a minute's volatility is the sum of three mean-reverting parts (minutes, hours, days). Within a minute
prices diffuse at that volatility, so what happens between two minutes is a Brownian bridge without any
approximation; jumps happen at one moment inside their minute.
"""

from typing import NamedTuple

import numpy as np

from monitor.core.book import Bools, Floats, Ints

MINUTES_A_DAY = 1440
DAYS_A_YEAR = 365.0


class Market(NamedTuple):
    """The parameters; what they reproduce is measured by ``facts`` and argued in docs/lead-time.md."""

    yearly: float = 0.80  # volatility of a symbol, root mean square, jumps included
    half_lives_min: tuple[float, ...] = (10.0, 240.0, 7200.0)  # of the parts of the log volatility
    spreads: tuple[float, ...] = (0.35, 0.35, 0.40)  # their standard deviations
    correlation: float = 0.65  # of the diffusion of two symbols of one path
    jumps_a_day: float = 2.0  # of the whole market; and as many of each symbol alone
    jump: float = 3.0  # mean size, in standard deviations of the minute
    jump_falls: float = 0.55  # share of jumps that go down
    shocks_a_month: float = 1.0  # of the whole market
    shock: float = 0.015  # mean size, a fraction of price
    shock_falls: float = 0.75
    excitement: float = 0.8  # what a shock adds to the log volatility; fades with the first part

    @property
    def minute(self) -> float:
        """Standard deviation of the diffusion of one minute at the middle of the log volatility."""
        variance = self.yearly**2 / DAYS_A_YEAR / MINUTES_A_DAY
        variance -= self.shocks_a_month / (30 * MINUTES_A_DAY) * 2 * self.shock**2
        jumps = 2 * self.jumps_a_day / MINUTES_A_DAY * 2 * self.jump**2
        mixture = np.exp(2 * sum(spread**2 for spread in self.spreads))
        return float(np.sqrt(variance / (1 + jumps) / mixture))


class Minutes(NamedTuple):
    """What happened in some minutes, shape (t, paths, symbols); log returns."""

    diffusion: Floats
    jumps: Floats
    deviation: Floats  # of the minute's diffusion, shape (t, paths)

    @property
    def returns(self) -> Floats:
        """Log returns, diffusion and jumps together."""
        total: Floats = self.diffusion + self.jumps
        return total


class Paths:
    """Independent paths of the market, each with its own symbols; one stream of random numbers for all."""

    def __init__(self, paths: int, symbols: int, seed: int, market: Market | None = None) -> None:
        self.market = market or Market()
        self.shape = (paths, symbols)
        self._rng = np.random.default_rng([seed, paths, symbols])
        self._spreads = np.array(self.market.spreads)[:, None]
        self._keep = 0.5 ** (1.0 / np.array(self.market.half_lives_min))[:, None]
        self._fresh = self._spreads * np.sqrt(1.0 - self._keep**2)
        self._parts = self._spreads * self._rng.standard_normal((len(self._spreads), paths))

    def advance(self, minutes: int) -> Minutes:
        """Return what happens in the next minutes."""
        market, rng = self.market, self._rng
        paths, symbols = self.shape
        shocks = self._rare(minutes, market.shocks_a_month / 30)
        deviation = np.empty((minutes, paths))
        noise = rng.standard_normal((minutes, *self._parts.shape))
        for t in range(minutes):
            deviation[t] = self._parts.sum(axis=0)
            self._parts = self._keep * self._parts + self._fresh * noise[t]
            self._parts[0] += market.excitement * shocks[t]
        np.exp(deviation, out=deviation)
        deviation *= market.minute
        diffusion = deviation[..., None] * self._draws((minutes, paths))
        jumps = np.zeros((minutes, paths, symbols))
        for where, size, falls in (
            (shocks, market.shock, market.shock_falls),
            (self._rare(minutes, market.jumps_a_day), None, market.jump_falls),
        ):
            minute, path = np.nonzero(where)
            scale = market.jump * deviation[minute, path] if size is None else size
            jumps[minute, path] += (scale * self._sizes(len(minute), falls))[:, None]
        count = int(rng.poisson(minutes * paths * symbols * market.jumps_a_day / MINUTES_A_DAY))
        at = tuple(rng.integers(size, size=count) for size in (minutes, paths, symbols))
        np.add.at(jumps, at, market.jump * deviation[at[:2]] * self._sizes(count, market.jump_falls))
        return Minutes(diffusion, jumps, deviation)

    def within(self, minutes: Minutes, t: Ints, p: Ints, steps: int) -> Floats:
        """Return the log price inside some minutes relative to their beginning, shape (n, steps, symbols).

        The last step is the end of the minute. Diffusion is a Brownian bridge; jumps happen at one random step.
        """
        count = len(t)
        noise = self._draws((count, steps)) * (minutes.deviation[t, p] / np.sqrt(steps))[:, None, None]
        noise += (minutes.diffusion[t, p] - noise.sum(axis=1))[:, None, :] / steps
        noise[np.arange(count), self._rng.integers(steps, size=count)] += minutes.jumps[t, p]
        inside: Floats = np.cumsum(noise, axis=1)
        return inside

    def _draws(self, shape: tuple[int, int]) -> Floats:
        """Return standard normal draws, shape (*shape, symbols), correlated over the symbols."""
        symbols = self.shape[1]
        own: Floats = self._rng.standard_normal((*shape, symbols))
        if symbols == 1:
            return own
        shared = self._rng.standard_normal(shape)
        own *= np.sqrt(1.0 - self.market.correlation)
        own += (np.sqrt(self.market.correlation) * shared)[..., None]
        return own

    def _rare(self, minutes: int, a_day: float) -> Bools:
        happened: Bools = self._rng.random((minutes, self.shape[0])) < a_day / MINUTES_A_DAY
        return happened

    def _sizes(self, count: int, falls: float) -> Floats:
        """Return sizes of jumps: exponential, with a sign."""
        sign = np.where(self._rng.random(count) < falls, -1.0, 1.0)
        return sign * self._rng.exponential(size=count)


class Facts(NamedTuple):
    """What the simulated market looks like; medians over paths of one month, ranges 5 % to 95 %."""

    daily: tuple[float, float, float]  # standard deviation of a day's return, from minutes, by day
    yearly: float  # root mean square over everything
    kurtosis: tuple[float, float, float]  # of one-minute returns in a month
    kurtosis_daily: float  # of daily returns, over everything
    clustering: tuple[float, ...]  # autocorrelation of absolute one-minute returns
    lags_min: tuple[int, ...]
    worst_minute: tuple[float, float, float]  # the largest fall within a minute in a month
    worst_hour: tuple[float, float, float]
    correlation: float  # of one-minute returns of two symbols
    correlation_worst: float  # of the returns of two symbols in the hours in which the first fell most


def facts(paths: int, seed: int, market: Market | None = None) -> Facts:
    """Measure the market on paths of a month of two symbols each."""
    days = 30
    source = Paths(paths, 2, seed, market)
    both = np.concatenate([source.advance(MINUTES_A_DAY).returns for _ in range(days)])
    returns = both[:, :, 0]
    lags = (1, 10, 60, 360, 1440)
    centred = np.abs(returns) - np.abs(returns).mean(axis=0)
    power = (centred**2).mean(axis=0)
    clustering = tuple(float(np.median((centred[lag:] * centred[:-lag]).mean(axis=0) / power)) for lag in lags)
    by_day = returns.reshape(days, MINUTES_A_DAY, paths)
    daily = by_day.sum(axis=1)
    hours = both.reshape(days * 24, 60, paths, 2).sum(axis=1)
    worst = np.argsort(hours[:, :, 0], axis=0)[:7]  # one in a hundred
    worst_both = np.take_along_axis(hours, worst[:, :, None], axis=0).reshape(-1, 2)
    return Facts(
        daily=_range(np.sqrt((by_day**2).sum(axis=1)).ravel()),
        yearly=float(np.sqrt((returns**2).mean() * MINUTES_A_DAY * DAYS_A_YEAR)),
        kurtosis=_range((returns**4).mean(axis=0) / (returns**2).mean(axis=0) ** 2),
        kurtosis_daily=float((daily**4).mean() / (daily**2).mean() ** 2),
        clustering=clustering,
        lags_min=lags,
        worst_minute=_range(-returns.min(axis=0)),
        worst_hour=_range(-hours[:, :, 0].min(axis=0)),
        correlation=float(np.corrcoef(both.reshape(-1, 2).T)[0, 1]),
        correlation_worst=float(np.corrcoef(worst_both.T)[0, 1]),
    )


def _range(values: Floats) -> tuple[float, float, float]:
    low, middle, high = np.quantile(values, (0.05, 0.5, 0.95)).tolist()
    return low, middle, high
