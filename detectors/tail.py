"""How improbable a number is, given those before it: the common scale of everything judged.

A channel's raw figure (a residual in spreads, a mean of the last rows) says nothing by itself; its
probability under the channel's own history does, and can be compared with any other channel's.
Pure and small: three numbers once the first values are past. Must not know what the numbers mean.

The history that calibrates holds the anomalies, too: one to three rows in a hundred of labelled
curves. So the tail begins at the running 90th percentile, below them, and its mean excess is
winsorised; its shape is given. Fitting scale and shape above the 98th percentile by moments makes
the anomalies their own excuse: on the first halves of 14 operations curves 0.64 in event F1, for
0.81 this way.

Sources:
    Pickands 1975 and Balkema & de Haan 1974 (excesses over a high threshold are
    generalised-Pareto), Siffer et al. 2017 "Anomaly Detection in Streams with Extreme Value Theory"
    (the streaming use), Robbins & Monro 1951 (the running quantile), Huber 1964 (winsorising).
"""

from bisect import bisect_left, insort
from math import exp, log, log10

FIRST_VALUES = 50
"""Values that are kept and ranked before a tail is fitted to the largest five."""

ABOVE = 0.1
"""Share of values above the running threshold, where the tail begins."""

MEMORY = 20_000
"""Values over which threshold, share and mean excess are averaged: two weeks of minutes."""

LARGEST_EXCESS = 3.0
"""Means of excess up to which a value teaches the tail its scale."""

SHAPE = 0.1
"""Of the Pareto tail: a little heavier than exponential."""

FAR = 0.01
"""Share of values above a second threshold, which sees a tail heavier than its beginning says:
usual spikes. It is learned only while nothing is told, so incidents do not move it far."""

FAR_MEANS = 2.33
"""Mean excesses between the two thresholds in a tail of ``SHAPE``: ``(1/s - 1) (10 ** s - 1)``."""

FAR_STEP = 0.5
"""Of the first threshold's steps: the second sees a tenth as many values."""

_FASTEST = 0.05
"""Weight of a new excess at most, so that the first five are not forgotten at once."""


class Tail:
    """The upper tail of a stream of numbers.

    ``surprise`` before ``learn``. Until ``FIRST_VALUES`` are known a number is ranked among them,
    so that no surprise exceeds ``log10(FIRST_VALUES)``; then

        P(X >= x) = share * (1 + SHAPE * (x - threshold) / scale) ** (-1 / SHAPE)

    above the threshold, with the scale from the mean of past excesses.

    Args:
        finest: a difference that means nothing, in the values' unit: the mean excess is never taken
            for less, or the jitter of a constant would in time become a surprise.

    >>> tail = Tail()
    >>> for number in range(1_000):
    ...     tail.learn(number % 97)
    >>> tail.surprise(50) == 0, 1 < tail.surprise(96) < 3, tail.surprise(500) > 6
    (True, True, True)
    """

    __slots__ = ("_far", "_finest", "_first", "_known", "_mean", "_share", "_threshold")

    def __init__(self, finest: float = 0.01) -> None:
        self._finest = finest
        self._first: list[float] | None = []
        self._known = 0
        self._threshold = 0.0
        self._share = 0.0
        self._mean = finest
        self._far = 0.0

    def surprise(self, value: float) -> float:
        """``-log10`` of the probability of a value at least as large; 0 or more."""
        if self._first is not None:
            larger = len(self._first) - bisect_left(self._first, value)
            return log10((len(self._first) + 1) / (larger + 1))
        excess = value - self._threshold
        if excess <= 0:
            return 0.0
        inside = 1.0 + SHAPE / (1.0 - SHAPE) * excess / self._wide()
        return log10(inside) / SHAPE - log10(self._share)

    def value_at(self, surprise: float) -> float:
        """The value of that surprise; of ranks, the largest known."""
        if self._first is not None:
            return self._first[-1] if self._first else 0.0
        beyond = surprise + log10(self._share)
        if beyond <= 0:
            return self._threshold
        scale = self._wide() * (1.0 - SHAPE)
        return self._threshold + scale / SHAPE * (exp(SHAPE * beyond * log(10)) - 1.0)

    def _wide(self) -> float:
        """The mean excess, or what the second threshold says that it is, if larger."""
        wide = (self._far - self._threshold) / FAR_MEANS
        return wide if wide > self._mean else self._mean  # noqa: FURB136  max() is slower

    def learn(self, value: float) -> None:
        """Take one value into account."""
        self._known += 1
        if self._first is not None:
            insort(self._first, value)
            if self._known == FIRST_VALUES:
                self._fit(self._first)
            return
        weight = 1.0 / self._known if self._known < MEMORY else 1.0 / MEMORY
        mean = self._mean
        if value > self._far:
            self._far += weight * mean * FAR_STEP * (1.0 / FAR - 1.0)
        else:
            self._far -= weight * mean * FAR_STEP
        excess = value - self._threshold
        if excess > 0:
            excess = min(excess, LARGEST_EXCESS * mean)
            rate = weight / ABOVE
            mean += (rate if rate < _FASTEST else _FASTEST) * (excess - mean)  # noqa: FURB136  min() is slower
            self._mean = mean if mean > self._finest else self._finest  # noqa: FURB136
            self._share += weight * (1.0 - self._share)
            self._threshold += weight * mean * (1.0 / ABOVE - 1.0)
        else:
            self._share -= weight * self._share
            self._threshold -= weight * mean

    def _fit(self, first: list[float]) -> None:
        start = int(FIRST_VALUES * (1.0 - ABOVE)) - 1
        self._threshold = first[start]
        excesses = [value - self._threshold for value in first[start + 1 :]]
        self._share = len(excesses) / FIRST_VALUES
        middle = sorted(excesses)[len(excesses) // 2]
        mean = sum(min(excess, LARGEST_EXCESS * middle) for excess in excesses) / len(excesses)
        self._mean = max(mean, self._finest)
        self._far = self._threshold + FAR_MEANS * self._mean
        self._first = None
