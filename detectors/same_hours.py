"""What the same hours of other days say of a span of hours that ends now.

Guesses in logarithms, each with what it has missed by; which of them counts, and how far a span may
go, is ``drift.py``'s to say. This file must not know dollars' floors.
"""

from dataclasses import dataclass
from math import exp

import numpy as np
from numpy.typing import NDArray

from detectors.hour_ring import KEPT_HOURS

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

DAY_HOURS = 24
WEEK_DAYS = 7
DAYS_BACK = 27

PRIOR_COUNT = 4.0
"""What is thought of a spread before it is seen is worth so many days."""

OFFSET = 0.1
"""Share of the usual span that is added before a logarithm is taken: idle days are no abyss."""

ACTIVE_SHARE = 0.75
"""Share of the days known that had any spend: of who is idle on many nothing is usual. Without it
ServeGen clients active under 10 % of the time had 0.67 notes a scope-week, not 0.08."""

WEEKS_AGREE = 2
"""So many weeks must have shown what is known of a weekday, as in ``seasonal.py``."""

WEEKS_BACK = 4

RISE = 2.0
RISES_AGREE = 3
"""On three weekdays a day must have cost so many times as much as the one before it. A scope with
an hour's job at an hour of chance paged 1.85 times a week: its alerts had left it no such day. With
four weekdays it pages 1.5 times. The price: who is told of the same hours three times in a month,
and mends nothing, is told of a fourth time some hours later."""

LEAST_DAYS = 3
LEAST_LAGGED_DAYS = 5
LEAST_WEEKDAYS = 7
"""Days that must be known before a mean, a lagged one, or what weekdays say is trusted."""

LOOKS = 2.0
"""Every hour ends a span, so in a week there are more chances than spans side by side: with 1 there
were three times as many false notes as allowed (0.14 a scope-week for 0.05), with 2 0.04."""

FAR_NANOUSD = 10**17
LARGEST_LOG = 40.0
"""No guess is higher: a hundred million dollars."""


@dataclass(frozen=True, slots=True)
class Length:
    """One length of a span.

    Attributes:
        hours: of it.
        spread: of the logarithm of its dollars about the expectation, before anything is known.
        share: of the allowed chance.
        lagged_share: of the allowed chance, for the expectation that leaves out the last week.
        overlap: days that neighbours a day apart have in common.
    """

    hours: int
    spread: float
    share: float
    lagged_share: float = 0.0
    overlap: int = 1

    @property
    def a_week(self) -> float:
        """How many of them in a week are as good as independent, though each hour ends one."""
        return LOOKS * WEEK_DAYS * DAY_HOURS / self.hours

    @property
    def alike(self) -> float:
        """How many of them, a day apart, say as much about their spread as one that stands alone.

        Of sums that overlap, the mean square varies as if there were ``sum(r ** 2)`` times fewer,
        ``r`` their correlations: 2.1 times for three days that share two or one. With 3 for 2.1,
        58 % of the creeps of 5 % a day were told by day 10, not 88 % (residual 0.1; 79 % since the
        spread of ``lagged_guess`` is without bias).

        Sources:
            Bartlett, "On the theoretical specification and sampling properties of autocorrelated
            time-series", Supplement to the Journal of the Royal Statistical Society 8 (1946).
        """
        shared = [1.0 - apart / self.overlap for apart in range(1, self.overlap)]
        return 1.0 + 2.0 * sum(each * each for each in shared)


LENGTHS = (
    Length(6, spread=0.25, share=0.25),
    Length(24, spread=0.15, share=0.35),
    Length(72, spread=0.12, share=0.1, lagged_share=0.3, overlap=3),
)


@dataclass(frozen=True, slots=True)
class Guess:
    """An expectation of the logarithm of a span.

    Attributes:
        centre: the expectation.
        spread: what it has missed by on the days known.
        freedom: how many days that is worth.
    """

    centre: float
    spread: float
    freedom: int


