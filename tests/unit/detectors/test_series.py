"""The series detector on made-up series: what it finds, what it leaves alone."""

import random
from math import nan, sin, tau

import pytest

from detectors.series import GAP_ROWS, LEAST_ROWS, MOST_ROWS, Judgement, SeriesDetector

STEP = 300
DAY_ROWS = 86_400 // STEP
INCIDENT = 2_000


def judged(values, step=STEP, start=1_767_225_600.0) -> list[Judgement | None]:
    detector = SeriesDetector()
    return [detector.step(start + step * row, float(v)) for row, v in enumerate(values)]


def alerts(values, **arguments) -> list[int]:
    return [row for row, j in enumerate(judged(values, **arguments)) if j and j.is_alert]


def noise(rows=2_400, seed=1, spread=3.0):
    chance = random.Random(seed)
    return [100 + chance.gauss(0, spread) for _ in range(rows)]


def seasonal(rows=2_400, seed=1):
    return [v + 40 * sin(tau * row / DAY_ROWS) for row, v in enumerate(noise(rows, seed))]


@pytest.mark.parametrize("make", [noise, seasonal])
@pytest.mark.parametrize("sign", [1, -1])
def test_a_spike_and_a_dip_are_found_on_their_row(make, sign):
    values = make()
    values[INCIDENT] += sign * 60
    assert alerts(values) == [INCIDENT]


@pytest.mark.parametrize("make", [noise, seasonal])
@pytest.mark.parametrize("seed", [2, 3, 4])
def test_nothing_is_found_where_nothing_is(make, seed):
    assert alerts(make(3_000, seed)) == []


def test_a_shift_is_told_once_and_then_normal():
    values = noise(4_000)
    values[INCIDENT:] = [value + 60 for value in values[INCIDENT:]]
    assert alerts(values) == [INCIDENT]
    found = judged(values)[-1]
    assert found is not None
    assert found.expected == pytest.approx(160, abs=8)


def test_one_enormous_row_hardly_moves_what_is_expected_after_it():
    values = noise()
    values[INCIDENT] += 100_000
    after = [each.expected for each in judged(values)[INCIDENT + 1 : INCIDENT + 10] if each]
    assert after == pytest.approx([100.0] * 9, abs=15)


def test_a_change_of_variance_is_found():
    chance = random.Random(5)
    values = noise()
    values[INCIDENT : INCIDENT + 40] = [100 + chance.gauss(0, 20) for _ in range(40)]
    found = alerts(values)
    assert len(found) in {1, 2}
    assert INCIDENT <= found[0] < INCIDENT + 20


def test_a_stuck_value_is_found():
    values = noise()
    values[INCIDENT : INCIDENT + 60] = [values[INCIDENT]] * 60
    (found,) = alerts(values)
    assert INCIDENT + 10 <= found <= INCIDENT + 14


def test_a_spike_every_few_rows_is_no_storm():
    chance = random.Random(6)
    values = [v + (80 if chance.random() < 0.03 else 0) for v in noise(12_000)]
    assert len(alerts(values)) < 30  # of 360 spikes


def test_bursts_of_a_series_mostly_zero_are_no_storm():
    chance = random.Random(7)
    values = [chance.gammavariate(2, 5) if chance.random() < 0.05 else 0.0 for _ in range(8_000)]
    assert len(alerts(values)) <= 2
    values[6_000] = 900.0
    assert 6_000 in alerts(values)


@pytest.mark.parametrize("value", [0.0, 7.5, -1e-12, 1e99])
def test_a_constant_never_alerts(value):
    assert alerts([value] * 3_000) == []


def test_the_first_move_of_a_constant_does_not_crash():
    found = judged([0.0] * 1_000 + [5.0, 0.0, 1e99, 0.0])
    assert all(j is None or 0 <= j.score <= 1 for j in found)


def test_warming_up_lasts_a_day_within_bounds():
    def rows_without_score(step):
        return sum(j is None for j in judged(noise(1_000), step=step))

    assert rows_without_score(300) == DAY_ROWS + 1
    assert rows_without_score(3_600) == LEAST_ROWS
    assert rows_without_score(86_400) == LEAST_ROWS
    assert rows_without_score(1) == MOST_ROWS
    assert rows_without_score(0) == MOST_ROWS


def test_a_missing_value_has_no_judgement_and_is_not_learned():
    values = noise()
    detector, other = SeriesDetector(), SeriesDetector()
    for row, value in enumerate(values):
        at = 1_767_225_600.0 + STEP * row
        assert detector.step(at, nan) is None
        assert detector.step(at, value) == other.step(at, value)


def test_a_gap_is_followed_by_rows_without_alert():
    detector = SeriesDetector()
    values = noise()
    for row, value in enumerate(values):
        detector.step(STEP * float(row), value)
    later = STEP * len(values) + 10 * 86_400.0
    for row in range(GAP_ROWS):
        found = detector.step(later + STEP * row, 1_000.0)
        assert found is not None
        assert not found.is_alert
        assert found.score < 0.5


def test_the_band_holds_nearly_all_rows_and_is_wider_where_the_tail_is():
    chance = random.Random(8)
    values = [100 + chance.expovariate(1 / 5) for _ in range(4_000)]
    found = [(v, j) for v, j in zip(values, judged(values), strict=True) if j]
    assert sum(j.lower <= v <= j.upper for v, j in found) > 0.995 * len(found)
    last = found[-1][1]
    assert last.upper - last.expected > last.expected - last.lower


def test_a_score_is_half_where_an_alert_fires_and_below_elsewhere():
    values = noise()
    values[INCIDENT] += 60
    found = judged(values)
    assert all((j.score >= 0.5) == (row == INCIDENT) for row, j in enumerate(found) if j)


@pytest.mark.parametrize("step", [60, 3_600])
def test_shape_and_scale_do_not_matter(step):
    values = noise()
    values[INCIDENT] += 60
    for scale in (1e-9, 1.0, 1e9):
        assert alerts([scale * value for value in values], step=step) == [INCIDENT]


def test_a_small_shift_that_lasts_is_found_and_what_is_as_far_off_for_a_row_is_not():
    values = noise(3_000, seed=9)
    values[1_000] += 12
    values[INCIDENT : INCIDENT + 60] = [v + 12 for v in values[INCIDENT : INCIDENT + 60]]
    (found,) = alerts(values)
    assert INCIDENT < found < INCIDENT + 30


def test_usual_spikes_are_told_a_few_times_and_one_thrice_as_high_on_its_row():
    chance = random.Random(10)
    values = [v + (chance.uniform(50, 80) if chance.random() < 0.01 else 0) for v in noise(6_000)]
    usual = alerts(values)
    assert len(usual) < 12  # of 60
    values[5_000] = 400.0
    assert alerts(values) == sorted({*usual, 5_000})


def test_a_wave_of_any_period_that_stops_is_found():
    values = [v + 40 * sin(tau * row / 23.4) for row, v in enumerate(noise(2_400))]
    values[INCIDENT : INCIDENT + 60] = noise(60, seed=12)
    (found,) = alerts(values)
    assert INCIDENT < found < INCIDENT + 40
