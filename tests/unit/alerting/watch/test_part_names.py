"""Names of contributors and their numbers; rows of several windows in turns."""

import numpy as np

from alerting.watch.part_names import PartNames
from alerting.watch.row_groups import group_rows
from detectors.observation import COUNTERS


def test_a_name_has_one_number_however_often_it_is_asked_for():
    names = PartNames()
    assert names.numbers(["a", "a", "b"]) == [0, 0, 1]
    assert names.numbers(["b", "c", "a"]) == [1, 2, 0]
    assert names.texts == ["a", "b", "c"]


def test_windows_of_one_scope_come_in_turns_and_no_scope_twice_in_any():
    minute = np.array([0, 5, 10, 0])
    counts = np.ones((4, len(COUNTERS)), np.int64)
    groups, _ = group_rows(np.array([1, 1, 1, 2]), minute, counts, 300)
    found = [list(zip(each.number, each.start, strict=True)) for each in groups.turns()]
    assert found == [[(1, 0), (2, 0)], [(1, 300)], [(1, 600)]]
    none = groups.where(np.zeros(4, np.bool_))
    assert list(none.turns()) == []
