"""Who knows the true background: the pace of every minute, its noise included, and the sizes.

Two of them. One looks at single calls: how fast the last few came by the clock of the true pace,
and how large each was. The other sees only dollars of five minutes, as the yardsticks do, against
the exact tail of the compound Poisson process, and has the floor of a page. Neither can be built;
they say what the data allows at a rate of false pages.
"""

from functools import cache

import numpy as np
from scipy.special import gammainc
from scipy.stats import lognorm, norm, poisson

from tests.evaluation.minutes import COMMON_SPREAD, INPUT_COST_SHARE, OWN_SPREAD, Floats

GAPS = 12
"""Calls come too fast if any of their last 1 to 12 gaps together are too short."""
WEEK_WINDOWS = 2016
CALIBRATION_CALLS = 500_000
CALIBRATION_P = 1e-3
_OWN = OWN_SPREAD**2 * (INPUT_COST_SHARE**2 + (1 - INPUT_COST_SHARE) ** 2)
SIZE_SPREAD = float(np.sqrt(COMMON_SPREAD**2 + _OWN))
"""Of the logarithm of a call's dollars, about."""


def gap_tail(gaps: Floats) -> Floats:
    """For each call the smallest probability of its last gaps; gaps are in expected calls."""
    smallest = np.ones(len(gaps))
    total = np.zeros(len(gaps))
    for count in range(1, GAPS + 1):
        total[count - 1 :] += gaps[: len(gaps) - count + 1]
        smallest[count - 1 :] = np.minimum(
            smallest[count - 1 :], gammainc(count, total[count - 1 :])
        )
    return smallest


@cache
def cries_a_call() -> float:
    """Cries of ``gap_tail`` per call and per unit of its threshold, where nothing is wrong.

    Measured at a threshold of 1e-3, where there are over a thousand; it is taken to hold below.
    """
    draw = np.random.default_rng(11)
    at = np.flatnonzero(gap_tail(draw.exponential(size=CALIBRATION_CALLS)) < CALIBRATION_P)
    cries = 1 + int(np.sum(np.diff(at) > GAPS))
    return cries / CALIBRATION_CALLS / CALIBRATION_P


def call_threshold(calls_a_week: float, pages_a_week: float) -> tuple[float, float]:
    """Probability of gaps, and size over the usual call's, from which the oracle of calls cries.

    Each has half of the false pages.
    """
    each = pages_a_week / 2 / calls_a_week
    size = float(np.exp(norm.isf(each) * SIZE_SPREAD - SIZE_SPREAD**2 / 2))
    return each / cries_a_call(), size


def first_cry(
    since: Floats, sizes: Floats, pace_a_second: float, calls_a_week: float, pages_a_week: float
) -> int:
    """Index of the runaway's call at which the oracle of calls cries; -1 if it never does.

    Args:
        since: seconds of each call since the first, which came after one usual gap.
        sizes: dollars of each over those of the usual call.
        pace_a_second: true usual pace.
        calls_a_week: how many usual calls there are.
        pages_a_week: how often it may be wrong.
    """
    gap, size = call_threshold(calls_a_week, pages_a_week)
    gaps = np.diff(since, prepend=since[0] - 1 / pace_a_second) * pace_a_second
    is_cry = (gap_tail(gaps) < gap) | (sizes > size)
    return int(np.argmax(is_cry)) if is_cry.any() else -1


def dollar_upper(expected_calls: Floats, call_usd: float, pages_a_week: float) -> Floats:
    """Dollars that windows of so many expected calls exceed with the allowed probability.

    Sums of log-normal sizes are taken for log-normal (Fenton-Wilkinson), which is near in the tail.
    """
    grid = np.geomspace(max(1e-4, float(expected_calls.min())), float(expected_calls.max()) + 1, 40)
    uppers = [_quantile(each, pages_a_week / WEEK_WINDOWS) for each in grid]
    return call_usd * np.interp(expected_calls, grid, uppers)


def _quantile(expected: float, probability: float) -> float:
    most = int(poisson.isf(probability / 100, expected)) + 2
    calls = np.unique(np.geomspace(1, most, 200).astype(int)) if most > 400 else np.arange(1, most)
    weight = np.gradient(calls) * poisson.pmf(calls, expected)
    spread = np.sqrt(np.log1p(np.expm1(SIZE_SPREAD**2) / calls))
    middle = calls * np.exp(-(spread**2) / 2)
    low, high = 0.0, float(most) * 50
    for _ in range(60):
        at = (low + high) / 2
        tail = float(weight @ lognorm.sf(at, spread, scale=middle)) if at > 0 else 1.0
        low, high = (at, high) if tail > probability else (low, at)
    return high
