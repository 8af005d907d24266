from detectors.observation import (
    COST,
    COUNTER_INDEX,
    COUNTERS,
    REQUESTS,
    Observation,
    add_counts,
    zero_counts,
)
from detectors.window import Window


def test_counters_have_one_order_and_no_name_twice() -> None:
    assert [COUNTER_INDEX[name] for name in COUNTERS] == list(range(len(COUNTERS)))


def test_adding_adds_counter_by_counter_and_leaves_the_amounts_alone() -> None:
    into, amounts = zero_counts(), zero_counts()
    into[COST], amounts[COST], amounts[REQUESTS] = 2**62, 2**62, 3
    add_counts(into, amounts)
    assert (into[COST], into[REQUESTS]) == (2**63, 3)
    assert (amounts[COST], sum(amounts)) == (2**62, 2**62 + 3)
    assert zero_counts() == [0] * len(COUNTERS)


def test_an_observation_names_its_dollars_and_calls() -> None:
    counts = zero_counts()
    counts[COST], counts[REQUESTS] = 7, 2
    seen = Observation(Window(0, 60), counts)
    assert (seen.cost_nanousd, seen.requests, seen.is_closed) == (7, 2, True)
