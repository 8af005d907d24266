"""What a call costs: usual, dear, and dear again."""

from math import e, exp, log

import pytest

from detectors.call_cost import (
    BUNDLES,
    CALLS,
    FORGETS_SECONDS,
    GOES_ON_SECONDS,
    GROWTH,
    HIGHEST,
    LEAST_CALLS,
    LEVEL,
    REPEATED,
    WARM_UP_BUNDLES,
    WARM_UP_SECONDS,
    WORST,
    CallCost,
    CallCostConfig,
    CallCostDetector,
)
from detectors.detector import State
from detectors.window import Window

MONDAY = 1_699_833_600
CENT = 10_000_000
MADE = CallCostDetector(CallCostConfig())
OLD = MONDAY + WARM_UP_SECONDS


def window(at: int) -> Window:
    return Window(at, at + 300)


def learn(
    state: State, at: int, nanousd_a_call: float, *, calls: int = LEAST_CALLS, is_odd: bool = False
) -> None:
    MADE.learn(state, window(at), int(nanousd_a_call * calls), calls, is_odd=is_odd)


def grown(cent: float = CENT) -> State:
    """A state that has seen nothing but calls of one cent, for as long as it takes."""
    state = MADE.fresh()
    for number in range(WARM_UP_BUNDLES):
        learn(state, MONDAY + number * 300, cent)
    return state


def test_what_a_call_costs_is_known_after_a_hundred_bundles_and_six_days() -> None:
    state = MADE.fresh()
    for number in range(WARM_UP_BUNDLES - 1):
        learn(state, MONDAY + number * 300, CENT)
    assert MADE.expected(state, window(OLD)) is None
    learn(state, MONDAY + WARM_UP_BUNDLES * 300, CENT)
    assert MADE.expected(state, window(OLD - 300)) is None
    known = MADE.expected(state, window(OLD))
    assert known == MADE.least(state)
    assert known is not None
    assert known.usual_nanousd == pytest.approx(CENT, rel=1e-6)
    assert known.edge_nanousd == pytest.approx(2 * CENT, rel=1e-6)


def test_calls_are_judged_by_the_dozen_and_by_their_own_window() -> None:
    state, known = grown(), CallCost(CENT, 2 * CENT)
    assert not MADE.is_dear(state, known, 50 * CENT, LEAST_CALLS - 1)
    assert not MADE.is_dear(state, known, 2 * CENT * LEAST_CALLS, LEAST_CALLS)
    assert MADE.is_dear(state, known, 2 * CENT * LEAST_CALLS + 1, LEAST_CALLS)
    learn(state, OLD, CENT, calls=LEAST_CALLS - 1)
    assert MADE.is_dear(state, known, 50 * CENT, 2), "with those before it, a dozen"
    assert not MADE.is_dear(state, known, 20 * CENT, 2), "together they are not dear"
    assert not MADE.is_dear(state, CallCost(CENT, 0), 0, 5), "nothing was spent"


def test_few_calls_are_put_together_until_they_say_something() -> None:
    state = grown()
    for _ in range(3):
        learn(state, OLD, 3 * CENT, calls=6)
    assert (state[BUNDLES], state[CALLS]) == (WARM_UP_BUNDLES, 18)
    learn(state, OLD, 3 * CENT, calls=6, is_odd=True)
    assert (state[CALLS], state[WORST]) == (0, pytest.approx(REPEATED * log(3)))
    learn(state, OLD, 3 * CENT, calls=6, is_odd=True)
    learn(state, OLD, CENT, calls=0)
    assert state[CALLS] == 0, "few odd calls are left out"


def test_one_dear_bundle_moves_the_usual_and_what_is_known_of_the_worst_by_little() -> None:
    """A test of a dear model by few calls does not hide its roll-out."""
    state = grown()
    learn(state, MONDAY + WARM_UP_BUNDLES * 300, 100 * CENT)
    assert exp(state[LEVEL]) == pytest.approx(CENT * e**0.02, rel=1e-3)
    assert state[WORST] == pytest.approx(GROWTH, rel=1e-3)
    for number in range(60):
        learn(state, OLD + 300 * number, 4 * CENT if number % 2 else CENT)
    known = MADE.least(state)
    assert known is not None
    assert not MADE.is_dear(state, known, 4 * CENT * LEAST_CALLS, LEAST_CALLS), "a usual mix"


def test_what_comes_again_is_not_news_and_half_as_much_again_is() -> None:
    state = grown()
    before = state[LEVEL]
    learn(state, OLD, 8 * CENT, is_odd=True)
    assert state[LEVEL] == before
    known = MADE.expected(state, window(OLD + 3600))
    assert known is not None
    assert not MADE.is_dear(state, known, 8 * CENT * LEAST_CALLS, LEAST_CALLS)
    assert MADE.is_dear(state, known, 13 * CENT * LEAST_CALLS, LEAST_CALLS)


