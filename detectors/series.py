"""One series, row after row: expected, how improbable, and whether somebody should be told.

Several channels look at each row: how far it is from what the experts expected, from what its
season expects, from the row before; the mean of the last rows, and of more of them against the
season, for what is small but lasts; how much they move. Each becomes
a tail probability of its own history, and their surprises are averaged so that the largest counts
most. Beside them: whether the series stands still. Scored before it is learned, row by row, with a
few thousand numbers of memory.

Sources:
    Vovk & Wang 2020 "Combining p-values via averaging" (means of dependent probabilities); the
    other sources stand in ``tail.py``, ``experts.py``, ``spread.py``.
"""

from itertools import pairwise
from math import isnan, log10, sqrt
from statistics import median
from typing import NamedTuple

from detectors.episode import Episode
from detectors.experts import DAY_SECONDS, Experts
from detectors.habit import Habit
from detectors.peaks import Peaks
from detectors.spread import Spreads
from detectors.stillness import Stillness
from detectors.tail import Tail

ALERT_SURPRISE = 4.2
"""Where an alert fires, as ``-log10`` of the combined tail probability. It gave the best event F1
on the first halves of labelled operations curves; `tests/evaluation/kpi.py` reports the second."""

EACH_TENFOLD = 0.375
SHORTEST_SECONDS, LONGEST_SECONDS = 60.0, 3_600.0
"""By how much less surprise is enough where rows come ten times less often: there are as many fewer
to be false in a week. From a minute to an hour."""

LEAST_ROWS, MOST_ROWS = 50, 500
"""A series warms up for a day, but for no fewer and no more rows."""

GAP_ROWS = 30
"""Rows after a gap of over a day (and ten intervals) in which no alert fires."""

BOUND = 8.0
"""Spreads at which a row is cut off before it enters a mean of the last rows."""

CLEAN, CLEAN_HELD = 4.0, 2.0
"""Spreads from the expectation at which a value is cut off before the experts learn it, usually and
while an episode is open."""

LAST, LASTING, MOTION = 0.3, 0.06, 0.15
"""Weights of a new row in the mean of the last rows' residuals (six rows), of their distances from
the season (thirty), and of their moves."""

WEIGHTS = (3.0, 1.0, 1.0, 1.5, 0.3, 1.0)
"""Of residual, season, mean, lasting, move, motion in the fourth-power mean of their surprises."""

SIGNED = 4
"""The first four have a side: above and below are calibrated apart, since few series are even."""

FINEST = (0.5, 0.5, 0.2, 0.1, 0.5, 0.15)
"""Their smallest mean excess, in spreads: about that of a Gaussian's. Twice as much hid what is
five of its deviations off."""

_TOTAL = sum(WEIGHTS)


class Judgement(NamedTuple):
    """One row, judged.

    Attributes:
        expected: what the row should have been.
        lower: below it the row's residual by itself is an alert.
        upper: above it likewise.
        score: 0-1, a fixed monotone map of the surprise, ``s / (s + alert)``, where
            ``alert`` is ``ALERT_SURPRISE`` less what the series' interval allows.
        is_alert: whether an alert fires on this row; once an episode.
    """

    expected: float
    lower: float
    upper: float
    score: float
    is_alert: bool


