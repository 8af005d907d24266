"""What INGEST shows of itself once a second: its counters, its lag, its dedup logs, its time.

Read off what is counted and kept anyway; nothing is measured for it. This file must not change
anything.
"""

from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any, Final, Protocol

from aiokafka import TopicPartition

from detectors.observation import NANOUSD_PER_USD
from stream.health import catalogue
from stream.health.catalogue import Partitioner
from stream.health.vitals import READY, Followed, Readiness, show_lag, unready
from stream.ingest.keys import CRC32, MURMUR2, SAMPLED
from stream.ingest.partition import InputPartition
from stream.ingest.statistics import COST, DEAD_LETTER, REQUESTS, UNPRICED
from stream.kafka.progress import progress_of
from stream.keyed.config import Role
from stream.usage.rejection import RejectReason

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
}


class Assigned(Protocol):
    """What is looked at of a partition."""

    @property
    def is_ready(self) -> bool:
        """Whether it is taken over."""

    @property
    def chain(self) -> InputPartition | None:
        """Its state, once it is taken over."""


class IngestVitals:
    """Looks at a worker of INGEST.

    Args:
        consumer: of its group.
        counted: its statistics.
        partitions: those it holds, now.
        wall: the wall clock, epoch seconds.
        name: of the process.
    """

    def __init__(
        self,
        consumer: Any,
        counted: Counter[str],
        partitions: Callable[[], Mapping[TopicPartition, Assigned]],
        wall: Callable[[], float],
        name: str = Role.INGEST.value,
    ) -> None:
        self._consumer = consumer
        self._counted = counted
        self._partitions = partitions
        self._wall = wall
        self._name = name
        self._followed = Followed()

    def look(self) -> Readiness:
        """Set the gauges, and say whether every partition is taken over and nearly read."""
        follow, counted = self._followed.follow, self._counted
        for name, counter in _TOTALS.items():
            follow(counter, counted[name])
        follow(catalogue.SPEND, counted[COST] / NANOUSD_PER_USD)
        for reason in RejectReason:
            follow(catalogue.DEAD_LETTERS.labels(reason), counted[DEAD_LETTER + reason])
        partitions = dict(self._partitions())
        chains = [each.chain for each in partitions.values() if each.chain is not None]
        catalogue.DEDUP_IDS.set(sum(chain.dedup_ids for chain in chains))
        catalogue.DEDUP_KEPT.set(min((chain.dedup_kept_seconds for chain in chains), default=0))
        marks = [chain.watermark.seconds for chain in chains]
        ages = [self._wall() - mark for mark in marks if mark is not None]
        catalogue.INPUT_WATERMARK_AGE.set(max(ages, default=0))
        return self._readiness(partitions)

    def _readiness(self, partitions: Mapping[TopicPartition, Assigned]) -> Readiness:
        known = progress_of(self._consumer)
        lags = []
        for source, partition in partitions.items():
            progress, chain = known.get(source), partition.chain
            if progress is not None and chain is not None:
                lags.append(max(0, progress.end - chain.next_offset))
        show_lag(self._name, lags)
        waiting = sum(not each.is_ready for each in partitions.values())
        if waiting:
            return unready(f"{waiting} of {len(partitions)} input partitions are being taken over")
        if max(lags, default=0) > NEAR_HEAD_RECORDS:
            return unready(f"{max(lags)} records behind in the worst input partition")
        return READY
