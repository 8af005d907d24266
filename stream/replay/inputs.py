"""The input partitions of an installation, all asked at once about the events of a batch.

Which events are repeats, late, or taken back is for each partition to say, from its own events in
the order of the log. This file must not price, combine or judge anything.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import compress

import numpy as np
from numpy.typing import NDArray

from stream.ingest.amounts import Amounts, is_estimate
from stream.ingest.dedup import Sightings
from stream.ingest.events import Events
from stream.ingest.id_table import ids_of
from stream.ingest.identities import Identities, Kind
from stream.ingest.partition import InputPartition, digests_of
from stream.ingest.provisional import Changes, Correction
from stream.ingest.revision import Progress
from stream.ingest.watermark import are_ahead
from stream.replay.log_clock import LogClock
from stream.replay.placement import input_partitions

Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]


@dataclass(slots=True)
class Asked:
    """The events of a batch, in the order of the file, and what the partitions say of them.

    Attributes:
        events: those that count, as far as it is known by now.
        repeats: how many do not.
        place: per event, its partition.
        stamps: per event, the time of its record, epoch milliseconds.
        digests: per event, its id.
        progress: per event, its partition's.
        seen: per partition, what joins its log of ids.
        changes: per partition, what may yet be taken back.
        corrections: what is taken back now.
    """

    events: Events
    repeats: int
    place: Ints
    stamps: Ints
    digests: list[bytes]
    progress: Progress
    seen: list[Sightings]
    changes: list[Changes]
    corrections: list[Correction]

    def keep(self, kept: Bools) -> None:
        """Go on with some of the events."""
        if not kept.all():
            self.repeats += len(kept) - int(kept.sum())
            self.events = self.events.only(kept)
            self.place, self.stamps = self.place[kept], self.stamps[kept]
            self.digests = list(compress(self.digests, kept))
            self.progress = Progress(self.progress.before[kept], self.progress.after[kept])


class Inputs:
    """The partitions, and where each event goes.

    Args:
        partitions: of the input topic.
        identities: of all of them.
    """

    def __init__(self, partitions: Sequence[InputPartition], identities: Identities) -> None:
        self._partitions = partitions
        self._identities = identities
        self._clock = LogClock()

    def __len__(self) -> int:
        return len(self._partitions)

    def ask(self, events: Events) -> Asked:
        """Which events are repeats; the rest is gone on with."""
        count, size = len(self._partitions), len(events)
        place = input_partitions(events.event_ids, count)
        is_alone = np.bincount(events.record, minlength=1)[events.record] == 1
        place[~is_alone] = 0  # what holds several events has no id of its own, and no time either
        stamps = np.full(size, -1, np.int64)
        stamps[is_alone] = self._clock.timestamps_ms(events.seconds[is_alone])
        digests = digests_of(self._identities, events)
        ids = ids_of(b"".join(digests))
        repeats = np.zeros(size, np.bool_)
        before, after = np.zeros(size, np.int32), np.zeros(size, np.int32)
        seen = []
        for partition, mine in self._each(place):
            judged = partition.judge(
                ids[mine], events.record[mine], events.seconds[mine], stamps[mine]
            )
            repeats[mine], before[mine], after[mine] = judged.repeats, judged.before, judged.after
            seen.append(judged.seen)
        progress = Progress(before, after)
        asked = Asked(events, 0, place, stamps, digests, progress, seen, [{}] * count, [])
        asked.keep(~repeats)
        return asked

    def revise(self, asked: Asked, amounts: Amounts) -> Bools:
        """What is counted only for now, and what is taken back; which events count at all.

        Args:
            asked: takes the outcome; its events stay.
            amounts: of the events; an outcome that does not count is taken out of them.
        """
        events = asked.events
        kept = np.ones(len(events), np.bool_)
        standing = [each.provisional for each in self._partitions]
        may_end = any(each.estimates or each.lapsed for each in standing)
        if not may_end and not self._identities.count(events.identity, _is_provisional):
            return kept
        asked.changes = []
        for partition, mine in self._each(asked.place):
            is_mine = np.zeros(len(events), np.bool_)
            is_mine[mine] = True
            amounts_of_mine = {counter: column[mine] for counter, column in amounts.items()}
            revision = partition.revise(
                events.only(is_mine),
                amounts_of_mine,
                list(compress(asked.digests, is_mine)),
                Progress(asked.progress.before[mine], asked.progress.after[mine]),
            )
            kept[mine] = revision.kept
            for counter, column in amounts_of_mine.items():
                amounts[counter][mine] = column
            asked.changes.append(revision.changes)
            asked.corrections += revision.corrections
        return kept

    def late(self, asked: Asked) -> tuple[Bools, Bools, Ints]:
        """Of each event whether it is late, whether it is ahead, and its partition's watermark.

        That is the one after it, epoch seconds. What was found out joins the partitions' states.
        """
        seconds, stamps = asked.events.seconds, asked.stamps
        is_late, after = np.zeros(len(seconds), np.bool_), np.zeros(len(seconds), np.int64)
        for number, (partition, mine) in enumerate(self._each(asked.place)):
            watermark = partition.watermark
            if len(mine):
                after[mine] = watermark.course(seconds[mine], stamps[mine])[1:]
                is_late[mine], watermark = watermark.over(seconds[mine], stamps[mine])
            partition.join(watermark, asked.seen[number], asked.changes[number])
        return is_late, are_ahead(seconds, stamps), after

    def _each(self, place: Ints) -> Iterator[tuple[InputPartition, NDArray[np.intp]]]:
        """Each partition, and where its events are."""
        order = np.argsort(place, kind="stable")
        ends = np.searchsorted(place[order], np.arange(len(self._partitions) + 1))
        for number, partition in enumerate(self._partitions):
            yield partition, order[ends[number] : ends[number + 1]]


def _is_provisional(kind: Kind) -> bool:
    return bool(kind.outcome) or is_estimate(kind)
