from itertools import permutations

import pytest

from alerting.exemplar import Exemplar, dearer

A, B, DEAR = Exemplar(7, "https://a"), Exemplar(7, "https://b"), Exemplar(8, "https://c")


@pytest.mark.parametrize("order", list(permutations([A, None, B, DEAR])))
def test_of_many_the_same_one_is_kept_in_whatever_order_they_come(order: tuple[Exemplar | None]):
    kept = None
    for each in order:
        kept = dearer(kept, each)
    assert kept == DEAR


def test_of_equally_dear_ones_the_first_by_its_url_is_kept():
    assert dearer(A, B) == dearer(B, A) == A
    assert dearer(None, None) is None
