"""Which event ids one input partition has counted already.

Exact within its bounds: ids of 16 bytes (8 would collide with 0.35 % at 360 M ids, KAFKA.md 4).
Nothing here reads a clock or Kafka; ids join when the transaction that counted them has committed,
so an aborted batch is counted when it is read again.

**Rule.** The partition's *progress* is the highest minute of min(event time, record timestamp) of
the events read so far. A repeat is recognised while the progress is at most ``horizon_seconds``
beyond the progress at which the id was last seen, whatever event time the repeat carries: an event
two days old that is sent twice within the hour is counted once. (Keyed by the event's own time, a
late event's id would be forgotten at once.)

**Bound.** ``max_ids`` per partition, of 24 to 32 bytes each; beyond it the oldest go first, and
``shortened`` counts how often. Measured 2026-11 on one core, with four million ids: 0.2 us to judge
an id, 0.5 us to take it.
"""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from detectors.window import MINUTE_SECONDS
from stream.ingest.id_shards import IdShards
from stream.ingest.id_table import ID_BYTES, Ids

_SEGMENTS: Final = 64
"""A segment takes at most this part of ``max_ids``, so that the bound is enforced finely."""

_EXPECTED: Final = 1000
"""Ids for which a table is made at first: 24 KB."""

LONG_AGO: Final = np.iinfo(np.int32).min // 2
"""A minute before all others."""


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


def _no_ids() -> Ids:
    return np.empty((0, 2), np.uint64)


def _no_minutes() -> NDArray[np.int32]:
    return np.empty(0, np.int32)


@dataclass(frozen=True, slots=True)
class Sightings:
    """Ids, each once, and the progress at which each was last seen: what a batch adds.

    Attributes:
        ids: in the order in which they were last seen.
        minutes: of the progress then; never falling.
    """

    ids: Ids = field(default_factory=_no_ids)
    minutes: NDArray[np.int32] = field(default_factory=_no_minutes)

    def __len__(self) -> int:
        return len(self.minutes)

    @classmethod
    def together(cls, parts: "Sequence[Sightings]") -> "Sightings":
        """Of several batches, in their order: what one batch of all of them would have added."""
        ids = np.concatenate([part.ids for part in parts])
        minutes = np.concatenate([part.minutes for part in parts])
        former, _ = _twins(ids)
        if not len(former):
            return cls(ids, minutes)
        is_last = np.ones(len(ids), bool)
        is_last[former] = False
        return cls(ids[is_last], minutes[is_last])


_Places = NDArray[np.int64]


def _twins(ids: Ids) -> tuple[_Places, _Places]:
    """Where an id is that comes again, and where it comes next."""
    words = np.sort(ids[:, 0])
    if not (words[1:] == words[:-1]).any():  # 15 us for 4,000 ids; telling them apart takes 500
        return np.empty(0, np.int64), np.empty(0, np.int64)
    order = np.lexsort((ids[:, 1], ids[:, 0]))
    is_twin = (ids[order[1:]] == ids[order[:-1]]).all(axis=1)
    return order[:-1][is_twin], order[1:][is_twin]


@dataclass(slots=True)
class _Segment:
    """Ids that were last seen in one minute of the partition's progress, or some of them."""

    minute: int
    size: int = 0


