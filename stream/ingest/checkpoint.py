"""Where a partition stands, kept beside its offset in the consumer group.

Kafka stores a string with every committed offset, and commits both in one transaction: the one
place where the running watermark cannot disagree with the offset that it belongs to. This file
knows the string, and must not know Kafka.
"""

from dataclasses import dataclass

import msgspec

_VERSION = 2


class LogMark(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """Which part of a log beside the deltas restores what a partition remembers.

    Attributes:
        partition: of that log.
        from_offset: of its oldest message that is still needed, or one before it.
        until: the input offset up to which its newest message tells.
    """

    partition: int
    from_offset: int
    until: int


class _Metadata(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    version: int
    watermark: int | None = None
    moved_at: float | None = None
    dedup: LogMark | None = None
    provisional: int | None = None


_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(_Metadata)


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """What a partition's state is a function of, besides the logs.

    Attributes:
        watermark_seconds: the running watermark; ``None`` before the first event.
        moved_at: wall clock in epoch seconds when it was last current; ``None`` if never asked.
        dedup: what restores the ids; ``None`` while no event has been seen.
        provisional: partition of the log of what may yet be taken back; ``None`` before the first
            commit.
    """

    watermark_seconds: int | None = None
    moved_at: float | None = None
    dedup: LogMark | None = None
    provisional: int | None = None

    def to_metadata(self) -> str:
        """As a string for the offset commit; some 100 characters of Kafka's 4,096.

        >>> Checkpoint(1700000000, 1700000061.5, LogMark(0, 12, 77)).to_metadata()
        '{"version":2,"watermark":1700000000,"moved_at":1700000061.5,"dedup":[0,12,77]}'
        """
        return _encoder.encode(
            _Metadata(_VERSION, self.watermark_seconds, self.moved_at, self.dedup, self.provisional)
        ).decode()

    @classmethod
    def from_metadata(cls, metadata: str) -> "Checkpoint | None":
        """The checkpoint of a committed string; ``None`` if another program wrote it."""
        try:
            found = _decoder.decode(metadata)
        except msgspec.MsgspecError:
            return None
        if found.version != _VERSION:
            return None
        return cls(found.watermark, found.moved_at, found.dedup, found.provisional)