@dataclass(frozen=True, slots=True)
class Days:
    """Logarithms of spans that end one day earlier, two days earlier and so on.

    Attributes:
        logs: of their nano-dollars and the offset.
        is_usual: which of them teach.
        offset: nano-dollars.
        before: of the 24 hours before each of them, as far as known; ``None``: not looked at.
        before_now: of the 24 hours before the one that ends now.
        seen_nanousd: what such a span was seen to cost more than once, odd or not.
    """

    logs: Floats
    is_usual: Bools
    offset: float
    before: Floats | None
    before_now: float
    seen_nanousd: int

    def nanousd(self, log_: float) -> int:
        """Back."""
        return max(int(min(exp(min(log_, LARGEST_LOG)) - self.offset, FAR_NANOUSD)), 0)

    def if_seen_last_week(self, nanousd: int) -> int:
        """The same, if the same hours a week before cost so much; else 0."""
        if len(self.logs) < WEEK_DAYS or self.nanousd(float(self.logs[WEEK_DAYS - 1])) < nanousd:
            return 0
        return nanousd

    def guesses(self, length: Length) -> list[Guess]:
        """By the last week, the same weekday, and the hours before."""
        last_week = (length.overlap, length.overlap + WEEK_DAYS)
        means = [self._means(self.logs, *last_week, LEAST_DAYS), self._means_of_weekdays()]
        found = [self._guess(length, self.logs, each) for each in means if each is not None]
        if self.before is not None:
            grown = self.logs[: len(self.before)] - self.before
            more = self._means(grown, 1, 1 + 2 * WEEK_DAYS, LEAST_DAYS)
            if more is not None:
                found.append(self._guess(length, grown, more, above=self.before_now))
        return found

    def lagged_guess(self, length: Length) -> Guess | None:
        """By the two weeks before the last.

        What the last week's mean missed by, on days that are a week old, tells the spread, about
        its own mean. A creep makes it miss by more each day, then by as much each day, and would
        hide itself: with the last week's days 38 % of the creeps of 5 % a day were told by day
        10, without them 58 %. The price, with ``Length.alike``: 0.11 notes a scope-week of $0.50
        calls, not 0.06, of office hours 0.08, not 0.05; 0.05 as before of $0.005, $0.05, $5 calls.
        """
        first = WEEK_DAYS + 1
        far = self._means(self.logs, first, first + 2 * WEEK_DAYS, LEAST_LAGGED_DAYS)
        near = self._means(self.logs, length.overlap, length.overlap + WEEK_DAYS, LEAST_DAYS)
        if far is None or near is None:
            return None
        near[1 : 1 + WEEK_DAYS] = np.nan
        missed = self._missed(self.logs, near)
        left = len(missed) - length.overlap  # their own mean takes up to as many of them along
        if left <= 0:
            return _spread(length, float(far[0]), missed[:0])
        unbiased = (len(missed) / left) ** 0.5
        return _spread(length, float(far[0]), (missed - missed.mean()) * unbiased)

    def _means(self, logs: Floats, first: int, stop: int, least: int) -> Floats | None:
        """Before each day, and before now as the first, the mean of the days before it.

        Args:
            logs: of days, newest first.
            first: how many days back the newest is.
            stop: and the first that is too old.
            least: usual days that must be known now; otherwise the answer is ``None``.
        """
        size = len(logs)
        usual = self.is_usual[:size]
        sums = np.concatenate(([0.0], np.cumsum(np.where(usual, logs, 0.0))))
        counts = np.concatenate(([0], np.cumsum(usual)))
        low = np.minimum(np.arange(first - 1, first + size), size)
        high = np.minimum(low + (stop - first), size)
        count = counts[high] - counts[low]
        if count[0] < least:
            return None
        known: Floats = np.where(
            count >= LEAST_DAYS, (sums[high] - sums[low]) / np.maximum(count, 1), np.nan
        )
        return known

    def _means_of_weekdays(self) -> Floats | None:
        """Likewise of the same weekday."""
        size = len(self.logs)
        values = np.where(self.is_usual, self.logs, 0.0)
        total, count = np.zeros(size + 1), np.zeros(size + 1)
        for back in range(WEEK_DAYS, size + 1, WEEK_DAYS):
            total[: size - back + 1] += values[back - 1 :]
            count[: size - back + 1] += self.is_usual[back - 1 :]
        known: Floats = np.where(count > 0, total / np.maximum(count, 1), np.nan)
        is_enough = count[0] and len(self._missed(self.logs, known)) >= LEAST_WEEKDAYS
        return known if is_enough else None

    def _missed(self, logs: Floats, means: Floats) -> Floats:
        """By how much, on the usual days that had a mean."""
        missed: Floats = (logs - means[1:])[self.is_usual[: len(logs)]]
        return missed[np.isfinite(missed)]

    def _guess(self, length: Length, logs: Floats, means: Floats, *, above: float = 0.0) -> Guess:
        return _spread(length, float(means[0]) + above, self._missed(logs, means))


