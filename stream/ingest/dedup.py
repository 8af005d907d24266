"""Which event ids one input partition has counted already.

Exact within its bounds: ids of 16 bytes (8 would collide with 0.35 % at 360 M ids, KAFKA.md 4), in
segments that follow the log. Nothing here reads a clock or Kafka; ids join when the transaction
that counted them has committed, so an aborted batch is counted when it is read again.

**Rule.** The partition's *progress* is the highest minute of min(event time, record timestamp) of
the events read so far. A repeat is recognised while the progress is at most ``horizon_seconds``
beyond the progress at which the id was last seen, whatever event time the repeat carries: an event
two days old that is sent twice within the hour is counted once. (Keyed by the event's own time, a
late event's id would be forgotten at once.)

**Bound.** ``max_ids`` per partition, about 150 bytes each in CPython 3.11. Beyond it the oldest
segments go first and ``shortened`` counts them. An hour's horizon and the default million hold up
to 270 events a second and partition; reading them back takes some 15 s.

**Restart.** The content is a function of the log from ``checkpoint`` on: reading the records from
there to the committed offset through ``DedupBatch`` and ``join`` restores it, segments included.
"""

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from hashlib import blake2b

from detectors.window import MINUTE_SECONDS

ID_BYTES = 16

_SEGMENTS = 60
"""A segment takes at most this part of ``max_ids``, so that the bound is enforced finely."""


def dedup_id(namespace: str, event_id: str) -> bytes:
    """The 16-byte id of an event.

    Args:
        namespace: keeps apart what may share an ``event_id``: a final count, an estimate of it,
            and each kind of outcome.
        event_id: as reported.
    """
    return blake2b(
        f"{namespace}\0{event_id}".encode("utf-8", "surrogatepass"), digest_size=ID_BYTES
    ).digest()


@dataclass(frozen=True, slots=True)
class Seen:
    """What one record adds.

    Attributes:
        offset: of the record.
        minute: highest minute of min(event time, record timestamp) of its events.
        ids: of its events, repeats included: a repeat is a sighting too.
    """

    offset: int
    minute: int
    ids: tuple[bytes, ...]


@dataclass(slots=True)
class _Segment:
    first_offset: int
    first_minute: int  # progress when it was begun
    last_minute: int  # progress when it was closed
    ids: list[bytes] = field(default_factory=list)


class DedupLog:
    """The ids of one input partition over the horizon.

    Args:
        horizon_seconds: how far the progress may move before an id is forgotten; rounded up to
            whole minutes.
        max_ids: the bound.
        first_minute: progress when the oldest segment was begun, from ``checkpoint``; ``None``
            for a fresh partition.
    """

    def __init__(
        self, *, horizon_seconds: int, max_ids: int, first_minute: int | None = None
    ) -> None:
        self.horizon_minutes = -(-horizon_seconds // MINUTE_SECONDS)
        self._max_ids = max_ids
        self._segment_ids = max(1, max_ids // _SEGMENTS)
        self._segments: deque[_Segment] = deque()
        # id -> (serial of the segment that saw it last, progress then); the pair is shared by all
        # ids that have the same, so that an id costs a pointer.
        self._last_seen: dict[bytes, tuple[int, int]] = {}
        self._serial = 0  # of the newest segment
        self._sightings = 0
        self.progress_minute = first_minute
        self.shortened = 0

    def __len__(self) -> int:
        return len(self._last_seen)

    def seen_minute(self, identity: bytes) -> int | None:
        """Progress of the partition when the id was last seen; ``None`` if it is not known."""
        seen = self._last_seen.get(identity)
        return None if seen is None else seen[1]

    @property
    def checkpoint(self) -> tuple[int, int] | None:
        """Offset and progress from which ``join`` restores this; ``None`` while it is empty."""
        if not self._segments:
            return None
        return self._segments[0].first_offset, self._segments[0].first_minute

    @property
    def kept_seconds(self) -> int:
        """How far back in the partition's progress ids are known; whole minutes."""
        if not self._segments or self.progress_minute is None:
            return 0
        return (self.progress_minute - self._segments[0].last_minute) * MINUTE_SECONDS

    def join(self, seen: Iterable[Seen]) -> None:
        """Take what committed records added, in the order of the log."""
        stamp = (self._serial, 0)
        for record in seen:
            segment = self._turn(record)
            progress = segment.last_minute
            progress = max(progress, record.minute)
            segment.last_minute = self.progress_minute = progress
            segment.ids.extend(record.ids)
            self._sightings += len(record.ids)
            if stamp != (self._serial, progress):
                stamp = (self._serial, progress)
            for identity in record.ids:
                self._last_seen[identity] = stamp
        self._forget()

    def _turn(self, record: Seen) -> _Segment:
        """The segment of a record; a new one where a minute or a full segment has ended."""
        progress = record.minute if self.progress_minute is None else self.progress_minute
        if self._segments:
            last = self._segments[-1]
            if progress <= last.first_minute and len(last.ids) < self._segment_ids:
                return last
        self._serial += 1
        self._segments.append(_Segment(record.offset, progress, progress))
        return self._segments[-1]

    def _forget(self) -> None:
        while len(self._segments) > 1:
            oldest = self._segments[0]
            is_over = self._sightings > self._max_ids
            horizon = (self.progress_minute or 0) - self.horizon_minutes
            if not is_over and oldest.last_minute >= horizon:
                return
            self.shortened += is_over and oldest.last_minute >= horizon
            serial = self._serial - len(self._segments) + 1
            for identity in oldest.ids:
                if (seen := self._last_seen.get(identity)) is not None and seen[0] == serial:
                    del self._last_seen[identity]
            self._sightings -= len(oldest.ids)
            self._segments.popleft()


class DedupBatch:
    """The records of one batch, judged against what is committed and against each other.

    The verdicts are those that committing after every record would give: where a batch is cut
    changes nothing. Dropping the object leaves the log as it was.
    """

    def __init__(self, log: DedupLog) -> None:
        self._log = log
        self._progress = log.progress_minute
        self._horizon_minutes = log.horizon_minutes
        self._pending: dict[bytes, int] = {}  # id -> progress after its record
        self._record: dict[bytes, None] = {}
        self._record_minute: int | None = None
        self.seen: list[Seen] = []

    def is_repeat(self, identity: bytes, minute: int) -> bool:
        """Whether the id was seen within the horizon; from now on it has been, in this batch.

        Args:
            identity: from ``dedup_id``.
            minute: of min(event time, record timestamp).
        """
        if self._record_minute is None or minute > self._record_minute:
            self._record_minute = minute
        if identity in self._record:
            return True
        self._record[identity] = None
        last = self._pending.get(identity)
        if last is None:
            last = self._log.seen_minute(identity)
        return last is not None and (
            self._progress is None or last >= self._progress - self._horizon_minutes
        )

    def end_record(self, offset: int) -> None:
        """Close the record whose events were asked about since the last call."""
        if self._record_minute is None:
            return
        minute = self._record_minute
        if self._progress is None or minute > self._progress:
            self._progress = minute
        self._pending.update(dict.fromkeys(self._record, self._progress))
        self.seen.append(Seen(offset, minute, tuple(self._record)))
        self._record, self._record_minute = {}, None
