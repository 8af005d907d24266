"""One message of ``spend.dedup``: the ids that one transaction of INGEST has seen.

16 bytes an id, as they are: digests do not compress, and JSON or a record for each would cost more
than they do. This file must not know Kafka, nor what is done with the ids.
"""

from typing import Final

import msgspec
import numpy as np

from stream.ingest.dedup import Sightings
from stream.ingest.id_table import ID_BYTES, ids_of

_VERSION: Final = 1

_OVERHEAD_BYTES: Final = 1024
"""More than everything but the ids and the minutes."""

_RUN_BYTES: Final = 8


class DedupRecord(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """What one batch has seen, or a part of it.

    Attributes:
        version: of this layout; readers refuse others.
        topic: the input topic.
        partition: the input partition; several may share a partition of the log.
        next_offset: first input offset after the batch.
        parts_left: how many more messages the batch has.
        minutes: int32 array, the partition's progress at each run of ids; rising.
        sizes: int32 array, how many ids each run has.
        ids: concatenated, 16 bytes each, in the order in which they were last seen.
        first_offset: input offset that was committed when the batch began; 0 if an older program
            wrote it.
    """

    version: int
    topic: str
    partition: int
    next_offset: int
    parts_left: int
    minutes: bytes
    sizes: bytes
    ids: bytes
    first_offset: int = 0

    @property
    def newest_minute(self) -> int:
        """The partition's progress when the last of the ids was seen."""
        return int(np.frombuffer(self.minutes, np.int32)[-1])

    @property
    def oldest_minute(self) -> int:
        """The partition's progress when the first of the ids was seen."""
        return int(np.frombuffer(self.minutes, np.int32)[0])

    @property
    def seen(self) -> Sightings:
        """The ids with the progress at which each was seen."""
        minutes = np.frombuffer(self.minutes, np.int32)
        return Sightings(ids_of(self.ids), np.repeat(minutes, np.frombuffer(self.sizes, np.int32)))


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(DedupRecord)


def encode_seen(
    seen: Sightings, *, source: tuple[str, int], first_offset: int, next_offset: int, max_bytes: int
) -> list[bytes]:
    """The messages of one batch; none if it saw no events.

    Args:
        seen: by the batch.
        source: input topic and partition.
        first_offset: input offset that was committed when it began.
        next_offset: first input offset after it.
        max_bytes: of a message; a batch of many events takes several.
    """
    at_once = (max_bytes - _OVERHEAD_BYTES) // (ID_BYTES + _RUN_BYTES)
    starts = range(0, len(seen), at_once)
    return [
        _encode(
            Sightings(seen.ids[at : at + at_once], seen.minutes[at : at + at_once]),
            source=source,
            first_offset=first_offset,
            next_offset=next_offset,
            parts_left=len(starts) - 1 - number,
        )
        for number, at in enumerate(starts)
    ]


def _encode(
    seen: Sightings,
    *,
    source: tuple[str, int],
    first_offset: int,
    next_offset: int,
    parts_left: int,
) -> bytes:
    starts = np.flatnonzero(np.diff(seen.minutes, prepend=seen.minutes[0] - 1))
    sizes = np.diff(starts, append=len(seen))
    return _encoder.encode(
        DedupRecord(
            version=_VERSION,
            topic=source[0],
            partition=source[1],
            next_offset=next_offset,
            parts_left=parts_left,
            minutes=seen.minutes[starts].astype(np.int32).tobytes(),
            sizes=sizes.astype(np.int32).tobytes(),
            ids=seen.ids.tobytes(),
            first_offset=first_offset,
        )
    )


def decode_seen(payload: bytes) -> DedupRecord:
    """The record of a message's bytes.

    Raises:
        ValueError: if the bytes are none, or one of another version.
    """
    try:
        record = _decoder.decode(payload)
    except msgspec.MsgspecError as error:
        raise ValueError(f"no record of seen ids: {error}") from error
    if record.version != _VERSION:
        raise ValueError(f"ids of version {record.version}; this program reads {_VERSION}")
    return record
