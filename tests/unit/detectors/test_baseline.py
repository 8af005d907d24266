import pytest

from detectors.baseline import Ewma, combine_bands, gain
from detectors.observation import COST, REQUESTS, Observation, zero_counts
from detectors.signal import Band
from detectors.window import Window

USD = 1_000_000_000


def ewma(*, clip_spreads: float = 7.0, clip_floor: float = 1.0 * USD) -> Ewma:
    return Ewma(
        fast_gain=gain(1, 300),
        slow_gain=gain(48, 300),
        warm_windows=12,
        clip_spreads=clip_spreads,
        clip_floor=clip_floor,
    )


def observation(cost_nanousd: int, requests: int) -> Observation:
    counts = zero_counts()
    counts[COST], counts[REQUESTS] = cost_nanousd, requests
    return Observation(Window(0, 300), counts)


def test_a_half_life_halves_the_weight_of_the_past() -> None:
    one = gain(1, 300)
    assert (1 - one) ** 12 == pytest.approx(0.5)
    assert gain(2, 7200) == 0.5


def test_a_dozen_windows_must_be_seen_before_anything_is_known() -> None:
    baseline, state = ewma(), ewma().fresh()
    for _ in range(11):
        baseline.learn(state, USD, 10)
        assert baseline.moments(state) is None
    baseline.learn(state, USD, 10)
    assert baseline.moments(state) is not None


def test_while_young_the_mean_is_the_plain_mean() -> None:
    baseline, state = ewma(), ewma().fresh()
    for dollars in (1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12):
        baseline.learn(state, dollars * USD, 1)
    known = baseline.moments(state)
    assert known is not None
    assert known.slow == pytest.approx(6.5 * USD)
    assert known.fast == pytest.approx(6.5 * USD)
    assert known.call == pytest.approx(6.5 * USD)
    # mean square 650/12 less 6.5 squared is 11.9; but calls of $6.50 coming singly at random
    # spread by the root of 6.5 * 6.5 at least
    assert known.spread == pytest.approx(6.5 * USD)


def test_spread_beyond_that_of_random_calls_is_learned() -> None:
    baseline, state = ewma(), ewma().fresh()
    for _ in range(6):
        baseline.learn(state, 0, 0)
        baseline.learn(state, 10 * USD, 10_000)
    known = baseline.moments(state)
    assert known is not None
    assert known.spread == pytest.approx(5 * USD)


def test_after_a_rise_the_fast_mean_is_ahead_of_the_slow_one_and_behind_after_a_fall() -> None:
    baseline, state = ewma(), ewma().fresh()
    for _ in range(600):
        baseline.learn(state, USD, 10)
    for _ in range(12):
        baseline.learn(state, 2 * USD, 20)
    known = baseline.moments(state)
    assert known is not None
    assert known.fast == pytest.approx(1.5 * USD, rel=1e-3)
    assert USD < known.slow < 1.1 * USD
    baseline.skip(state, 24)
    known = baseline.moments(state)
    assert known is not None
    assert known.fast == pytest.approx(1.5 * USD / 4, rel=1e-3)
    assert known.slow > known.fast


def test_one_huge_window_is_believed_only_up_to_the_clip() -> None:
    baseline, state = ewma(), ewma().fresh()
    for _ in range(600):
        baseline.learn(state, USD, 1000)
    before = baseline.moments(state)
    assert before is not None
    cut = before.slow + 7 * before.spread + USD
    other = list(state)
    baseline.learn(state, 1000 * USD, 1000)
    baseline.learn(other, int(cut), 1000)
    assert state == pytest.approx(other)


def test_a_very_long_silence_ends_at_exactly_zero_and_costs_no_loop() -> None:
    baseline, state = ewma(), ewma().fresh()
    for _ in range(300):
        baseline.learn(state, USD, 10)
    baseline.skip(state, 10**12)
    assert state == [300 + 10**12, 0.0, 0.0, 0.0, 0.0]
    known = baseline.moments(state)
    assert known is not None
    assert (known.spread, known.call) == (0.0, 0.0)


def test_resetting_takes_the_level_of_what_was_absorbed() -> None:
    baseline, state = ewma(), ewma().fresh()
    for _ in range(300):
        baseline.learn(state, USD, 10)
    baseline.reset_level(state, [observation(4 * USD, 10), observation(6 * USD, 10)])
    known = baseline.moments(state)
    assert known is not None
    assert (known.fast, known.slow) == (5 * USD, 5 * USD)
    assert known.call == 0.5 * USD
    assert known.spread == pytest.approx((2.5) ** 0.5 * USD)
    assert state[0] == 300


def test_resetting_by_nothing_changes_nothing() -> None:
    baseline, state = ewma(), ewma().fresh()
    baseline.learn(state, USD, 10)
    before = list(state)
    baseline.reset_level(state, [])
    assert state == before


def test_resetting_a_newborn_makes_it_as_old_as_what_it_is_given() -> None:
    baseline, state = ewma(), ewma().fresh()
    baseline.reset_level(state, [observation(USD, 1)] * 20)
    assert state[0] == 20


EWMA = Band(100, 50, 300, 10, "ewma")
SEASONAL = Band(400, 0, 900, 20, "hour_of_week")


@pytest.mark.parametrize(
    ("ewma_band", "seasonal_band", "speaks"),
    [
        (None, None, None),
        (EWMA, None, EWMA),
        (None, SEASONAL, SEASONAL),
        (EWMA, SEASONAL, SEASONAL),
        (Band(800, 0, 901, 10, "ewma"), SEASONAL, Band(800, 0, 901, 10, "ewma")),
        (Band(800, 0, 900, 10, "ewma"), SEASONAL, Band(800, 0, 900, 10, "ewma")),
        (Band(200, 0, 950, 10, "ewma"), SEASONAL, Band(200, 0, 950, 10, "ewma")),
        (Band(199, 0, 950, 10, "ewma"), SEASONAL, Band(400, 0, 950, 20, "hour_of_week")),
    ],
)
def test_of_two_bands_the_one_with_the_higher_edge_speaks(
    ewma_band: Band | None, seasonal_band: Band | None, speaks: Band | None
) -> None:
    assert combine_bands(ewma_band, seasonal_band) == speaks
