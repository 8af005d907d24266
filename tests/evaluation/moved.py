"""The same spend at another hour: nothing is wrong, and nobody should be woken for it.

A clock is put forward or back (daylight saving time, for whoever plans in local time), or somebody
gives a job another hour for good. What counts is what is told in the two weeks after it, beside the
same scope that was left alone.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from alerting.alert import Severity
from alerting.watch.rules import RulesConfig
from alerting.watch.scope_watch import ScopeWatch
from detectors.window import MINUTE_SECONDS
from tests.evaluation.background import Habit, noise
from tests.evaluation.minutes import DAY_MINUTES, WEEK_MINUTES, CallShape, Floats
from tests.evaluation.scope_run import MONDAY, ScopeRun, worst_by_episode
from tests.evaluation.tables import Table

HOUR_MINUTES = 60
WEEKS_BEFORE = 5
WEEKS_AFTER = 2
MOVED_AT = WEEKS_BEFORE * WEEK_MINUTES - DAY_MINUTES + 2 * HOUR_MINUTES
"""Sunday at two, when clocks are changed."""


@dataclass(frozen=True, slots=True)
class Job(Habit):
    """An hour of nine tenths of its dollars every so many days, at an hour of its own.

    Attributes:
        every_days: 1 or 7.
    """

    every_days: int = 1

    def pace(self, draw: np.random.Generator, first: int, count: int) -> Floats:
        """Expected calls a minute, noise included."""
        at = np.arange(first, first + count)
        day = at // DAY_MINUTES
        starts = int(draw.integers(24)) * HOUR_MINUTES
        # Of seven days the one that clocks are changed on, and the one after it.
        of_week = (day + (3 if starts < 2 * HOUR_MINUTES else 4)) % 7
        is_on = (at - starts) % DAY_MINUTES < HOUR_MINUTES
        is_on &= (of_week == 0) | (self.every_days == 1)
        weight = np.where(is_on, 0.9 * 24 * self.every_days, 0.1)
        weight = weight * noise(draw, day - day[0], self.day_noise)
        return self.usd_per_day / self.call.usd / DAY_MINUTES * weight


_FIVE_CENTS = CallShape(0.05, cached_share=0.6)
HABITS = (
    Habit("rhythm 2-4 x, $100 a day", _FIVE_CENTS, swing=(2.0, 4.0)),
    Habit("office hours, $100 a day", _FIVE_CENTS, is_office=True),
    Habit(
        "office hours, steady, $500 a day",
        _FIVE_CENTS,
        usd_per_day=500.0,
        hour_noise=0.15,
        day_noise=0.1,
        is_office=True,
    ),
    Job("a job of an hour a day, $100", _FIVE_CENTS),
    Job("a job of an hour a day, $500", _FIVE_CENTS, usd_per_day=500.0),
    Job("a job of an hour a week, $700", _FIVE_CENTS, every_days=7),
)
MOVES = {"left alone": 0, "an hour earlier": -1, "an hour later": 1, "five hours later": 5}
"""Hours by which all that comes after ``MOVED_AT`` is moved."""


def moved_table(
    config: RulesConfig, *, seed: int, scopes: int, habits: Sequence[Habit] = HABITS
) -> Table:
    """Episodes a scope-week after the move, by severity."""
    head = ("", "scope-weeks", "critical", "warning", "info", "loud a scope-week")
    table = Table("The same spend at another hour, the two weeks after", head)
    weeks = WEEKS_AFTER * scopes
    for habit in habits:
        for name, hours in MOVES.items():
            found: Counter[Severity] = Counter()
            for each in told(habit, config, hours, seed=seed, scopes=scopes):
                found.update(each)
            loud = found[Severity.CRITICAL] + found[Severity.WARNING]
            counts = (found[each] for each in (Severity.CRITICAL, Severity.WARNING, Severity.INFO))
            cells = (f"{habit.name}: {name}", str(weeks), *map(str, counts), f"{loud / weeks:.2f}")
            table.rows.append(cells)
    table.notes.append(
        f"Five weeks are known; on a Sunday at two all that follows is moved, for good. {scopes}"
        " scopes a row. A page a scope on the very day is what a move by hours looks like: the"
        " job has run twice in 24 hours, or not yet."
    )
    return table


def told(
    habit: Habit, config: RulesConfig, hours: int, *, seed: int, scopes: int
) -> Iterator[list[Severity]]:
    """What each scope was told of after the move."""
    watch = ScopeWatch(config, is_durable=False)
    minutes = hours * HOUR_MINUTES
    for number in range(scopes):
        draw = np.random.default_rng((seed, number, *habit.name.encode()))
        pace = habit.pace(draw, MONDAY, (WEEKS_BEFORE + WEEKS_AFTER) * WEEK_MINUTES)
        if minutes < 0:
            pace = np.delete(pace, np.s_[MOVED_AT : MOVED_AT - minutes])
        elif minutes:
            pace = np.insert(pace, MOVED_AT, pace[MOVED_AT - minutes : MOVED_AT])
        run = ScopeRun(watch, f"agent:a-{number}")
        run.minutes(habit.minutes_at(draw, MONDAY, pace))
        since = (MONDAY + MOVED_AT) * MINUTE_SECONDS
        episodes = worst_by_episode(run.told).values()
        yield [severity for began, severity in episodes if began >= since]
