"""Parts of the series detector: experts, period, spreads, episodes, habit, peaks, stillness."""

import random
from math import sin, tau

import pytest

from detectors.episode import HELD_PACE, PATIENCE_ROWS, QUIET_ROWS, Episode
from detectors.experts import DAY_SECONDS, Experts
from detectors.habit import GAIN, ROWS_AN_EPISODE, Habit
from detectors.peaks import LEAST_PEAKS, MARGIN, MEMORY_ROWS, Peaks
from detectors.period import EVERY_ROWS, ROWS, Period
from detectors.spread import FEW_MOVES, FLOOR, Spreads
from detectors.stillness import LEAST_RUN, Stillness


def error_of_last_day(values, interval) -> float:
    experts = Experts(interval, values[0], 1.0)
    errors = []
    for number, value in enumerate(values):
        errors.append(abs(value - experts.expect(number * interval)))
        experts.learn(value, 100.0, 1.0)
    last = errors[-int(DAY_SECONDS / interval) :]
    return sum(last) / len(last)


def test_a_constant_is_expected_exactly():
    assert error_of_last_day([5.0] * 500, 300) == pytest.approx(0.0, abs=1e-9)


def test_a_season_is_learned_in_days():
    chance = random.Random(2)
    day = DAY_SECONDS // 300
    values = [100 * sin(tau * n / day) + chance.gauss(0, 1) for n in range(10 * day)]
    assert error_of_last_day(values, 300) < 1.6  # 0.8 is the noise itself


