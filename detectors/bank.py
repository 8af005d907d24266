"""Many scopes at once: the spike and seasonal baselines over numpy columns, one row per scope.

Same answers as one at a time, to the nano-dollar: every formula is the one of ``baseline.py``,
``spike.py`` and ``seasonal.py`` in the same order of operations, and a property test holds them
together. It is for whoever judges a hundred thousand scopes in the same second; WATCH takes scopes
one at a time (``alerting/watch/scope_watch.py``) and does not use it yet. It must not decide
anything the detectors do not.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from detectors.baseline import KNOWN_RATIO, NEGLIGIBLE_NANOUSD
from detectors.detector import State
from detectors.levels import EDGES_NANOUSD, MIDDLES_NANOUSD
from detectors.seasonal import (
    ANY_HOUR_DAYS_AGREE,
    DAY_HOURS,
    DAYS_AGREE,
    DAYS_BACK,
    KEPT_DAYS,
    SEASONAL_SOURCE,
    WEEKS,
    WEEKS_AGREE,
    SeasonalDetector,
)
from detectors.signal import Band
from detectors.spike import EWMA_SOURCE, SpikeDetector
from detectors.window import HOUR_SECONDS, Window

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

_EDGES = np.array(EDGES_NANOUSD, np.int64)
_MIDDLES = np.array(MIDDLES_NANOUSD, np.int64)
_SOURCES = (EWMA_SOURCE, SEASONAL_SOURCE)
_RING_DAYS = 32
"""At least the days kept, and a power of two."""


@dataclass(frozen=True, slots=True)
class Bands:
    """A band per scope; columns in nano-dollars.

    Attributes:
        is_known: false while warming up; the row's other columns mean nothing then.
        expected: as in ``Band``.
        lower: likewise.
        upper: likewise.
        spread: likewise.
        source: 0 for ``ewma``, 1 for ``hour_of_week``.
    """

    is_known: Bools
    expected: Ints
    lower: Ints
    upper: Ints
    spread: Ints
    source: Ints

    def __getitem__(self, row: int) -> Band | None:
        """One scope's band as the detector would give it; ``None`` while warming up."""
        if not self.is_known[row]:
            return None
        return Band(
            int(self.expected[row]),
            int(self.lower[row]),
            int(self.upper[row]),
            int(self.spread[row]),
            _SOURCES[self.source[row]],
        )

    def judge(self, cost_nanousd: Ints) -> tuple[Bools, Floats]:
        """Which rows are anomalous, and their scores; never one that is warming up."""
        excess = cost_nanousd - self.expected
        width = np.maximum(self.upper - self.expected, 1)
        above = np.maximum(excess, 0)
        score = np.where(self.is_known, above / (above + width), 0.0)
        return self.is_known & (cost_nanousd > self.upper), score


def combine(ewma: Bands, seasonal: Bands) -> Bands:
    """Row for row ``baseline.combine_bands``."""
    is_for_more = seasonal.expected > KNOWN_RATIO * ewma.expected
    speaks = ~ewma.is_known | (seasonal.upper > ewma.upper) | is_for_more
    is_seasonal = seasonal.is_known & speaks
    upper = np.where(ewma.is_known, np.maximum(seasonal.upper, ewma.upper), seasonal.upper)
    return Bands(
        ewma.is_known | seasonal.is_known,
        np.where(is_seasonal, seasonal.expected, ewma.expected),
        np.where(is_seasonal, seasonal.lower, ewma.lower),
        np.where(is_seasonal, upper, ewma.upper),
        np.where(is_seasonal, seasonal.spread, ewma.spread),
        np.where(is_seasonal, seasonal.source, ewma.source),
    )


