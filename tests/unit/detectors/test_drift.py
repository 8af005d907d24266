"""Hours and days against those of other days."""

from decimal import Decimal

import numpy as np
import pytest

from detectors.drift import DriftConfig, DriftDetector
from detectors.same_hours import FAR_NANOUSD, LENGTHS
from detectors.span_edges import Edge
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

    def lower(self, hours: int) -> float:
        """Below what a span would be unusual, as a share of what is expected of it."""
        [edge] = (edge for edge in self.drift.edges(self.state) if edge.hours == hours)
        return edge.lower_nanousd / edge.expected_nanousd

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


def test_a_lower_edge_is_below_what_is_expected_and_the_nearer_the_more_is_known():
    few, many = Scope().days(14), Scope().days(27)
    for hours in (6, 24):
        assert 0 < few.lower(hours) < many.lower(hours) < 1
    assert many.lower(24) > 0.3
    assert Scope().days(5).lower(24) == 0


def test_where_chance_may_leave_nothing_the_lower_edge_is_nothing():
    assert Scope().days(14, noise=1.2).lower(6) == 0
    few = Scope(call_usd=4.0).days(14, noise=0.02)
    assert few.lower(6) == 0, "six calls"
    assert few.lower(24) > 0


def test_edges_may_be_asked_for_where_nothing_is_dear():
    scope = Scope().days(14, usd_per_hour=0.1)
    assert scope.drift.spans(scope.state, 0) == []
    assert {edge.hours for edge in scope.drift.edges(scope.state)} >= {6, 24}
    dear = Scope().days(14)
    spans = [span.edge for span in dear.drift.spans(dear.state, USD)]
    assert list(dear.drift.edges(dear.state)) == spans


def test_a_job_that_begins_as_every_night_is_no_drift_that_goes_on_or_begins():
    night, noon = [0.2] + [4.0] * 3 + [0.2] * 20, [0.2] * 12 + [40.0] * 6 + [0.2] * 6
    scope = Scope()
    for _ in range(9):
        scope.spend(*night)
    scope.spend(0.2, *[4.0] * 3, *noon[4:], 0.2)
    window = Window(scope.hour * HOUR + 900, scope.hour * HOUR + 1200)
    scope.drift.learn(
        scope.state, Window(scope.hour * HOUR, scope.hour * HOUR + 900), USD, 9,
        aside_nanousd=0, is_odd=False,
    )  # fmt: skip
    [edge] = (each for each in scope.drift.edges(scope.state) if each.hours == 24)

    def is_back(usd: float, *, is_going_on: bool) -> bool:
        cost = round(usd * USD)
        return scope.drift.is_back(scope.state, edge, window, cost, is_going_on=is_going_on)

    assert is_back(0.3, is_going_on=True)
    assert not is_back(1.5, is_going_on=True)
    assert is_back(1.5, is_going_on=False)
    assert not is_back(9.0, is_going_on=False)


def test_what_is_left_out_counts_at_once_and_as_after_a_restart():
    scope = Scope().days(14).spend(*[40.0] * 5)
    dear = scope.drift.left(scope.state, 0)
    assert scope.unusual(4.0)
    at = scope.hour * HOUR
    scope.drift.leave_out(scope.state, at - 5 * HOUR, 180 * USD, at_seconds=at)
    assert scope.unusual(4.0) == set()
    assert scope.drift.left(scope.state, 0) > dear
    other = scope.drift.restore(scope.drift.snapshot(scope.state))
    assert scope.drift.left(scope.state, 0) == scope.drift.left(other, 0)
    [span] = (each for each in scope.drift.spans(scope.state, 99 * USD) if each.edge.hours == 24)
    assert span.told_nanousd == pytest.approx(180 * USD, rel=0.01)


