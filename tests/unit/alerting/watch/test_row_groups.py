"""Rows of a delta, added up per scope and window."""

import numpy as np

from alerting.watch.row_groups import fits, group_rows
from detectors.decomposition import COUNTED, COUNTED_BESIDE
from detectors.observation import BESIDE, COUNTER_INDEX, COUNTERS


def test_rows_are_added_up_per_scope_and_window_whatever_their_order():
    number = np.array([7, 2, 7, 2, 7])
    minute = np.array([11, 3, 9, 4, 10])
    counts = np.zeros((5, len(COUNTERS)), np.int64)
    counts[:, :4] = np.arange(20).reshape(5, 4)
    counts[:, COUNTER_INDEX["retries"]] = 5, 6, 7, 8, 9
    groups, group = group_rows(number, minute, counts, 300)
    assert groups.number.tolist() == [2, 7, 7]
    assert groups.start.tolist() == [0, 300, 600]
    assert groups.turn.tolist() == [0, 0, 1]
    assert groups.first_minute.tolist() == [3, 9, 10]
    assert groups.last_minute.tolist() == [4, 9, 11]
    assert groups.counts[:, :4].tolist() == [[16, 18, 20, 22], [8, 9, 10, 11], [16, 18, 20, 22]]
    assert groups.amounts[:, :5].tolist() == [[0, 0, 0, 7, 15], [0, 0, 0, 0, 11], [19, 3, 0, 0, 0]]
    calls = groups.amounts[:, 5:10].tolist()
    assert calls == [[0, 0, 0, 4, 12], [0, 0, 0, 0, 8], [16, 0, 0, 0, 0]]
    assert COUNTED[2:] == tuple(COUNTERS[each] for each in BESIDE[:COUNTED_BESIDE])
    assert COUNTED[2:] == ("retries", "input_tokens", "output_tokens", "cache_read_tokens")
    beside = groups.amounts[:, 10 : 10 + COUNTED_BESIDE].tolist()
    assert beside == [[14, 18, 20, 0], [7, 9, 10, 0], [14, 18, 20, 0]]
    assert group.tolist() == [2, 0, 1, 0, 2]
    some = groups.where(groups.turn == 0)
    assert len(some) == 2
    assert some.counts[:, :4].tolist() == [[16, 18, 20, 22], [8, 9, 10, 11]]


def test_no_rows_are_no_groups():
    none = np.zeros(0, np.int64)
    groups, group = group_rows(none, none, np.zeros((0, len(COUNTERS)), np.int64), 300)
    assert len(groups) == len(group) == 0
    assert groups.counts.shape == (0, len(COUNTERS))
    assert groups.amounts.shape == (0, 10 + len(BESIDE))


def test_what_might_not_fit_64_bits_is_found_before_it_is_added():
    assert fits(np.zeros((0, 2), np.int64))
    assert fits(np.array([[1, 2**61], [1, 2**60]]))
    assert not fits(np.array([[1, 2**61], [1, 2**61]]))
    assert not fits(np.array([[1, 2], [1, -1]]))