class SpikeBank:
    """``SpikeDetector`` over many states."""

    def __init__(self, detector: SpikeDetector, states: Sequence[State]) -> None:
        self.detector = detector
        self.windows: Ints = np.array([state[0] for state in states], np.int64)
        self.means: Floats = np.array([state[1:] for state in states], np.float64).reshape(-1, 4).T

    def states(self) -> list[State]:
        """The states as the detector would have them."""
        return [
            [windows, *means]
            for windows, means in zip(self.windows.tolist(), self.means.T.tolist(), strict=True)
        ]

    def bands(self) -> Bands:
        """``SpikeDetector.band`` of every row."""
        detector, config = self.detector, self.detector.config
        fast, slow = self.means[0], self.means[1]
        spread, call = self._spread_and_call()
        high, low = np.maximum(fast, slow), np.minimum(fast, slow)
        reach = config.spreads * spread
        width = np.maximum(reach + config.burst_calls * call, detector.floor_nanousd)
        upper = (high + width).astype(np.int64)
        young = self.windows < detector.young_windows
        upper = np.where(young, np.maximum(upper, detector.ceiling_nanousd), upper)
        return Bands(
            self.windows >= detector.ewma.warm_windows,
            ((high + low) * 0.5).astype(np.int64),
            np.maximum(low - reach, 0.0).astype(np.int64),
            upper,
            spread.astype(np.int64),
            np.zeros_like(upper),
        )

    def learn(self, cost_nanousd: Ints, requests: Ints, is_learned: Bools) -> None:
        """``SpikeDetector.learn`` of one window for every row of ``is_learned``."""
        ewma = self.detector.ewma
        cost = cost_nanousd.astype(np.float64)
        spread, _ = self._spread_and_call()
        cut = self.means[1] + (ewma.clip_spreads * spread + ewma.clip_floor)
        cost = np.where(self.windows >= ewma.warm_windows, np.minimum(cost, cut), cost)
        least = 1.0 / (self.windows + 1)
        fast_gain, slow_gain = np.maximum(ewma.fast_gain, least), np.maximum(ewma.slow_gain, least)
        fast, slow, second, calls = self.means
        fast = fast + fast_gain * (cost - fast)
        slow = slow + slow_gain * (cost - slow)
        second = second + slow_gain * (cost * cost - second)
        calls = calls + slow_gain * (requests - calls)
        fast[fast < NEGLIGIBLE_NANOUSD] = 0.0
        gone = slow < NEGLIGIBLE_NANOUSD
        slow[gone] = second[gone] = calls[gone] = 0.0
        self.means = np.where(is_learned, np.stack([fast, slow, second, calls]), self.means)
        self.windows = self.windows + is_learned

    def _spread_and_call(self) -> tuple[Floats, Floats]:
        _, slow, second, calls = self.means
        call = np.divide(slow, calls, out=np.zeros_like(slow), where=calls > 0)
        return np.sqrt(np.maximum(second - slow * slow, slow * call)), call


