"""One series, row after row: expected, how improbable, and whether somebody should be told.

Several channels look at each row: how far it is from what the experts expected, from what the
season expected, from the row before; the mean of the last rows; how much they move; whether they
stand still; whether the value is a record. Each is a tail probability of its own history, the
smallest counts, and its history calibrates it once more. Scored before it is learned.

Sources:
    Ahmad et al. 2017 "Unsupervised real-time anomaly detection for streaming data" (the likelihood
    of scores against their own history); the other sources stand in ``tail.py``, ``experts.py``.
"""

from itertools import pairwise
from math import isnan
from statistics import median
from typing import NamedTuple

from detectors.experts import DAY_SECONDS, Experts
from detectors.tail import Tail

ALERT_SURPRISE = 4.5
"""``-log10`` of the tail probability at which an alert fires."""

LEAST_ROWS = 60
MOST_ROWS = 500


class Judgement(NamedTuple):
    """One row, judged.

    Attributes:
        expected: what the row should have been.
        lower: below it the row by itself would be an alert.
        upper: above it likewise.
        score: 0-1, 0.5 where an alert fires; a fixed map of the tail probability.
        is_alert: whether an alert fires on this row.
    """

    expected: float
    lower: float
    upper: float
    score: float
    is_alert: bool


CLOSE_SURPRISE = 2.5
CLOSE_ROWS = 10
REFRACTORY_ROWS = 10
GAP_ROWS = 30
BOUND = 8.0
SURPRISE_MEAN = 0.43
"""Of the excess of a ``-log10`` of a probability: ``1 / ln(10)``; no lighter tail is believed."""
STILL = 0.5
NAMES = ("residual", "season", "difference", "mean5", "mean20", "variance")


