"""Nobody is woken because a clock was changed or a job was given another hour."""

import pytest

from alerting.alert import Severity
from alerting.watch.rules import RulesConfig
from tests.evaluation.moved import HABITS, MOVES, told

_DAILY = next(habit for habit in HABITS if habit.name == "a job of an hour a day, $500")


@pytest.mark.parametrize("move", ["an hour earlier", "five hours later"])
def test_a_nightly_job_at_another_hour_wakes_nobody(move: str) -> None:
    [severities] = told(_DAILY, RulesConfig(), MOVES[move], seed=7, scopes=1)
    assert Severity.CRITICAL not in severities
    assert Severity.WARNING not in severities
