"""One input partition in the hands of this worker, from assignment to revocation.

The order of taking over is the heart of exact totals (KAFKA.md, rule 1): paused since before
anything was awaited, *fence, then look*. Any failure leads back to its start: the batch is dropped,
the producer stopped, the committed position read again. A batch is never retried by a new producer.
"""

import asyncio
import contextlib
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import structlog
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import IllegalStateError, KafkaError

from stream.ingest.buffer import Buffer
from stream.ingest.config import Delivery, IngestConfig
from stream.ingest.cut import AdaptiveCut
from stream.ingest.keys import KeySampler
from stream.ingest.output import BatchLostError, Output
from stream.ingest.partition import Batch, InputPartition
from stream.ingest.positions import PositionLostError, Positions
from stream.ingest.statistics import Statistics, count_batch
from stream.ingest.work import Work
from stream.kafka.patience import SLOW_ANSWER_SECONDS, answered
from stream.kafka.progress import progress_of

_log = structlog.get_logger(__name__)

_BEAT_SECONDS = 1.0
"""At least this often every delta partition hears how far time has come."""

_RETRY_SECONDS = 0.5
_RETRY_MAX_SECONDS = 5.0
_RELEASE_SECONDS = 3.0
"""How long a revocation waits for the running transaction; half the shortest session."""

_BUFFER_BYTES = 32 * 1024 * 1024

_FRESH_SECONDS = 3.0
"""An answer of the broker about the log's end is believed for this long."""


@dataclass(frozen=True, slots=True)
class Duties:
    """What the partitions of one worker share.

    Attributes:
        consumer: the group's consumer; partitions pause, seek and resume themselves.
        positions: committed offsets.
        make_output: an output for a partition, not yet started.
        make_work: what is done with a partition's records, not yet taken over.
        config: of the role.
        wall: the wall clock, epoch seconds.
        counted: statistics of all partitions, those of a hop in front too.
        statistics: tells them.
        keys: looks at how records are keyed, where producers wrote them.
        before_fence: awaited when a partition is assigned and not yet fenced.
    """

    consumer: AIOKafkaConsumer
    positions: Positions
    make_output: Callable[[TopicPartition], Output]
    make_work: Callable[[TopicPartition], Work]
    config: IngestConfig
    wall: Callable[[], float]
    counted: Counter[str]
    statistics: Statistics
    keys: KeySampler | None
    before_fence: Callable[[TopicPartition], Awaitable[None]]


class _Unsure(NamedTuple):
    """A batch that may be committed without anybody having heard of it.

    Attributes:
        batch: what was counted.
        metadata: what was to be committed beside its offset.
        messages: how many were written.
        seconds: from the first look at it.
    """

    batch: Batch
    metadata: str
    messages: int
    seconds: float


