"""Deltas: rows in, columns over the wire, the same rows out."""

import numpy as np
import pytest

from detectors.observation import COST, REQUESTS, zero_counts
from stream.delta import Contributor, Delta, DeltaRow, decode_delta, encode_delta


def row(
    scope: str, minute: int, *parts: Contributor, is_late: bool = False, **counts: int
) -> DeltaRow:
    amounts = zero_counts()
    amounts[REQUESTS] = counts.get("requests", 0)
    amounts[COST] = counts.get("cost", 0)
    amounts[-1] = counts.get("last", 0)
    return DeltaRow(scope, minute, is_late, amounts, parts)


def delta(*rows: DeltaRow) -> Delta:
    payload = encode_delta(
        list(rows),
        topic="in",
        partition=3,
        first_offset=10,
        next_offset=12,
        watermark_seconds=99,
        is_idle=False,
    )
    return decode_delta(payload)


def test_rows_come_out_as_they_went_in():
    rows = [
        row("agent:a", 1, Contributor("model", "m", 7), Contributor("user", "agent:a", 2), cost=9),
        row("agent:a", 1, is_late=True, requests=2**62),
        row("user:u", 2, requests=1, last=3),
        row("team:t", 2, Contributor("agent", "a", 2**62), cost=2**62),
    ]
    found = list(delta(*rows).rows())
    assert found == rows
    assert isinstance(found[0].contributors[0], Contributor)
    assert [type(cell) for cell in found[1]] == [str, int, bool, list, tuple]
    assert {type(count) for each in found for count in each.counts} == {int}


def test_a_delta_without_rows_says_only_what_time_it_is():
    empty = delta()
    assert list(empty.rows()) == []
    assert empty.columns == {}
    assert empty.promise == ("in/3", 99, False)


def test_counters_that_are_zero_everywhere_take_no_room():
    assert set(delta(row("agent:a", 1, cost=5), row("agent:b", 1)).columns) == {"cost_nanousd"}


def test_a_name_travels_once():
    part = Contributor("agent", "team:t", 1)
    assert delta(row("team:t", 1, part, cost=1), row("team:t", 2, part, cost=1)).names == ["team:t"]


def test_what_does_not_fit_64_bits_is_refused():
    with pytest.raises(OverflowError):
        delta(row("agent:a", 1, cost=2**63))
    with pytest.raises(OverflowError):
        delta(row("agent:a", 1, Contributor("model", "m", 2**63)))


def test_columns_of_unequal_length_are_no_rows():
    good = delta(row("agent:a", 1, Contributor("model", "m", 7), cost=9))
    more = np.array([1, 2], np.int64).tobytes()
    for damaged in (
        {"minute": b""},
        {"columns": {"requests": more}},
        {"contributor_cost": more},
    ):
        fields = {name: getattr(good, name) for name in Delta.__struct_fields__} | damaged
        with pytest.raises(ValueError, match=r"zip\(\)|shape"):
            list(Delta(**fields).rows())
