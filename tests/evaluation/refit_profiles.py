"""Guesses of a scope's next hours by seasonal models that are fitted anew at each midnight.

What a refit found stays for a day; the level is followed each hour. All in logarithms.
"""

import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from statsmodels.tsa.ar_model import AutoReg
from statsmodels.tsa.exponential_smoothing.ets import ETSModel
from statsmodels.tsa.seasonal import MSTL

from detectors.same_hours import DAY_HOURS
from tests.evaluation.minutes import Floats, Ints
from tests.evaluation.refit_guesses import (
    AT_MIDNIGHT,
    DAY,
    HOUR_BEFORE,
    OFFSET_USD,
    SIX_HOURS,
    SPANS,
    WEEK_HOURS,
    Guesses,
    Hours,
    to_log,
)

HISTORY_HOURS = 4 * WEEK_HOURS

STEADY_SEASON = 101
"""Of MSTL's seasonal windows, in days or weeks. With its own, 11 and 15, each day's noise was the
next one's season: errors were up to an eighth larger."""

FAR = 3.0
"""Of a logarithm: what is missed by more is cut off before it makes a mean."""


class Smoothing:
    """An exponential mean of what is left, or Holt and Winters' trend and season of a day.

    Args:
        is_seasonal: which of the two.
    """

    def __init__(self, *, is_seasonal: bool) -> None:
        trend = {"trend": "add", "damped_trend": True}
        season = {"seasonal": "add", "seasonal_periods": DAY_HOURS}
        self._words = {**trend, **season} if is_seasonal else {}

    def fit(self, left: Floats) -> Floats:
        """Its parameters."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # not converged: it is as good as it got
            return np.asarray(self._model(left).fit(disp=False).params)

    def run(self, left: Floats, figures: Floats) -> tuple[Floats, Floats]:
        """Each hour as guessed before it, and the day that comes."""
        done = self._model(left).smooth(figures)
        return np.asarray(done.fittedvalues), np.asarray(done.forecast(DAY_HOURS))

    def _model(self, left: Floats) -> ETSModel:
        return ETSModel(left, error="add", initialization_method="heuristic", **self._words)


class Regression:
    """What is left goes back to its mean, by the last two hours and the same hour yesterday."""

    LAGS = (1, 2, DAY_HOURS)

    def fit(self, left: Floats) -> Floats:
        """Its parameters."""
        return np.asarray(AutoReg(left, self.LAGS).fit().params)

    def run(self, left: Floats, figures: Floats) -> tuple[Floats, Floats]:
        """Each hour as guessed before it, and the day that comes."""
        end = len(left) + DAY_HOURS - 1
        guessed = np.asarray(AutoReg(left, self.LAGS).predict(figures, start=0, end=end))
        return guessed[: len(left)], guessed[len(left) :]


@dataclass(frozen=True, slots=True)
class Profile:
    """What a refit found: a season that stays, and how the rest is followed.

    Attributes:
        season: of the hours of a week, by hour since the first modulo that, in logarithms.
        rest: the model of what is left.
        figures: its parameters.
        mean_factor: of an hour's mean over what is guessed of it.
    """

    season: Floats
    rest: Smoothing | Regression
    figures: Floats
    mean_factor: float

    @classmethod
    def of(cls, logs: Floats, season: Floats, rest: Smoothing | Regression) -> "Profile":
        """Fitted to all hours, of which the last four weeks count."""
        known = _known(logs)
        left = logs[known] - season[known % WEEK_HOURS]
        figures = rest.fit(left)
        missed = left - rest.run(left, figures)[0]
        return cls(season, rest, figures, float(np.nanmean(np.exp(missed.clip(-FAR, FAR)))))

    def follow(self, logs: Floats) -> tuple[Floats, Floats]:
        """The last day's hours, each as guessed before it, and the day that comes."""
        known = _known(logs)
        coming = np.arange(len(logs), len(logs) + DAY_HOURS) % WEEK_HOURS
        season = self.season[known % WEEK_HOURS]
        each, ahead = self.rest.run(logs[known] - season, self.figures)
        return (each + season)[-DAY_HOURS:], ahead + self.season[coming]


def mstl(logs: Floats, periods: tuple[int, ...]) -> Floats:
    """The seasons of a week's hours; that of a week only if two of them are known."""
    known = _known(logs)
    shown = [each for each in periods if 2 * each < len(known)]
    found = MSTL(logs[known], periods=shown, windows=[STEADY_SEASON] * len(shown)).fit().seasonal
    season = np.zeros(WEEK_HOURS)
    for part, period in zip(np.reshape(found, (len(known), -1)).T, shown, strict=True):
        season[known[-WEEK_HOURS:] % WEEK_HOURS] += np.tile(part[-period:], WEEK_HOURS // period)
    return season


def mstl_and_ets(logs: Floats) -> Profile:
    """Seasons of a day and of a week; the rest is smoothed."""
    return Profile.of(logs, mstl(logs, (DAY_HOURS, WEEK_HOURS)), Smoothing(is_seasonal=False))


def mstl_and_regression(logs: Floats) -> Profile:
    """The season of a day; the rest goes back to its mean."""
    return Profile.of(logs, mstl(logs, (DAY_HOURS,)), Regression())


def holt_winters(logs: Floats) -> Profile:
    """A season of a day and a trend that follow, nothing else."""
    return Profile.of(logs, np.zeros(WEEK_HOURS), Smoothing(is_seasonal=True))


@dataclass(slots=True)
class Refits:
    """Guesses by a profile that is fitted anew at each midnight after the first week.

    Attributes:
        fit: to the logarithms of all hours before.
        seconds: CPU of each refit, with the days of history.
    """

    fit: Callable[[Floats], Profile]
    seconds: list[tuple[int, float]]

    def __call__(self, hours: Hours) -> Guesses:
        """Guess."""
        logs = hours.logs()
        found = {key: np.full(len(logs) // span, np.nan) for key, span in SPANS.items()}
        for start in range(WEEK_HOURS, len(logs), DAY_HOURS):
            began = time.process_time()
            profile = self.fit(logs[:start])
            self.seconds.append((start // DAY_HOURS, time.process_time() - began))
            end = start + DAY_HOURS
            found[HOUR_BEFORE][start:end] = profile.follow(logs[:end])[0]
            for now in range(start, end, 6):
                coming = profile.follow(logs[:now])[1]
                usd = (np.exp(coming) * profile.mean_factor - OFFSET_USD).clip(0)
                found[SIX_HOURS][now // 6] = to_log(usd[:6].sum(), 6)
                if now == start:
                    found[AT_MIDNIGHT][start:end] = coming
                    found[DAY][start // DAY_HOURS] = to_log(usd.sum(), DAY_HOURS)
        return found


def _known(logs: Floats) -> Ints:
    return np.arange(max(0, len(logs) - HISTORY_HOURS), len(logs))
