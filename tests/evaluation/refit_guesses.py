"""Guesses of a scope's next hours, by what is simple and by what detection has now.

Each is made from hours before it alone, in logarithms. Those of refits are
``refit_profiles.py``'s; whether one is good is ``refits.py``'s.
"""

from dataclasses import dataclass
from decimal import Decimal

import numpy as np

from detectors.drift import DriftConfig, DriftDetector
from detectors.observation import COST, NANOUSD_PER_USD, Observation, zero_counts
from detectors.same_hours import DAY_HOURS, OFFSET
from detectors.seasonal import SeasonalConfig, SeasonalDetector
from detectors.series import SeriesDetector
from detectors.window import HOUR_SECONDS, Window
from tests.evaluation.minutes import Floats
from tests.evaluation.series_metrics import Bools

WEEK_HOURS = 7 * DAY_HOURS
USD_AN_HOUR = 100 / DAY_HOURS
OFFSET_USD = OFFSET * USD_AN_HOUR
"""Added to each hour before its logarithm is taken, whatever is compared."""

YESTERDAY, LAST_WEEK = "same hours yesterday", "same hours, mean of 7 days"
BAND, DRIFT, EXPERTS = "seasonal band", "drift", "experts of `score`"
ETS, REGRESSION, WINTERS = "refit: MSTL + ETS", "refit: MSTL + AR(1, 2, 24)", "refit: Holt-Winters"

AT_MIDNIGHT, HOUR_BEFORE, SIX_HOURS, DAY = "hour, at 0:00", "hour, before it", "6 h", "24 h"
SPANS = {AT_MIDNIGHT: 1, HOUR_BEFORE: 1, SIX_HOURS: 6, DAY: DAY_HOURS}
"""What is guessed, with the hours of it. At 0:00 of its day, or when it begins."""

Guesses = dict[str, Floats]
"""What is guessed to a logarithm for each, from the first hour on; NaN where there is none."""

All = dict[str, Guesses]
"""The same by who guesses."""


@dataclass(frozen=True, slots=True)
class Hours:
    """Whole days of one series, from a midnight on.

    Attributes:
        name: of the series.
        first: epoch hour.
        usd: of each hour; the first week costs $100 a day.
        is_odd: hours that are not to be guessed.
        scale: dollars an hour of one of the series' own units.
    """

    name: str
    first: int
    usd: Floats
    is_odd: Bools
    scale: float

    @classmethod
    def of(cls, name: str, first: int, amounts: Floats, is_odd: Bools | None = None) -> "Hours":
        """Of amounts in whatever unit, cut to whole days."""
        start = -first % DAY_HOURS
        end = start + (len(amounts) - start) // DAY_HOURS * DAY_HOURS
        odd = np.zeros(len(amounts), np.bool_) if is_odd is None else is_odd
        scale = USD_AN_HOUR / max(float(amounts[start : start + WEEK_HOURS].mean()), 1e-12)
        return cls(name, first + start, amounts[start:end] * scale, odd[start:end], scale)

    def logs(self, hours: int = 1) -> Floats:
        """Of spans side by side."""
        return to_log(self.usd.reshape(-1, hours).sum(axis=1), hours)

    def is_usual(self, hours: int) -> Bools:
        """Whether no hour of each span is odd."""
        return ~self.is_odd.reshape(-1, hours).any(axis=1)


def to_log(usd: Floats, hours: int = 1) -> Floats:
    """Of spans of so many hours."""
    return np.log(np.maximum(usd, 0) + OFFSET_USD * hours)


def yesterday(hours: Hours) -> Guesses:
    """The same hours of the day before."""
    return {key: _days_before(hours.logs(span), span, 1) for key, span in _ahead()}


def last_week(hours: Hours) -> Guesses:
    """The mean of the same hours of the last seven days."""
    days = range(1, 8)
    return {
        key: np.mean([_days_before(hours.logs(span), span, day) for day in days], axis=0)
        for key, span in _ahead()
    }


def last_hour(hours: Hours) -> Guesses:
    """The hour before."""
    return {HOUR_BEFORE: np.concatenate(([np.nan], hours.logs()[:-1]))}


def experts(hours: Hours) -> Guesses:
    """What ``spendwatch score`` expects of a series of these logarithms."""
    step = SeriesDetector().step
    at = (hours.first + np.arange(len(hours.usd))) * float(HOUR_SECONDS)
    found = [step(*row) for row in zip(at.tolist(), hours.logs().tolist(), strict=True)]
    return {HOUR_BEFORE: np.array([each.expected if each else np.nan for each in found])}


def seasonal(hours: Hours) -> Guesses:
    """What the seasonal band expects of an hour."""
    detector = SeasonalDetector(SeasonalConfig(), HOUR_SECONDS)
    state, expected = detector.fresh(), []
    for hour, cost in _windows(hours):
        band = detector.band(state, hour)
        expected.append(band.expected_nanousd / NANOUSD_PER_USD if band else np.nan)
        counts = zero_counts()
        counts[COST] = cost
        detector.learn(state, Observation(hour, counts))
    return {AT_MIDNIGHT: to_log(np.array(expected))}


def drift(hours: Hours) -> Guesses:
    """What drift expects of spans: the guess that missed by the least before."""
    detector = DriftDetector(DriftConfig(), info_usd_per_hour=Decimal(1), chance_of_an_hour=1e-4)
    state = detector.fresh()
    found = {key: np.full(len(hours.logs(SPANS[key])), np.nan) for key in (SIX_HOURS, DAY)}
    for number, (hour, cost) in enumerate(_windows(hours)):
        edges = {each.hours: each for each in detector.edges(state)} if number else {}
        for key, expected in found.items():
            place, left = divmod(number + 1, SPANS[key])
            if not left and SPANS[key] in edges:
                usd = edges[SPANS[key]].expected_nanousd / NANOUSD_PER_USD
                expected[place - 1] = to_log(np.array(usd), SPANS[key])
        detector.learn(state, hour, cost, 100, aside_nanousd=0, is_odd=False)
    return found


def _ahead() -> list[tuple[str, int]]:
    return [(key, span) for key, span in SPANS.items() if key != HOUR_BEFORE]


def _days_before(logs: Floats, span: int, days: int) -> Floats:
    back = days * DAY_HOURS // span
    return np.concatenate((np.full(min(back, len(logs)), np.nan), logs[:-back]))


def _windows(hours: Hours) -> list[tuple[Window, int]]:
    starts = ((hours.first + np.arange(len(hours.usd))) * HOUR_SECONDS).tolist()
    costs = np.rint(hours.usd * NANOUSD_PER_USD).astype(np.int64).tolist()
    return [
        (Window(start, start + HOUR_SECONDS), cost)
        for start, cost in zip(starts, costs, strict=True)
    ]
