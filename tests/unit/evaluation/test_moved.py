"""Few are woken because a clock was changed or a job was given another hour: it was every night."""

from alerting.watch.rules import RulesConfig
from tests.evaluation.moved import HABITS, MOVES, UNSTEADY, moved_table

_DAILY = next(habit for habit in HABITS if habit.name == "a job of an hour a day, $100")
_ANY_HOUR = next(habit for habit in UNSTEADY if "at any hour" in habit.name)


def test_a_nightly_job_at_another_hour_wakes_nobody_night_after_night() -> None:
    table = moved_table(RulesConfig(), seed=7, scopes=1, habits=[_DAILY])
    loud = {row[0].removeprefix(f"{_DAILY.name}: "): float(row[-1]) for row in table.rows}
    assert list(loud) == list(MOVES)
    assert loud["left alone"] == 0.0
    assert max(loud.values()) <= 0.5, "of seven nights a week"


def test_a_daily_job_at_an_hour_of_chance_wakes_nobody_night_after_night() -> None:
    [row] = moved_table(RulesConfig(), seed=7, scopes=2, habits=[_ANY_HOUR]).rows
    assert float(row[-1]) <= 0.5