class SeasonalBank:
    """``SeasonalDetector`` over many states."""

    def __init__(self, detector: SeasonalDetector, states: Sequence[State]) -> None:
        self.detector = detector
        plain = np.array([state[:4] for state in states], np.int64).reshape(-1, 4)
        self.first_hour, self.hour, self.cost, self.peak = plain.T.copy()
        size = len(states)
        self.day: Ints = np.full((size, _RING_DAYS), -1, np.int64)
        self.levels: NDArray[np.uint8] = np.zeros((size, _RING_DAYS, 2, DAY_HOURS), np.uint8)
        for row, state in enumerate(states):
            for day, levels in state[4].items():
                self.day[row, day % _RING_DAYS] = day
                self.levels[row, day % _RING_DAYS] = np.frombuffer(levels, np.uint8).reshape(2, -1)

    def states(self) -> list[State]:
        """The states as the detector would have them."""
        oldest = self.hour // DAY_HOURS - KEPT_DAYS
        rows: list[State] = []
        for row in range(len(self.hour)):
            kept = sorted(
                (int(day), ring)
                for ring, day in enumerate(self.day[row])
                if day >= max(oldest[row], 0)
            )
            rows.append(
                [
                    int(self.first_hour[row]),
                    int(self.hour[row]),
                    int(self.cost[row]),
                    int(self.peak[row]),
                    {day: self.levels[row, ring].tobytes() for day, ring in kept},
                ]
            )
        return rows

    def bands(self, window: Window) -> Bands:
        """``SeasonalDetector.band`` of every row for one window."""
        config = self.detector.config
        hour = window.start_seconds // HOUR_SECONDS
        age = np.where(self.first_hour >= 0, hour - self.first_hour, 0)
        days_known = np.clip(age // DAY_HOURS, 0, DAYS_BACK)
        weeks_known = np.clip(age // (7 * DAY_HOURS), 0, WEEKS)
        by_day = [hour - DAY_HOURS * back for back in range(1, DAYS_BACK + 1)]
        by_week = [hour - 7 * DAY_HOURS * back for back in range(1, WEEKS + 1)]

        peak = _nth_largest([self._peak_near(at) for at in by_day], days_known, DAYS_AGREE)
        mean, deviation = _winsorised([self._cost(at) for at in by_day], days_known, None)
        slot = _nth_largest([self._peak_near(at) for at in by_week], weeks_known, WEEKS_AGREE)
        is_weekly = weeks_known >= WEEKS_AGREE
        shrunk = slot + np.maximum(peak - slot, 0) // (weeks_known + 1)
        peak = np.where(is_weekly, shrunk, peak)
        weekly_mean, weekly = _winsorised([self._cost(at) for at in by_week], weeks_known, mean)
        expected = np.where(is_weekly, weekly_mean, mean)
        spread = np.where(is_weekly, weekly, deviation)

        upper = (peak * config.peak_ratio).astype(np.int64)
        day = hour // DAY_HOURS
        largest = [self._day_peak(day - back) for back in range(1, DAYS_BACK + 1)]
        any_hour = _nth_largest(largest, days_known, ANY_HOUR_DAYS_AGREE)
        upper = np.maximum(upper, (any_hour * config.any_hour_ratio).astype(np.int64))
        share = min(window.size_seconds, HOUR_SECONDS)
        expected = expected * share // HOUR_SECONDS
        return Bands(
            days_known >= DAYS_AGREE,
            expected,
            np.zeros_like(expected),
            np.maximum(upper, expected + self.detector.floor_nanousd),
            (spread * (share / HOUR_SECONDS)).astype(np.int64),
            np.ones_like(expected),
        )

    def learn(self, window: Window, cost_nanousd: Ints, is_learned: Bools) -> None:
        """``SeasonalDetector.learn`` of one window for every row of ``is_learned``."""
        hour = window.start_seconds // HOUR_SECONDS
        if (self.hour[is_learned] > hour).any():
            raise ValueError(f"hour {hour} comes before an hour already being summed")
        moves = is_learned & (self.hour != hour)
        self.first_hour[moves & (self.first_hour < 0)] = hour
        rows = np.flatnonzero(moves & (self.peak > 0))
        day, of_day = np.divmod(self.hour[rows], DAY_HOURS)
        ring = day % _RING_DAYS
        stale = self.day[rows, ring] != day
        self.levels[rows[stale], ring[stale]] = 0
        self.day[rows, ring] = day
        self.levels[rows, ring, 0, of_day] = _levels_of(self.cost[rows])
        self.levels[rows, ring, 1, of_day] = _levels_of(self.peak[rows])
        self.cost[moves] = self.peak[moves] = 0
        self.hour[moves] = hour
        self.cost[is_learned] += cost_nanousd[is_learned]
        self.peak[is_learned] = np.maximum(self.peak, cost_nanousd)[is_learned]

    def _level(self, hour: int, which: int) -> NDArray[np.uint8]:
        day, of_day = divmod(hour, DAY_HOURS)
        ring = day % _RING_DAYS
        return np.where(self.day[:, ring] == day, self.levels[:, ring, which, of_day], np.uint8(0))

    def _cost(self, hour: int) -> Ints:
        return _MIDDLES[self._level(hour, 0)]

    def _peak_near(self, hour: int) -> Ints:
        nearby = [self._level(near, 1) for near in (hour - 1, hour, hour + 1)]
        return _EDGES[np.maximum(np.maximum(nearby[0], nearby[1]), nearby[2])]

    def _day_peak(self, day: int) -> Ints:
        ring = day % _RING_DAYS
        largest = self.levels[:, ring, 1].max(axis=1, initial=0)
        return _EDGES[np.where(self.day[:, ring] == day, largest, np.uint8(0))]


def _levels_of(cost_nanousd: Ints) -> Ints:
    return np.minimum(np.searchsorted(_EDGES, cost_nanousd, side="left"), len(_EDGES) - 1)


def _nth_largest(columns: list[Ints], known: Ints, nth: int) -> Ints:
    """Per row the n-th largest of its first ``known`` values; 0 where there are fewer."""
    kept = [np.where(index < known, column, -1) for index, column in enumerate(columns)]
    nth_largest: Ints = np.sort(np.stack(kept), axis=0)[-nth]
    return nth_largest.clip(min=0)


def _winsorised(columns: list[Ints], known: Ints, parent: Ints | None) -> tuple[Ints, Floats]:
    """Per row mean and deviation of its first ``known`` values.

    The largest is made the second largest, the mean is shrunk towards ``parent``. Rows of fewer
    than two values mean nothing.
    """
    index = np.arange(len(columns))[:, None]
    last = np.iinfo(np.int64).max
    ordered = np.sort(np.where(index < known, np.stack(columns), last), axis=0)
    ordered = np.where(index < known, ordered, 0)
    size = np.maximum(known, 2)
    rows = np.arange(len(known))
    ordered[size - 1, rows] = ordered[size - 2, rows]
    mean = ordered.sum(axis=0) // size
    if parent is not None:
        mean = mean + (parent - mean) // (size + 1)
    deviation = np.zeros(len(known))
    for step, column in enumerate(ordered):
        distance = (column - mean).astype(np.float64)
        deviation += np.where(step < size, distance * distance, 0.0)
    return mean, np.sqrt(deviation / size)
