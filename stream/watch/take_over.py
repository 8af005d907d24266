"""The delta partitions that were assigned, from the moment their tables are complete: one by one.

100,000 scopes take ten seconds and more to restore. All in one go of the loop, nothing was told and
nobody heard from for as long, and the partitions were lost again before they were there. This file
must not know locks, generations or the group.
"""

from collections.abc import Callable, Mapping
from typing import Any

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
        start, end = self._log.pop(number)
        partition = self._empty(number)
        records = {name: self._tables[name].data.of_partition(number) for name in TABLES}
        partition.restore(records)
        _check_stamp(partition, start, end, self._topic)
        return partition


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