class SeriesDetector:
    """Judges one series.

    ``step`` is called once for each row, in order; its answer depends on that row and those before
    it only, so a prefix of a series is judged like the whole. Times may repeat or go back: a row
    counts as the next one whatever its time, and its time says the hour and the day.
    """

    def __init__(self) -> None:
        self._warm_up: list[tuple[float, float]] | None = []

    def step(self, at_seconds: float, value: float) -> Judgement | None:
        """Judge one row, then learn it.

        Returns:
            ``None`` while warming up, and where the value is missing (NaN), which is not learned.
        """
        if isnan(value):
            return None
        rows = self._warm_up
        if rows is None:
            return self._judge(at_seconds, value)
        rows.append((at_seconds, value))
        known = len(rows)
        if known >= LEAST_ROWS and (known >= MOST_ROWS or at_seconds - rows[0][0] >= DAY_SECONDS):
            self._begin(rows)
        return None

    def _begin(self, rows: list[tuple[float, float]]) -> None:
        """Guess the scales from the warm-up, then go through it as if it came now."""
        values = [value for _, value in rows]
        steps = [after[0] - before[0] for before, after in pairwise(rows) if after[0] > before[0]]
        moves = [abs(after - before) for before, after in pairwise(values)]
        middle = median(values)
        apart = sum(abs(value - middle) for value in values) / len(values)
        move = sum(moves) / len(moves)
        unit = max(abs(value) for value in values) * 1e-6 or 1e-12
        interval = median(steps) if steps else 1.0
        self._interval = interval
        self._alert = ALERT_SURPRISE - _lenience(interval)
        self._experts = Experts(interval, median(values[:20]), max(apart, unit))
        self._spreads = Spreads(
            unit, max(min(apart, 2.0 * move), unit), max(apart, unit), max(move, unit)
        )
        self._stillness = Stillness(moves.count(0.0) / len(moves))
        self._tails = [Tail(finest) for finest in FINEST]
        self._below = [Tail(finest) for finest in FINEST[:SIGNED]]
        self._habit = Habit()
        self._peaks = Peaks(self._alert)
        self._previous = values[0]
        self._mean = self._lasting = 0.0
        self._motion = self._spreads.move
        self._at, self._settling = rows[0][0], 0
        self._warm_up = None
        for at_seconds, value in rows:
            self._episode = Episode(self._alert, DAY_SECONDS / interval)
            self._judge(at_seconds, value)
        self._episode = Episode(self._alert, DAY_SECONDS / interval)

    def _judge(self, at: float, value: float) -> Judgement:
        elapsed = at - self._at
        self._at = at
        if elapsed > DAY_SECONDS and elapsed > 10 * self._interval:
            self._settling = GAP_ROWS
        expected = self._experts.expect(at)
        residual = value - expected
        move = abs(value - self._previous)
        hour = int(at % DAY_SECONDS / 3_600)
        spreads = self._spreads
        spreads.look(hour, move)
        spread = spreads.residual
        size = abs(residual)
        off_season = value - self._experts.steady
        season = abs(off_season)
        off = residual / spread
        far = off_season / spreads.season
        self._mean += LAST * (
            (off if -BOUND < off < BOUND else BOUND if off > 0 else -BOUND) - self._mean
        )
        self._lasting += LASTING * (
            (far if -BOUND < far < BOUND else BOUND if far > 0 else -BOUND) - self._lasting
        )
        self._motion += MOTION * (min(move, 10 * spreads.move) - self._motion)
        figures = (
            off,
            far,
            self._mean,
            self._lasting,
            move / spreads.move,
            self._motion / spreads.move,
        )
        surprise = self._surprise(figures)
        usual = max(self._habit.factor, self._peaks.factor)
        self._peaks.step(surprise)
        surprise /= usual
        stuck = self._stillness.step(move) * self._alert
        if stuck > surprise:
            surprise = min(stuck, 2 * self._alert)
        if self._settling:
            self._settling -= 1
            surprise = min(surprise, 0.9 * self._alert)
        is_alert = self._episode.step(surprise)
        self._habit.step(is_begun=is_alert)
        alert = self._alert * usual
        upper = expected + spread * max(self._tails[0].value_at(alert), 0.0)
        lower = expected - spread * max(self._below[0].value_at(alert), 0.0)
        self._learn(value, expected, hour, (size, season, move), figures)
        return Judgement(
            expected,
            lower,
            upper,
            surprise / (surprise + self._alert),
            is_alert,
        )

    def _surprise(self, figures: tuple[float, ...]) -> float:
        """The fourth-power mean of the channels' surprises."""
        total = 0.0
        for number, figure in enumerate(figures):
            if figure < 0:
                surprise = self._below[number].surprise(-figure)
            else:
                surprise = self._tails[number].surprise(figure)
            surprise *= surprise
            total += WEIGHTS[number] * surprise * surprise
        return sqrt(sqrt(total / _TOTAL))

    def _learn(
        self,
        value: float,
        expected: float,
        hour: int,
        sizes: tuple[float, float, float],
        figures: tuple[float, ...],
    ) -> None:
        pace = self._episode.pace
        spread = self._spreads.residual
        limit = (CLEAN if pace == 1.0 else CLEAN_HELD) * spread
        clean = min(max(value, expected - limit), expected + limit)
        self._experts.learn(clean, 5.0 * spread, pace)
        self._spreads.learn(hour, sizes, pace)
        self._previous = value
        if pace == 1.0:
            for tail, figure in zip(self._tails, figures, strict=True):
                tail.learn(figure)
            for tail, figure in zip(self._below, figures, strict=False):
                tail.learn(-figure)


def _lenience(interval_seconds: float) -> float:
    """What the alert's surprise is lowered by for rows that come less often than each minute."""
    interval = min(max(interval_seconds, SHORTEST_SECONDS), LONGEST_SECONDS)
    return EACH_TENFOLD * log10(interval / SHORTEST_SECONDS)
