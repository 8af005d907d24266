"""An excess by kind: exact, and each kind found where it was put."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from detectors.decomposition import COUNTED, Decomposition, Usual
from detectors.detector import State

USD = 1_000_000_000
USUAL = [USD, 100, 10, 100_000, 20_000, 40_000]
"""Cost, requests, retries, tokens read, written and read from the cache: of a window."""

amounts = st.lists(st.integers(0, 10**15), min_size=len(COUNTED), max_size=len(COUNTED))


def known(usual: list[int] = USUAL, windows: int = 20) -> State:
    made = Usual(0.01)
    state = made.fresh()
    for _ in range(windows):
        made.learn(state, usual)
    return state


def split(seen: list[int], excess: int, usual: list[int] = USUAL) -> Decomposition:
    found = Usual(0.01).decompose(known(usual), seen, excess)
    assert found is not None
    assert found.total_nanousd == excess
    return found


def parts_of(found: Decomposition) -> tuple[int, ...]:
    """Volume, size, price, cache and retries."""
    return tuple(found.by_kind.values())


def test_more_of_the_same_is_volume() -> None:
    found = split([50 * each for each in USUAL], 49 * USD)
    assert parts_of(found) == (49 * USD, 0, 0, 0, 0)


def test_longer_answers_are_size() -> None:
    cost, requests, retries, read, written, cached = USUAL
    tokens, paid = read + 4 * written, read + 4 * written - cached * 9 // 10
    more = written + tokens  # four weights each: five times the tokens
    dearer = cost * (paid + 4 * tokens) // paid
    found = split([dearer, requests, retries, read, more, cached], dearer - cost)
    assert found.size_nanousd > 0.8 * found.total_nanousd
    assert found.price_nanousd == pytest.approx(0, abs=2)
    assert found.volume_nanousd == pytest.approx(0, abs=2)


def test_a_dearer_model_is_price() -> None:
    found = split([10 * USD, *USUAL[1:]], 9 * USD)
    assert parts_of(found) == (0, 0, 9 * USD, 0, 0)
    assert found.price_ratio == pytest.approx(10.0)


def test_the_price_is_known_where_less_than_one_request_was_expected() -> None:
    cost, requests, *rest = USUAL
    usual_call = [10 * cost // requests, 1, *(each // requests for each in rest)]
    found = split(usual_call, usual_call[0] - 1000)
    assert found.price_ratio == pytest.approx(10.0, rel=0.01)


def test_a_cache_that_is_missed_is_cache() -> None:
    paid, tokens = 180_000 - 36_000, 180_000
    cost = USD * tokens // paid
    found = split([cost, 100, 10, 100_000, 20_000, 0], cost - USD)
    assert found.cache_nanousd == pytest.approx(cost - USD, abs=5)


def test_calls_tried_again_and_again_are_retries() -> None:
    seen = [4 * USUAL[0], 100, 340, *(4 * each for each in USUAL[3:])]
    assert parts_of(split(seen, 3 * USD)) == (0, 0, 0, 0, 3 * USD)


def test_retries_that_nobody_billed_are_no_cost() -> None:
    seen = [2 * USUAL[0], 200, 4000, *(2 * each for each in USUAL[3:])]
    assert parts_of(split(seen, USD)) == (USD, 0, 0, 0, 0)
    bare = [USD, 100, 0, 0, 0, 0]
    assert split([4 * USD, 100, 300, 0, 0, 0], 3 * USD, bare).retries_nanousd == 3 * USD


def test_what_came_with_fewer_requests_is_less_volume() -> None:
    found = split([10 * USD, 50, 5, 1_000_000, 200_000, 400_000], 9 * USD)
    assert found.size_nanousd > 9 * USD
    assert found.volume_nanousd < 0


def test_one_dear_call_where_none_was_expected_is_not_volume() -> None:
    found = split([5 * USD, 1, 0, 50_000, 10_000, 20_000], 5 * USD)
    assert found.volume_nanousd == 0
    assert found.size_nanousd > 3 * USD


def test_without_tokens_a_dearer_request_is_price() -> None:
    usual = [USD, 100, 0, 0, 0, 0]
    assert parts_of(split([10 * USD, 100, 0, 0, 0, 0], 9 * USD, usual)) == (0, 0, 9 * USD, 0, 0)


@pytest.mark.parametrize(
    ("usual", "seen", "excess"),
    [
        ([0] * 6, USUAL, USD),
        (USUAL, USUAL, 0),
        (USUAL, [0] * 6, USD),
        (USUAL, [USD, 0, 0, 0, 0, 0], USD),
        (USUAL, [5_000_000, 1, 0, 0, 0, 0], 5_000_000),
    ],
)
def test_what_is_not_known_is_not_said(usual: list[int], seen: list[int], excess: int) -> None:
    assert Usual(0.01).decompose(known(usual), seen, excess) is None


def test_nothing_is_known_at_first() -> None:
    made = Usual(0.01)
    assert made.decompose(made.fresh(), USUAL, USD) is None


@given(usual=amounts, seen=amounts, share=st.floats(0, 1))
def test_the_parts_add_up_whatever_was_seen(
    usual: list[int], seen: list[int], share: float
) -> None:
    excess = min(int(seen[0] * share), seen[0])
    found = Usual(0.01).decompose(known(usual, 3), seen, excess)
    assert found is None or sum(found.by_kind.values()) == excess


def test_usual_values_are_plain_means_first_and_then_forget() -> None:
    made = Usual(0.25)
    state = made.fresh()
    for cost in (1, 2, 3, 4):
        made.learn(state, [cost, 1, 0, 0, 0, 0])
    assert state[:3] == [4, 2.5, 1.0]
    made.learn(state, [4, 1, 0, 0, 0, 0])
    assert state[1] == 2.5 + 0.25 * 1.5
    assert made.restore(made.snapshot(state)) == state


def test_another_state_is_refused() -> None:
    with pytest.raises(ValueError, match="usual requests"):
        Usual(0.25).restore([1, 2])
