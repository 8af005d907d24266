"""Tail probabilities against distributions that are known."""

import random
from math import log10

import pytest

from detectors.tail import FIRST_VALUES, Tail


def learned(values, finest=0.01) -> Tail:
    tail = Tail(finest)
    for value in values:
        tail.learn(value)
    return tail


def exponentials(count, seed=3):
    chance = random.Random(seed)
    return [chance.expovariate(1.0) for _ in range(count)]


def test_an_unknown_tail_is_surprised_by_nothing():
    tail = Tail()
    assert tail.surprise(1e9) == 0.0
    assert tail.value_at(3.0) == 0.0


def test_while_history_is_short_values_are_ranked():
    tail = learned(range(1, 10))
    assert tail.surprise(100) == pytest.approx(log10(10))
    assert tail.surprise(5) == pytest.approx(log10(10 / 6))
    assert tail.surprise(0) == 0.0
    assert tail.value_at(3.0) == 9


def test_no_value_is_very_surprising_before_the_tail_is_fitted():
    assert learned(exponentials(FIRST_VALUES - 1)).surprise(1e9) <= log10(FIRST_VALUES)


@pytest.mark.parametrize("surprise", [1.5, 2.0, 3.0])
def test_an_exponential_tail_is_found_and_a_little_distrusted(surprise):
    tail = learned(exponentials(20_000))
    value = surprise / log10(2.718281828)  # P(X >= value) = 10 ** -surprise
    assert 0.8 * surprise < tail.surprise(value) < 1.1 * surprise


def test_value_at_is_the_inverse_of_surprise():
    tail = learned(exponentials(5_000))
    for surprise in (1.5, 3.0, 6.0):
        assert tail.surprise(tail.value_at(surprise)) == pytest.approx(surprise)
    assert tail.surprise(tail.value_at(0.2)) == 0.0


def test_a_few_enormous_values_are_not_their_own_excuse():
    values = exponentials(10_000)
    calm = learned(values).surprise(15)
    values[500::400] = [1e6] * len(values[500::400])
    assert learned(values).surprise(15) > 0.8 * calm


def test_usual_spikes_are_no_surprise():
    chance = random.Random(1)
    values = [
        12.0 + chance.random() if chance.random() < 0.03 else chance.expovariate(1.0)
        for _ in range(20_000)
    ]
    assert learned(values).surprise(12.0) < 3.0
    assert learned(exponentials(20_000)).surprise(12.0) > 3.5


def test_jitter_below_the_finest_difference_is_no_surprise():
    tail = learned([1e-9 * (number % 7) for number in range(5_000)], finest=1.0)
    assert tail.surprise(0.5) < 2.0
    assert tail.surprise(50.0) > 4.0


def test_a_tail_follows_a_scale_that_changes():
    tail = learned(exponentials(3_000))
    before = tail.surprise(10.0)
    for value in exponentials(20_000, seed=4):
        tail.learn(5.0 * value)
    assert tail.surprise(10.0) < 0.6 * before
