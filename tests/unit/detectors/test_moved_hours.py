"""The usual of another hour is no more than usual; more than a day's usual is."""

from decimal import Decimal

import pytest

from detectors import hour_ring
from detectors.drift import DriftConfig, DriftDetector
from detectors.hour_ring import HOUR
from detectors.moved_hours import NOTHING, moved
from detectors.window import HOUR_SECONDS, Window

USD = 1_000_000_000
MONDAY_HOUR = 1_699_833_600 // HOUR_SECONDS
CALL_USD = 0.05
JOB_AT = 10


def day(job_at: int = JOB_AT, job_usd: float = 90.0) -> list[float]:
    """The hours of a day with one job of an hour, and little else."""
    return [job_usd if hour == job_at else 0.4 for hour in range(24)]


class Scope:
    """One scope whose hours are windows, with days of one job behind it."""

    def __init__(self, days: int = 14) -> None:
        self.drift = DriftDetector(
            DriftConfig(), info_usd_per_hour=Decimal(1), chance_of_an_hour=2 / (10_000 * 168)
        )
        self.state = self.drift.fresh()
        self.hour = MONDAY_HOUR
        for _ in range(days):
            self.spend(*day())

    def spend(self, *usd: float) -> None:
        for each in usd:
            window = Window(self.hour * HOUR_SECONDS, (self.hour + 1) * HOUR_SECONDS)
            cost, calls = round(each * USD), max(round(each / CALL_USD), 1)
            self.drift.learn(self.state, window, cost, calls, aside_nanousd=0, is_odd=False)
            self.hour += 1

    def unusual(self, usd: float) -> set[int]:
        """The lengths of the spans that are, with so much in the open window."""
        cost = round(usd * USD)
        return {
            span.edge.hours
            for span in self.drift.spans(self.state, cost)
            if span.spent_nanousd + cost > span.edge.upper_nanousd and not span.is_moved(cost)
        }

    def unusual_in(self, *usd: float) -> set[int]:
        """The same of hours that follow one after the other, each as its end comes."""
        found: set[int] = set()
        for each in usd:
            found |= self.unusual(each)
            self.spend(each)
        return found


@pytest.mark.parametrize("job_at", range(24))
def test_a_job_that_is_given_another_hour_is_no_more_than_usual(job_at: int) -> None:
    scope = Scope()
    if job_at < JOB_AT:  # from yesterday's to today's it has run twice in 24 hours
        scope.spend(*day(job_at))
    for _ in range(5):
        assert scope.unusual_in(*day(job_at)) == set()


def test_a_clock_put_forward_is_nothing_new_on_the_very_day() -> None:
    scope = Scope()
    for _ in range(3):
        assert scope.unusual_in(*day(JOB_AT - 1)) == set()


def test_a_job_that_runs_once_more_at_another_hour_is_more_than_usual() -> None:
    for job_at in (2, 8, 17):
        scope = Scope()
        assert scope.unusual_in(*day()) == set()
        twice = [max(both) for both in zip(day(), day(job_at), strict=True)]
        assert scope.unusual_in(*twice) >= {6, 24}, job_at


def test_a_job_that_costs_twice_as_much_is_more_than_usual_at_whatever_hour() -> None:
    for job_at in (JOB_AT - 1, JOB_AT, JOB_AT + 3):
        scope = Scope()
        scope.spend(*day())
        assert 24 in scope.unusual_in(*day(job_at, 250.0)), job_at


def test_what_is_worked_off_after_it_stood_still_is_no_more_than_usual() -> None:
    scope = Scope(0)
    for _ in range(14):
        scope.spend(*[4.0] * 24)
    scope.spend(*[4.0] * 6, *[0.0] * 10)
    assert scope.unusual_in(*[9.0] * 8) == set()
    assert 24 in scope.unusual_in(*[9.0] * 24), "the day after, it is"


def test_after_a_silence_hours_speak_once_the_day_is_more_than_usual() -> None:
    scope = Scope(0)
    for _ in range(21):
        scope.spend(*[4.0] * 24)
    scope.spend(*[0.0] * 18)
    assert scope.unusual_in(*[16.0] * 6) == set(), "a usual day in all"
    scope = Scope(0)
    for _ in range(21):
        scope.spend(*[4.0] * 24)
    scope.spend(*[0.0] * 18)
    assert scope.unusual_in(*[28.0] * 4) == set()
    assert scope.unusual(28.0) == {6, 24}


def test_nothing_is_known_to_be_moved_before_a_week_is() -> None:
    for days, is_known in ((7, False), (9, True)):
        scope = Scope(days)
        scope.spend(*day()[: JOB_AT - 1])
        ring = scope.state[0]
        expected = {6: USD, 24: 100 * USD}
        spent = {hours: hour_ring.spent_before(ring, hours, ring[HOUR]) for hours in expected}
        assert (moved(ring, expected, spent) != NOTHING) is is_known
        assert moved(ring, {6: USD}, spent) == NOTHING, "no day is expected"


def test_what_the_rest_of_the_day_lacks_and_the_next_hour_brings_may_be_moved() -> None:
    scope = Scope()
    scope.spend(*[0.4] * 9)  # the job's own hour is the next one, yesterday's is the first of 24
    ring = scope.state[0]
    expected = {6: 2 * USD, 24: 100 * USD, 72: 300 * USD}
    spent = {hours: hour_ring.spent_before(ring, hours, ring[HOUR]) for hours in expected}
    found = moved(ring, expected, spent)
    assert found.early_nanousd == pytest.approx(89.6 * USD, rel=0.1)
    assert found.missing_nanousd == {6: pytest.approx(0, abs=2 * USD)}, "the rest is usual"
    assert found.forgiven(72, is_usual_day=True) == 2 * found.early_nanousd
    scope.spend(0.4, 0.4)  # now it should have run, and has not
    spent = {hours: hour_ring.spent_before(ring, hours, ring[HOUR]) for hours in expected}
    found = moved(ring, expected, spent)
    assert found.early_nanousd == 0
    assert found.missing_nanousd == {6: pytest.approx(90 * USD, rel=0.2)}
    assert found.forgiven(6, is_usual_day=True) == 2 * found.missing_nanousd[6]
    assert found.forgiven(6, is_usual_day=False) == found.forgiven(24, is_usual_day=True) == 0


def test_where_all_hours_are_alike_none_comes_early() -> None:
    scope = Scope(0)
    for _ in range(14):
        scope.spend(*[0.4] * 8, *[12.0] * 10, *[0.4] * 6)
    scope.spend(*[0.4] * 8, *[12.0] * 4)
    ring = scope.state[0]
    assert moved(ring, {24: 130 * USD}, {24: 120 * USD}).early_nanousd == 0


def test_a_weekly_job_may_come_an_hour_earlier_or_later() -> None:
    for moved_by in (-1, 0, 1):
        scope = Scope(0)
        quiet, busy = [0.4] * 24, day(JOB_AT)
        for _ in range(3):
            for usd in (*[quiet] * 6, busy):
                scope.spend(*usd)
        for usd in [quiet] * 6:
            scope.spend(*usd)
        assert scope.unusual_in(*day(JOB_AT + moved_by)) == set(), moved_by
