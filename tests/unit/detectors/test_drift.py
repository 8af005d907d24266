"""Hours and days against those of other days."""

from decimal import Decimal

import numpy as np
import pytest

from detectors.drift import DriftConfig, DriftDetector
from detectors.same_hours import FAR_NANOUSD
from detectors.window import Window

USD = 1_000_000_000
HOUR, DAY = 3600, 86400
MONDAY = 1_699_833_600  # 2023-11-13T00:00:00Z


def detector(**config: float) -> DriftDetector:
    return DriftDetector(
        DriftConfig(**config),
        info_usd_per_hour=Decimal(1),
        chance_of_an_hour=2 / (10_000 * 168),
    )


class Scope:
    """One scope whose hours are windows."""

    def __init__(self, drift: DriftDetector | None = None, *, call_usd: float = 0.05) -> None:
        self.drift = drift or detector()
        self.state = self.drift.fresh()
        self.hour = MONDAY // HOUR
        self.call_usd = call_usd

    def spend(self, *usd: float, is_odd: bool = False, aside_usd: float = 0.0) -> "Scope":
        for each in usd:
            start = self.hour * HOUR
            self.drift.learn(
                self.state,
                Window(start, start + HOUR),
                round(each * USD),
                max(1, round(each / self.call_usd)),
                aside_nanousd=round(aside_usd * USD),
                is_odd=is_odd,
            )
            self.hour += 1
        return self

    def days(self, count: int, usd_per_hour: float = 4.0, noise: float = 0.1) -> "Scope":
        draw = np.random.default_rng(count)
        for _ in range(count):
            day = draw.lognormal(0, noise)
            self.spend(*(usd_per_hour * day * draw.lognormal(0, noise, 24)))
        return self

    def unusual(self, usd: float = 4.0) -> set[int]:
        """The lengths of the spans that are, with so much in the open window."""
        return {
            span.edge.hours
            for span in self.drift.spans(self.state, round(usd * USD))
            if span.spent_nanousd + usd * USD > span.edge.upper_nanousd
        }

    def edge(self, hours: int, usd: float = 100.0):
        """What a span may cost, in dollars: expected, upper, firm."""
        for span in self.drift.spans(self.state, round(usd * USD)):
            if span.edge.hours == hours:
                edge = span.edge
                each = edge.expected_nanousd, edge.upper_nanousd, edge.firm_nanousd
                return tuple(one / USD for one in each)
        return None


def test_a_scope_of_two_days_has_no_edges():
    assert Scope().days(2).drift.spans(Scope().days(2).state, 100 * USD) == []


def test_what_is_usual_is_unusual_in_no_span():
    scope = Scope().days(14)
    for _ in range(30):
        assert scope.unusual(4.0) == set()
        scope.spend(4.0)


def test_twice_the_usual_for_a_day_is_unusual_and_not_for_an_hour():
    scope = Scope().days(14)
    assert scope.unusual(8.0) == set()
    scope.spend(*[8.0] * 23)
    assert 24 in scope.unusual(8.0)


def test_a_firm_edge_is_further_and_both_near_with_more_days():
    few, many = Scope().days(5).edge(24), Scope().days(25).edge(24)
    assert many[0] == pytest.approx(96, rel=0.15)
    assert many[0] < many[1] < many[2]
    assert many[1] < few[1]
    assert many[2] < few[2]


def test_a_slow_creep_is_unusual_over_three_days_before_it_has_doubled():
    scope = Scope().days(14)
    for day in range(1, 15):
        scope.spend(*[4.0 * 1.05**day] * 24)
        if 72 in scope.unusual(4.0 * 1.05**day):
            break
    assert day < 14


def test_half_as_many_dollars_as_the_floor_are_not_worth_a_look():
    scope = Scope().days(14, usd_per_hour=0.1)
    assert scope.drift.spans(scope.state, USD) == []
    room, until = scope.drift.room(scope.state)
    assert 5 * USD < room < 6 * USD
    assert until == (scope.hour + 2) * HOUR


def test_the_room_of_this_hour_and_the_next_is_what_can_be_spent_without_news():
    scope = Scope().days(14)
    scope.spend(*[7.0] * 4)
    room, _ = scope.drift.room(scope.state)
    assert room > 0
    assert scope.unusual(room / USD) == set()
    assert scope.drift.left(scope.state, 0) >= room
    scope.spend(room / USD)
    assert scope.unusual(0.0) == set()


def test_a_quiet_scope_is_looked_at_within_the_hour_in_which_it_becomes_dear():
    scope = Scope().days(14, usd_per_hour=0.02)
    start = scope.hour * HOUR
    for number in range(11):
        window = Window(start + number * 300, start + number * 300 + 300)
        scope.drift.learn(scope.state, window, USD, 20, aside_nanousd=0, is_odd=False)
    assert scope.drift.left(scope.state, 0) == 0
    assert 6 in scope.unusual(0.0)


def test_what_is_usual_of_millions_is_usual():
    scope = Scope().days(14, usd_per_hour=20_000.0)
    assert scope.unusual(20_000.0) == set()
    assert 72 in {span.edge.hours for span in scope.drift.spans(scope.state, USD)}


