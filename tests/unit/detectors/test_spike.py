from decimal import Decimal

import numpy as np
import pytest

from detectors.detector import Reason
from detectors.observation import COST, REQUESTS, Observation, zero_counts
from detectors.signal import Band
from detectors.spike import SpikeConfig, SpikeDetector
from detectors.window import Window

USD = 1_000_000_000
WINDOW = Window(0, 300)
DAY = 288


def observation(cost_nanousd: int, requests: int = 1, *, is_closed: bool = True) -> Observation:
    counts = zero_counts()
    counts[COST], counts[REQUESTS] = cost_nanousd, requests
    return Observation(WINDOW, counts, is_closed)


def trained(detector: SpikeDetector, call_usd: float, days: int, seed: int = 1) -> list[object]:
    """$100 a day in calls of one size, arriving at random."""
    calls = np.random.default_rng(seed).poisson(100 / DAY / call_usd, days * DAY)
    state = detector.fresh()
    for count in calls.tolist():
        detector.learn(state, observation(round(count * call_usd * USD), count))
    return state


def band_of(detector: SpikeDetector, state: list[object]) -> Band:
    band = detector.band(state, WINDOW)
    assert band is not None
    return band


def test_an_hour_without_a_past_has_no_band_but_a_ceiling() -> None:
    detector = SpikeDetector(SpikeConfig(), 300)
    state = detector.fresh()
    assert detector.band(state, WINDOW) is None
    cold = detector.cold_band(WINDOW)
    ceiling = 50 * USD // 12
    assert cold == Band(ceiling // 2, 0, ceiling, ceiling // 2, "cold_start")


def test_an_expensive_newborn_is_a_spike_while_its_first_window_is_open() -> None:
    detector = SpikeDetector(SpikeConfig(), 300)
    cold = detector.cold_band(WINDOW)
    assert cold is not None
    assert detector.judge(cold, observation(4 * USD, is_closed=False)).reason is Reason.INSIDE_BAND
    assert detector.judge(cold, observation(5 * USD, is_closed=False)).reason is Reason.ABOVE_BAND


def test_without_a_ceiling_a_newborn_may_spend_anything() -> None:
    detector = SpikeDetector(SpikeConfig(cold_start_usd_per_hour=None), 300)
    assert detector.cold_band(WINDOW) is None


def test_below_the_ceiling_nothing_is_a_spike_before_the_first_day_is_over() -> None:
    detector = SpikeDetector(SpikeConfig(), 300)
    state = detector.fresh()
    for _ in range(DAY - 1):
        detector.learn(state, observation(USD // 100, 10))
    assert band_of(detector, state).upper_nanousd == 50 * USD // 12
    detector.learn(state, observation(USD // 100, 10))
    assert band_of(detector, state).upper_nanousd < 2 * USD


@pytest.mark.parametrize("config", [{"min_excess_usd": 3}, {"min_excess_usd_per_hour": 36}])
def test_a_steady_scope_may_exceed_its_mean_by_the_floor(config: dict[str, int]) -> None:
    detector = SpikeDetector(SpikeConfig(**{k: Decimal(v) for k, v in config.items()}), 300)
    state = detector.fresh()
    for _ in range(2 * DAY):
        detector.learn(state, observation(USD // 10, 10_000))
    band = band_of(detector, state)
    assert band.expected_nanousd == pytest.approx(USD // 10, rel=1e-6)
    assert band.upper_nanousd == pytest.approx(3.1 * USD, rel=1e-6)
    assert band.source == "ewma"


def test_a_noisy_scope_may_exceed_its_mean_by_seven_spreads() -> None:
    detector = SpikeDetector(SpikeConfig(burst_calls=0), 300)
    state = detector.fresh()
    for _ in range(20 * DAY):
        detector.learn(state, observation(8 * USD, 10_000))
        detector.learn(state, observation(12 * USD, 10_000))
    band = band_of(detector, state)
    assert band.spread_nanousd == pytest.approx(2 * USD, rel=1e-2)
    assert band.upper_nanousd == pytest.approx(24 * USD, rel=2e-2)
    assert band.lower_nanousd == 0


def test_a_regular_scope_has_a_lower_edge_too() -> None:
    detector = SpikeDetector(SpikeConfig(), 300)
    state = detector.fresh()
    for _ in range(2 * DAY):
        detector.learn(state, observation(10 * USD, 1_000_000))
    assert 9.9 * USD < band_of(detector, state).lower_nanousd < 10 * USD


def test_sparse_calls_may_come_ten_together() -> None:
    detector = SpikeDetector(SpikeConfig(), 300)
    band = band_of(detector, trained(detector, 0.50, days=14))
    assert not detector.judge(band, observation(10 * USD // 2)).is_anomalous
    assert detector.judge(band, observation(12 * USD)).is_anomalous


def test_a_hundred_dollars_a_day_of_small_calls_never_alarms_in_four_weeks() -> None:
    detector = SpikeDetector(SpikeConfig(), 300)
    state = trained(detector, 0.05, days=7)
    calls = np.random.default_rng(2).poisson(100 / DAY / 0.05, 28 * DAY).tolist()
    for count in calls:
        seen = observation(round(count * 0.05 * USD), count)
        assert not detector.judge(band_of(detector, state), seen).is_anomalous
        detector.learn(state, seen)


def test_seventeen_thousand_a_day_is_a_spike_after_three_dollars() -> None:
    detector = SpikeDetector(SpikeConfig(), 300)
    band = band_of(detector, trained(detector, 0.05, days=14))
    spent = 0
    while not detector.judge(band, observation(spent, is_closed=False)).is_anomalous:
        spent += USD // 20
    assert USD < spent <= 3 * USD


def test_absorbing_a_shift_makes_it_the_usual_level() -> None:
    detector = SpikeDetector(SpikeConfig(), 300)
    state = trained(detector, 0.05, days=7)
    shifted = [observation(20 * USD, 400)] * 12
    assert detector.judge(band_of(detector, state), shifted[0]).is_anomalous
    detector.reset_level(state, shifted)
    assert not detector.judge(band_of(detector, state), shifted[0]).is_anomalous


def test_the_settings_are_in_hours_whatever_the_window() -> None:
    minute, hour = SpikeDetector(SpikeConfig(), 60), SpikeDetector(SpikeConfig(), 3600)
    assert (1 - minute.ewma.fast_gain) ** 60 == pytest.approx(0.5)
    assert hour.ewma.fast_gain == 0.5
    assert (minute.young_windows, hour.young_windows) == (1440, 24)
    assert (minute.ewma.warm_windows, hour.ewma.warm_windows) == (60, 1)
    assert (minute.ceiling_nanousd, hour.ceiling_nanousd) == (50 * USD // 60, 50 * USD)
    assert hour.floor_nanousd == 10 * USD
