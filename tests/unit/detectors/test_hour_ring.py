"""The last four weeks of one scope, an hour a byte."""

import pytest

from detectors import hour_ring
from detectors.hour_ring import HOUR, KEPT_HOURS, LONGEST_SPAN_HOURS, ODD, SET_ASIDE, TOLD
from detectors.same_hours import LENGTHS

USD = 1_000_000_000
NOON = 472_176  # epoch hours


def ring_of(*usd: float):
    """Hours that cost so much, the last of them over."""
    state = hour_ring.fresh()
    hour_ring.advance(state, NOON)
    for number, each in enumerate(usd):
        hour_ring.add(state, NOON + number, round(each * USD), 0, is_odd=False)
    hour_ring.advance(state, NOON + len(usd))
    return state


def test_a_span_is_what_its_hours_cost_to_the_nano_dollar():
    state = ring_of(1.000000001, 2, 3, 4)
    assert hour_ring.spent_before(state, 3, NOON + 4) == 7 * USD
    assert hour_ring.spent_before(state, 3, NOON + 5) == 4 * USD
    assert hour_ring.spent_before(state, 72, NOON + 4) == 10 * USD + 1


def test_an_hour_costs_after_it_what_it_cost_while_it_went_on():
    state = ring_of()
    for usd in (0.9, 5.2, 22.4, 708.0, 5200.0, 500_000.0):
        before = hour_ring.spent_before(state, 72, state[HOUR])
        hour_ring.add(state, state[HOUR], round(usd * USD), round(usd * USD) - USD, is_odd=False)
        hour_ring.advance(state, state[HOUR] + 1)
        assert hour_ring.spent_before(state, 72, state[HOUR]) == before + USD


def test_the_longest_span_is_known_exactly():
    assert max(length.hours for length in LENGTHS) == LONGEST_SPAN_HOURS


def stuck_ring():
    """A day of $1 an hour, then five hours of $11, one of $1 and one that has cost $6 so far."""
    state = ring_of(*[1] * 24, *[11] * 5, 1)
    hour_ring.add(state, state[HOUR], 6 * USD, 0, is_odd=False)
    return state


def test_what_was_told_of_is_taken_from_what_hours_cost_beyond_those_of_other_days():
    state, cents = stuck_ring(), USD // 100
    hour_ring.leave_out(state, NOON + 25, 30 * USD, days=7, passed=1.0)
    told_of = {hour - NOON: round(cost / cents) for hour, cost in state[TOLD].items()}
    assert told_of == pytest.approx({25: 667, 26: 667, 27: 667, 28: 667, 30: 333}, abs=15)
    assert hour_ring.told_of(state, 6) == hour_ring.told_of(state, 72) == sum(state[TOLD].values())
    assert hour_ring.told_of(state, 6) == pytest.approx(30 * USD, abs=10)
    assert hour_ring.told_of(state, 2) == state[TOLD][NOON + 30]
    assert hour_ring.spent_now(state) == 6 * USD - state[TOLD][NOON + 30]
    assert hour_ring.spent_lately(state, 30) == 86 * USD - hour_ring.told_of(state, 72)


def test_what_was_told_of_stays_left_out_for_three_days_and_is_never_more_than_there_was():
    state = stuck_ring()
    hour_ring.leave_out(state, NOON, 1000 * USD, days=7, passed=1.0)
    left = hour_ring.told_of(state, 72)
    assert left == pytest.approx(55 * USD, rel=0.02)
    hour_ring.leave_out(state, NOON, 1000 * USD, days=7, passed=1.0)
    assert hour_ring.told_of(state, 72) == pytest.approx(left, rel=0.02), "nothing is left of it"
    other = hour_ring.restore(hour_ring.snapshot(state))
    assert other == state
    hour_ring.advance(state, state[HOUR] + 1)
    assert hour_ring.spent_before(state, 8, state[HOUR]) == pytest.approx(7 * USD, rel=0.1)
    hour_ring.advance(state, NOON + 24 + LONGEST_SPAN_HOURS + 1)
    assert min(state[TOLD]) == NOON + 26
    hour_ring.advance(state, NOON + 31 + LONGEST_SPAN_HOURS)
    assert state[TOLD] == {}


def test_what_was_set_aside_is_part_of_what_was_told_of():
    state = ring_of(*[1] * 24)
    hour_ring.add(state, state[HOUR], 31 * USD, 30 * USD, is_odd=True)
    hour_ring.advance(state, state[HOUR] + 1)
    hour_ring.add(state, state[HOUR], 9 * USD, 8 * USD, is_odd=True)
    hour_ring.leave_out(state, NOON + 24, 38 * USD, days=7, passed=0.5)
    assert state[TOLD] == {NOON + 24: 30 * USD, NOON + 25: 8 * USD}
    assert hour_ring.set_aside(state, 72) == 0
    assert hour_ring.spent_lately(state, 1) == 2 * USD


@pytest.mark.parametrize("before", [0, 100, KEPT_HOURS - 3, KEPT_HOURS - 1])
def test_hours_have_the_same_levels_while_the_last_goes_on_and_after_it(before: int):
    first = NOON + before
    state = ring_of(*[0.0] * before, 1, 0, 3)
    hour_ring.add(state, first + 3, 7 * USD, 0, is_odd=False)
    levels = hour_ring.levels_of(state, first, first + 5)
    assert [bool(each) for each in levels] == [True, False, True, True, False]
    assert hour_ring.nanousd_of(levels) == pytest.approx(11 * USD, rel=0.05)
    hour_ring.advance(state, first + 50)
    assert hour_ring.levels_of(state, first, first + 5) == levels
    assert not any(hour_ring.levels_of(hour_ring.fresh(), first, first + 5))


