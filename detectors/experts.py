"""What the next value of a series should be: cheap experts, and those that were right are heard.

An unseasonal series never pays for seasonality, since its seasonal experts lose and go unheard.
Must not judge: residuals, spreads and tails are ``series.py``'s.

Sources:
    Littlestone & Warmuth 1994 (weighted majority), Cesa-Bianchi & Lugosi 2006 (discounted losses),
    Holt 1957 (trend), Huber 1964 (winsorised updates).
"""

from math import inf

from detectors.period import Period

DAY_SECONDS = 86_400
WEEK_SECONDS = 7 * DAY_SECONDS
HALF_HOUR_SECONDS = 1_800
HALF_HOURS = 48
LONGEST_FINE = 1_440
"""Fine slots of a day at most: one a minute."""

FAST, SLOW, LEVEL = 0.25, 0.01, 0.04
"""Weights of a new value in the fast and the slow mean, and in the level beside the season."""

DAILY = 0.3
"""Weight of a new day in a season's slot at least; the first days are averaged."""

LOSS = 0.02
"""Weight of a new loss: an expert is believed by its last fifty."""

MISSING = 1.6
"""Intervals between two rows from which one is missing between them."""

STEADIER, TRUER = 0.5, 0.8
"""Of the other steady experts' loss and of the last value's: a period that loses less is steady,
too. A walk at random seems to have one, but its last value is always better."""


class Experts:
    """Predictions of one series and what they cost so far.

    Attributes:
        expected: the mixture's prediction of the row last asked for.
        steady: the same of the experts that do not follow the last rows (slow mean, seasons,
            a clear period).
    """

    __slots__ = (
        "_at",
        "_coarse",
        "_coarse_rate",
        "_coarse_rows",
        "_fast",
        "_fine",
        "_fine_rate",
        "_fine_rows",
        "_fine_seconds",
        "_interval",
        "_last",
        "_level",
        "_losses",
        "_period",
        "_predictions",
        "_slot",
        "_slow",
        "_trend",
        "_week",
        "_week_rate",
        "expected",
        "steady",
    )

    def __init__(self, interval_seconds: float, level: float, spread: float) -> None:
        self._last = self._fast = self._slow = level
        self._at = inf
        self._interval = interval_seconds
        self._trend = 0.0
        self._level = 0.0
        rows_a_day = DAY_SECONDS / interval_seconds
        fine = int(min(max(rows_a_day, 1), LONGEST_FINE))
        self._fine_seconds = DAY_SECONDS / fine
        self._fine: list[float] = [0.0] * fine
        self._fine_rate = min(0.3, DAILY * fine / rows_a_day) * 0.6
        self._coarse: list[float] = [level] * HALF_HOURS
        self._coarse_rows = [0] * HALF_HOURS
        self._fine_rows = [0] * fine
        self._coarse_rate = min(DAILY, DAILY * HALF_HOURS / rows_a_day)
        self._week: list[float] = [0.0] * 168
        self._week_rate = min(0.3, 0.3 * 24 / rows_a_day)
        self._losses = [spread] * 9
        self._predictions = [level] * 9
        self._period = Period(level)
        self._slot = (0, 0, 0.0, 0, 0)
        self.expected = level
        self.steady = level

    def expect(self, at_seconds: float) -> float:
        """Predict the value at that time; learns nothing from it but that rows are missing."""
        elapsed = at_seconds - self._at
        self._at = at_seconds
        if elapsed >= MISSING * self._interval:
            self._period.skip(round(elapsed / self._interval) - 1)
        of_day = at_seconds % DAY_SECONDS
        place = of_day / HALF_HOUR_SECONDS - 0.5
        left = int(place // 1)
        part = place - left
        right = (left + 1) % HALF_HOURS
        fine = int(of_day / self._fine_seconds) % len(self._fine)
        week = int(at_seconds % WEEK_SECONDS / 3_600) % 168
        self._slot = (left, right, part, fine, week)
        coarse = self._coarse[left] * (1.0 - part) + self._coarse[right] * part
        daily = coarse + self._fine[fine]
        weekly = daily + self._week[week]
        level = self._level
        last = self._last
        predictions = self._predictions = [
            last,
            self._fast,
            self._fast + self._trend,
            self._slow,
            coarse + level,
            daily + level,
            weekly + level,
            weekly,
            self._period.expect(),
        ]
        losses = self._losses
        best = min(losses) + 1e-300
        total = weighed = 0.0
        steady_total = steady = 0.0
        best_steady = min(losses[3], losses[7]) + 1e-300
        for number in range(9 if self._period.rows else 8):
            weight = best / (losses[number] + 1e-300)
            weight *= weight
            weight *= weight
            total += weight
            weighed += weight * predictions[number]
        weight = best_steady / (losses[3] + 1e-300)
        weight *= weight
        steady = weight * self._slow
        steady_total = weight
        weight = best_steady / (losses[7] + 1e-300)
        weight *= weight
        steady += weight * weekly
        steady_total += weight
        if losses[8] < STEADIER * best_steady and losses[8] < TRUER * losses[0]:
            weight = best_steady / (losses[8] + 1e-300)
            weight *= weight
            weight *= weight
            steady += weight * predictions[8]
            steady_total += weight
        self.steady = steady / steady_total
        self.expected = weighed / total
        return self.expected

    def learn(self, value: float, worst: float, pace: float) -> None:
        """Take one value into account, after ``expect`` of its time.

        Args:
            value: the value, winsorised by the caller.
            worst: no expert is charged more than this for one row.
            pace: 1 usually, less while the series is not trusted.
        """
        losses = self._losses
        rate = LOSS * pace
        for number, prediction in enumerate(self._predictions):
            error = value - prediction
            if error < 0:
                error = -error
            error = min(error, worst)
            losses[number] += rate * (error - losses[number])
        if not self._period.rows:  # one that is found is not believed at once
            losses[8] = max(losses[:8])
        left, right, part, fine, week = self._slot
        coarse = self._coarse[left] * (1.0 - part) + self._coarse[right] * part
        daily = coarse + self._fine[fine]
        off_coarse = value - coarse
        known = self._coarse_rows[left] = self._coarse_rows[left] + 1
        rate = 1.0 / known
        rate = max(rate, self._coarse_rate)
        rate *= pace
        self._coarse[left] += rate * (1.0 - part) * off_coarse
        self._coarse[right] += rate * part * off_coarse
        known = self._fine_rows[fine] = self._fine_rows[fine] + 1
        rate = 1.0 / (known + 1)
        rate = max(rate, self._fine_rate)
        self._fine[fine] += rate * pace * (value - daily)
        self._week[week] += self._week_rate * pace * (value - daily - self._week[week])
        self._level += LEVEL * pace * (value - daily - self._week[week] - self._level)
        before = self._fast
        self._fast += FAST * (value - before)
        self._trend += 0.1 * (self._fast - before - self._trend)
        self._slow += SLOW * pace * (value - self._slow)
        self._last = value
        self._period.learn(value)
