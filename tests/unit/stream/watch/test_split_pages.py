"""A page too large for one record: whole or not at all, and the last whole version stands."""

import random
from typing import Any

import pytest

from detectors.observation import COST
from stream.delta import DeltaRows, Promise
from stream.watch import pages as module
from stream.watch.flush import LIVE, TABLES
from stream.watch.pages import PageKey, encode_page, recover_pages, split_page
from stream.watch.partition import DeltaPartition
from tests.support.deltas import new_partition
from tests.support.timeline import MONDAY
from tests.support.watch_bench import row

KEY = PageKey(2, 8, 3, "one")


@pytest.fixture(autouse=True)
def _small_records(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_RECORD_BYTES", 60)


def split(stamp: int, incarnation: str = "one", rows: int = 40) -> list[tuple[str, bytes]]:
    key = PageKey(2, 8, 3, incarnation)
    payload = encode_page(stamp, {f"agent:a{n}": [stamp, n] for n in range(rows)})
    return [(str(each), piece) for each, piece in split_page(key, stamp, payload)]


def test_a_small_page_is_one_record_under_the_plain_key():
    assert split_page(KEY, 5, b"x" * 60) == [(KEY, b"x" * 60)]


def test_a_part_of_a_page_has_a_key_that_reads():
    part = PageKey(2, 8, 3, "one", (7, 1, 4))
    assert PageKey.parse(str(part)) == part


def test_parts_are_put_together_in_any_order():
    records = split(7)
    assert len(records) > 2
    random.Random(1).shuffle(records)
    (page,) = recover_pages(records, 2, 8).pages.values()
    assert (page.stamp, page.rows["agent:a39"]) == (7, [7, 39])


def test_a_version_that_lacks_a_part_loses_to_the_last_whole_one():
    records = split(7) + split(9)[:-1]
    recovered = recover_pages(records, 2, 8)
    (page,) = recovered.pages.values()
    assert page.stamp == 7
    assert len(recovered.keys[3, 0]) == len(records)


def test_parts_of_two_writers_are_never_taken_together():
    mine, theirs = split(7, "one"), split(7, "two")
    assert not recover_pages(mine[:1] + theirs[1:], 2, 8).pages


def test_a_partition_with_large_pages_recovers_and_removes_what_it_replaced():
    partition = new_partition("one")
    tables: dict[str, dict[Any, bytes]] = {table: {} for table in TABLES}

    def flush(owner: DeltaPartition) -> None:
        done = owner.begin_flush(with_profiles=True)
        for table, key, value in (write for step in done.steps for write in step):
            tables[table].pop(key, None)
            if value is not None:
                tables[table][key] = value
        owner.finish_flush(done)

    promise = Promise("usage.events/0", MONDAY, is_idle=False)
    for offset in range(6):
        rows = DeltaRows.of(row(MONDAY, 1.0, f"agent:a{n}") for n in range(3))
        partition.fold(offset, promise, rows)
        flush(partition)
    flush(partition)
    stamps = {PageKey.parse(key).part for key in tables[LIVE] if PageKey.parse(key).part}
    assert {part[0] for part in stamps if part} == {5}
    other = new_partition("two")
    other.restore(tables)
    spent = sum(state.totals[COST] for state in other.scopes.values())
    assert spent == 18 * 1_000_000_000
