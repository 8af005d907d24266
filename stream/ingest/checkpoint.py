"""Where a partition stands, kept beside its offset in the consumer group.

Kafka stores a string with every committed offset, and commits both in one transaction: the one
place where the running watermark cannot disagree with the offset that it belongs to. This file
knows the string, and must not know Kafka.
"""

from dataclasses import dataclass

import msgspec

_VERSION = 1


class _Metadata(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    version: int
    watermark: int | None = None
    moved_at: float | None = None
    dedup_offset: int | None = None
    dedup_minute: int | None = None


_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(_Metadata)


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """What a partition's state is a function of, besides the input log.

    Attributes:
        watermark_seconds: the running watermark; ``None`` before the first event.
        moved_at: wall clock in epoch seconds when it was last current; ``None`` if never asked.
        dedup_from: input offset, and progress in minutes there, from which reading restores the
            dedup log; ``None`` while no event has been seen.
    """

    watermark_seconds: int | None = None
    moved_at: float | None = None
    dedup_from: tuple[int, int] | None = None

    def to_metadata(self) -> str:
        """As a string for the offset commit; some 100 characters of Kafka's 4,096.

        >>> Checkpoint(1700000000, 1700000061.5, (12, 28333333)).to_metadata()[:38]
        '{"version":1,"watermark":1700000000,"m'
        """
        offset, minute = self.dedup_from or (None, None)
        return _encoder.encode(
            _Metadata(_VERSION, self.watermark_seconds, self.moved_at, offset, minute)
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
        dedup_from = None
        if found.dedup_offset is not None and found.dedup_minute is not None:
            dedup_from = (found.dedup_offset, found.dedup_minute)
        return cls(found.watermark, found.moved_at, dedup_from)
