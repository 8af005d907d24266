"""``spend.provisional``: what estimates and outcomes stand for, a record each, the last of a key.

The topic is compacted, so reading it back takes as long as there are estimates and outcomes, not as
long as their history. A record is written with the deltas that it explains, in one transaction.
"""

from collections.abc import Iterable
from typing import Any, Final

import msgspec
from aiokafka import TopicPartition

from stream.ingest.output import Message
from stream.ingest.positions import Positions
from stream.ingest.provisional import Changes, Key, Provisional, Standing

_VERSION: Final = 1


class _Record(msgspec.Struct, array_like=True, frozen=True, gc=False):
    version: int
    what: str
    at_seconds: int
    told_minute: int
    requests: int
    nanousd: int
    scopes: tuple[str, ...]


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(_Record)


def change_messages(
    changes: Changes, *, source: TopicPartition, place: TopicPartition
) -> list[Message]:
    """The records of what a batch changed.

    Args:
        changes: by the batch.
        source: the input partition.
        place: the partition of the log.
    """
    prefix = _prefix(source)
    return [
        Message(
            place.topic,
            None if standing is None else _encoder.encode(_Record(_VERSION, *standing)),
            place.partition,
            prefix + key.to_bytes(),
        )
        for key, standing in changes.items()
    ]


def _prefix(source: TopicPartition) -> bytes:
    """Several input partitions may share a partition of the log."""
    return f"{source.topic}/{source.partition}/".encode()


async def read_provisional(
    positions: Positions,
    provisional: Provisional,
    *,
    source: TopicPartition,
    place: TopicPartition,
) -> None:
    """Restore what stands from all that is committed.

    Raises:
        ValueError: a record is none of ours.
    """
    async with positions.reading(place) as reader:
        oldest, end = await reader.span()
        if oldest == end:
            return
        async for records in reader.records(oldest):
            restore(provisional, records, source)


def restore(provisional: Provisional, records: Iterable[Any], source: TopicPartition) -> None:
    """Take records of the log, in its order; those of other input partitions are left out."""
    prefix = _prefix(source)
    for record in records:
        if not record.key.startswith(prefix):
            continue
        standing = None if record.value is None else _standing(record.value)
        provisional.restore(Key.from_bytes(record.key.removeprefix(prefix)), standing)


def _standing(value: bytes) -> Standing:
    try:
        record = _decoder.decode(value)
    except msgspec.MsgspecError as error:
        raise ValueError(f"nothing provisional: {error}") from error
    if record.version != _VERSION:
        raise ValueError(f"version {record.version}; this program reads {_VERSION}")
    _, *fields = msgspec.structs.astuple(record)
    return Standing(*fields)
