"""Deltas: rows in, columns over the wire, the same rows out."""

from dataclasses import replace

import msgspec
import numpy as np
import pytest

from alerting.exemplar import Exemplar
from detectors.observation import COST, REQUESTS, zero_counts
from stream.delta import Contributor, Delta, DeltaRow, DeltaRows, decode_delta, encode_delta


def row(
    scope: str, minute: int, *parts: Contributor, is_late: bool = False, **counts: int
) -> DeltaRow:
    amounts = zero_counts()
    amounts[REQUESTS] = counts.get("requests", 0)
    amounts[COST] = counts.get("cost", 0)
    amounts[-1] = counts.get("last", 0)
    return DeltaRow(scope, minute, is_late, amounts, parts)


def payload_of(*rows: DeltaRow) -> bytes:
    return encode_delta(
        DeltaRows.of(rows),
        topic="in",
        partition=3,
        first_offset=10,
        next_offset=12,
        watermark_seconds=99,
        is_idle=False,
    )


def delta(*rows: DeltaRow) -> Delta:
    return decode_delta(payload_of(*rows))


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
    assert [type(cell) for cell in found[1]] == [str, int, bool, list, tuple, type(None)]
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


def test_rows_behind_others_keep_all_names_though_a_contributor_is_called_like_a_scope():
    rows = [row("agent:a", 1, Contributor("user", "u", 1), cost=1)]
    alike = replace(DeltaRows.of(rows), names=["agent:a", "agent:a", "u"])
    alike = replace(alike, part_name=np.array([1], np.int32))  # as INGEST writes them
    first = [row("agent:a", 1, Contributor("user", "agent:a", 1), cost=1)]
    more = [row(f"agent:{name}", 1, is_late=True, cost=1) for name in "za"]
    assert alike.followed_by(more) == [*first, *more]
    assert alike.followed_by(()) == first


def with_exemplars() -> list[DeltaRow]:
    one, other = Exemplar(7, "https://t.example/1"), Exemplar(9, "agent:b")
    return [
        row("agent:a", 1, cost=7)._replace(exemplar=one),
        row("agent:b", 1, Contributor("model", "m", 2), cost=2),
        row("agent:c", 1, cost=9)._replace(exemplar=other),
    ]


def test_exemplars_travel_with_their_rows():
    assert list(delta(*with_exemplars()).rows()) == with_exemplars()
    assert DeltaRows.of(with_exemplars())[1:] == with_exemplars()[1:]
    assert DeltaRows.of(with_exemplars())[2] == with_exemplars()[2]
    late = row("agent:b", 1, is_late=True, cost=1)
    followed = DeltaRows.of(with_exemplars()).followed_by([late])
    assert followed == [*with_exemplars(), late]


def test_a_delta_without_exemplars_is_hardly_longer_and_one_of_before_has_none():
    payload = payload_of(*mixed())
    fields = msgspec.msgpack.decode(payload)
    assert fields[-3:] == [b"", b"", []]
    before = msgspec.msgpack.encode(fields[:-3])
    assert len(payload) - len(before) <= 7
    assert decode_delta(before).rows() == mixed()


def test_damaged_exemplars_are_no_rows():
    for fields in (
        {"exemplar_row": np.array([0, 0], np.int32).tobytes()},
        {"exemplar_cost": b""},
        {"exemplar_url": []},
        {"exemplar_row": b"1"},
    ):
        good = delta(*with_exemplars())
        known = {name: getattr(good, name) for name in Delta.__struct_fields__}
        with pytest.raises(ValueError, match=r"exemplars|multiple of element size"):
            Delta(**known | fields).rows()


def mixed() -> list[DeltaRow]:
    """Rows with none, one and several contributors, late and not."""
    return [
        row("agent:a", 1, Contributor("model", "m", 7), Contributor("user", "agent:a", 2), cost=9),
        row("agent:a", 1, is_late=True, requests=4),
        row("user:u", 2, requests=1),
        row("team:t", 2, Contributor("agent", "a", 5), cost=5),
    ]


def test_rows_as_columns_are_the_rows():
    columns = DeltaRows.of(mixed())
    assert columns == mixed()
    assert columns != mixed()[1:]
    assert columns != "rows"
    assert len(columns) == 4
    assert columns[1] == mixed()[1]
    assert columns[-1] == mixed()[-1]
    assert columns.is_late.tolist() == [False, True, False, False]
    with pytest.raises(IndexError):
        columns[4]


def test_some_rows_keep_their_contributors_and_only_the_names_they_need():
    columns = DeltaRows.of(mixed())
    for span in (slice(0, 0), slice(0, 2), slice(2, None), slice(None, None, -1)):
        assert columns[span] == mixed()[span]
    assert columns.take(np.array([3, 0, 3])) == [mixed()[number] for number in (3, 0, 3)]
    assert sorted(columns[2:].names) == ["a", "team:t", "user:u"]
    assert columns[:0].names == []


def damaged(**fields: object) -> Delta:
    good = delta(
        row("agent:a", 1, Contributor("model", "m", 7), cost=9),
        row("agent:b", 1, Contributor("model", "m", 7), cost=9),
    )
    return Delta(**{name: getattr(good, name) for name in Delta.__struct_fields__} | fields)


def test_columns_of_unequal_length_are_no_rows():
    three = np.array([1, 2, 3], np.int64).tobytes()
    for fields in (
        {"minute": b""},
        {"flags": b"12345"},
        {"columns": {"requests": three}},
        {"contributor_cost": three},
        {"contributor_dimension": b""},
        {"contributor_name": b""},
    ):
        with pytest.raises(ValueError, match=r"values instead of|shape"):
            damaged(**fields).rows()


def test_columns_that_point_nowhere_are_no_rows():
    for column in ("scope", "contributor_name", "contributor_row"):
        for numbers in ([0, 99], [-1, 0]):
            with pytest.raises(ValueError, match="points beyond"):
                damaged(**{column: np.array(numbers, np.int32).tobytes()}).rows()
    with pytest.raises(ValueError, match="points beyond 5"):
        damaged(contributor_dimension=bytes([0, 5])).rows()
    with pytest.raises(ValueError, match="not in the order"):
        damaged(contributor_row=np.array([1, 0], np.int32).tobytes()).rows()