class DedupLog:
    """The ids of one input partition over the horizon.

    Args:
        horizon_seconds: how far the progress may move before an id is forgotten; rounded up to
            whole minutes.
        max_ids: the bound.

    Attributes:
        horizon_minutes: the same in minutes.
        progress_minute: how far the partition has come; ``None`` before its first event.
        shortened: how often the bound cut the horizon short.
    """

    def __init__(self, *, horizon_seconds: int, max_ids: int) -> None:
        self.horizon_minutes = -(-horizon_seconds // MINUTE_SECONDS)
        self._max_ids = max_ids
        self._segment_ids = max(1, max_ids // _SEGMENTS)
        self._table = IdShards(_EXPECTED)  # id -> number of its segment
        self._segments: deque[_Segment] = deque()
        self._oldest = 1  # the number of the first of them
        self._size = 0
        self.progress_minute: int | None = None
        self.shortened = 0

    def __len__(self) -> int:
        return self._size

    @property
    def memory_bytes(self) -> int:
        """What the table takes."""
        return self._table.memory_bytes

    @property
    def kept_from_minute(self) -> int | None:
        """Progress from which on ids are held; ``None`` while there is none."""
        return self._segments[0].minute if self._segments else None

    @property
    def kept_seconds(self) -> int:
        """How far back in the partition's progress ids are known; whole minutes."""
        if not self._segments or self.progress_minute is None:
            return 0
        return (self.progress_minute - self._segments[0].minute) * MINUTE_SECONDS

    def judge(self, ids: Ids, records: ArrayLike, minutes: ArrayLike) -> "Judged":
        """Which events of a batch are repeats, and what the batch adds; nothing is changed.

        The verdicts are those of asking for one event at a time and joining after every record:
        where a batch is cut changes nothing. Within a record every second event of an id is a
        repeat; otherwise the progress before the record decides.

        Args:
            ids: of the events, in the order of the log; see ``id_table.ids_of``.
            records: a number of each event's record, never falling.
            minutes: of min(event time, record timestamp) of each event.
        """
        if not len(ids):
            return Judged(np.empty(0, bool), Sightings(), _no_minutes(), _no_minutes())
        record = np.asarray(records)
        is_first = np.empty(len(ids), bool)
        is_first[0] = True
        np.not_equal(record[1:], record[:-1], out=is_first[1:])
        starts = np.flatnonzero(is_first)
        started = LONG_AGO if self.progress_minute is None else self.progress_minute
        highest = np.maximum.reduceat(np.asarray(minutes, np.int32), starts)
        after = np.maximum.accumulate(np.maximum(highest, started))
        sizes = np.diff(starts, append=len(ids))
        before = np.append(np.int32(started), after[:-1]).astype(np.int32).repeat(sizes)
        after = after.repeat(sizes)
        # Without any progress there is nothing to be repeated.
        floor = np.maximum(before - self.horizon_minutes, LONG_AGO + 1)
        repeats = self.last_seen(ids) >= floor
        former, latter = _twins(ids)
        if not len(former):
            return Judged(repeats, Sightings(ids, after), before, after)
        # All but the first event of an id follow the one before them, whatever was known.
        is_same = record[former] == record[latter]
        repeats[latter] = is_same | (after[former] >= floor[latter])
        is_last = np.ones(len(ids), bool)
        is_last[former] = False
        return Judged(repeats, Sightings(ids[is_last], after[is_last]), before, after)

    def last_seen(self, ids: Ids) -> NDArray[np.int32]:
        """Progress when each id was last seen; ``LONG_AGO`` where that is not known."""
        numbers = self._table.find(ids)
        known = np.flatnonzero(numbers)
        last = np.full(len(ids), LONG_AGO, np.int32)
        if len(known):
            number = numbers[known] - self._oldest
            minutes = np.array([LONG_AGO, *[segment.minute for segment in self._segments]])
            last[known] = minutes[np.maximum(number, -1) + 1]
        return last

    def expect(self, count: int) -> None:
        """Make room for so many ids, or for as many as the bound allows."""
        self._table.reserve(min(count, self._max_ids), self._oldest)

    def join(self, seen: Sightings) -> None:
        """Take what a committed batch added; batches come in the order of the log."""
        if not len(seen):
            return
        floor = self._oldest
        numbers = self._number(seen.minutes)
        former = self._table.put(seen.ids, numbers, floor)
        for number, size in zip(
            *np.unique(former[former >= floor], return_counts=True), strict=True
        ):
            self._segments[number - floor].size -= int(size)
            self._size -= int(size)
        self._size += len(seen)
        self.progress_minute = int(seen.minutes[-1])
        self._forget(self.progress_minute - self.horizon_minutes)

    def _number(self, minutes: NDArray[np.int32]) -> NDArray[np.int32]:
        """The segment of each sighting; new ones where a minute or a full segment has ended."""
        numbers = np.empty(len(minutes), np.int32)
        at = 0
        while at < len(minutes):
            minute = int(minutes[at])
            newest = self._segments[-1] if self._segments else None
            if newest is None or newest.minute != minute or newest.size >= self._segment_ids:
                newest = _Segment(minute)
                self._segments.append(newest)
            end = int(np.searchsorted(minutes, minute, side="right"))
            end = min(end, at + self._segment_ids - newest.size)
            newest.size += end - at
            numbers[at:end] = self._oldest + len(self._segments) - 1
            at = end
        return numbers

    def _forget(self, horizon: int) -> None:
        while len(self._segments) > 1:
            oldest = self._segments[0]
            is_needed = oldest.minute >= horizon
            if is_needed and self._size <= self._max_ids:
                return
            self.shortened += is_needed
            self._size -= oldest.size
            self._segments.popleft()
            self._oldest += 1


class Judged(NamedTuple):
    """What became of a batch.

    Attributes:
        repeats: per event, whether it is one.
        seen: what the batch adds.
        before: per event, the progress before its record; ``LONG_AGO`` if there was none.
        after: per event, the progress after its record.
    """

    repeats: NDArray[np.bool_]
    seen: Sightings
    before: NDArray[np.int32]
    after: NDArray[np.int32]
