"""Records as they were parsed are those that aiokafka would hand out, one by one."""

from typing import Any

import pytest
from aiokafka import TopicPartition
from aiokafka.consumer import fetcher
from aiokafka.record.default_records import DefaultRecordBatchBuilder
from aiokafka.record.memory_records import MemoryRecords

from stream.kafka.parsed_records import as_parsed

READ_UNCOMMITTED, READ_COMMITTED = 0, 1
PLACE = TopicPartition("usage.events", 3)
ABORTED = 7
CHECK_CRCS = True


def batch(first: int, count: int, *, producer: int = -1, codec: int = 0) -> bytes:
    """Records from an offset on, as the log has them."""
    builder = DefaultRecordBatchBuilder(
        magic=2,
        compression_type=codec,
        is_transactional=producer >= 0,
        producer_id=producer,
        producer_epoch=0,
        base_sequence=0,
        batch_size=1_000_000,
    )
    for number in range(count):
        value = None if number == 1 else b'{"n":%d}' % (first + number)
        key = b"key" if number % 2 else None
        headers = [("trace", b"1")] if number == 2 else []
        builder.append(number, timestamp=1_000 + number, key=key, value=value, headers=headers)
    built = bytearray(builder.build())
    built[0:8] = first.to_bytes(8, "big")  # outside of what the checksum is of
    return bytes(built)


def read(
    log: bytes, deserializer: Any, *, isolation: int = READ_UNCOMMITTED, fetch_offset: int = 0
) -> tuple[list[Any], int]:
    """All records of an answer, and where reading goes on."""
    found = fetcher.PartitionRecords(
        PLACE,
        MemoryRecords(log),
        [(ABORTED, 0)] if isolation else None,
        fetch_offset,
        None,
        deserializer,
        CHECK_CRCS,
        isolation,
    )
    return [*found], found.next_fetch_offset


@pytest.mark.parametrize("codec", [0, 1, 2, 3, 4])
@pytest.mark.parametrize("isolation", [READ_UNCOMMITTED, READ_COMMITTED])
@pytest.mark.parametrize("fetch_offset", [0, 2])
def test_they_are_what_aiokafka_hands_out(codec: int, isolation: int, fetch_offset: int):
    log = b"".join(
        [
            batch(0, 4, producer=ABORTED, codec=codec),
            batch(4, 3, producer=8, codec=codec),
            batch(9, 3, codec=codec),  # 7 and 8 were compacted away
        ]
    )

    usual, usual_end = read(log, None, isolation=isolation, fetch_offset=fetch_offset)
    parsed, end = read(log, as_parsed, isolation=isolation, fetch_offset=fetch_offset)

    assert end == usual_end == 12
    assert [
        (each.offset, each.timestamp, each.key, each.value, tuple(each.headers)) for each in parsed
    ] == [(each.offset, each.timestamp, each.key, each.value, each.headers) for each in usual]
    assert len(usual) == (6 if isolation else 10 - fetch_offset)


def test_nobody_else_is_served_otherwise():
    usual, _ = read(batch(0, 1), None)
    (record,) = usual
    assert record == fetcher.ConsumerRecord(
        "usage.events", 3, 0, 1_000, 0, None, b'{"n":0}', record.checksum, -1, 7, ()
    )


def test_no_record_is_copied_and_a_list_may_end_before_the_answer_does():
    log = batch(0, 4)
    found = fetcher.PartitionRecords(
        PLACE, MemoryRecords(log), None, 0, None, as_parsed, CHECK_CRCS, READ_UNCOMMITTED
    )
    first = next(iter(found))
    assert not hasattr(first, "topic")
    assert found.next_fetch_offset == 1
    assert [each.offset for each in found] == [1, 2, 3]


def test_a_broken_batch_is_told():
    log = bytearray(batch(0, 4))
    log[-1] ^= 1
    with pytest.raises(fetcher.Errors.CorruptRecordException):
        read(bytes(log), as_parsed)