def test_where_the_hour_going_on_was_odd_on_all_days_its_shape_is_that_of_those_before():
    scope, other = Scope(), Scope()
    for _ in range(9):
        scope.spend(*[2.0] * 13).spend(5.0, is_odd=True).spend(*[2.0] * 10)
        other.spend(*[2.0] * 24)
    window = Window((scope.hour + 13) * HOUR, (scope.hour + 13) * HOUR + 900)
    said = []
    for each in (scope, other):
        each.spend(*[2.0] * 13)
        [edge] = (one for one in other.drift.edges(other.state) if one.hours == 24)
        costs = range(0, 9 * USD, USD // 2)
        said.append(
            [
                each.drift.is_back(each.state, edge, window, cost, is_going_on=False)
                for cost in costs
            ]
        )
    assert said[0] == said[1]


def test_before_a_week_is_known_no_span_has_a_lower_edge():
    scope, known_from = Scope(), MONDAY + 7 * DAY
    while scope.hour * HOUR < MONDAY + 9 * DAY:
        scope.spend(4.0)
        missed_from = scope.drift.missed_from(scope.state, scope.hour, scope.hour + 80, 1)
        if missed_from is not None:
            assert missed_from == max(scope.hour * HOUR, known_from) + HOUR
        lower = [each.lower_nanousd for each in scope.drift.edges(scope.state)]
        assert scope.hour * HOUR >= known_from or not any(lower)
    assert missed_from is not None
    assert any(lower)


def test_edges_of_silence_are_those_of_hours_that_were_not_silent_a_week_before():
    scope = Scope()
    for _ in range(9):
        scope.spend(*[0.0] * 12, *[4.0] * 12)
    scope.spend(*[0.0] * 8)

    def edges(hours: int, least: int = USD) -> list[Edge]:
        return list(scope.drift.edges_of_silence(scope.state, hours, least))

    assert not edges(8), "as every night"
    scope.spend(*[0.0] * 8)
    assert not edges(16, 400 * USD), "a week costs less"
    assert [each.hours for each in edges(16)] == [6], "of longer spans not all was silent"
    assert [each.hours for each in edges(30)] == [6, 24]
    assert edges(72) == list(scope.drift.edges(scope.state))
    assert edges(16) == edges(72), "they are known now"


@pytest.mark.parametrize("least", [1, 5 * USD])
@pytest.mark.parametrize("seed", range(20))
def test_a_silence_has_edges_in_every_hour_from_the_one_it_may_be_missed_in(seed: int, least: int):
    draw = np.random.default_rng(seed)
    active = draw.random(168) < draw.choice([0.02, 0.1, 0.5])
    scope = Scope()
    for hour in range(10 * 24 + int(draw.integers(168))):
        scope.spend(draw.lognormal(0, 2) if active[hour % 168] or draw.random() < 0.02 else 0.0)
    scope.drift.learn(
        scope.state,
        Window(scope.hour * HOUR, scope.hour * HOUR + 300),
        round(draw.lognormal(0, 2) * USD),
        3,
        aside_nanousd=0,
        is_odd=False,
    )
    first, stop = scope.hour + 1, scope.hour + 81
    missed_from = scope.drift.missed_from(scope.state, first, stop, least)
    asked: list[int] = []
    for hour in range(first, stop):
        scope.drift.skip(scope.state, Window(hour * HOUR, hour * HOUR + 300), 11)
        if scope.drift.missed_from(scope.state, first, hour + 1, least) is not None:
            asked.append((hour + 1) * HOUR)
        elif list(scope.drift.edges_of_silence(scope.state, hour + 1 - first, least)):
            pytest.fail("edges of what is not missed")
        scope.drift.skip(scope.state, Window(hour * HOUR + 3300, hour * HOUR + 3600), 1)
    assert asked == ([] if missed_from is None else list(range(missed_from, stop * HOUR + 1, HOUR)))


def test_a_slow_creep_is_unusual_over_three_days_before_it_has_doubled():
    scope = Scope().days(14)
    for day in range(1, 15):
        scope.spend(*[4.0 * 1.05**day] * 24)
        if 72 in scope.unusual(4.0 * 1.05**day):
            break
    assert day < 14


def test_most_creeps_of_five_percent_a_day_are_unusual_by_their_tenth_day():
    """Of a scope whose days differ by a tenth; the days of the creep do not hide it."""
    told = 0
    for seed in range(40):
        draw = np.random.default_rng(seed)
        scope, is_told = Scope(), False
        for day in range(14 + 10):
            level = 4.0 * 1.05 ** max(day - 13, 0) * draw.lognormal(0, 0.1)
            *hours, last = level * draw.lognormal(0, 0.3, 24)
            scope.spend(*hours)
            is_told |= day > 13 and 72 in scope.unusual(last)
            scope.spend(last)
        told += is_told
    assert told >= 24


@pytest.mark.parametrize("length", LENGTHS, ids=lambda each: f"{each.hours} h")
def test_spans_that_overlap_say_less_of_their_spread_by_as_much_as_their_mean_square_varies(length):
    days = np.random.default_rng(7).normal(size=(4000, 200 + length.overlap - 1))
    sums = np.lib.stride_tricks.sliding_window_view(days, length.overlap, axis=1).sum(axis=2)
    squares = np.mean(sums**2, axis=1) / length.overlap
    assert np.var(squares) * 200 / 2 == pytest.approx(length.alike, rel=0.1)


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


@pytest.mark.parametrize(
    ("days", "is_known"), [((0, 7, 14), False), ((2, 10, 18), True), ((2, 10), False)]
)
def test_what_rises_on_three_weekdays_is_usual_though_its_own_alerts_hid_it(days, is_known):
    scope = Scope()
    for day in range(22):
        is_on = day in days
        scope.spend(*[4.0] * 9).spend(80.0 if is_on else 4.0, is_odd=is_on).spend(*[4.0] * 14)
    scope.spend(*[4.0] * 9)
    assert (6 not in scope.unusual(80.0)) is is_known


def test_what_has_lasted_for_days_is_not_usual_for_that():
    scope = Scope().days(14, noise=0.02).spend(*[40.0] * 24 * 3, is_odd=True)
    assert {6, 24} <= scope.unusual(40.0)


def test_a_job_of_every_other_week_is_usual_once_it_was_seen_twice():
    scope = Scope().spend(*[4.0] * 24)
    for week in range(4):
        is_on = week % 2 == 0
        scope.spend(*[4.0] * 9).spend(60.0 if is_on else 4.0, is_odd=is_on).spend(*[4.0] * 14)
        scope.days(6, noise=0.02)
    scope.spend(*[4.0] * 9)
    assert scope.unusual(60.0) == set()


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
