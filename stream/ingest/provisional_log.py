"""``spend.provisional``: what estimates and outcomes stand for, a record each, the last of a key.

The topic is compacted, so reading it back takes as long as there are estimates and outcomes, not as
long as their history. A record is written with the deltas that it explains, in one transaction, and
a header says how far that came: should the broker never end a transaction in this log, it tells
which of the records behind it are committed.
"""

from collections.abc import Iterable
from typing import Any, Final

import msgspec
from aiokafka import TopicPartition

from stream.ingest.output import Message
from stream.ingest.positions import LogHangsError, Positions
from stream.ingest.provisional import Changes, Key, Provisional, Standing

_VERSION: Final = 1

_NEXT_OFFSET: Final = "next_offset"
"""A header, since a record that removes has no value."""


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
    changes: Changes, *, source: TopicPartition, place: TopicPartition, next_offset: int
) -> list[Message]:
    """The records of what a batch changed.

    Args:
        changes: by the batch.
        source: the input partition.
        place: the partition of the log.
        next_offset: first input offset after the batch.
    """
    prefix = _prefix(source)
    headers = ((_NEXT_OFFSET, str(next_offset).encode()),)
    return [
        Message(
            place.topic,
            None if standing is None else _encoder.encode(_Record(_VERSION, *standing)),
            place.partition,
            prefix + key.to_bytes(),
            headers,
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
    committed_offset: int,
) -> None:
    """Restore what stands from all that is committed.

    Behind a transaction that never ended the offset says what is. An attempt that was aborted is
    not told from the one that counted the same records after it, and need not be: that one wrote
    every key of it once more, behind it, but for those that had lapsed and are final.

    Args:
        positions: who reads.
        provisional: takes it.
        source: the input partition.
        place: the partition of the log.
        committed_offset: of the input.

    Raises:
        ValueError: a record is none of ours.
        LogHangsError: a record tells nothing that it could be told by.
    """
    async with positions.reading(place) as reader:
        if await reader.is_empty():
            return
        oldest, _ = await reader.span()
        async for records in reader.records(oldest):
            until = committed_offset if reader.is_past_committed else None
            restore(provisional, records, source, until=until)


def restore(
    provisional: Provisional,
    records: Iterable[Any],
    source: TopicPartition,
    *,
    until: int | None = None,
) -> None:
    """Take records of the log, in its order; those of other input partitions are left out.

    Args:
        provisional: takes them.
        records: aiokafka's.
        source: the input partition.
        until: its committed offset, where records may not be; ``None`` if all are.
    """
    prefix = _prefix(source)
    for record in records:
        if not record.key.startswith(prefix):
            continue
        if until is not None and _next_offset(record) > until:
            continue
        standing = None if record.value is None else _standing(record.value)
        provisional.restore(Key.from_bytes(record.key.removeprefix(prefix)), standing)


def _next_offset(record: Any) -> int:
    told = dict(record.headers).get(_NEXT_OFFSET)
    if told is None:
        raise LogHangsError(
            f"{record.topic}/{record.partition} holds records of an older program (no header "
            f"{_NEXT_OFFSET}) behind a transaction that never ended: kafka-transactions.sh "
            "find-hanging tells whose it is, abort ends it"
        )
    return int(told)


def _standing(value: bytes) -> Standing:
    try:
        record = _decoder.decode(value)
    except msgspec.MsgspecError as error:
        raise ValueError(f"nothing provisional: {error}") from error
    if record.version != _VERSION:
        raise ValueError(f"version {record.version}; this program reads {_VERSION}")
    _, *fields = msgspec.structs.astuple(record)
    return Standing(*fields)
