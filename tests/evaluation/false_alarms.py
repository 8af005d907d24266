"""How often the chain cries though nothing is wrong: episodes a scope-week, by severity.

An episode counts once, as the worst it was told as, and only if it began after the first week.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
from scipy.stats import chi2

from alerting.alert import Severity
from alerting.watch.rules import RulesConfig
from alerting.watch.scope_watch import ScopeWatch
from detectors.window import MINUTE_SECONDS
from tests.evaluation.background import Habit
from tests.evaluation.clients import Client
from tests.evaluation.minutes import WEEK_MINUTES, CallShape, Minutes
from tests.evaluation.scope_run import MONDAY, ScopeRun, worst_by_episode

_FIVE_CENTS = CallShape(0.05, cached_share=0.6)
HABITS = (
    Habit("$0.005 calls", CallShape(0.005)),
    Habit("$0.05 calls", _FIVE_CENTS),
    Habit("$0.05, rhythm 2-4 x, noise 0.5", _FIVE_CENTS, swing=(2.0, 4.0), hour_noise=0.5),
    Habit("$0.05, office hours", _FIVE_CENTS, is_office=True),
    Habit("$0.50 calls", CallShape(0.50)),
    Habit("$5 calls", CallShape(5.0)),
)
ACTIVITIES = (1.01, 0.9, 0.1, 0.0)


@dataclass(slots=True)
class FalseAlarms:
    """A row of the table.

    Attributes:
        name: of the row.
        scopes: that were watched.
        weeks: scope-weeks that count.
        by_severity: episodes.
    """

    name: str
    scopes: int = 0
    weeks: float = 0.0
    by_severity: Counter[Severity] = field(default_factory=Counter)

    @property
    def loud(self) -> int:
        """Episodes of any severity but ``info``."""
        return self.by_severity[Severity.CRITICAL] + self.by_severity[Severity.WARNING]

    def add(self, run: ScopeRun, minutes: Minutes) -> None:
        """Let a scope live through its minutes; the first week only teaches."""
        run.minutes(minutes)
        counted_from = (minutes.first + WEEK_MINUTES) * MINUTE_SECONDS
        for began, severity in worst_by_episode(run.told).values():
            if began >= counted_from:
                self.by_severity[severity] += 1
        self.scopes += 1
        self.weeks += len(minutes) / WEEK_MINUTES - 1


def at_most(episodes: int, weeks: float) -> float:
    """One-sided 95 % bound of a Poisson rate, per week."""
    return float(chi2.ppf(0.95, 2 * episodes + 2) / 2 / weeks) if weeks else float("inf")


def of_habit(
    habit: Habit, config: RulesConfig, *, seed: int, scopes: int, weeks: int
) -> FalseAlarms:
    """Simulated scopes of a habit; ``weeks`` count of each."""
    row = FalseAlarms(habit.name)
    watch = ScopeWatch(config, is_durable=False)
    for number in range(scopes):
        draw = np.random.default_rng((seed, number, *habit.name.encode()))
        minutes = habit.minutes(draw, MONDAY, (weeks + 1) * WEEK_MINUTES)
        row.add(ScopeRun(watch, f"agent:a-{number}"), minutes)
    return row


def of_clients(clients: Iterable[Client], config: RulesConfig, *, seed: int) -> list[FalseAlarms]:
    """Real clients, by how much of the time they are active."""
    rows = {
        bounds: FalseAlarms(name)
        for bounds, name in zip(
            pairwise(ACTIVITIES),
            ("active > 90 % of the time", "active 10-90 %", "active < 10 %"),
            strict=True,
        )
    }
    watch = ScopeWatch(config, is_durable=False)
    for client in clients:
        bounds = next(each for each in rows if each[1] < client.activity <= each[0])
        draw = np.random.default_rng((seed, client.number))
        rows[bounds].add(ScopeRun(watch, f"agent:client-{client.number}"), client.minutes(draw))
    return list(rows.values())