def test_a_weekend_is_learned_in_weeks():
    values = [(20.0 if n // 24 % 7 in {2, 3} else 100.0) + (n % 24) for n in range(24 * 7 * 12)]
    experts = Experts(3_600, 100.0, 10.0)
    for number, value in enumerate(values):
        experts.expect(number * 3_600)
        experts.learn(value, 100.0, 1.0)
    saturday = 24 * (7 * 12 + 2) + 5
    assert abs(experts.expect(saturday * 3_600) - 25) < abs(experts.expect(saturday * 3_600) - 105)


def test_noise_is_not_chased():
    chance = random.Random(3)
    values = [chance.gauss(0, 1) for _ in range(5_000)]
    assert error_of_last_day(values, 300) < 0.9  # 0.8 is the noise itself, 1.13 the last value's


def test_rows_of_days_have_no_time_of_day():
    assert error_of_last_day([float(n % 3) for n in range(200)], DAY_SECONDS) < 2.0


def test_an_error_is_charged_up_to_a_bound():
    wild, tame = (Experts(300, 0.0, 1.0) for _ in range(2))
    for experts, value in ((wild, 1e6), (tame, 10.0)):
        experts.expect(0.0)
        experts.learn(value, 10.0, 1.0)
    assert wild._losses == tame._losses


def spreads_after(moves, unit=1e-6) -> Spreads:
    spreads = Spreads(unit, unit, unit, unit)
    for move in moves:
        spreads.look(3, move)
        spreads.learn(3, (move, move, move), 1.0)
    return spreads


def test_spreads_become_what_is_usual():
    spreads = spreads_after([2.0] * 3_000)
    spreads.look(3, 2.0)
    for size in (spreads.residual, spreads.season, spreads.move):
        assert size == pytest.approx(2.0, rel=0.02)


def test_one_enormous_row_hardly_moves_them():
    spreads = spreads_after([2.0] * 3_000)
    spreads.learn(3, (1e9, 1e9, 1e9), 1.0)
    spreads.look(3, 2.0)
    assert spreads.residual < 2.2


def test_a_series_mostly_still_is_measured_by_its_moves():
    spreads = spreads_after(([0.0] * 49 + [8.0]) * 60)
    spreads.look(3, 0.0)
    assert spreads.residual >= FLOOR * 7.0


def test_the_first_moves_are_taken_for_usual():
    spreads = spreads_after([0.0] * 500)
    spreads.look(3, 90.0)
    assert spreads.residual == pytest.approx(FLOOR * 30.0)
    used = spreads_after([1.0] * (FEW_MOVES + 1))
    used.look(3, 90.0)
    assert used.residual < 5.0


def test_hours_have_spreads_of_their_own():
    spreads = Spreads(1e-6, 1.0, 1.0, 1.0)
    for _ in range(2_000):
        for hour, size in ((2, 0.5), (14, 4.0)):
            spreads.look(hour, 0.1)
            spreads.learn(hour, (size, size, 0.1), 1.0)
    spreads.look(2, 0.1)
    night = spreads.residual
    spreads.look(14, 0.1)
    assert spreads.residual > 1.8 * night


def test_an_episode_fires_once_and_ends_after_quiet_rows():
    episode = Episode(4.0, 1_000)
    assert [episode.step(s) for s in (1.0, 4.0, 9.0, 3.0, 4.0)] == [
        False,
        True,
        False,
        False,
        False,
    ]
    assert episode.pace == HELD_PACE
    assert not any(episode.step(0.0) for _ in range(QUIET_ROWS))
    assert not episode.step(1.0)
    assert episode.pace == 1.0
    assert episode.step(4.0)


def test_a_long_episode_is_learned_in_the_end():
    episode = Episode(4.0, 0)
    episode.step(5.0)
    for _ in range(PATIENCE_ROWS - 1):
        assert not episode.step(5.0)
        assert episode.pace == HELD_PACE
    episode.step(5.0)
    assert episode.pace == 1.0


def test_a_calm_series_has_no_habit():
    habit = Habit()
    for number in range(10 * ROWS_AN_EPISODE):
        habit.step(is_begun=number % (2 * ROWS_AN_EPISODE) == 0)
        assert habit.factor == 1.0


def test_a_habit_grows_with_episodes_and_is_lost_without():
    habit = Habit()
    for _ in range(10):
        habit.step(is_begun=True)
    assert habit.factor > 1.5
    for _ in range(int(1.5 / GAIN * ROWS_AN_EPISODE)):
        habit.step(is_begun=False)
    assert habit.factor == 1.0


def runs(stillness, *moves):
    return [stillness.step(move) for move in moves][-1]


def test_a_value_that_stands_still_in_a_lively_series_is_an_alert_after_a_while():
    assert runs(Stillness(0.0), *[1.0] * 50, *[0.0] * (LEAST_RUN - 1)) < 1.0
    assert runs(Stillness(0.0), *[1.0] * 50, *[0.0] * LEAST_RUN) == 1.0


def test_it_must_be_thrice_as_long_as_ever_before():
    known = [*[0.0] * 10, 1.0]
    assert runs(Stillness(0.0), *known, *[0.0] * 29) < 1.0
    assert runs(Stillness(0.0), *known, *[0.0] * 30) == 1.0


def test_a_series_that_often_repeats_itself_is_left_alone():
    assert runs(Stillness(0.6), *[0.0] * 500) == 0.0


def period_after(values) -> Period:
    period = Period(0.0)
    for value in values:
        period.learn(value)
    return period


@pytest.mark.parametrize("rows", [2, 7, 12, 45, 300])
def test_a_period_is_found_and_foretells(rows):
    chance = random.Random(11)
    shape = [chance.gauss(0, 10) for _ in range(rows)]
    period = period_after([shape[n % rows] for n in range(2 * ROWS)])
    assert period.rows == pytest.approx(rows, abs=0.1)
    assert period.expect() == pytest.approx(shape[2 * ROWS % rows])


def test_a_period_may_have_a_fraction():
    assert period_after(sin(tau * n / 23.4) for n in range(ROWS)).rows == pytest.approx(
        23.4, abs=0.2
    )


@pytest.mark.parametrize("make", [lambda _: 5.0, float, lambda n: random.Random(n).random()])
def test_constants_lines_and_noise_have_no_period_and_the_last_value_is_expected(make):
    period = period_after([make(n) for n in range(ROWS)])
    assert period.rows == 0.0
    assert period.expect() == make(ROWS - 1)


def test_no_period_is_looked_for_in_the_first_rows():
    assert period_after([0.0, 1.0] * (EVERY_ROWS - 1)).rows == 0.0
    assert period_after([0.0, 1.0] * EVERY_ROWS).rows == 2.0


def test_missing_rows_do_not_shift_a_period():
    period = period_after([float(n % 12 == 0) for n in range(ROWS)])
    period.skip(12 * 90 - ROWS)
    assert period.expect() == 1.0


def test_a_period_is_not_known_behind_a_long_gap_until_it_is_found_again():
    period = period_after([float(n % 12 == 0) for n in range(ROWS)])
    period.skip(ROWS + 1)
    assert period.rows == 0.0
    for n in range(ROWS):
        period.learn(float(n % 12 == 0))
    assert period.rows == pytest.approx(12, abs=0.1)


def test_the_rounding_of_a_constant_is_no_period():
    assert period_after([1e99 * (1 + 1e-15 * (n % 2)) for n in range(ROWS)]).rows == 0.0


def test_a_series_with_a_short_period_is_steady_by_it():
    values = [30.0 if n % 17 == 0 else 0.0 for n in range(2_000)]
    experts = Experts(300, 0.0, 1.0)
    for number, value in enumerate(values):
        experts.expect(number * 300)
        experts.learn(value, 100.0, 1.0)
    number = 17 * 200
    for row in range(2_000, number + 1):
        experts.expect(row * 300)
        if row < number:
            experts.learn(30.0 if row % 17 == 0 else 0.0, 100.0, 1.0)
    assert experts.steady == pytest.approx(30.0, abs=1.0)


def test_a_period_that_is_found_must_earn_its_trust():
    chance = random.Random(13)
    experts = Experts(300, 0.0, 1.0)
    for row in range(EVERY_ROWS):
        experts.expect(row * 300)
        experts.learn(chance.gauss(0, 1), 100.0, 1.0)
    assert experts._losses[8] == max(experts._losses[:8])


def peaks_after(count, surprise, apart, alert=4.0) -> Peaks:
    peaks = Peaks(alert)
    for _ in range(count):
        peaks.step(surprise)
        for _ in range(apart - 1):
            peaks.step(0.0)
    return peaks


def test_peaks_that_come_often_are_usual_and_more_is_needed():
    assert peaks_after(LEAST_PEAKS - 1, 8.0, 100).factor == 1.0
    assert peaks_after(LEAST_PEAKS, 8.0, 100).factor == MARGIN * 8.0 / 4.0


def test_low_peaks_are_not_remembered():
    assert peaks_after(30, 3.0, 50).factor == 1.0


def test_incidents_every_three_hundred_rows_are_not_usual():
    assert peaks_after(100, 8.0, 300).factor == 1.0


def test_rows_close_to_each_other_are_one_peak():
    assert peaks_after(30, 8.0, 5).factor == 1.0


def test_usual_peaks_are_forgotten_when_they_come_no_more():
    peaks = peaks_after(30, 8.0, 100)
    assert peaks.factor > 1.0
    for _ in range(MEMORY_ROWS):
        peaks.step(0.0)
    assert peaks.factor == 1.0


def test_a_period_is_found_of_the_tiniest_and_of_the_largest_values() -> None:
    for size in (1e-200, 1.0, 1e200):
        period = Period(0.0)
        for row in range(1024):
            period.learn(size * (row % 20 == 0))
        assert period.rows == pytest.approx(20, abs=0.5)
