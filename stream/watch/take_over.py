"""The delta partitions that were assigned, from the moment their tables are complete: one by one.

100,000 scopes take ten seconds and more to restore. All in one go of the loop, nothing was told and
nobody heard from for as long, and the partitions were lost again before they were there. What comes
back to a worker that had it, and was nobody else's meanwhile, is not restored at all. This file
must not know locks, generations or the group.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from faust.types import TP

from stream.kafka.topics import REBUILD_FROM_EVENTS
from stream.watch.flush import TABLES
from stream.watch.pages import PageError
from stream.watch.partition import DeltaPartition


class TakeOver:
    """Who is still to be restored, of one assignment: the next one's tables may hold other things.

    Args:
        topic: of the deltas.
        tables: table name to the Faust table.
        log: number of each partition to the first offset of its log and the one after the last.
        empty: makes a partition that knows nothing yet.
    """

    def __init__(
        self,
        topic: str,
        tables: Mapping[str, Any],
        log: Mapping[int, tuple[int, int]],
        empty: Callable[[int], DeltaPartition],
    ) -> None:
        self._topic = topic
        self._tables = tables
        self._log = dict(log)
        self._empty = empty

    def __len__(self) -> int:
        return len(self._log)

    def __contains__(self, number: int) -> bool:
        return number in self._log

    def whose_turn(self) -> int:
        """The next one, unless another is asked for; there must be one."""
        return min(self._log)

    def restore(self, number: int) -> DeltaPartition:
        """Restore one that waits for it.

        Raises:
            PageError: if its tables are not of this program, or do not fit its log.
        """
        partition = self._empty(number)
        records = {name: self._tables[name].data.of_partition(number) for name in TABLES}
        partition.restore(records)
        return self.keep(partition)

    def keep(self, partition: DeltaPartition) -> DeltaPartition:
        """Take one that waits for it as it is.

        Raises:
            PageError: if it does not fit its log.
        """
        start, end = self._log.pop(partition.partition)
        _check_stamp(partition, start, end, self._topic)
        return partition


@dataclass(slots=True)
class LetGo:
    """Partitions that were let go of, and how far their changelogs were written then.

    Every flush writes the partition's own page before anything is acknowledged. So where nobody has
    written since, nobody has acknowledged either, and what is known of the partition here is what
    its changelogs and the log of deltas say. The logs are asked: generations would have to be
    trusted that a worker which slept was told of. They say nothing of what such a worker may still
    write, and remove, so what is kept is written anew under other keys (``DeltaPartition.renew``).

    Attributes:
        partitions: by number.
        written: changelog partition to the offset after its last record.
    """

    partitions: dict[int, DeltaPartition] = field(default_factory=dict)
    written: dict[TP, int] = field(default_factory=dict)

    def add(self, partitions: Mapping[int, DeltaPartition], tables: Mapping[str, Any]) -> None:
        """Let go of some; of none whose flush was broken off may anything be kept."""
        for number, partition in partitions.items():
            self.partitions[number] = partition
            for name in TABLES:
                place = TP(tables[name].changelog_topic_name, number)
                last = tables[name].data.persisted_offset(place)
                self.written[place] = 0 if last is None else last + 1

    def unchanged(
        self, numbers: Iterable[int], ends: Mapping[TP, int | None]
    ) -> dict[int, DeltaPartition]:
        """Those of some in whose changelogs nobody has written since.

        Args:
            numbers: of partitions.
            ends: changelog partition to the offset after its last record now.
        """
        moved = {place.partition for place, end in self.written.items() if ends.get(place) != end}
        return {
            number: self.partitions[number]
            for number in numbers
            if number in self.partitions and number not in moved
        }


def _check_stamp(partition: DeltaPartition, start: int, end: int, topic: str) -> None:
    """Refuse state that does not fit the log.

    Ahead of it, all new money would be ignored in silence; behind its start, money was deleted
    before it was counted, and the consumer would jump over the gap in silence.
    """
    place = f"{topic}/{partition.partition}"
    if partition.highest_stamp >= end and partition.highest_stamp >= 0:
        raise PageError(
            f"the state of {place} was folded up to offset {partition.highest_stamp}, but the log"
            f" ends at {end}: the topic was made anew. To go on, {REBUILD_FROM_EVENTS}"
        )
    # The offset after the last delta is its transaction's marker.
    if 0 <= partition.applied < start - 2:
        raise PageError(
            f"the state of {place} was folded up to offset {partition.applied}, but the log begins"
            f" at {start}: deltas were deleted before they were counted. Keep {topic} for longer;"
            f" to go on, {REBUILD_FROM_EVENTS}"
        )
