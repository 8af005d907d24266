"""What INGEST shows of itself once a second: its counters, its lag, its dedup logs, its time.

Read off what is counted and kept anyway; nothing is measured for it. This file must not change
anything.
"""

import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, Protocol

from aiokafka import TopicPartition

from detectors.observation import NANOUSD_PER_USD
from stream.health import catalogue
from stream.health.labels import Partitioner
from stream.health.stability import Stability
from stream.health.vitals import READY, Followed, Readiness, show_buffered, show_lag, unready
from stream.ingest.keys import CRC32, MURMUR2, SAMPLED
from stream.ingest.partition import InputPartition
from stream.ingest.statistics import COST, DEAD_LETTER, REQUESTS, TRACE_URL, UNPRICED
from stream.kafka.progress import Progress, progress_of
from stream.keyed.config import Role
from stream.usage.rejection import RejectReason
from stream.usage.trace_url import Refusal

NEAR_HEAD_RECORDS: Final = 20_000
"""Records behind the end at which INGEST counts as caught up: well under a second of its work."""

_TOTALS: Final = {
    "events": catalogue.EVENTS,
    "records": catalogue.RECORDS,
    "repeats": catalogue.REPEATS,
    "late": catalogue.LATE,
    "ahead": catalogue.AHEAD,
    "estimated": catalogue.ESTIMATED,
    "outcomes": catalogue.OUTCOMES,
    "unknown_fields": catalogue.UNKNOWN_FIELDS,
    "batches_lost": catalogue.BATCHES_LOST,
    "records_dropped": catalogue.RECORDS_DROPPED,
    "dedup_shortened": catalogue.DEDUP_SHORTENED,
    "dedup_incomplete": catalogue.DEDUP_INCOMPLETE,
    "provisional_dropped": catalogue.PROVISIONAL_DROPPED,
    SAMPLED: catalogue.KEYS_SAMPLED,
    MURMUR2: catalogue.KEYS_EXPLAINED.labels(Partitioner.MURMUR2),
    CRC32: catalogue.KEYS_EXPLAINED.labels(Partitioner.CRC32),
    REQUESTS: catalogue.REQUESTS,
    UNPRICED: catalogue.UNPRICED,
    "rekeyed": catalogue.REKEYED,
}


class Assigned(Protocol):
    """What is looked at of a partition."""

    @property
    def is_ready(self) -> bool:
        """Whether it is taken over."""

    @property
    def chain(self) -> InputPartition | None:
        """Its state, once it is taken over, if it counts."""

    @property
    def next_offset(self) -> int | None:
        """First offset that is not committed, once it is taken over."""

    @property
    def buffered(self) -> tuple[int, int]:
        """Records and bytes that are read and not yet committed."""


class Reading(Protocol):
    """What is looked at of a member of a consumer group."""

    @property
    def consumer(self) -> Any:
        """Of its group."""

    @property
    def partitions(self) -> Mapping[TopicPartition, Assigned]:
        """Those it holds, now."""


class IngestVitals:
    """Looks at a worker of INGEST.

    Args:
        members: of each group that it is in; with ``ingest.rekey`` there are two.
        counted: its statistics.
        wall: the wall clock, epoch seconds.
        name: of the process.
        clock: monotonic seconds.
    """

    def __init__(
        self,
        members: Sequence[Reading],
        counted: Counter[str],
        wall: Callable[[], float],
        name: str = Role.INGEST.value,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._members = members
        self._counted = counted
        self._wall = wall
        self._name = name
        self._followed = Followed()
        self._stability = Stability(name, clock)

    def look(self) -> Readiness:
        """Set the gauges, and say whether every partition is taken over and nearly read."""
        follow, counted = self._followed.follow, self._counted
        for name, counter in _TOTALS.items():
            follow(counter, counted[name])
        follow(catalogue.SPEND, counted[COST] / NANOUSD_PER_USD)
        for reason in RejectReason:
            follow(catalogue.DEAD_LETTERS.labels(reason), counted[DEAD_LETTER + reason])
        for refusal in Refusal:
            follow(catalogue.TRACE_URLS_REFUSED.labels(refusal), counted[TRACE_URL + refusal])
        partitions: dict[TopicPartition, Assigned] = {}
        known: dict[TopicPartition, Progress] = {}
        for member in self._members:
            partitions |= member.partitions
            known |= progress_of(member.consumer)
        chains = [each.chain for each in partitions.values() if each.chain is not None]
        catalogue.DEDUP_IDS.set(sum(chain.dedup_ids for chain in chains))
        catalogue.DEDUP_KEPT.set(min((chain.dedup_kept_seconds for chain in chains), default=0))
        marks = [chain.watermark.seconds for chain in chains]
        ages = [self._wall() - mark for mark in marks if mark is not None]
        catalogue.INPUT_WATERMARK_AGE.set(max(ages, default=0))
        buffered = [each.buffered for each in partitions.values()]
        records, size_bytes = (sum(each[n] for each in buffered) for n in (0, 1))
        show_buffered(self._name, records, size_bytes)
        self._stability.look(known)
        return self._readiness(partitions, known)

    def _readiness(
        self,
        partitions: Mapping[TopicPartition, Assigned],
        known: Mapping[TopicPartition, Progress],
    ) -> Readiness:
        lags = []
        for source, partition in partitions.items():
            progress, next_offset = known.get(source), partition.next_offset
            if progress is not None and next_offset is not None:
                lags.append(max(0, progress.end - next_offset))
        show_lag(self._name, lags)
        waiting = sum(not each.is_ready for each in partitions.values())
        if waiting:
            return unready(f"{waiting} of {len(partitions)} input partitions are being taken over")
        if max(lags, default=0) > NEAR_HEAD_RECORDS:
            return unready(f"{max(lags)} records behind in the worst input partition")
        return READY
