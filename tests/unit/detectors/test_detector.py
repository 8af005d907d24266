import pytest

from detectors.detector import Reason, judge_above, score_above
from detectors.observation import COST, Observation, zero_counts
from detectors.signal import Band
from detectors.window import Window

BAND = Band(1000, 500, 3000, 100, "ewma")


def observation(cost_nanousd: int) -> Observation:
    counts = zero_counts()
    counts[COST] = cost_nanousd
    return Observation(Window(0, 300), counts)


@pytest.mark.parametrize(
    ("cost", "score"),
    [(0, 0.0), (1000, 0.0), (2000, 1 / 3), (3000, 0.5), (5000, 2 / 3), (7000, 0.75)],
)
def test_the_score_is_a_half_at_the_upper_edge_and_nothing_at_the_expectation(
    cost: int, score: float
) -> None:
    assert score_above(BAND, cost) == pytest.approx(score)


def test_a_band_without_width_still_has_a_score() -> None:
    flat = Band(1000, 1000, 1000, 0, "ewma")
    assert score_above(flat, 1000) == 0.0
    assert score_above(flat, 1001) == 0.5
    assert score_above(flat, 10**15) < 1


def test_a_verdict_says_why_and_by_how_much() -> None:
    above, inside = judge_above(BAND, observation(3001)), judge_above(BAND, observation(400))
    assert (above.reason, above.is_anomalous) == (Reason.ABOVE_BAND, True)
    assert (above.observed_nanousd, above.excess_nanousd) == (3001, 2001)
    assert (inside.reason, inside.is_anomalous) == (Reason.INSIDE_BAND, False)
    assert inside.excess_nanousd == -600


def test_exactly_the_upper_edge_is_inside() -> None:
    assert judge_above(BAND, observation(3000)).reason is Reason.INSIDE_BAND