def _spread(length: Length, centre: float, missed: Floats) -> Guess:
    """A guess with the spread of what it missed by."""
    total = float((missed * missed).sum()) / length.alike
    freedom = PRIOR_COUNT + len(missed) / length.alike
    spread = ((PRIOR_COUNT * length.spread**2 + total) / freedom) ** 0.5
    return Guess(centre, spread, round(freedom))


def _seen_again(spent: Floats) -> int:
    """What days were seen to cost again and again: each ``RISE`` times as much as the one before.

    A job of no fixed hour, or of every third day. What lasts rises once, and what is weekly does on
    one weekday: on others it is news.

    Args:
        spent: nano-dollars of days, newest first.
    """
    risen = np.zeros((DAYS_BACK // WEEK_DAYS + 1, WEEK_DAYS))
    days = spent[:-1]
    risen.flat[: len(days)] = np.where(days > RISE * spent[1:], days, 0.0)
    return int(np.sort(risen.max(axis=0))[-RISES_AGREE])


@dataclass(frozen=True, slots=True)
class Past:
    """The hours of one scope that are over, as running sums.

    Attributes:
        sums: nano-dollars, as ``hour_ring.sums_until`` gives them.
        odd: odd hours, likewise; ``None``: there are none.
        first: place of the first hour known.
    """

    sums: Floats
    odd: NDArray[np.int64] | None
    first: int

    def days(self, length: Length) -> Days | None:
        """The spans of a length that end so many days earlier; ``None`` if there are too few."""
        end = KEPT_HOURS + 1
        count = min(DAYS_BACK, (end - length.hours - self.first) // DAY_HOURS)
        if count < LEAST_DAYS * length.overlap:
            return None
        ends = end - DAY_HOURS * np.arange(1, count + 1)
        spent = self._between(ends - length.hours, ends)
        is_usual = self._is_usual(ends - length.hours, ends)
        usual = spent[is_usual]
        shorter = spent if length.overlap == 1 else self._between(ends - DAY_HOURS, ends)
        if len(usual) < LEAST_DAYS or np.mean(shorter[is_usual] > 0) < ACTIVE_SHARE:
            return None
        mean = float(usual.mean())
        offset = OFFSET * mean
        before, now = None, 0.0
        if length.hours < DAY_HOURS:
            starts = np.concatenate(([end], ends)) - length.hours
            starts = starts[starts - DAY_HOURS >= self.first]
            a_day = np.log(
                self._between(starts - DAY_HOURS, starts) + offset * DAY_HOURS / length.hours
            )
            before, now = a_day[1:], float(a_day[0])
        seen = self._seen_of_weekday(length.hours, end)
        if length.overlap == 1:
            seen = max(seen, _seen_again(spent))
        return Days(np.log(spent + offset), is_usual, offset, before, now, seen)

    def _seen_of_weekday(self, hours: int, end: int) -> int:
        """What the same weekday was seen to cost twice in the last weeks, an hour about as well."""
        ends = end - WEEK_DAYS * DAY_HOURS * np.arange(1, WEEKS_BACK + 1)
        ends = ends[ends - hours >= self.first]
        if len(ends) < WEEKS_AGREE:
            return 0
        near = [
            self._between(np.maximum(each - hours, 0), each) for each in (ends - 1, ends, ends + 1)
        ]
        return int(np.sort(np.max(near, axis=0))[-WEEKS_AGREE])

    def _between(self, starts: NDArray[np.int64], ends: NDArray[np.int64]) -> Floats:
        spent: Floats = self.sums[ends] - self.sums[starts]
        return spent

    def _is_usual(self, starts: NDArray[np.int64], ends: NDArray[np.int64]) -> Bools:
        """Whether there is no odd hour in a span."""
        if self.odd is None:
            return np.ones(len(ends), np.bool_)
        found: Bools = self.odd[ends] == self.odd[starts]
        return found