def test_what_comes_every_week_is_known() -> None:
    state = grown()
    for week in range(4):
        at = OLD + week * 7 * 86_400
        known = MADE.expected(state, window(at))
        assert known is not None
        assert MADE.is_dear(state, known, 8 * CENT * LEAST_CALLS, LEAST_CALLS) is (week == 0)
        learn(state, at, 8 * CENT, is_odd=True)
        learn(state, at + 3600, CENT)


def test_half_as_far_goes_on_with_what_is_dear_until_calls_are_as_usual() -> None:
    """Else what is learned of the first window would hide the second."""
    state = grown()
    learn(state, OLD, 4 * CENT, is_odd=True)
    known = MADE.expected(state, window(OLD + 300))
    assert known is not None
    assert MADE.is_dear(state, known, 4 * CENT * LEAST_CALLS, LEAST_CALLS)
    assert not MADE.is_dear(state, known, 2 * CENT * LEAST_CALLS, LEAST_CALLS)
    assert MADE.least(state) == known
    later = MADE.expected(state, window(OLD + 300 + GOES_ON_SECONDS))
    assert later is not None
    assert not MADE.is_dear(state, later, 4 * CENT * LEAST_CALLS, LEAST_CALLS)
    learn(state, OLD + 300, 1.5 * CENT, is_odd=True)
    other = MADE.expected(state, window(OLD + 600))
    assert other is not None, "unusual in another way"
    assert other.edge_nanousd == pytest.approx(known.edge_nanousd, rel=1e-3)
    learn(state, OLD + 600, CENT)
    assert MADE.least(state) == MADE.expected(state, window(OLD + 900)) != known


def test_the_worst_fades() -> None:
    state = grown()
    learn(state, OLD, 8 * CENT, is_odd=True)
    worst = state[WORST]
    learn(state, OLD + FORGETS_SECONDS, CENT)
    assert state[WORST] == pytest.approx(worst / 2, rel=1e-6)


def test_cheap_calls_lower_the_usual_and_not_the_edge_below_its_ratio() -> None:
    state = grown()
    for number in range(200):
        learn(state, OLD + 300 * number, CENT / 10)
    known = MADE.least(state)
    assert known is not None
    assert known.usual_nanousd < CENT / 5
    assert known.edge_nanousd == pytest.approx(2 * known.usual_nanousd, rel=1e-6)


def test_the_first_bundles_say_nothing_of_how_far_they_go() -> None:
    state = MADE.fresh()
    learn(state, MONDAY, CENT, is_odd=True)
    assert state[BUNDLES] == 0
    learn(state, MONDAY, CENT)
    learn(state, MONDAY + 300, 50 * CENT)
    assert state[WORST] == 0.0


def test_no_edge_is_higher_than_any_window_and_none_below_what_is_usual() -> None:
    state = grown(cent=1)
    state[LEVEL] = -5.0
    known = MADE.least(state)
    assert known is not None
    assert (known.usual_nanousd, known.edge_nanousd) == (1, 2)
    learn(state, OLD, 10**17, is_odd=True)
    known = MADE.expected(state, window(OLD + 3600))
    assert known is not None
    assert known.edge_nanousd == HIGHEST


def test_what_costs_nothing_teaches_nothing() -> None:
    state, before = grown(), grown()
    for number in range(100):
        learn(state, OLD + 300 * number, 0)
    assert state == before


def test_what_goes_on_does_so_with_few_calls_and_while_it_is_held_down() -> None:
    state = grown()
    learn(state, OLD, 4 * CENT, is_odd=True)
    for number in range(1, 10):
        known = MADE.expected(state, window(OLD + 300 * number))
        assert known is not None
        assert MADE.is_dear(state, known, 4 * CENT * 3, 3)
        learn(state, OLD + 300 * number, 4 * CENT, calls=3, is_odd=True)
    for number in range(10, 30):
        MADE.hold(state, window(OLD + 300 * number))
    known = MADE.expected(state, window(OLD + 9000))
    assert known is not None
    assert known.goes_on
    for number in range(30, 40):
        learn(state, OLD + 300 * number, CENT, calls=3, is_odd=True)
    MADE.hold(state, window(OLD + 12_000))
    known = MADE.expected(state, window(OLD + 12_000))
    assert known is not None
    assert not known.goes_on, "usual calls for long enough, and holding brings nothing back"


def test_a_snapshot_goes_on_and_anything_else_is_refused() -> None:
    state = grown()
    learn(state, OLD, CENT, calls=3)
    assert MADE.restore(MADE.snapshot(state)) == state
    for plain in ([], [1, 2], [*MADE.snapshot(state), 1], ["x"] * 8, [None] * 8):
        with pytest.raises(ValueError, match="what calls cost"):
            MADE.restore(plain)
