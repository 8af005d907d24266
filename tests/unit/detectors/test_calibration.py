"""The firm edges of a scope: near for who is steady, far for who comes in bursts."""

import numpy as np
import pytest

from detectors.calibration import FEW_CALLS, LARGEST_NANOUSD, Calibration
from detectors.detector import State
from detectors.signal import Band
from detectors.window import Window

USD = 10**9
START = 1_699_833_600
BAND = Band(1 * USD, 0, 2 * USD, USD // 4, "ewma")
CALIBRATION = Calibration(1e-6, 10**6 * USD)


def window(number: int) -> Window:
    start = START + 300 * number
    return Window(start, start + 300)


def learn(state: State, number: int, usd: float, minute_usd: float, *, is_odd: bool = False):
    """A window, and ten calls in it for each dollar of its dearest minute."""
    minute = (int(minute_usd * USD), int(10 * minute_usd))
    CALIBRATION.learn(state, BAND, window(number), int(usd * USD), minute, is_odd=is_odd)


def lived(costs: list[float]) -> tuple[State, int]:
    """One window an hour of such a cost in dollars, a third of it in one minute."""
    state = CALIBRATION.fresh()
    for hour, usd in enumerate(costs):
        learn(state, 12 * hour, usd, usd / 3)
    return state, 12 * len(costs)


def edges(costs: list[float]) -> tuple[float, float]:
    state, now = lived(costs)
    firm, minute, _ = CALIBRATION.edges(state, BAND, window(now))
    return firm / USD, minute / USD


def most_calls(costs: list[float]) -> int:
    state, now = lived(costs)
    return CALIBRATION.edges(state, BAND, window(now))[2]


STEADY = np.random.default_rng(1).normal(1.0, 0.3, 336).clip(0.1).tolist()
BURSTS = (np.random.default_rng(2).pareto(1.0, 336) + 0.5).tolist()


def test_of_a_steady_scope_they_are_near() -> None:
    firm, minute = edges(STEADY)
    assert max(STEADY) < firm < 6
    assert minute < 2


def test_of_a_scope_of_bursts_they_are_beyond_all_that_was_seen() -> None:
    firm, minute = edges(BURSTS)
    assert firm > max(BURSTS)
    assert minute > max(BURSTS) / 3


def test_the_edge_of_calls_is_beyond_what_was_seen_and_near_it_for_who_is_steady() -> None:
    seen = int(10 * max(STEADY) / 3)
    assert seen < most_calls(STEADY) < 5 * seen
    assert most_calls(BURSTS) > 10 * max(BURSTS) / 3
    assert most_calls([1.0] * 336) >= 3 + FEW_CALLS
    assert most_calls([]) > 100


def test_of_a_scope_of_which_little_is_known_they_are_far() -> None:
    young = CALIBRATION.edges(CALIBRATION.fresh(), BAND, window(0))
    assert young[0] > 20 * USD
    assert young[1] > 5 * USD
    assert edges([1.0])[0] > edges(STEADY)[0]
    rare: State = CALIBRATION.fresh()
    learn(rare, 0, 1, 1)
    CALIBRATION.skip(rare, window(1), 12 * 300)
    assert CALIBRATION.edges(rare, BAND, window(12 * 301))[0] > young[0]


def test_who_allows_more_false_pages_has_nearer_edges() -> None:
    state, now = lived(STEADY)
    kept = CALIBRATION.snapshot(state)

    def allowed(chance: float) -> tuple[int, int, int]:
        other = Calibration(chance, 10**6 * USD)
        return other.edges(other.restore(kept), BAND, window(now))

    lax, strict = allowed(1e-3), allowed(1e-9)
    assert lax[0] < CALIBRATION.edges(state, BAND, window(now))[0] < strict[0]
    assert allowed(1.0) < lax


def test_no_edge_is_beyond_a_million_dollars() -> None:
    state, now = lived(BURSTS)
    wide = Band(0, 0, 10**17, 0, "ewma")
    assert CALIBRATION.edges(state, wide, window(now))[:2] == (LARGEST_NANOUSD, LARGEST_NANOUSD)
    assert CALIBRATION.left_of_hour(state, wide, window(now)) == LARGEST_NANOUSD


def test_what_is_far_in_dollars_is_no_chance_for_who_was_never_seen_near_it() -> None:
    near = Calibration(1e-6, 5 * USD)
    for costs, edge in (([1.0], 6.0), ([1.0, 4.0], 7.0), ([1.0, 9.0, 2.0], 17.0)):
        state, now = lived(costs)
        assert near.edges(state, BAND, window(now))[0] == edge * USD


def test_a_runaway_of_hours_is_one_surprise() -> None:
    firm, _ = edges(STEADY)
    once, _ = edges([*STEADY, 500.0, 1.0])
    hours, _ = edges([*STEADY, *[500.0] * 8, 1.0])
    twice, _ = edges([*STEADY, 500.0, 1.0, 500.0, 1.0])
    assert firm < once < 6 * firm
    assert hours == pytest.approx(once, rel=0.02)
    assert twice > once


def test_the_sum_of_an_hour_brings_its_edge_nearer_until_the_hour_is_over() -> None:
    state, now = lived(STEADY)
    left = [CALIBRATION.left_of_hour(state, BAND, window(now))]
    for number in range(12):
        learn(state, now + number, 1.5, 1)
        left.append(CALIBRATION.left_of_hour(state, BAND, window(now + number + 1)))
    steps = np.diff(left[1:5])
    assert steps.tolist() == pytest.approx([-0.5 * USD] * 3, rel=1e-6)
    assert left[11] == BAND.expected_nanousd
    assert left[12] > left[11]


def test_zeros_teach_nothing_but_time() -> None:
    state, now = lived(STEADY)
    skipped, _ = lived(STEADY)
    for number in range(40):
        learn(state, now + number, 0, 0)
    CALIBRATION.skip(skipped, window(now), 0)
    CALIBRATION.skip(skipped, window(now), 17)
    CALIBRATION.skip(skipped, window(now + 17), 23)
    assert CALIBRATION.snapshot(state) == CALIBRATION.snapshot(skipped)


def test_time_does_not_run_backwards() -> None:
    state, now = lived(STEADY)
    with pytest.raises(ValueError, match="already going on"):
        learn(state, now - 24, 1, 1)


def test_a_snapshot_is_the_whole_state_and_shares_nothing() -> None:
    state, now = lived(BURSTS)
    snapshot = CALIBRATION.snapshot(state)
    other = CALIBRATION.restore(snapshot)
    assert other == state
    learn(other, now + 12, 9, 1)
    assert CALIBRATION.snapshot(state) == snapshot != CALIBRATION.snapshot(other)
    for wrong in ([1, 2], [*snapshot[:-1], "x"], snapshot[:-1]):
        with pytest.raises(ValueError, match="not a snapshot of a calibration"):
            CALIBRATION.restore(wrong)


def test_an_odd_window_counts_in_its_hour_and_the_hour_teaches_nothing() -> None:
    (state, now), (other, _) = lived(STEADY), lived(STEADY)
    before = CALIBRATION.left_of_hour(state, BAND, window(now))
    learn(state, now, 9, 3, is_odd=True)
    assert CALIBRATION.left_of_hour(state, BAND, window(now + 1)) < before
    plain = CALIBRATION.snapshot(state)
    assert CALIBRATION.snapshot(CALIBRATION.restore(plain)) == plain
    learn(state, now + 1, 9, 3)
    CALIBRATION.skip(state, window(now + 12), 1)
    CALIBRATION.skip(other, window(now), 1)
    CALIBRATION.skip(other, window(now + 12), 1)
    after = window(now + 13)
    assert CALIBRATION.edges(state, BAND, after) == CALIBRATION.edges(other, BAND, after)
    assert CALIBRATION.left_of_hour(state, BAND, after) == CALIBRATION.left_of_hour(
        other, BAND, after
    )
