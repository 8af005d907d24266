import numpy as np
import pytest

from stream.ingest.id_table import ABSENT, Ids, IdTable, ids_of


def some(count: int, seed: int = 1) -> Ids:
    return np.random.default_rng(seed).integers(0, 2**64, (count, 2), np.uint64)


def numbers(count: int) -> np.typing.NDArray[np.int32]:
    return np.arange(1, count + 1, dtype=np.int32)


def values(table: IdTable, ids: Ids) -> list[int | None]:
    return [None if p == ABSENT else int(table.values[p]) for p in table.find(ids)]


def test_digests_are_ids_of_two_words():
    assert ids_of(bytes(range(32))).shape == (2, 2)
    assert ids_of(b"").shape == (0, 2)


def test_an_empty_table_knows_nothing_and_can_be_asked_for_nothing():
    table = IdTable(10)
    assert values(table, some(3)) == [None, None, None]
    assert values(table, some(0)) == []
    table.put(some(0), numbers(0), 1)


def test_what_was_put_is_found_and_nothing_else_however_often_it_grew():
    table, ids = IdTable(1), some(20_000)
    for start in range(0, 20_000, 777):
        part = slice(start, start + 777)
        table.put(ids[part], numbers(20_000)[part], 1)
    assert values(table, ids) == list(range(1, 20_001))
    assert values(table, some(20_000, seed=2)) == [None] * 20_000


def test_ids_that_differ_in_one_word_only_are_two():
    table = IdTable(4)
    table.put(np.array([[7, 1], [7, 2]], np.uint64), numbers(2), 1)
    asked = np.array([[7, 2], [7, 3], [7, 1], [8, 1]], np.uint64)
    assert values(table, asked) == [2, None, 1, None]


def test_an_id_of_zeros_is_not_taken_for_a_free_slot():
    table, zero = IdTable(4), np.zeros((1, 2), np.uint64)
    assert values(table, zero) == [None]
    table.put(zero, numbers(1), 1)
    assert values(table, zero) == [1]


def test_ids_that_are_no_digests_are_refused_instead_of_growing_for_ever():
    table = IdTable(4)
    with pytest.raises(RuntimeError, match="no digests"):
        table.put(np.arange(200, dtype=np.uint64).reshape(100, 2), numbers(100), 1)


def test_what_is_below_the_floor_makes_room():
    table, size = IdTable(1000), 0
    for number in range(1, 200):
        ids = some(500, seed=number)
        table.put(ids, np.full(500, number, np.int32), max(1, number - 1))
        assert values(table, ids) == [number] * 500
        size = max(size, table.memory_bytes) if number < 10 else size
    assert table.memory_bytes <= size, "it never holds more than two of two hundred"


def test_a_value_is_changed_in_its_place():
    table, ids = IdTable(8), some(3)
    table.put(ids, numbers(3), 1)
    table.values[table.find(ids[1:2])] = 77
    assert values(table, ids) == [1, 77, 3]


def test_an_id_takes_at_most_thirty_two_bytes():
    table, ids = IdTable(10_000), some(60_000)
    per_id = []
    for start in range(0, 60_000, 1000):
        table.put(ids[start : start + 1000], numbers(1000), 1)
        if start >= 10_000:
            per_id.append(table.memory_bytes / (start + 1000))
    assert max(per_id) <= 32
    assert min(per_id) < 26


def test_room_is_made_once_for_what_is_expected():
    table = IdTable(1)
    table.put(some(100), numbers(100), 1)
    table.reserve(50_000, 1)
    size = table.memory_bytes
    assert size <= 32 * 50_100
    for start in range(0, 50_000, 1000):
        table.put(some(1000, seed=start + 2), numbers(1000), 1)
    assert table.memory_bytes == size
    assert values(table, some(100)) == list(range(1, 101))
    table.reserve(10, 50_001)
    assert table.memory_bytes == size


def test_many_ids_at_once_get_the_room_they_need():
    table = IdTable(1)
    table.put(some(100_000), numbers(100_000), 1)
    assert table.memory_bytes <= 32 * 100_000
    assert values(table, some(100_000)) == list(range(1, 100_001))
