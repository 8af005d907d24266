"""Recall by residual spread, magnitude and duration, with the best power that anybody can have.

The power bound is that of a one-sided test which knows the true mean and spread of the logarithm of
the dollars of just that span, at 0.02 alarms a week: ``Phi(log m / s - z)``, ``z`` the normal
quantile of 0.02 alarms over the spans of a week. ``s`` is made of the day's noise, the hours' and
the calls'; the day's is left out of spans shorter than that, since the hours before tell it. A
creep's bound is that of the best weighted sum of days, tested once a day.
"""

from dataclasses import dataclass

import numpy as np
from scipy.stats import norm

from alerting.alert import Severity
from alerting.watch.rules import RulesConfig
from tests.evaluation.background import Habit
from tests.evaluation.incidents import Kind, creep, times
from tests.evaluation.minutes import (
    COMMON_SPREAD,
    DAY_MINUTES,
    OWN_SPREAD,
    CallShape,
    Floats,
    Minutes,
)
from tests.evaluation.recall import outcomes
from tests.evaluation.scope_run import MONDAY
from tests.evaluation.tables import Table

ALARMS_A_WEEK = 0.02
RESIDUALS = (0.1, 0.15, 0.2, 0.3, 0.5)
MAGNITUDES = (1.5, 2.0, 3.0, 5.0)
HOURS = (1, 6, 24, 72)
CREEP_DAYS = (7, 10, 14)
HOUR_NOISE = 0.3
CALL = CallShape(0.05, cached_share=0.6)
USD_PER_DAY = 100.0


@dataclass(frozen=True, slots=True)
class Spell:
    """A magnitude for so many hours."""

    magnitude: float
    hours: int

    @property
    def kind(self) -> Kind:
        """As an incident."""
        minutes = self.hours * 60
        return Kind(f"{self.magnitude:g} x, {self.hours} h", times(self.magnitude), (minutes,) * 2)

    def power(self, residual: float) -> float:
        """The best that is possible."""
        days = self.hours / 24
        z = norm.isf(min(0.5, ALARMS_A_WEEK * days / 7))
        return float(norm.cdf(np.log(self.magnitude) / spread(residual, self.hours) - z))


def spread(residual: float, hours: float) -> float:
    """Of the logarithm of the dollars of a span, where that of a day is the residual.

    A shorter span may know the day's own noise from the hours before.
    """
    days = hours / 24
    day = day_noise(residual) ** 2 / days if days >= 1 else 0.0
    return float(np.sqrt(day + HOUR_NOISE**2 / hours + _calls(hours)))


def day_noise(residual: float) -> float:
    """What is left of the residual of a day's total for the day itself."""
    return float(np.sqrt(residual**2 - HOUR_NOISE**2 / 24 - _calls(24)))


def _calls(hours: float) -> float:
    calls = USD_PER_DAY / CALL.usd / 24 * hours
    return float(np.exp(COMMON_SPREAD**2 + OWN_SPREAD**2)) / calls


def creep_power(residual: float, days: int) -> float:
    """Of +5 % a day, by the end of that day."""
    growth = np.log(1.05) * np.arange(1, days + 1)
    z = norm.isf(ALARMS_A_WEEK / 7)
    return float(norm.cdf(np.sqrt((growth**2).sum()) / residual - z))


SPELLS = tuple(Spell(magnitude, hours) for hours in HOURS for magnitude in MAGNITUDES)
CREEP = Kind("creep", creep, (CREEP_DAYS[-1] * DAY_MINUTES,) * 2)


def recall_table(config: RulesConfig, *, seed: int, backgrounds: int) -> Table:
    """Share told, of any severity, beside the bound."""
    table = Table(
        f"Told of x times the usual, $100 a day in $0.05 calls, {backgrounds} a cell (power bound)",
        ("residual", *(f"{each:g}" for each in RESIDUALS)),
    )
    columns = [_column(each, config, seed=seed, backgrounds=backgrounds) for each in RESIDUALS]
    for name in columns[0]:
        table.rows.append((name, *(column[name] for column in columns)))
    table.data["recall"] = {"residuals": RESIDUALS, "rows": {r[0]: r[1:] for r in table.rows}}
    table.notes.append(
        "Residual: deviation of the logarithm of a day's dollars from what is usual. Bound: a test "
        f"that knows the true background, at {ALARMS_A_WEEK} alarms a week."
    )
    return table


def _column(residual: float, config: RulesConfig, *, seed: int, backgrounds: int) -> dict[str, str]:
    habit = Habit(
        f"residual {residual}",
        CALL,
        USD_PER_DAY,
        hour_noise=HOUR_NOISE,
        day_noise=day_noise(residual),
    )

    def source(draw: np.random.Generator, count: int) -> Minutes:
        return habit.minutes(draw, MONDAY, count)

    kinds = (*(each.kind for each in SPELLS), CREEP)
    after: dict[str, list[float]] = {kind.name: [] for kind in kinds}
    for number in range(backgrounds):
        key = (seed, 3, number, round(1000 * residual))
        for each in outcomes(source, kinds, config, seed=key):
            hit = each.hits.get(Severity.INFO)
            after[each.kind.name].append(np.inf if hit is None else hit.seconds)
    column = {
        spell.kind.name: _cell(np.isfinite(after[spell.kind.name]), spell.power(residual))
        for spell in SPELLS
    }
    claimed = np.array(after[CREEP.name]) / 86_400
    for days in CREEP_DAYS:
        name = f"creep +5 % a day, by day {days}"
        column[name] = _cell(claimed <= days, creep_power(residual, days))
    return column


def _cell(is_told: Floats, bound: float) -> str:
    return f"{np.mean(is_told):.0%} ({bound:.0%})" if len(is_told) else "-"