class AssignedPartition:
    """Takes over, gathers, cuts, writes; given up by ``release``.

    Args:
        source: the input partition, paused already.
        duties: what the worker's partitions share.
    """

    def __init__(self, source: TopicPartition, duties: Duties) -> None:
        self.source = source
        self._duties = duties
        self._config = duties.config
        self._now = asyncio.get_running_loop().time
        self._log = _log.bind(topic=source.topic, partition=source.partition)
        self._cut = AdaptiveCut(
            duties.config.cut_min_seconds,
            duties.config.cut_max_seconds,
            max_records=duties.config.max_batch_events,
            quick_seconds=duties.config.transaction_timeout_seconds / 4,
        )
        self._buffer = Buffer()
        self._expected_offset = 0
        self._is_ready = False
        self._is_releasing = False
        self._is_publishing = False
        self._is_full = False
        self._wake = asyncio.Event()
        self._gathers_since = self._beat_at = self._silent_since = 0.0
        self._work: Work | None = None
        self._unsure: _Unsure | None = None
        self._poll = (0, 0.0)  # stamp of the last answered fetch, and when it was noticed
        self.task = asyncio.get_running_loop().create_task(self._run())

    @property
    def is_ready(self) -> bool:
        """Whether what the consumer hands out may be counted."""
        return self._is_ready

    @property
    def chain(self) -> InputPartition | None:
        """Its state, once it is taken over."""
        return None if self._work is None else self._work.chain

    @property
    def next_offset(self) -> int | None:
        """First offset that is not committed, once it is taken over."""
        return None if self._work is None else self._work.next_offset

    @property
    def buffered(self) -> tuple[int, int]:
        """Records and bytes that are read and not yet committed."""
        return len(self._buffer), self._buffer.value_bytes

    def feed(self, records: Sequence[Any]) -> None:
        """Take what the consumer handed out; dropped unless the partition is ready for it."""
        fresh = self._fresh(records) if self._is_ready else ()
        if dropped := len(records) - len(fresh):
            self._duties.counted["records_dropped"] += dropped
        if not fresh:
            return
        self._expected_offset = fresh[-1].offset + 1
        if self._duties.keys is not None:
            self._duties.keys.look(self.source.partition, fresh)
        now = self._now()
        if not self._buffer:
            self._gathers_since = now
        self._buffer.add(fresh)
        self._silent_since = now
        self._wake.set()
        self._hold_back()

    def _fresh(self, records: Sequence[Any]) -> Sequence[Any]:
        """Those that were not taken yet, each once; the consumer's list itself where all are."""
        if not records:
            return records
        first, last = records[0].offset, records[-1].offset
        # Within a list the consumer lets no offset fall or come again; both ends tell the rest.
        if first >= self._expected_offset and last - first + 1 >= len(records):
            return records
        fresh, expected = [], self._expected_offset
        for record in records:
            if record.offset >= expected:
                fresh.append(record)
                expected = record.offset + 1
        return fresh

    def _hold_back(self) -> None:
        """Stop fetching while more is buffered than two batches hold; go on when it is less."""
        is_full = (
            len(self._buffer) >= 2 * self._config.max_batch_events
            or self._buffer.value_bytes >= _BUFFER_BYTES
        )
        if is_full != self._is_full:
            self._is_full = is_full
            consumer = self._duties.consumer
            (consumer.pause if is_full else consumer.resume)(self.source)

    async def release(self) -> None:
        """Commit or abort what is open, within seconds; nothing is written after it returns."""
        self._is_ready, self._is_releasing = False, True
        self._wake.set()
        if self._is_publishing:
            await asyncio.wait([self.task], timeout=_RELEASE_SECONDS)
        self.task.cancel()
        await asyncio.wait([self.task])

    async def _run(self) -> None:
        retry = _RETRY_SECONDS
        while not self._is_releasing:
            output = self._duties.make_output(self.source)
            try:
                work = await self._take_over(output)
                retry = _RETRY_SECONDS
                await self._gather(work, output)
            except (KafkaError, BatchLostError, TimeoutError) as error:
                if isinstance(error, BatchLostError) and error.is_fenced:
                    # Perhaps the partition is another's by now: let the group say so first.
                    retry = max(retry, self._config.session_timeout_seconds / 2)
                self._log.warning("ingest_retries", error=repr(error), retry_seconds=retry)
            finally:
                self._let_go()
                await output.stop()
            await asyncio.sleep(retry)
            retry = min(2 * retry, _RETRY_MAX_SECONDS)

    def _let_go(self) -> None:
        self._is_ready = self._is_full = False
        self._work = None
        self._buffer.clear()
        with contextlib.suppress(IllegalStateError):  # revoked meanwhile: nothing to pause
            self._duties.consumer.pause(self.source)

    async def _take_over(self, output: Output) -> Work:
        """Fence, look, restore, seek, and only then let records in."""
        duties, source = self._duties, self.source
        await duties.before_fence(source)
        async with answered("the fence"):
            await output.start()
        async with answered("the committed offset"):
            committed = await duties.positions.committed(source)
        async with answered("the log's ends", SLOW_ANSWER_SECONDS):
            oldest = (await duties.consumer.beginning_offsets([source]))[source]
            newest = (await duties.consumer.end_offsets([source]))[source]
        told, metadata = committed or (oldest, None)
        work = duties.make_work(source)
        await work.take_over(told, metadata)
        async with answered("the committed offset, once more"):
            await duties.positions.confirm(source, committed)
        self._count_unsure(committed)
        offset = work.next_offset
        # The embedded broker tells the start of its last batch as its end (seen: end 22,410 with
        # 22,980 records read), so there only the beginning can be believed.
        is_told = self._config.delivery is Delivery.EXACTLY_ONCE
        if offset < oldest or (is_told and offset > newest):
            raise PositionLostError(
                f"{source.topic}/{source.partition} holds offsets {oldest} to {newest}, and "
                f"{self._config.group} stands at {offset}: events were removed unread, or the "
                "topic was made anew; decide with kafka-consumer-groups --reset-offsets"
            )
        duties.consumer.seek(source, offset)
        self._expected_offset = offset
        self._beat_at = self._silent_since = self._now()
        self._is_ready = True
        self._work = work
        duties.consumer.resume(source)
        self._log.info("ingest_partition_ready", offset=offset)
        return work

    async def _gather(self, work: Work, output: Output) -> None:
        while not self._is_releasing:
            due = self._beat_at
            if self._buffer:
                due = min(due, self._gathers_since + self._cut.seconds)
            if self._is_full or len(self._buffer) >= self._cut.records:
                due = 0.0
            if (wait := due - self._now()) <= 0:
                await self._publish(work, output)
                continue
            self._wake.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(wait):
                    await self._wake.wait()

    async def _publish(self, work: Work, output: Output) -> None:
        """One transaction: some records, or only the time."""
        duties, started = self._duties, self._now()
        is_beat = started >= self._beat_at
        if self._buffer:
            records = self._buffer.first(self._cut.records)
            batch = work.process(records, duties.wall())
        else:
            batch = work.pass_time(duties.wall(), is_silent=await self._is_silent())
        messages = work.messages(batch, is_beat=is_beat)
        metadata = work.metadata(batch)
        blocked = self._now() - started
        self._is_publishing = True
        try:
            # Beyond its time-out the broker has aborted the transaction: waiting on is no use.
            async with asyncio.timeout(self._config.transaction_timeout_seconds):
                offsets = list[int]()
                if messages or batch.taken:
                    offsets = await output.publish(messages, batch.next_offset, metadata)
        except (BatchLostError, TimeoutError) as error:
            self._lose(_Unsure(batch, metadata, len(messages), self._now() - started), error)
            raise
        finally:
            self._is_publishing = False
        work.commit(batch, offsets)
        self._buffer.drop(batch.taken)
        self._gathers_since = self._now()
        seconds = self._gathers_since - started
        self._cut.took(seconds, records=batch.taken, blocked=blocked, waiting=self._waiting)
        if is_beat:
            self._beat_at = started + _BEAT_SECONDS
        if not self._is_releasing:
            self._hold_back()
        count_batch(duties.counted, batch, messages=len(messages), seconds=seconds)

    @property
    def _waiting(self) -> int:
        """Records that may be counted and are not, as far as anybody has heard of them."""
        progress = progress_of(self._duties.consumer).get(self.source)
        unread = 0 if progress is None else max(progress.stable - progress.position, 0)
        return unread + len(self._buffer)

    def _lose(self, lost: _Unsure, error: Exception) -> None:
        """Note a batch of which no commit was heard."""
        batch, counted = lost.batch, self._duties.counted
        counted["batches_lost"] += 1
        self._cut.lost(batch.taken)
        if not (isinstance(error, BatchLostError) and error.is_fenced):
            self._unsure = lost
        if batch.taken == 1:
            # None is given up: a broker that is away refuses the best record, too.
            self._log.error(
                "ingest_record_stuck",
                offset=batch.first_offset,
                error=repr(error),
                consequence="the partition waits for this record",
                fix="see whether Kafka answers; if the message is too large, raise the topic's "
                "max.message.bytes above ingest.max_message_bytes",
            )

    def _count_unsure(self, committed: tuple[int, str] | None) -> None:
        """Count what was committed although nobody heard of it: it will not be read again."""
        unsure, self._unsure = self._unsure, None
        if unsure is None or committed != (unsure.batch.next_offset, unsure.metadata):
            return
        if unsure.batch.taken:
            self._log.info("ingest_commit_found", next_offset=unsure.batch.next_offset)
            count_batch(
                self._duties.counted,
                unsure.batch,
                messages=unsure.messages,
                seconds=unsure.seconds,
            )

    async def _is_silent(self) -> bool:
        """Whether the log has been read to its end and stays silent, by the broker's own word."""
        consumer, now = self._duties.consumer, self._now()
        stamp = consumer.last_poll_timestamp(self.source) or 0
        if stamp != self._poll[0]:
            self._poll = (stamp, now)
        end = consumer.highwater(self.source)
        return (
            now - self._silent_since >= self._config.idle_after_seconds
            and now - self._poll[1] < _FRESH_SECONDS
            and end is not None
            and await consumer.position(self.source) >= end
        )