def test_what_is_left_to_a_page_is_more_than_what_is_left_to_news():
    scope = Scope().days(14)
    news = scope.drift.left(scope.state, 20 * USD)
    page = scope.drift.left(scope.state, 20 * USD, to_critical=True)
    assert 0 < news < page


def test_who_is_idle_on_most_days_has_no_edges_and_all_the_room():
    scope = Scope()
    for day in range(14):
        scope.spend(*[0.0] * 8, *[8.0 if day % 3 == 0 else 0.0] * 8, *[0.0] * 8)
    assert scope.edge(24) is None
    assert scope.drift.left(scope.state, 500 * USD) == FAR_NANOUSD


def test_a_weekly_job_is_usual_on_its_weekday_once_it_was_seen_twice():
    scope = Scope()
    for week in range(3):
        is_odd = week == 0
        scope.spend(*[4.0] * 9).spend(60.0, is_odd=is_odd, aside_usd=55.0 * is_odd)
        scope.spend(*[4.0] * 14)
        scope.days(6, noise=0.02)
    scope.spend(*[4.0] * 9)
    assert scope.unusual(60.0) == set()
    scope.spend(60.0).spend(*[4.0] * 14).spend(*[4.0] * 9)
    assert 6 in scope.unusual(60.0), "on a Tuesday it is news"


def test_an_episode_of_every_day_leaves_no_day_to_learn_from():
    scope = Scope()
    for _ in range(14):
        scope.spend(*[4.0] * 20).spend(*[4.0] * 4, is_odd=True)
    assert scope.edge(24) is None
    assert scope.edge(6) is None


@pytest.mark.parametrize(("odd_days", "knows"), [(9, {6}), (12, set()), (22, set())])
def test_after_a_long_episode_the_days_before_it_say_what_they_can(odd_days: int, knows: set[int]):
    scope = Scope().days(14, noise=0.02)
    scope.spend(*[4.0] * 24 * odd_days, is_odd=True)
    found = {span.edge.hours for span in scope.drift.spans(scope.state, 500 * USD)}
    assert found == knows


def test_few_dear_calls_may_come_together():
    many, few = Scope(call_usd=0.05).days(14), Scope(call_usd=8.0).days(14)
    assert few.edge(6)[1] > 1.5 * many.edge(6)[1]


def test_odd_hours_teach_nothing():
    scope, other = Scope().days(14), Scope().days(14)
    scope.spend(*[40.0] * 24, is_odd=True, aside_usd=36.0)
    other.spend(*[40.0] * 24)
    scope.days(3)
    other.days(3)
    assert scope.edge(24)[1] < 0.8 * other.edge(24)[1]
    assert scope.unusual(4.0) == set(), "what was set aside is over"


def test_an_accepted_level_is_usual_and_half_of_it_is_not_unusual():
    scope = Scope().days(14)
    scope.spend(*[12.0] * 24, is_odd=True)
    assert scope.unusual(12.0)
    scope.drift.accept(scope.state, 12 * USD, 3)
    assert scope.unusual(12.0) == set()
    assert scope.edge(24)[0] == pytest.approx(288, rel=0.2)


def test_a_level_from_nothing_scales_nothing():
    scope = Scope()
    scope.spend(*[0.0] * 30)
    scope.drift.accept(scope.state, 12 * USD, 3)
    assert scope.drift.snapshot(scope.state) == scope.drift.snapshot(
        Scope().spend(*[0.0] * 30).state
    )


def test_edges_do_not_hang_on_when_they_are_asked_for():
    asked, silent = Scope().days(14), Scope().days(14)
    asked.drift.room(asked.state)
    assert asked.drift.left(asked.state, 500 * USD) == silent.drift.left(silent.state, 500 * USD)
    asked.spend(300.0)
    silent.spend(300.0)
    assert asked.drift.spans(asked.state, USD) == silent.drift.spans(silent.state, USD)


def test_quiet_hours_are_skipped_as_if_they_were_learned():
    skipped, learned = Scope().days(4), Scope().days(4)
    start = skipped.hour * HOUR
    skipped.drift.skip(skipped.state, Window(start, start + HOUR), 30)
    for number in range(30):
        at = start + number * HOUR
        learned.drift.skip(learned.state, Window(at, at + HOUR), 1)
    learned.drift.skip(learned.state, Window(at, at + HOUR), 0)
    assert skipped.drift.snapshot(skipped.state) == learned.drift.snapshot(learned.state)


def test_a_restored_scope_goes_on_like_the_old_one():
    scope, other = Scope().days(9), Scope()
    other.hour = scope.hour
    other.state = other.drift.restore(scope.drift.snapshot(scope.state))
    scope.days(2)
    other.days(2)
    assert scope.drift.snapshot(scope.state) == other.drift.snapshot(other.state)
    assert scope.edge(24) == other.edge(24)


@pytest.mark.parametrize("cut", [0, 1, -1])
def test_what_is_no_snapshot_is_refused(cut: int):
    plain = Scope().days(1).drift.snapshot(Scope().days(1).state)
    with pytest.raises(ValueError, match="not a snapshot"):
        detector().restore(plain[:cut] if cut else ["", *plain[1:]])
