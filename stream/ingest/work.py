"""What is done with the records of one input partition: counted, and remembered where it must be.

``assignment.py`` says when; this file says what a transaction holds, what is told beside its
offset, and how a successor comes to know what its predecessor knew. It must not write or commit.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import structlog
from aiokafka import TopicPartition

from stream.ingest.checkpoint import Checkpoint
from stream.ingest.config import Delivery, IngestConfig
from stream.ingest.dedup import Sightings
from stream.ingest.dedup_record import DedupRecord, decode_seen, encode_seen
from stream.ingest.events import InputRecord
from stream.ingest.journal import Journal
from stream.ingest.output import Message
from stream.ingest.partition import Batch, InputPartition
from stream.ingest.positions import Positions, PositionUnknownError
from stream.ingest.provisional_log import change_messages, read_provisional
from stream.ingest.statistics import TELL_SECONDS

_log = structlog.get_logger(__name__)

_IDS_AT_ONCE = 200_000
"""Restored in one go: 0.1 s."""


class Work(Protocol):
    """What is done with one partition's records, from its taking over to its end.

    ``take_over`` is awaited first, once; then batches, one at a time: ``process`` or ``pass_time``,
    ``messages`` and ``metadata`` of it, and, once they are durable, ``commit``. What was not
    committed is forgotten with the whole object.
    """

    @property
    def chain(self) -> InputPartition | None:
        """What it counts with; ``None`` if it counts nothing."""

    @property
    def next_offset(self) -> int:
        """First offset that is not committed."""

    async def take_over(self, offset: int, metadata: str | None) -> None:
        """Restore what a predecessor knew, and with it how far it came: ``next_offset``.

        Args:
            offset: first that is not committed, as the group's coordinator says.
            metadata: what was committed with it; ``None`` if nothing was.
        """

    def process(self, records: Sequence[InputRecord], wall_seconds: float) -> Batch:
        """Some records."""

    def pass_time(self, wall_seconds: float, *, is_silent: bool) -> Batch:
        """No records."""

    def messages(self, batch: Batch, *, is_beat: bool) -> list[Message]:
        """What is written of it."""

    def metadata(self, batch: Batch) -> str:
        """What is committed beside its offset."""

    def commit(self, batch: Batch, offsets: Sequence[int]) -> None:
        """It is durable, its messages at these offsets."""


@dataclass(frozen=True, slots=True)
class Parts:
    """What the counting of all of a worker's partitions has in common.

    Attributes:
        make_partition: the chain for a partition, at an offset with its checkpoint.
        make_messages: a batch as messages; to all delta partitions or to those with rows.
        positions: who reads logs back.
        config: of the role.
        dedup: topic where ids are told, and how many partitions it has.
        provisional: the same for what may yet be taken back.
        counted: statistics of all partitions.
        now: a clock that only goes on, seconds.
    """

    make_partition: Callable[[int, Checkpoint], InputPartition]
    make_messages: Callable[[TopicPartition, Batch, bool], list[Message]]
    positions: Positions
    config: IngestConfig
    dedup: tuple[str, int]
    provisional: tuple[str, int]
    counted: Counter[str]
    now: Callable[[], float]


class Counting:
    """Usage events become deltas. See ``Work``.

    Args:
        source: the input partition.
        parts: what all have in common.
    """

    chain: InputPartition  # all three since the take-over
    _journal: Journal[DedupRecord]
    _provisional: TopicPartition

    def __init__(self, source: TopicPartition, parts: Parts) -> None:
        self._source = source
        self._parts = parts
        self._log = _log.bind(topic=source.topic, partition=source.partition)
        self._quiet_until = 0.0  # of the warning that the horizon is shortened
        self._shortened = self._dropped = 0

    @property
    def next_offset(self) -> int:
        """See ``Work``."""
        return self.chain.next_offset

    async def take_over(self, offset: int, metadata: str | None) -> None:
        """Read back the ids of what is committed. See ``Work``."""
        parts = self._parts
        checkpoint = None if metadata is None else Checkpoint.from_metadata(metadata)
        if metadata is not None and checkpoint is None:
            self._tell_forgotten("the offset was committed by another program or by hand")
        checkpoint = checkpoint or Checkpoint()
        self._journal = Journal(
            *parts.dedup,
            source=self._source,
            decode=decode_seen,
            mark=checkpoint.dedup,
            is_exact=parts.config.delivery is Delivery.EXACTLY_ONCE,
        )

        found: list[DedupRecord] = []
        if not await self._journal.read_back(
            parts.positions, committed_offset=offset, take=found.extend
        ):
            self._tell_forgotten(f"{parts.dedup[0]} does not hold all of them any more")
        if self._journal.begun > max(offset, self._journal.until):
            raise PositionUnknownError(
                f"offset {offset} was told, and a batch began at {self._journal.begun}: the group's"
                " coordinator is still loading. If this goes on, end the transaction that hangs in"
                f" {parts.dedup[0]}: kafka-transactions.sh find-hanging, abort"
            )
        if self._journal.until > offset:
            self._tell_old(offset)
        self.chain = parts.make_partition(max(offset, self._journal.until), checkpoint)
        await self._restore_ids([record.seen for record in _without_overtaken(found)])
        await self._restore_provisional(checkpoint.provisional)
        self._journal.forget(self.chain.dedup_from_minute)
        self._log.info("ingest_restored", dedup_ids=self.chain.dedup_ids)

    async def _restore_ids(self, batches: list[Sightings]) -> None:
        """Take them some at a time: half a microsecond an id, and heartbeats must go out."""
        self.chain.expect_ids(sum(map(len, batches)))
        at_once, size = list[Sightings](), 0
        for number, batch in enumerate(batches, 1):
            at_once.append(batch)
            size += len(batch)
            if size >= _IDS_AT_ONCE or number == len(batches):
                self.chain.restore(Sightings.together(at_once))
                at_once, size = [], 0
                await asyncio.sleep(0)

    async def _restore_provisional(self, marked: int | None) -> None:
        """Read back what may yet be taken back, from the partition where it always was."""
        topic, partitions = self._parts.provisional
        is_there = marked is not None and marked < partitions
        number = marked if marked is not None and is_there else self._source.partition % partitions
        self._provisional = TopicPartition(topic, number)
        await read_provisional(
            self._parts.positions,
            self.chain.provisional,
            source=self._source,
            place=self._provisional,
            committed_offset=self.chain.next_offset,
        )

    def _tell_old(self, offset: int) -> None:
        self._log.error(
            "ingest_position_old",
            told=offset,
            counted=self._journal.until,
            consequence="none: reading goes on after what is counted",
            fix="see whether the broker was killed: other groups may have gone back, too",
        )

    def _tell_forgotten(self, reason: str) -> None:
        self._parts.counted["dedup_incomplete"] += 1
        self._log.warning(
            "ingest_dedup_incomplete",
            reason=reason,
            consequence="repeats of events read before count twice",
        )

    def process(self, records: Sequence[InputRecord], wall_seconds: float) -> Batch:
        """See ``Work``."""
        return self.chain.process(records, wall_seconds=wall_seconds)

    def pass_time(self, wall_seconds: float, *, is_silent: bool) -> Batch:
        """See ``Work``."""
        return self.chain.pass_time(wall_seconds, is_silent=is_silent)

    def messages(self, batch: Batch, *, is_beat: bool) -> list[Message]:
        """Ids first, so that the first offset is theirs. See ``Work``."""
        place = self._journal.place
        seen = encode_seen(
            batch.seen,
            source=self._source,
            first_offset=self.chain.next_offset,
            next_offset=batch.next_offset,
            max_bytes=self._parts.config.max_message_bytes,
        )
        return [
            *[Message(place.topic, value, place.partition) for value in seen],
            *self._parts.make_messages(self._source, batch, is_beat),
            *change_messages(
                batch.changes,
                source=self._source,
                place=self._provisional,
                next_offset=batch.next_offset,
            ),
        ]

    def metadata(self, batch: Batch) -> str:
        """See ``Work``."""
        mark = self._journal.mark(batch.next_offset if len(batch.seen) else None)
        checkpoint = self.chain.checkpoint(batch)
        return replace(
            checkpoint, dedup=mark, provisional=self._provisional.partition
        ).to_metadata()

    def commit(self, batch: Batch, offsets: Sequence[int]) -> None:
        """See ``Work``."""
        chain = self.chain
        chain.commit(batch)
        if len(batch.seen):
            self._journal.wrote(offsets[0], int(batch.seen.minutes[-1]), batch.next_offset)
            self._journal.forget(chain.dedup_from_minute)
        if (dropped := chain.provisional.dropped - self._dropped) > 0:
            self._dropped += dropped
            self._parts.counted["provisional_dropped"] += dropped
            self._tell_dropped()
        if (shortened := chain.dedup_shortened - self._shortened) > 0:
            self._shortened += shortened
            self._parts.counted["dedup_shortened"] += shortened
            self._tell_shortened(chain.dedup_kept_seconds)

    def _tell_dropped(self) -> None:
        """Estimates or outcomes became final before their time. Now and then is enough."""
        now = self._parts.now()
        if now < self._quiet_until:
            return
        self._quiet_until = now + TELL_SECONDS
        self._log.warning(
            "ingest_provisional_dropped",
            consequence="final events count beside their estimates, outcomes beside earlier ones",
            fix="raise ingest.provisional_max, or give the input topic more partitions",
        )

    def _tell_shortened(self, kept_seconds: int) -> None:
        """The bound on ids cut the horizon: a later repeat counts twice. Now and then is enough."""
        now = self._parts.now()
        if now < self._quiet_until:
            return
        self._quiet_until = now + TELL_SECONDS
        self._log.warning(
            "ingest_dedup_shortened",
            kept_seconds=kept_seconds,
            wanted_seconds=self._parts.config.dedup_horizon_seconds,
            fix="raise ingest.dedup_max_ids, or give the input topic more partitions",
        )


def _without_overtaken(records: Sequence[DedupRecord]) -> list[DedupRecord]:
    """Those whose minutes never fall: what was committed, without attempts that another overtook.

    Progress never goes back from batch to batch, so where Kafka says what is committed none is left
    out. What an overtaken attempt had seen, the one that counted the same records tells.
    """
    kept, least = list[DedupRecord](), None
    for record in reversed(records):
        if least is None or record.newest_minute <= least:
            kept.append(record)
            least = record.oldest_minute
    return kept[::-1]
