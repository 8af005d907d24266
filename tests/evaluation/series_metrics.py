"""Figures about alerts and scores on a labelled series: by event, never point-adjusted.

An *event* is a run of labelled rows. It is found if an alert begins on one of its rows, in time if
it begins within ``DELAY_ROWS`` of its first. An alert that begins on no labelled row, nor within
``AFTER_ROWS`` behind one, is false. So a second alert in an event gains and costs nothing.
"""

from dataclasses import dataclass, field
from math import log

import numpy as np
from numpy.typing import NDArray

DELAY_ROWS = 7
AFTER_ROWS = 10
QUIET_ROWS = 10
"""Rows below the threshold that end an episode, for every method alike."""

WEEK_SECONDS = 604_800.0

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Rows = NDArray[np.int64]


def segments(labels: Bools) -> tuple[Rows, Rows]:
    """First rows and ends (exclusive) of the labelled runs."""
    edges = np.diff(np.concatenate(([0], labels.astype(np.int8), [0])))
    return np.flatnonzero(edges == 1), np.flatnonzero(edges == -1)


def episodes(scores: Floats, threshold: float) -> Rows:
    """The rows at which episodes of scores at or above a threshold begin."""
    above = np.flatnonzero(scores >= threshold)
    if not len(above):
        return above
    return above[np.concatenate(([True], np.diff(above) > QUIET_ROWS))]


@dataclass
class Events:
    """Counts over any number of series; they add up.

    Attributes:
        events: labelled events.
        found: those in which an alert begins.
        in_time: those in which one begins within ``DELAY_ROWS``.
        false: alerts that belong to no event.
        weeks: how long was looked, in series-weeks.
        delays: rows from an event's first to its first alert, of those found.
    """

    events: int = 0
    found: int = 0
    in_time: int = 0
    false: int = 0
    weeks: float = 0.0
    delays: list[int] = field(default_factory=list)

    def add(self, other: "Events") -> None:
        """Count another series, too."""
        self.events += other.events
        self.found += other.found
        self.in_time += other.in_time
        self.false += other.false
        self.weeks += other.weeks
        self.delays += other.delays

    def recall(self, *, in_time: bool) -> float:
        """Share of events found."""
        return (self.in_time if in_time else self.found) / max(self.events, 1)

    def precision(self, *, in_time: bool) -> float:
        """Share of found events among these and false alarms."""
        found = self.in_time if in_time else self.found
        return found / max(found + self.false, 1)

    def f1(self, *, in_time: bool) -> float:
        """Harmonic mean of the two."""
        found = self.in_time if in_time else self.found
        return 2 * found / max(self.events + found + self.false, 1)

    @property
    def false_a_week(self) -> float:
        """False alarms per series-week."""
        return self.false / self.weeks if self.weeks else 0.0

    @property
    def false_a_week_bound(self) -> float:
        """Its one-sided 95 % Poisson bound."""
        return poisson_bound(self.false) / self.weeks if self.weeks else 0.0


def count_events(alerts: Rows, labels: Bools, seconds: float) -> Events:
    """Hold the rows on which alerts begin against the labels of one series."""
    starts, ends = segments(labels)
    found = in_time = 0
    delays = []
    near = np.zeros(len(labels) + AFTER_ROWS, dtype=np.bool_)
    for start, end in zip(starts, ends, strict=True):
        near[start : end + AFTER_ROWS] = True
        inside = alerts[(alerts >= start) & (alerts < end)]
        if len(inside):
            delay = int(inside[0] - start)
            found += 1
            in_time += delay <= DELAY_ROWS
            delays.append(delay)
    false = int((~near[alerts]).sum()) if len(alerts) else 0
    return Events(len(starts), found, in_time, false, seconds / WEEK_SECONDS, delays)


def poisson_bound(count: int, share: float = 0.95) -> float:
    """The largest mean under which ``count`` or fewer still have a probability of ``1 - share``.

    >>> round(poisson_bound(0), 2), round(poisson_bound(3), 2)
    (3.0, 7.75)
    """
    low, high = 0.0, count + 10.0 * (count + 1) ** 0.5 + 10.0
    for _ in range(100):
        middle = (low + high) / 2
        ks = np.arange(count + 1)
        logs = ks * log(middle) - np.cumsum(np.log(np.maximum(ks, 1))) - middle
        if np.exp(logs).sum() > 1 - share:
            low = middle
        else:
            high = middle
    return low


def average_precision(scores: Floats, labels: Bools) -> float:
    """Area under precision over recall of the rows; rows without a score are not counted."""
    known = np.isfinite(scores)
    scores, labels = scores[known], labels[known]
    if not labels.any():
        return float("nan")
    order = np.argsort(-scores, kind="stable")
    ranked, hits = scores[order], np.cumsum(labels[order])
    last = np.flatnonzero(np.concatenate((np.diff(ranked) != 0, [True])))
    recall = hits[last] / hits[-1]
    precision = hits[last] / (last + 1)
    return float(np.sum(np.diff(np.concatenate(([0.0], recall))) * precision))
