"""A batch as messages: deltas to the partitions that have rows, or to all.

A transaction's deltas for one partition may be several messages where one would be too large. All
but the last of them promise only what was promised before the batch: a window must not close
between two halves of what belongs to it. This file must not know how messages are sent.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from stream.delta import NO_ROWS, DeltaRows, encode_delta
from stream.ingest.dead_letter import PayloadPolicy, dead_letter
from stream.ingest.output import Message
from stream.ingest.partition import Batch
from stream.ingest.watermark import Watermark


@dataclass(frozen=True, slots=True)
class Targets:
    """Where batches are told.

    Attributes:
        deltas: topic of the deltas.
        delta_partitions: how many it has.
        dead_letters: topic of the refused.
        payload: what a dead letter keeps.
        max_bytes: largest delta or dead letter, before compression.
    """

    deltas: str
    delta_partitions: int
    dead_letters: str
    payload: PayloadPolicy
    max_bytes: int


def batch_messages(
    batch: Batch,
    *,
    source: tuple[str, int],
    targets: Targets,
    is_beat: bool,
) -> list[Message]:
    """The messages of one transaction: deltas and dead letters.

    Args:
        batch: what is told.
        source: input topic and partition.
        targets: where to.
        is_beat: also tell delta partitions without rows: time passes there too.
    """
    topic, partition = source
    messages = [
        Message(
            targets.dead_letters,
            dead_letter(
                dead.rejection,
                topic=topic,
                partition=partition,
                offset=dead.offset,
                policy=targets.payload,
                max_bytes=targets.max_bytes,
            ),
            key=f"{topic}/{partition}/{dead.offset}".encode(),
        )
        for dead in batch.dead
    ]
    for number in range(targets.delta_partitions) if is_beat else sorted(batch.rows):
        messages.extend(
            Message(targets.deltas, value, number)
            for value in _split(
                batch, batch.rows.get(number, NO_ROWS), source, batch.watermark, targets.max_bytes
            )
        )
    return messages


def _split(
    batch: Batch,
    rows: DeltaRows,
    source: tuple[str, int],
    watermark: Watermark,
    max_bytes: int,
) -> Iterator[bytes]:
    pieces = min(-(-_bytes_of(rows) // max_bytes), len(rows))
    if pieces <= 1:
        value = encode_delta(
            rows,
            topic=source[0],
            partition=source[1],
            first_offset=batch.first_offset,
            next_offset=batch.next_offset,
            watermark_seconds=watermark.seconds,
            is_idle=watermark.is_idle,
        )
        if len(value) <= max_bytes or len(rows) <= 1:
            yield value
            return
        pieces = 2
    before = replace(batch.watermark_before, is_idle=watermark.is_idle)
    ends = [len(rows) * number // pieces for number in range(pieces + 1)]
    for number in range(pieces):
        promised = watermark if number == pieces - 1 else before
        yield from _split(batch, rows[ends[number] : ends[number + 1]], source, promised, max_bytes)


def _bytes_of(rows: DeltaRows) -> int:
    """About what rows take as a message, so that few are encoded only to be cut.

    Where no two events are alike a batch of 20,000 is 15 MB; halving it until it fits encoded every
    row five times.
    """
    numbers = (rows.scope, rows.minute, rows.flags)
    parts = (rows.part_row, rows.part_dimension, rows.part_name, rows.part_cost)
    used = int(np.count_nonzero(rows.counts.any(axis=0)))
    return (
        sum(column.nbytes for column in (*numbers, *parts))
        + used * len(rows) * rows.counts.itemsize
        + sum(map(len, rows.names))
        + 3 * len(rows.names)
        + sum(map(len, rows.exemplars.url))
    )
