"""The parts of the series detector by themselves: experts, spreads, episodes, habit, stillness."""

import random
from math import sin, tau

import pytest

from detectors.episode import HELD_PACE, PATIENCE_ROWS, QUIET_ROWS, Episode
from detectors.experts import DAY_SECONDS, Experts
from detectors.habit import GAIN, ROWS_AN_EPISODE, Habit
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