@pytest.mark.parametrize("hours", [1, 6, 24, 72])
def test_a_span_is_the_sum_of_its_hours_wherever_the_ring_begins_anew(hours: int):
    costs = [float(hour * hour % 11) for hour in range(150)]
    for count in range(72, 145):
        state = ring_of(*costs[:count])
        for hour in (NOON + count, NOON + count + 1):
            over = costs[max(hour - hours + 1 - NOON, 0) : count]
            assert hour_ring.spent_before(state, hours, hour) == sum(over) * USD


def test_who_never_spent_keeps_no_hours():
    state = ring_of(0, 0, 0)
    assert hour_ring.snapshot(state)[-5:] == [b"", [], [], [], []]
    assert hour_ring.spent_before(state, 6, NOON + 3) == 0
    assert hour_ring.usual_pace(state, 3, days=7) == 0


def test_hours_without_a_window_cost_nothing_and_old_ones_are_forgotten():
    state = ring_of(5)
    hour_ring.advance(state, NOON + 10)
    assert hour_ring.spent_before(state, 72, NOON + 10) == pytest.approx(5 * USD, rel=0.05)
    hour_ring.advance(state, NOON + 10 + KEPT_HOURS)
    sums, odd, first = hour_ring.sums_until(state, NOON + 10 + KEPT_HOURS)
    assert (int(sums[-1]), odd, first) == (0, None, 0)


def test_what_is_set_aside_makes_no_span_dear_for_three_days():
    state = ring_of(1, 1)
    hour_ring.add(state, NOON + 2, 100 * USD, 99 * USD, is_odd=True)
    assert hour_ring.set_aside(state, 6) == 99 * USD
    hour_ring.advance(state, NOON + 3)
    assert hour_ring.spent_before(state, 6, NOON + 3) == 3 * USD
    assert hour_ring.spent_lately(state, 1) == USD
    assert hour_ring.spent_lately(state, 2) == 2 * USD
    assert hour_ring.set_aside(state, 1) == 0
    assert hour_ring.set_aside(state, 2) == 99 * USD
    hour_ring.advance(state, NOON + 3 + 80)
    assert state[SET_ASIDE] == {}
    assert state[ODD] == [NOON + 2]


def test_an_odd_hour_is_known_for_as_long_as_its_cost():
    state = ring_of(1)
    hour_ring.add(state, NOON + 1, USD, 0, is_odd=True)
    hour_ring.advance(state, NOON + 10)
    _, odd, _ = hour_ring.sums_until(state, NOON + 10)
    assert odd is not None
    assert int(odd[-1]) == 1
    hour_ring.advance(state, NOON + 1 + KEPT_HOURS)
    assert state[ODD] == []


def test_running_sums_are_the_same_seen_from_the_hour_before():
    state = ring_of(*range(1, 60))
    sums, _, first = hour_ring.sums_until(state, NOON + 60)
    hour_ring.add(state, NOON + 59, 77 * USD, 0, is_odd=False)
    hour_ring.advance(state, NOON + 60)
    again, _, first_again = hour_ring.sums_until(state, NOON + 60)
    assert sums.tolist() == again.tolist()
    assert first == first_again == KEPT_HOURS - 60


def test_the_same_hours_of_other_days_say_what_is_usual():
    state = ring_of(*([1.0] * 23 + [9.0]) * 3)
    assert hour_ring.usual_pace(state, 1, days=7) == pytest.approx(9 * USD, rel=0.05)
    assert hour_ring.usual_pace(state, 2, days=7) == pytest.approx(5 * USD, rel=0.05)


def test_a_new_level_scales_what_was_usual_and_nothing_odd():
    state = ring_of(2, 2)
    hour_ring.add(state, NOON + 2, 2 * USD, 0, is_odd=True)
    hour_ring.advance(state, NOON + 3)
    hour_ring.scale(state, 2.0)
    assert hour_ring.spent_before(state, 1, NOON + 3) == 0
    assert hour_ring.spent_before(state, 2, NOON + 3) == pytest.approx(2 * USD, rel=0.05)
    assert hour_ring.spent_before(state, 4, NOON + 3) == pytest.approx(18 * USD, rel=0.05)


def test_hours_come_in_order():
    state = ring_of(1, 1)
    with pytest.raises(ValueError, match="comes before hour"):
        hour_ring.advance(state, NOON)


def test_a_restored_ring_goes_on_like_the_old_one():
    state = ring_of(1, 2, 3)
    hour_ring.add(state, NOON + 3, 9 * USD, 4 * USD, is_odd=True)
    hour_ring.advance(state, NOON + 4)
    other = hour_ring.restore(hour_ring.snapshot(state))
    assert other == state
    hour_ring.add(state, NOON + 4, USD, 0, is_odd=False)
    assert other != state


SHORT = [1, 2, 3, 4, False, b"xx", [], [], [], []]


@pytest.mark.parametrize(
    "plain", [[], [1, 2, 3], [1, 2, 3, 4, False, b"xx", [], [], []], SHORT, None]
)
def test_what_is_no_ring_is_refused(plain):
    with pytest.raises(ValueError, match="ring of"):
        hour_ring.restore(plain)
