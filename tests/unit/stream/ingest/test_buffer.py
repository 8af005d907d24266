import pytest

from stream.ingest.buffer import Buffer
from stream.ingest.events import InputRecord

RECORDS = [InputRecord(n, -1, None if n == 3 else b"x" * n) for n in range(10)]


def filled(*sizes: int) -> Buffer:
    buffer, at = Buffer(), 0
    for size in sizes:
        buffer.add(RECORDS[at : at + size])
        at += size
    return buffer


@pytest.mark.parametrize("sizes", [(10,), (3, 7), (1, 2, 3, 4), (4, 0, 6)])
@pytest.mark.parametrize("limit", [1, 3, 4, 9, 10, 11])
def test_however_they_came_they_go_in_order_and_as_many_as_asked_for(
    sizes: tuple[int, ...], limit: int
):
    buffer = filled(*sizes)
    found: list[InputRecord] = []
    while len(buffer):
        batch = buffer.first(limit)
        assert batch, "else this would go on for ever"
        assert batch == buffer.first(limit), "they stay until they are dropped"
        found.extend(batch)
        buffer.drop(len(batch))
        assert buffer.value_bytes == sum(len(each.value or b"") for each in RECORDS[len(found) :])
    assert found == RECORDS


def test_of_a_batch_a_part_may_be_taken():
    buffer = filled(4, 6)
    buffer.drop(2)
    assert (len(buffer), buffer.first(3)) == (8, RECORDS[2:5])


def test_cleared_it_holds_nothing():
    buffer = filled(4, 6)
    buffer.clear()
    assert (len(buffer), buffer.value_bytes, buffer.first(5)) == (0, 0, [])


def test_the_lists_that_came_are_left_as_they_are():
    came = list(RECORDS)
    buffer = Buffer()
    buffer.add(came)
    buffer.first(20).clear()
    buffer.drop(4)
    assert came == RECORDS
