"""The usual spend at an unusual hour: nothing is wrong, and nobody should be woken for it.

A clock is put forward or back (daylight saving time, for whoever plans in local time), or somebody
gives a job another hour for good, or it has none. What counts is what is told in the two weeks
after it, beside the same scope that was left alone.
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
    """An hour of nine tenths of its dollars on some days, at an hour of its own.

    Attributes:
        every_days: 1, 7 or 14.
        day_share: of these, the share of days on which it runs.
        is_at_any_hour: it has no hour of its own, but one of each day's.
    """

    every_days: int = 1
    day_share: float = 1.0
    is_at_any_hour: bool = False

    def pace(self, draw: np.random.Generator, first: int, count: int) -> Floats:
        """Expected calls a minute, noise included."""
        at = np.arange(first, first + count)
        day = at // DAY_MINUTES
        of_days = day - day[0]
        hours = draw.integers(24, size=of_days[-1] + 1)
        starts = (hours[of_days] if self.is_at_any_hour else hours[0]) * HOUR_MINUTES
        runs = draw.random(of_days[-1] + 1) < self.day_share
        if self.every_days > 1:
            # On Sundays, when clocks are changed, or the morning after it.
            sunday = 6 if hours[0] >= MOVED_AT % DAY_MINUTES // HOUR_MINUTES else 7
            runs &= (np.arange(len(runs)) - sunday) % self.every_days == 0
        is_on = ((at - starts) % DAY_MINUTES < HOUR_MINUTES) & runs[of_days]
        weight = np.where(is_on, 0.9 * 24 * self.every_days / self.day_share, 0.1)
        weight = weight * noise(draw, of_days, self.day_noise)
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
UNSTEADY = (
    Job("a job of an hour a day, at any hour, $100", _FIVE_CENTS, is_at_any_hour=True),
    Job("a job of an hour on a third of days, $100", _FIVE_CENTS, day_share=1 / 3),
    Job("a job of an hour every other week, $100", _FIVE_CENTS, every_days=14),
)
"""These are left alone: what moves them is their habit."""

MOVES = {"left alone": 0, "an hour earlier": -1, "an hour later": 1, "five hours later": 5}
"""Hours by which all that comes after ``MOVED_AT`` is moved."""


def moved_table(
    config: RulesConfig, *, seed: int, scopes: int, habits: Sequence[Habit] = (*HABITS, *UNSTEADY)
) -> Table:
    """Episodes a scope-week after the move, by severity."""
    head = ("", "scope-weeks", "critical", "warning", "info", "loud a scope-week")
    table = Table("The usual spend at an unusual hour, the two weeks after", head)
    weeks = WEEKS_AFTER * scopes
    for habit in habits:
        for name, hours in MOVES.items():
            if hours and habit in UNSTEADY:
                continue
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
