"""Counting alerts against labels, by hand."""

import numpy as np
import pytest

from tests.evaluation.series_families import FAMILIES, families
from tests.evaluation.series_metrics import (
    WEEK_SECONDS,
    Events,
    average_precision,
    count_events,
    episodes,
    poisson_bound,
    segments,
)
from tests.evaluation.series_scenes import SCENES, scenes
from tests.evaluation.yardsticks import YARDSTICKS


def labels(rows: int, *runs: tuple[int, int]):
    found = np.zeros(rows, dtype=np.bool_)
    for start, end in runs:
        found[start:end] = True
    return found


def test_runs_at_both_ends_are_events():
    starts, ends = segments(labels(10, (0, 2), (8, 10)))
    assert (list(starts), list(ends)) == ([0, 8], [2, 10])


def test_an_episode_begins_once_until_it_was_quiet_for_ten_rows():
    scores = np.zeros(50)
    scores[[5, 6, 15, 27]] = 1.0
    assert list(episodes(scores, 1.0)) == [5, 27]


def test_an_alert_before_an_event_is_false_and_one_just_behind_it_is_not():
    truth = labels(200, (50, 60), (100, 140))
    found = count_events(np.array([49, 55, 58, 65, 120, 180]), truth, WEEK_SECONDS)
    assert (found.events, found.found, found.in_time, found.false) == (2, 2, 1, 2)
    assert found.delays == [5, 20]
    assert found.recall(in_time=True) == 0.5
    assert found.precision(in_time=False) == 0.5
    assert found.f1(in_time=False) == pytest.approx(2 / 3)
    assert found.false_a_week == 2.0


def test_no_alerts_no_events_and_no_time_are_zeros():
    assert Events().f1(in_time=True) == Events().false_a_week == 0.0


def test_the_bound_is_the_known_one():
    assert poisson_bound(0) == pytest.approx(2.996, abs=1e-3)
    assert poisson_bound(10) == pytest.approx(16.96, abs=0.01)


def test_average_precision_of_a_perfect_and_a_constant_score():
    truth = labels(10, (3, 5))
    assert average_precision(truth.astype(float), truth) == 1.0
    assert average_precision(np.ones(10), truth) == pytest.approx(0.2)


@pytest.mark.parametrize("name", YARDSTICKS)
def test_a_yardstick_is_causal_and_sees_a_spike(name):
    chance = np.random.default_rng(5)
    at = 300.0 * np.arange(2_000)
    values = 100 + chance.normal(size=2_000)
    values[1_500] = 400.0
    scores = YARDSTICKS[name](at, values)
    assert scores[1_500] >= 1.0
    assert scores[:1_700] == pytest.approx(YARDSTICKS[name](at[:1_700], values[:1_700]))


def test_made_up_series_follow_from_the_seed_and_have_their_incidents():
    first, again = list(families(3, each=1)), list(families(3, each=1))
    assert len(first) == 3 * len(FAMILIES)
    for one, other in zip(first, again, strict=True):
        assert np.array_equal(one.values, other.values)
        assert len(segments(one.labels)[0]) == 4


def test_scenes_follow_from_the_seed_and_begin_after_a_seventh():
    first, again = list(scenes(3, each=1)), list(scenes(3, each=1))
    assert len(first) == len(SCENES)
    for one, other in zip(first, again, strict=True):
        assert np.array_equal(one.values, other.values)
        starts, _ = segments(one.labels)
        assert starts.tolist() == sorted(one.kinds)
        assert starts[0] > 0.13 * len(one.values)
