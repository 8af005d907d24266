import numpy as np
import pytest

from detectors.bank import Bands, SeasonalBank, SpikeBank, combine
from detectors.seasonal import SeasonalConfig, SeasonalDetector
from detectors.signal import Band
from detectors.spike import SpikeConfig, SpikeDetector
from detectors.window import Window

HOUR = 3600


def column(*numbers: int) -> np.ndarray:
    return np.array(numbers, np.int64)


def bands(upper: list[int], known: list[bool], source: int, expected: int = 10) -> Bands:
    size = len(upper)
    return Bands(
        np.array(known),
        np.full(size, expected),
        np.zeros(size, np.int64),
        column(*upper),
        np.full(size, source),
        np.full(size, source),
    )


def test_a_row_that_warms_up_has_no_band_no_score_and_no_anomaly() -> None:
    both = bands([100, 100], [True, False], 0)
    assert both[0] == Band(10, 0, 100, 0, "ewma")
    assert both[1] is None
    anomalous, score = both.judge(column(280, 280))
    assert anomalous.tolist() == [True, False]
    assert score.tolist() == [0.75, 0.0]


def test_row_for_row_the_higher_edge_speaks() -> None:
    ewma = bands([100, 100, 100, 100, 100], [True, True, True, False, False], 0)
    seasonal = bands([200, 50, 200, 200, 200], [True, True, False, True, False], 1)
    combined = combine(ewma, seasonal)
    assert [combined[row] for row in range(5)] == [
        Band(10, 0, 200, 1, "hour_of_week"),
        Band(10, 0, 100, 0, "ewma"),
        Band(10, 0, 100, 0, "ewma"),
        Band(10, 0, 200, 1, "hour_of_week"),
        None,
    ]


def test_row_for_row_the_season_speaks_of_an_hour_that_it_knows_for_more() -> None:
    ewma = bands([100, 100, 100], [True, True, False], 0, expected=5)
    seasonal = bands([200, 50, 50], [True, True, True], 1, expected=11)
    combined = combine(ewma, seasonal)
    uppers = [200, 100, 50]
    assert [combined[row] for row in range(3)] == [
        Band(11, 0, upper, 1, "hour_of_week") for upper in uppers
    ]
    [same] = (combine(bands([100], [True], 0, 6), bands([50], [True], 1, 12))[0],)
    assert same == Band(6, 0, 100, 0, "ewma"), "twice is not more than twice"


def test_a_bank_of_nobody_says_nothing() -> None:
    spike = SpikeBank(SpikeDetector(SpikeConfig(), 300), [])
    seasonal = SeasonalBank(SeasonalDetector(SeasonalConfig(), 300), [])
    none, nothing = np.zeros(0, bool), column()
    spike.learn(nothing, nothing, none)
    seasonal.learn(Window(0, 300), nothing, none)
    assert spike.states() == seasonal.states() == []
    assert len(combine(spike.bands(), seasonal.bands(Window(0, 300))).upper) == 0


def test_a_row_that_is_left_out_learns_nothing() -> None:
    spike, seasonal = (
        SpikeDetector(SpikeConfig(), 300),
        SeasonalDetector(SeasonalConfig(), 300),
    )
    bank = SpikeBank(spike, [spike.fresh(), spike.fresh()])
    ring = SeasonalBank(seasonal, [seasonal.fresh(), seasonal.fresh()])
    learned = np.array([True, False])
    bank.learn(column(5, 5), column(1, 1), learned)
    ring.learn(Window(0, 300), column(5, 5), learned)
    assert bank.states()[1] == spike.fresh()
    assert ring.states()[1] == seasonal.fresh()
    assert bank.states()[0] != spike.fresh()
    assert ring.states()[0] == [0, 0, 5, 5, {}]


def test_time_does_not_run_backwards_in_a_bank() -> None:
    seasonal = SeasonalDetector(SeasonalConfig(), 300)
    bank = SeasonalBank(seasonal, [seasonal.fresh()])
    bank.learn(Window(HOUR, HOUR + 300), column(5), np.array([True]))
    with pytest.raises(ValueError, match="comes before"):
        bank.learn(Window(0, 300), column(5), np.array([True]))
    bank.learn(Window(0, 300), column(5), np.array([False]))
