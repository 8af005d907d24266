"""What others would do with the dollars of five minutes: bands by common recipes.

Each gives the expected dollars and a scale of every window from windows before it alone; it cries
where a window, open or not, holds more than ``expected + k * scale``. So that only the recipe
differs, all have the shipped floor of a page, and one cry is one episode as long as there are no
three calm windows in between.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.signal import lfilter

from tests.evaluation.minutes import Floats

WINDOW_MINUTES = 5
HOUR_WINDOWS = 12
DAY_WINDOWS = 288
CALM_WINDOWS = 3
FLOOR_USD = 50 / HOUR_WINDOWS
"""Excess of a window from which the shipped configuration pages: $50 an hour."""
MAD_TO_SIGMA = 1.4826
LEAST_SCALE_USD = 0.01
"""Where more than half of the windows are empty, a median's scale is nothing."""


@dataclass(frozen=True, slots=True)
class Yardstick:
    """One recipe.

    Attributes:
        name: in tables.
        usual_k: as it is commonly used.
        band: dollars per window to what is expected of each and its scale.
    """

    name: str
    usual_k: float
    band: Callable[[Floats], tuple[Floats, Floats]]

    def upper(self, usd: Floats, k: float) -> Floats:
        """Dollars from which each window is too much."""
        expected, scale = self.band(usd)
        return expected + np.maximum(k * np.maximum(scale, LEAST_SCALE_USD), FLOOR_USD)


def _before(values: Floats) -> Floats:
    """Of the window before; of the first, its own."""
    return np.concatenate([values[:1], values[:-1]])


def ewma(usd: Floats) -> tuple[Floats, Floats]:
    """Mean and deviation with a half-life of half a day."""
    keep = 0.5 ** (2 / DAY_WINDOWS)

    def mean(values: Floats) -> Floats:
        summed = lfilter([1 - keep], [1, -keep], values)
        return summed / (1 - keep ** np.arange(1, len(values) + 1))

    middle, square = mean(usd), mean(usd**2)
    return _before(middle), _before(np.sqrt(np.maximum(square - middle**2, 0)))


def median_deviation(usd: Floats) -> tuple[Floats, Floats]:
    """Median and median absolute deviation of the last day."""
    series = pd.Series(usd)
    middle = series.rolling(DAY_WINDOWS, min_periods=1).median()
    away = (series - middle).abs().rolling(DAY_WINDOWS, min_periods=1).median()
    return _before(middle.to_numpy()), _before(away.to_numpy() * MAD_TO_SIGMA)


def day_over_day(usd: Floats) -> tuple[Floats, Floats]:
    """The mean of the hour around the same time yesterday; the scale is that mean itself."""
    hour = pd.Series(usd).rolling(HOUR_WINDOWS, min_periods=1, center=True).mean().to_numpy()
    yesterday = np.concatenate([np.full(DAY_WINDOWS, np.inf), hour[:-DAY_WINDOWS]])
    return yesterday, np.where(np.isfinite(yesterday), yesterday, 0)


def seasonal(usd: Floats) -> tuple[Floats, Floats]:
    """Mean and deviation of the same hour of the last fourteen days."""
    days = -(-len(usd) // DAY_WINDOWS)
    padded = np.full(days * DAY_WINDOWS, np.nan)
    padded[: len(usd)] = usd
    by_hour = padded.reshape(days, 24, HOUR_WINDOWS)
    expected, scale = np.full((days, 24), np.inf), np.zeros((days, 24))
    for day in range(1, days):
        past = by_hour[max(0, day - 14) : day].transpose(1, 0, 2).reshape(24, -1)
        expected[day], scale[day] = past.mean(axis=1), past.std(axis=1)
    return tuple(np.repeat(each.ravel(), HOUR_WINDOWS)[: len(usd)] for each in (expected, scale))


YARDSTICKS = (
    Yardstick("EWMA, 3 sigma", 3.0, ewma),
    Yardstick("MAD, 3 sigma", 3.0, median_deviation),
    Yardstick("day over day, 3 x", 2.0, day_over_day),
    Yardstick("seasonal band, 3 sigma", 3.0, seasonal),
)


def windows(usd_by_minute: Floats) -> Floats:
    """Dollars of whole windows."""
    whole = len(usd_by_minute) // WINDOW_MINUTES * WINDOW_MINUTES
    return usd_by_minute[:whole].reshape(-1, WINDOW_MINUTES).sum(axis=1)


def episodes(is_over: np.ndarray) -> int:
    """Cries, where those with fewer than three calm windows between them are one."""
    at = np.flatnonzero(is_over)
    return int(len(at) > 0) + int(np.sum(np.diff(at) > CALM_WINDOWS))


def calibrated(yardstick: Yardstick, scopes: list[Floats], *, skip: int, most: float) -> float:
    """The smallest ``k`` with which it cries at most so often on the windows of some scopes.

    The first ``skip`` windows of each only teach.
    """
    bands = [
        (mean, np.maximum(scale, LEAST_SCALE_USD)) for mean, scale in map(yardstick.band, scopes)
    ]

    def cries(k: float) -> int:
        return sum(
            episodes((usd > mean + np.maximum(k * scale, FLOOR_USD))[skip:])
            for usd, (mean, scale) in zip(scopes, bands, strict=True)
        )

    low, high = 0.0, 1.0
    while cries(high) > most:
        low, high = high, 2 * high
    for _ in range(12):
        middle = (low + high) / 2
        low, high = (low, middle) if cries(middle) <= most else (middle, high)
    return high
