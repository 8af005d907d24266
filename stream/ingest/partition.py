"""One input partition, from its records to the rows, dead letters and time of its deltas.

    decode -> dedup -> late verdict -> price -> fan out -> combine

``process`` changes nothing: what a batch found out joins the state at ``commit``, once it is
durable. So a batch that was lost is simply forgotten and read again. No clock and no Kafka here: a
backtest runs this very code over a file.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from detectors.observation import Counts, zero_counts
from stream.delta import DeltaRow
from stream.ingest.checkpoint import Checkpoint
from stream.ingest.combine import Combiner
from stream.ingest.config import IngestConfig
from stream.ingest.dedup import DedupBatch, DedupLog, Seen, dedup_id
from stream.ingest.watermark import Watermark, is_ahead, log_minute
from stream.usage.decode import decode
from stream.usage.fanout import Fanout
from stream.usage.pricing import PriceBook
from stream.usage.rejection import Rejection
from stream.usage.usage import RecordKind, Usage


class InputRecord(NamedTuple):
    """One record of an input topic.

    Attributes:
        offset: in its partition.
        timestamp_ms: of the record, epoch milliseconds; -1 if it has none.
        payload: its value; ``None`` for a tombstone, which is refused like any other non-event.
    """

    offset: int
    timestamp_ms: int
    payload: bytes | None


class DeadRecord(NamedTuple):
    """A refused event, and the offset of its record."""

    offset: int
    rejection: Rejection


@dataclass(frozen=True, slots=True)
class Batch:
    """What became of some records, and what joins the state once it is durable.

    Attributes:
        first_offset: of the records.
        next_offset: after them; equal to ``first_offset`` when only time passes.
        taken: how many of the given records are in it.
        rows: per delta partition; those without any are left out.
        dead: refused events.
        watermark_before: before the batch: what all but the last of its messages may promise.
        watermark: after it.
        seen: for the dedup log.
        counted: statistics: ``records``, ``events``, ``late``, ``ahead``, ``repeats``,
            ``estimated``, ``outcomes``, ``unknown_fields``, ``dead_letters``.
        totals: what its events add up to, whatever scopes they have.
    """

    first_offset: int
    next_offset: int
    taken: int
    rows: dict[int, list[DeltaRow]]
    dead: list[DeadRecord]
    watermark_before: Watermark
    watermark: Watermark
    seen: list[Seen] = field(default_factory=list)
    counted: Counter[str] = field(default_factory=Counter)
    totals: Counts = field(default_factory=zero_counts)


def usage_id(usage: Usage) -> bytes:
    """What makes an event a repeat: its id among its like.

    A final count does not repeat an estimate of the same call, and each kind of outcome is told
    once per call.
    """
    if usage.record == RecordKind.OUTCOME:
        return dedup_id(f"outcome {usage.outcome}", usage.event_id)
    return dedup_id("estimate" if usage.estimated else "call", usage.event_id)


class InputPartition:
    """The state of one input partition in the hands of one worker.

    Args:
        prices: what events cost.
        fanout: whom they are counted against.
        config: lateness, horizon and bounds.
        delta_partitions: how many partitions the deltas have.
        next_offset: first offset that is not committed.
        checkpoint: what was committed with it.
    """

    def __init__(
        self,
        prices: PriceBook,
        fanout: Fanout,
        *,
        config: IngestConfig,
        delta_partitions: int,
        next_offset: int = 0,
        checkpoint: Checkpoint | None = None,
    ) -> None:
        checkpoint = checkpoint or Checkpoint()
        self._prices = prices
        self._fanout = fanout
        self._delta_partitions = delta_partitions
        self._max_events = config.max_batch_events
        self._next_offset = next_offset
        self._watermark = Watermark(
            config.allowed_lateness_seconds, checkpoint.watermark_seconds, checkpoint.moved_at
        )
        self._dedup = DedupLog(
            horizon_seconds=config.dedup_horizon_seconds,
            max_ids=config.dedup_max_ids,
            first_minute=checkpoint.dedup_from and checkpoint.dedup_from[1],
        )

    @property
    def next_offset(self) -> int:
        """First offset that is not committed."""
        return self._next_offset

    @property
    def watermark(self) -> Watermark:
        """As of the last commit."""
        return self._watermark

    @property
    def dedup_ids(self) -> int:
        """How many ids are remembered."""
        return len(self._dedup)

    @property
    def dedup_shortened(self) -> int:
        """How often the bound on ids cut the horizon short."""
        return self._dedup.shortened

    @property
    def dedup_kept_seconds(self) -> int:
        """How far back ids are known now."""
        return self._dedup.kept_seconds

    def reload(self, records: Iterable[InputRecord]) -> None:
        """Remember the ids of records that are committed already; nothing is counted.

        Given all records from ``Checkpoint.dedup_from`` to the committed offset, the dedup log is
        what it would be without a restart. Given fewer (retention removed them, or there was no
        checkpoint), repeats of what is missing count twice.
        """
        batch = DedupBatch(self._dedup)
        for record in records:
            for usage in decode(record.payload or b"").usages:
                batch.is_repeat(
                    usage_id(usage), log_minute(usage.timestamp_seconds, record.timestamp_ms)
                )
            batch.end_record(record.offset)
        self._dedup.join(batch.seen)

    def process(
        self, records: Sequence[InputRecord], *, wall_seconds: float | None = None
    ) -> Batch:
        """What the records amount to; at most ``max_batch_events`` of them.

        Args:
            records: in the order of the log, at least one.
            wall_seconds: the wall clock, where idleness is judged by one; it changes no verdict
                on any event.
        """
        watermark = self._watermark
        if wall_seconds is not None:
            watermark = watermark.awake(wall_seconds)
        dedup = DedupBatch(self._dedup)
        counted: Counter[str] = Counter()
        combiner = Combiner(self._fanout)
        dead: list[DeadRecord] = []
        taken = found = 0
        for record in records:
            decoded = decode(record.payload or b"")
            size = len(decoded.usages) + len(decoded.rejections)
            if taken and found + size > self._max_events:
                break
            taken, found = taken + 1, found + size
            counted["unknown_fields"] += decoded.unknown_fields
            for usage in decoded.usages:
                at = usage.timestamp_seconds
                if dedup.is_repeat(usage_id(usage), log_minute(at, record.timestamp_ms)):
                    counted["repeats"] += 1
                    continue
                is_late, is_early = watermark.is_late(at), is_ahead(at, record.timestamp_ms)
                watermark = watermark.after(at, record.timestamp_ms)
                combiner.add(usage, self._prices.price(usage), is_late=is_late or is_early)
                counted["late"] += is_late
                counted["ahead"] += is_early
                counted["estimated"] += usage.estimated
                counted["outcomes"] += usage.record == RecordKind.OUTCOME
            dedup.end_record(record.offset)
            dead.extend(DeadRecord(record.offset, rejection) for rejection in decoded.rejections)
        counted.update(records=taken, events=combiner.events, dead_letters=len(dead))
        rows = combiner.drain(self._delta_partitions)
        return Batch(
            first_offset=records[0].offset,
            next_offset=records[taken - 1].offset + 1,
            taken=taken,
            rows=rows,
            dead=dead,
            watermark_before=self._watermark,
            watermark=watermark,
            seen=dedup.seen,
            counted=counted,
            totals=combiner.drained,
        )

    def pass_time(self, wall_seconds: float, *, is_silent: bool) -> Batch:
        """A batch without records: only time passes.

        Args:
            wall_seconds: the wall clock.
            is_silent: whether the log has been read to its end and nothing has come for a while.
        """
        watermark = self._watermark
        return Batch(
            first_offset=self._next_offset,
            next_offset=self._next_offset,
            taken=0,
            rows={},
            dead=[],
            watermark_before=watermark,
            watermark=watermark.idle(wall_seconds) if is_silent else watermark.busy(),
        )

    def checkpoint(self, batch: Batch) -> Checkpoint:
        """What to commit with the batch's ``next_offset``."""
        dedup_from = self._dedup.checkpoint
        if dedup_from is None and batch.seen:
            dedup_from = batch.seen[0].offset, batch.seen[0].minute
        return Checkpoint(batch.watermark.seconds, batch.watermark.moved_at, dedup_from)

    def commit(self, batch: Batch) -> None:
        """Take what the batch found out: it is durable."""
        self._next_offset = batch.next_offset
        self._watermark = batch.watermark
        self._dedup.join(batch.seen)
