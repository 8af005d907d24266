"""How much of the input is keyed so that dedup is exact: by ``event_id``, by one partitioner.

A repeat is recognised in the partition of the first. Producers put one key always into the same
partition, but not all into the same one: Java's clients, aiokafka and kafkajs hash by murmur2,
those on librdkafka by CRC-32 unless told otherwise. Either is fine alone. So of every sampled
record it is told which of the two explains its place, and off-key is what the better one does not.
By chance each explains one foreign record in as many as there are partitions. This file must not
read Kafka.
"""

import zlib
from collections import Counter
from collections.abc import Sequence
from typing import Any, Final

import msgspec
from aiokafka.partitioner import murmur2

_EVERY: Final = 64
"""One record in so many is looked at: murmur2 takes 5 us a key in Python."""

SAMPLED, MURMUR2, CRC32 = "keys_sampled", "keys_by_murmur2", "keys_by_crc32"
"""Counters: looked at, and explained."""


class _Ids(msgspec.Struct):
    event_id: Any = None
    request_id: Any = None
    id: Any = None


_decoder = msgspec.json.Decoder(_Ids)
_POSITIVE: Final = 0x7FFF_FFFF


def event_id_of(payload: bytes | None) -> str | None:
    """The id of a record of one event, under any of its names; ``None`` if it shows none."""
    try:
        ids = _decoder.decode(payload or b"")
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None
    found = ids.event_id or (ids.id if ids.request_id is None else ids.request_id)
    return found if isinstance(found, str) and found else None


class KeySampler:
    """Looks at some records of an input topic.

    Args:
        partitions: how many it has.
        counted: statistics that it adds to.
    """

    def __init__(self, partitions: int, counted: Counter[str]) -> None:
        self._partitions = partitions
        self._counted = counted

    def look(self, partition: int, records: Sequence[Any]) -> None:
        """Take note of those of a partition's records, as aiokafka has them, in the sample."""
        # Transactions leave gaps between offsets: then it is another sample, and as good.
        for record in records[-records[0].offset % _EVERY :: _EVERY]:
            self._look_at(partition, record)

    def _look_at(self, partition: int, record: Any) -> None:
        self._counted[SAMPLED] += 1
        event_id = event_id_of(record.value)
        key = record.key
        is_keyed = event_id is not None and key == event_id.encode("utf-8", "surrogatepass")
        if self._partitions > 1 and not is_keyed:
            return
        # In a topic of one partition repeats always meet.
        key = key or b""
        self._counted[MURMUR2] += self._is_at(partition, murmur2(key) & _POSITIVE)
        self._counted[CRC32] += self._is_at(partition, zlib.crc32(key))

    def _is_at(self, partition: int, hashed: int) -> bool:
        return hashed % self._partitions == partition


def off_key_ratio(sampled: Counter[str]) -> float | None:
    """The share of the sample that no one partitioner explains; ``None`` without a sample."""
    if not sampled[SAMPLED]:
        return None
    return 1 - max(sampled[MURMUR2], sampled[CRC32]) / sampled[SAMPLED]
