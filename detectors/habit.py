"""A series that often surprises is used to it: what it takes to be told, by how often it was told.

Tails know single rows; that spikes come forty times a day, as they always did, only a count of
episodes can know. Without it such a series is an alert storm.

Source:
    The stochastic approximation of a quantile (Robbins & Monro 1951), of episodes in place of
    rows, on a logarithmic scale.
"""

from math import exp

ROWS_AN_EPISODE = 600
"""Rows in which one episode is nothing unusual. Of the labelled curves at hand the busiest has an
incident every 190."""

GAIN = 0.1
"""By how much an episode more raises what it takes, as a logarithm."""

CREDIT = 0.3
"""Episodes that a calm series has free, in gains."""


class Habit:
    """How much more than usual it takes to surprise somebody who knows this series.

    Attributes:
        factor: by which a surprise is divided; 1 for a calm series.
    """

    __slots__ = ("_level", "factor")

    def __init__(self) -> None:
        self._level = -CREDIT
        self.factor = 1.0

    def step(self, *, is_begun: bool) -> None:
        """Take a row into account: whether an episode begins on it."""
        if is_begun:
            self._level += GAIN
        elif self._level > -CREDIT:
            self._level -= GAIN / ROWS_AN_EPISODE
        else:
            return
        self.factor = exp(self._level) if self._level > 0 else 1.0
