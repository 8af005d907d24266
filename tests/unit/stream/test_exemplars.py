"""The exemplars of rows as columns."""

import numpy as np
import pytest

from alerting.exemplar import Exemplar
from stream.exemplars import NO_EXEMPLARS, Exemplars

ONE, TWO = Exemplar(7, "https://t.example/1"), Exemplar(2**62, "https://t.example/2")
SOME = Exemplars.of([None, ONE, None, TWO])


def test_rows_that_have_one_are_known_by_their_place():
    assert SOME.by_row() == {1: ONE, 3: TWO}
    assert isinstance(SOME.by_row()[1], Exemplar)
    assert Exemplars.of([None, None]) is NO_EXEMPLARS
    assert NO_EXEMPLARS.by_row() == {}


@pytest.mark.parametrize(
    ("chosen", "found"),
    [([], {}), ([0, 2], {}), ([3, 0, 1, 3], {0: TWO, 2: ONE, 3: TWO}), ([9, 1], {1: ONE})],
)
def test_some_rows_keep_theirs_in_the_order_they_are_taken(
    chosen: list[int], found: dict[int, Exemplar]
):
    assert SOME.take(np.array(chosen, np.intp)).by_row() == found
    assert NO_EXEMPLARS.take(np.array(chosen, np.intp)) is NO_EXEMPLARS


@pytest.mark.parametrize(
    ("rows", "costs", "urls", "says"),
    [
        ([1], [], ["u"], "lack a cost or a URL"),
        ([1], [7], [], "lack a cost or a URL"),
        ([], [7], ["u"], "lack a cost or a URL"),
        ([4], [7], ["u"], "points beyond 4"),
        ([-1], [7], ["u"], "points beyond 4"),
        ([1, 1], [7, 7], ["u", "v"], "not in the order"),
        ([0, 2, 1, 3], [7] * 4, ["u"] * 4, "not in the order"),
        ([1], [0], ["u"], "cost nothing"),
    ],
)
def test_damaged_ones_are_refused(rows: list[int], costs: list[int], urls: list[str], says: str):
    damaged = Exemplars(np.array(rows, np.int32), np.array(costs, np.int64), urls)
    with pytest.raises(ValueError, match=says):
        damaged.check(4)
    SOME.check(4)
    NO_EXEMPLARS.check(0)
