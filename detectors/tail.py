"""How improbable a number is, given those before it: the common scale of everything judged.

A channel's raw figure (a residual in spreads, a windowed mean, a surprise) says nothing by itself;
its probability under the channel's own history does, and it can be compared with any other
channel's. Pure and small: seven numbers once the first values are past. Must not know what the
numbers mean.

Sources:
    Pickands 1975 and Balkema & de Haan 1974 (excesses over a high threshold are
    generalised-Pareto), Hosking & Wallis 1987 (its moments), Siffer et al. 2017 "Anomaly Detection
    in Streams with Extreme Value Theory" (the streaming use), Robbins & Monro 1951 (the running
    quantile).
"""

from bisect import bisect_left, insort
from math import exp, log, log10

FIRST_VALUES = 100
"""Values that are kept and ranked before a tail is fitted: five of them are above the 95th
percentile, the fewest that a mean of excesses is worth anything of."""

ABOVE = 0.02
"""Share of values above the running threshold, where the fitted tail begins."""

MEMORY = 10_000
"""Values over which the share above the threshold is averaged; the moments remember as many."""

LARGEST_EXCESS = 12.0
"""Means of excess up to which a value teaches the tail its shape: an anomaly says little of it."""

SHAPE_BOUNDS = (-0.1, 0.45)
"""Of the Pareto tail: a bounded tail is not believed, nor one whose variance is infinite."""

EXPONENTIAL = 0.01
"""A shape this near to 0 is 0: an exponential tail."""

_END = 1e-12
"""Beyond the end of a bounded tail the probability is that near the end."""

_FIRST_SQUARE = 2.67
"""Mean square of an excess in squared means before it is known: shape 0.2, a cautious tail."""


class Tail:
    """The upper tail of a stream of numbers.

    ``surprise`` before ``learn``. Until ``FIRST_VALUES`` are known a number is ranked among them,
    so that no surprise exceeds ``log10(FIRST_VALUES + 1)``; then

        P(X >= x) = share * (1 + shape * (x - threshold) / scale) ** (-1 / shape)

    above the threshold, with shape and scale from the mean and the mean square of past excesses.

    Args:
        finest: a difference that means nothing, in the values' unit: the mean excess is never taken
            for less, or the jitter of a constant would in time become a surprise.

    >>> tail = Tail()
    >>> for number in range(1_000):
    ...     tail.learn(number % 97)
    >>> tail.surprise(50) < 0.5, tail.surprise(96) > 1, tail.surprise(500) > 6
    (True, True, True)
    """

    __slots__ = ("_finest", "_first", "_known", "_mean", "_share", "_square", "_threshold")

    def __init__(self, finest: float = 0.01) -> None:
        self._finest = finest
        self._first: list[float] | None = []
        self._known = 0
        self._threshold = 0.0
        self._share = 0.0
        self._mean = 0.0
        self._square = 0.0

    def surprise(self, value: float) -> float:
        """``-log10`` of the probability of a value at least as large; 0 or more."""
        if self._first is not None:
            larger = len(self._first) - bisect_left(self._first, value)
            return log10((len(self._first) + 1) / (larger + 1))
        excess = value - self._threshold
        if excess <= 0:
            return 0.0
        mean = self._mean
        spread = self._square / (mean * mean) - 1.0
        shape, scale = _shape_and_scale(mean, spread)
        if abs(shape) < EXPONENTIAL:
            return -log10(self._share) + excess / scale / log(10)
        inside = 1.0 + shape * excess / scale
        return -log10(self._share) + log10(max(inside, _END)) / shape

    def value_at(self, surprise: float) -> float:
        """The value of that surprise, the inverse of ``surprise``; ranks have none beyond them."""
        if self._first is not None:
            return self._first[-1] if self._first else 0.0
        mean = self._mean
        spread = self._square / (mean * mean) - 1.0
        shape, scale = _shape_and_scale(mean, spread)
        beyond = surprise + log10(self._share)
        if beyond <= 0:
            return self._threshold
        if abs(shape) < EXPONENTIAL:
            return self._threshold + scale * beyond * log(10)
        return self._threshold + scale / shape * (exp(shape * beyond * log(10)) - 1.0)

    def learn(self, value: float) -> None:
        """Take one value into account."""
        self._known += 1
        if self._first is not None:
            insort(self._first, value)
            if self._known == FIRST_VALUES:
                self._fit(self._first)
            return
        excess = value - self._threshold
        mean = self._mean
        weight = 1.0 / self._known if self._known < MEMORY else 1.0 / MEMORY
        step = weight / ABOVE * mean
        if excess > 0:
            excess = min(excess, LARGEST_EXCESS * mean)
            few = weight / ABOVE
            few = min(few, 0.2)
            self._mean = max(mean + few * (excess - mean), self._finest)
            square = self._square + few * (excess * excess - self._square)
            self._square = max(square, self._mean * self._mean)
            self._share += weight * (1.0 - self._share)
            self._threshold += step * (1.0 - ABOVE)
        else:
            self._share -= weight * self._share
            self._threshold -= step * ABOVE

    def _fit(self, first: list[float]) -> None:
        start = int(FIRST_VALUES * 0.95) - 1
        self._threshold = first[start]
        excesses = [value - self._threshold for value in first[start + 1 :]]
        self._share = len(excesses) / FIRST_VALUES
        self._mean = max(sum(excesses) / len(excesses), self._finest)
        self._square = _FIRST_SQUARE * self._mean**2
        self._first = None


def _shape_and_scale(mean: float, spread: float) -> tuple[float, float]:
    """Of a generalised-Pareto tail with this mean, and variance ``spread * mean**2``."""
    ratio = 1.0 / spread if spread > _END else 1.0 / _END
    shape = 0.5 * (1.0 - ratio)
    if shape < SHAPE_BOUNDS[0]:
        shape = SHAPE_BOUNDS[0]
    elif shape > SHAPE_BOUNDS[1]:
        shape = SHAPE_BOUNDS[1]
    return shape, mean * (1.0 - shape)
