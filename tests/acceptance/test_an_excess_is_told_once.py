"""What was paged for is over when it is over: the days that hold it wake nobody again."""

from collections.abc import Callable

import numpy as np
import pytest

from alerting.alert import Severity, Transition
from tests.support.timeline import MONDAY, Timeline

HOUR, DAY = 3600, 86400
START = MONDAY + 14 * DAY

Pace = Callable[[int], float]
"""Hour of the week to usual dollars in it."""


def nightly(hour: int) -> float:
    """A job of three hours at night, and little else."""
    return 4.0 if 1 <= hour % 24 < 4 else 0.25


def office(hour: int) -> float:
    """Ten hours of a workday, and a little at all times."""
    return 24.0 if hour < 5 * 24 and 8 <= hour % 24 < 18 else 4.0


def steady(_: int) -> float:
    """A little in every hour."""
    return 1.0


def spends(timeline: Timeline, start: int, hours: int, pace: Pace, times: float = 1.0) -> None:
    """Calls of twelve cents at random, hour by hour."""
    draw = np.random.default_rng(start)
    for minute in range(hours * 60):
        hour = (start + minute * 60 - MONDAY) // HOUR % (7 * 24)
        if calls := int(draw.poisson(times * pace(hour) / 60 / 0.12)):
            timeline.spend(start + minute * 60, 0.12 * calls, requests=calls)


@pytest.mark.parametrize("pace", [nightly, steady])
@pytest.mark.parametrize("stuck_usd", [12.0, 40.0])
def test_six_hours_of_a_stuck_job_wake_nobody_again(pace: Pace, stuck_usd: float) -> None:
    timeline = Timeline()
    spends(timeline, MONDAY, 14 * 24 + 13, pace)
    assert timeline.of(Transition.FIRED) == []
    spends(timeline, START + 13 * HOUR, 6, lambda _: stuck_usd)
    told = [each for each in timeline.alerts if each.severity is Severity.CRITICAL]
    assert told, "it was paged for"
    until_then = len(timeline.of(Transition.FIRED))
    spends(timeline, START + 19 * HOUR, 5 * 24, pace)
    assert len(timeline.of(Transition.FIRED)) == until_then
    over = timeline.of(Transition.RESOLVED)
    assert len(over) == until_then
    assert over[-1].severity is Severity.CRITICAL
    assert over[-1].decided_at < START + 28 * HOUR


def test_the_same_again_a_day_later_is_told_again() -> None:
    timeline = Timeline()
    spends(timeline, MONDAY, 14 * 24 + 13, steady)
    for day in range(3):
        spends(timeline, START + day * DAY + 13 * HOUR, 6, steady, times=12.0)
        spends(timeline, START + day * DAY + 19 * HOUR, 18, steady)
    over = timeline.of(Transition.RESOLVED)
    pages = [each for each in over if each.severity is Severity.CRITICAL]
    assert len(pages) == 3
    for each in pages:
        assert each.excess_nanousd / 10**9 == pytest.approx(66, rel=0.25), "of its own day"


@pytest.mark.parametrize("seed", range(3))
def test_what_was_stuck_on_an_evening_is_no_part_of_a_dear_day_after_it(seed: int) -> None:
    """Workdays are above the mean of a week, and yet not what people were told of: if the day after
    is told of at all, then by what is new.
    """
    timeline, thursday = Timeline(), START + 7 * DAY + 3 * DAY
    spends(timeline, MONDAY, 21 * 24 + 3 * 24 + 18, office)
    before = len(timeline.of(Transition.FIRED))
    spends(timeline, thursday + 18 * HOUR, 8, lambda _: 18.0)
    pages = [each for each in timeline.alerts if each.severity is Severity.CRITICAL]
    assert pages, "it was paged for"
    told = len(timeline.of(Transition.FIRED))
    assert told > before
    spends(timeline, thursday + 26 * HOUR + seed, 6, office)
    spends(timeline, thursday + 32 * HOUR + seed, 10, lambda hour: office(hour) + 6.0)
    for each in timeline.of(Transition.FIRED)[told:]:
        assert each.excess_nanousd < 45 * 10**9, "of $60 that are new, and $110 that are not"
