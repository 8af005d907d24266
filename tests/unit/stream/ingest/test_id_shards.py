import numpy as np

from stream.ingest.id_shards import IdShards
from stream.ingest.id_table import Ids


def some(count: int, seed: int = 1) -> Ids:
    return np.random.default_rng(seed).integers(0, 2**64, (count, 2), np.uint64)


def numbers(count: int) -> np.typing.NDArray[np.int32]:
    return np.arange(1, count + 1, dtype=np.int32)


def sizes(shards: IdShards) -> list[int]:
    return [table.memory_bytes for table in shards._tables]


def test_what_was_put_is_found_in_the_order_asked_for_and_nothing_else():
    shards, ids = IdShards(100), some(30_000)
    for start in range(0, 30_000, 777):
        part = slice(start, start + 777)
        assert not shards.put(ids[part], numbers(30_000)[part], 1).any()
    assert shards.find(ids).tolist() == list(range(1, 30_001))
    assert not shards.find(some(30_000, seed=2)).any()
    assert shards.find(some(0)).tolist() == []


def test_an_id_that_is_known_gets_its_new_number_and_tells_its_former():
    shards, ids = IdShards(100), some(1000)
    shards.put(ids[::2], numbers(500), 1)
    former = shards.put(ids, np.full(1000, 777, np.int32), 1)
    assert former[::2].tolist() == list(range(1, 501))
    assert not former[1::2].any()
    assert shards.find(ids).tolist() == [777] * 1000


def test_what_is_below_the_floor_makes_room():
    shards = IdShards(1000)
    for number in range(1, 200):
        shards.put(some(500, seed=number), np.full(500, number, np.int32), max(1, number - 1))
    assert shards.memory_bytes < 48 * 1000, "it never holds more than two of two hundred"


def test_no_two_tables_are_made_anew_at_the_same_time():
    shards, grown = IdShards(1000), []
    for step in range(100):
        before = sizes(shards)
        shards.put(some(3000, seed=step), np.full(3000, 1, np.int32), 1)
        changed = sum(a != b for a, b in zip(before, sizes(shards), strict=True))
        if step >= 50:  # steps of less than a fortieth of what is there
            grown.append(changed)
    assert sum(grown) > 8 * 2
    assert max(grown) <= 2, "one may overtake its neighbour by chance"


def test_an_id_takes_at_most_thirty_two_bytes_also_where_room_was_made_for_it():
    shards = IdShards(1000)
    shards.reserve(100_000, 1)
    assert shards.memory_bytes <= 32 * 100_000
    room = sizes(shards)
    for start in range(0, 100_000, 5000):
        shards.put(some(5000, seed=start), numbers(5000), 1)
    assert sizes(shards) == room
