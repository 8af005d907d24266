import msgspec
import numpy as np
import pytest

from stream.ingest.dedup import Sightings
from stream.ingest.dedup_record import decode_seen, encode_seen


def sightings(*minutes: int) -> Sightings:
    ids = np.random.default_rng(3).integers(0, 2**64, (len(minutes), 2), np.uint64)
    return Sightings(ids, np.array(minutes, np.int32))


def encoded(seen: Sightings, max_bytes: int = 100_000) -> list[bytes]:
    return encode_seen(seen, source=("in", 3), first_offset=70, next_offset=77, max_bytes=max_bytes)


def test_what_a_batch_saw_survives_its_message():
    seen = sightings(5, 5, 9, 9, 9, 2_000_000)
    (value,) = encoded(seen)
    record = decode_seen(value)
    assert (record.topic, record.partition) == ("in", 3)
    assert (record.first_offset, record.next_offset) == (70, 77)
    assert record.seen.ids.tolist() == seen.ids.tolist()
    assert record.seen.minutes.tolist() == seen.minutes.tolist()
    assert record.newest_minute == 2_000_000


def test_a_batch_without_events_has_no_message():
    assert encoded(Sightings()) == []


def test_an_id_takes_sixteen_bytes():
    (value,) = encoded(sightings(*[7] * 4000))
    assert len(value) < 4000 * 16 + 64


def test_a_large_batch_takes_several_messages_that_count_down():
    seen = sightings(*range(1000))
    values = encoded(seen, max_bytes=10_000)
    assert max(map(len, values)) <= 10_000
    records = [decode_seen(value) for value in values]
    assert [record.parts_left for record in records] == [2, 1, 0]
    together = Sightings.together([record.seen for record in records])
    assert together.ids.tolist() == seen.ids.tolist()
    assert together.minutes.tolist() == seen.minutes.tolist()


@pytest.mark.parametrize(
    "value", [b"", b"{}", b"\xff", msgspec.msgpack.encode([9, "", 0, 0, 0, b"", b"", b""])]
)
def test_other_bytes_are_refused(value: bytes):
    with pytest.raises(ValueError, match="ids"):
        decode_seen(value)


def test_a_message_of_an_older_program_does_not_say_where_its_batch_began():
    *older, _ = msgspec.msgpack.decode(encoded(sightings(5))[0])
    record = decode_seen(msgspec.msgpack.encode(older))
    assert (record.first_offset, record.next_offset) == (0, 77)
