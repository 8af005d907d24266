"""What people use today, as scores per row: the bar that ``spendwatch score`` is held against.

Each is causal and given its usual settings; each returns how many of its own thresholds a row is
worth, so that 1 is where it would alert as shipped.
"""

from collections.abc import Callable

import numpy as np
import pandas as pd

from tests.evaluation.series_metrics import Floats

DAY_SECONDS = 86_400


def ewma_three_sigma(at: Floats, values: Floats) -> Floats:
    """Exponentially weighted mean and deviation of the last ~100 rows; three deviations."""
    del at
    known = pd.Series(values).shift(1).ewm(alpha=0.02)
    return _ratio(values - known.mean().to_numpy(), 3 * known.std().to_numpy())


def median_deviation(at: Floats, values: Floats) -> Floats:
    """Median and MAD of the last day; 3.5 robust deviations (Iglewicz & Hoaglin 1993)."""
    rows = _rows_a_day(at)
    series = pd.Series(values)
    middle = series.shift(1).rolling(rows, min_periods=60).median()
    spread = (series - middle).abs().shift(1).rolling(rows, min_periods=60).median()
    return _ratio(values - middle.to_numpy(), 3.5 * 1.4826 * spread.to_numpy())


def day_over_day(at: Floats, values: Floats) -> Floats:
    """Three times as much, or a third, of the mean around the same time yesterday."""
    rows = _rows_a_day(at)
    around = pd.Series(values).rolling(5, min_periods=1).mean().to_numpy()
    yesterday = _shifted(around, rows)
    with np.errstate(divide="ignore", invalid="ignore"):
        factor = np.maximum(np.abs(values) / np.abs(yesterday), np.abs(yesterday) / np.abs(values))
    factor[(values == 0) & (yesterday == 0)] = 1
    return np.nan_to_num(factor, nan=0.0, posinf=1e6) / 3


def seasonal_band(at: Floats, values: Floats) -> Floats:
    """A band as monitoring products draw it: the week's median at this time, moved by the level.

    Median of the last seven days at this time, plus the last hour's median difference; three
    deviations of the last day's residuals.
    """
    rows = _rows_a_day(at)
    series = pd.Series(values)
    smooth = series.rolling(5, min_periods=1).mean().to_numpy()
    days = np.stack([_shifted(smooth, rows * day) for day in range(1, 8)])
    known = np.isfinite(days).any(axis=0)
    shape = np.full(len(values), np.nan)
    shape[known] = np.nanmedian(days[:, known], axis=0)
    away = pd.Series(values - shape)
    hour = max(rows // 24, 5)
    level = away.shift(1).rolling(hour, min_periods=3).median()
    residual = away - level
    spread = residual.shift(1).rolling(rows, min_periods=60).std()
    return _ratio(residual.to_numpy(), 3 * spread.to_numpy())


YARDSTICKS: dict[str, Callable[[Floats, Floats], Floats]] = {
    "EWMA, 3 sigma": ewma_three_sigma,
    "MAD, 3.5": median_deviation,
    "day over day, 3x": day_over_day,
    "seasonal band, 3": seasonal_band,
}


def _rows_a_day(at: Floats) -> int:
    return max(round(DAY_SECONDS / float(np.median(np.diff(at)))), 1)


def _shifted(values: Floats, rows: int) -> Floats:
    before = np.full(len(values), np.nan)
    before[rows:] = values[:-rows] if rows < len(values) else before[rows:]
    return before


def _ratio(residual: Floats, band: Floats) -> Floats:
    """Residuals in bands; 0 where there is no band yet."""
    least = 1e-9 * max(float(np.nanmax(np.abs(residual), initial=0.0)), 1e-9)
    return np.nan_to_num(np.abs(residual) / np.maximum(band, least), nan=0.0)