class SeriesDetector:
    """Judges one series; give it every row once, in the order of the file."""

    def __init__(self) -> None:
        self._warm_up: list[tuple[float, float]] = []
        self._experts: Experts | None = None
        self._tails = [Tail() for _ in NAMES]
        self._final = Tail(finest=SURPRISE_MEAN)

    def step(self, at_seconds: float, value: float) -> Judgement | None:
        """Judge one row, then learn it.

        Returns:
            ``None`` while warming up, and where the value is missing.
        """
        if isnan(value):
            return None
        if self._experts is None:
            rows = self._warm_up
            rows.append((at_seconds, value))
            if len(rows) >= LEAST_ROWS and (
                len(rows) >= MOST_ROWS or at_seconds - rows[0][0] >= DAY_SECONDS
            ):
                self._begin()
            return None
        return self._judge(self._experts, at_seconds, value)

    def _begin(self) -> None:
        rows = self._warm_up
        values = [value for _, value in rows]
        steps = [b[0] - a[0] for a, b in pairwise(rows) if b[0] > a[0]]
        interval = median(steps) if steps else 60.0
        level = median(values)
        jumps = [abs(b - a) for a, b in pairwise(values)]
        apart = sum(abs(value - level) for value in values) / len(values)
        self._unit = max(abs(v) for v in values) * 1e-6 + 1e-12
        self._spread = self._season_spread = max(
            min(apart, 3 * sum(jumps) / len(jumps)), self._unit
        )
        self._season_spread = max(apart, self._unit)
        self._slot_spread = [0.0] * 24
        self._jump = max(sum(jumps) / len(jumps), self._unit)
        self._fast_jump = self._jump
        self._previous = values[0]
        self._mean5 = self._mean20 = 0.0
        self._low, self._high = min(values[:20]), max(values[:20])
        self._run = 0
        self._longest = 0
        self._still = sum(jump == 0 for jump in jumps) / len(jumps)
        self._open = False
        self._quiet = 0
        self._since = 10**9
        self._opened = 0
        self._at = rows[0][0]
        self._interval = interval
        self._settling = 0
        self._experts = Experts(interval, median(values[:20]), self._spread)
        for at, value in rows:
            self._judge(self._experts, at, value)
            self._open = False
        self._warm_up = []

    def _judge(self, experts: Experts, at: float, value: float) -> Judgement:  # noqa: C901, PLR0912, PLR0915  one row's arithmetic
        elapsed = at - self._at
        self._at = at
        if elapsed > DAY_SECONDS and elapsed > 10 * self._interval:
            self._settling = GAP_ROWS
        expected = experts.expect(at)
        hour = int(at % DAY_SECONDS / 3600)
        residual = value - expected
        spread = self._spread
        slot = self._slot_spread[hour]
        local = 0.5 * (spread + slot) if slot > 0 else spread
        local = max(local, self._unit)
        off = residual / local
        a_off = off if off > 0 else -off
        off_season = value - experts.steady
        a_season = abs(off_season) / self._season_spread
        jump = value - self._previous
        a_jump = abs(jump)
        bounded = max(-BOUND, min(off, BOUND))
        mean5 = 0.7 * self._mean5 + 0.3 * bounded
        season_bounded = max(-BOUND, min(BOUND, off_season / self._season_spread))
        mean20 = 0.9 * self._mean20 + 0.1 * season_bounded
        fast_jump = self._fast_jump + 0.15 * (min(a_jump, 10 * self._jump) - self._fast_jump)
        raw = (
            a_off,
            a_season,
            a_jump / self._jump,
            abs(mean5),
            abs(mean20),
            fast_jump / self._jump,
        )
        tails = self._tails
        combined = 0.0
        for tail, x in zip(tails, raw, strict=True):
            s = tail.surprise(x)
            combined = max(combined, s)
        span = self._high - self._low
        beyond = max(value - self._high, self._low - value)
        if beyond > 0 and span > 0:
            combined += min(1.0, beyond / span * 10)
        self._still += 0.001 * ((jump == 0) - self._still)
        if jump == 0 and self._still < STILL:
            self._run += 1
        else:
            self._longest = max(self._longest, self._run)
            self._run = 0
        final = self._final.surprise(combined)
        flat_at = max(12, 3 * self._longest)
        stuck = self._run / flat_at * ALERT_SURPRISE if self._run * 2 > flat_at else 0.0
        told = max(final, stuck)
        if self._settling > 0:
            self._settling -= 1
            told = min(told, ALERT_SURPRISE * 0.9)
        alert = self._episode(told)
        reach = local * tails[0].value_at(ALERT_SURPRISE)
        judgement = Judgement(
            expected, expected - reach, expected + reach, told / (told + ALERT_SURPRISE), alert
        )
        # learn
        pace = 1.0
        if self._open:
            pace = 0.2 if self._opened * self._interval < DAY_SECONDS else 1.0
        limit = 4.0 * local if pace == 1 else 2.0 * local
        clean = expected + (limit if residual > limit else max(residual, -limit))
        experts.learn(clean, 5 * local, pace)
        size = abs(residual)
        size = min(size, 5 * spread)
        self._spread += 0.01 * pace * (size - spread)
        if slot > 0:
            self._slot_spread[hour] += 0.01 * pace * (min(abs(residual), 5 * slot) - slot)
        else:
            self._slot_spread[hour] = spread
        season_size = min(abs(off_season), 5 * self._season_spread)
        self._season_spread += 0.003 * pace * (season_size - self._season_spread)
        self._season_spread = max(self._season_spread, self._unit)
        self._jump = max(
            self._jump + 0.005 * pace * (min(a_jump, 5 * self._jump) - self._jump), self._unit
        )
        self._fast_jump = fast_jump
        self._mean5 = mean5
        self._mean20 = mean20
        self._previous = value
        if value > self._high:
            self._high = value
        elif value < self._low:
            self._low = value
        if pace == 1:
            for tail, x in zip(tails, raw, strict=True):
                tail.learn(x)
            self._final.learn(combined)
        return judgement

    def _episode(self, told: float) -> bool:
        self._since += 1
        if self._open:
            self._opened += 1
            if told < CLOSE_SURPRISE:
                self._quiet += 1
                if self._quiet >= CLOSE_ROWS:
                    self._open = False
            else:
                self._quiet = 0
            return False
        if told >= ALERT_SURPRISE and self._since > REFRACTORY_ROWS:
            self._open = True
            self._opened = 0
            self._quiet = 0
            self._since = 0
            return True
        return False
