"""Nobody is woken because a clock was changed or a job was given another hour."""

from alerting.watch.rules import RulesConfig
from tests.evaluation.moved import HABITS, MOVES, moved_table

_DAILY = next(habit for habit in HABITS if habit.name == "a job of an hour a day, $500")


def test_a_nightly_job_at_another_hour_wakes_nobody() -> None:
    table = moved_table(RulesConfig(), seed=7, scopes=1, habits=[_DAILY])
    assert [row[0] for row in table.rows] == [f"{_DAILY.name}: {move}" for move in MOVES]
    weeks, loud = table.head.index("scope-weeks"), table.head.index("loud a scope-week")
    assert {(row[weeks], row[loud]) for row in table.rows} == {("2", "0.00")}
