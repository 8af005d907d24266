"""What a soak calls flat: memory after it has filled, lag, ids and latency."""

import pytest

from tests.benchmarks.soak_verdict import (
    NOISE_BYTES,
    Journey,
    Sample,
    dedup_finding,
    lag_finding,
    latency_finding,
    memory_finding,
)

MIB = 2**20


def sample(at: float, *, size: float = 100 * MIB, lag: int = 0, ids: int = 0) -> Sample:
    return Sample(at, int(at * 100), {"watch": int(size)}, {"watch": lag}, ids, 1.0)


def test_what_fills_in_the_first_third_and_stays_is_flat():
    samples = [sample(at, size=100 * MIB + min(at, 600) * MIB) for at in range(0, 1801, 5)]
    assert memory_finding("watch", samples).is_flat


@pytest.mark.parametrize(("rise", "is_flat"), [(0.9, True), (1.1, False)])
def test_memory_that_goes_on_rising_is_not(rise: float, *, is_flat: bool):
    per_second = NOISE_BYTES / 1200 * rise
    samples = [sample(at, size=MIB * 100 + at * per_second) for at in range(0, 1801, 5)]
    assert memory_finding("watch", samples).is_flat == is_flat


@pytest.mark.parametrize(("lag", "is_flat"), [(500, True), (501, False)])
def test_lag_is_judged_by_the_rule_that_would_fire(lag: int, *, is_flat: bool):
    samples = [sample(at, lag=lag if at > 1000 else 0) for at in range(0, 1801, 5)]
    assert lag_finding("watch", samples).is_flat == is_flat


@pytest.mark.parametrize(("ids", "is_flat"), [(63_000, True), (63_001, False)])
def test_ids_fill_until_the_horizon_is_full(ids: int, *, is_flat: bool):
    samples = [sample(0), sample(900, ids=ids), sample(1800)]
    assert dedup_finding(samples, 450).is_flat == is_flat


@pytest.mark.parametrize(("late", "is_flat"), [(1.0, True), (1.01, False)])
def test_latency_of_the_last_third_is_held_against_the_first(late: float, *, is_flat: bool):
    journeys = [Journey(1.0, 0.5), Journey(1000.0, 9.0), Journey(1700.0, late)]
    assert latency_finding("x", journeys, 1800.0).is_flat == is_flat


def test_without_anything_answered_in_a_third_nothing_is_flat():
    assert not latency_finding("x", [Journey(1.0, 0.5)], 1800.0).is_flat
