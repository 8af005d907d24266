"""The role INGEST: a consumer of the input topic, and one ``AssignedPartition`` per partition.

Starts, reads, hands out, and ends: cleanly when asked to, with an error when any part has died.
What a partition does with its records is ``assignment.py``'s.
"""

import asyncio
import contextlib
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import structlog
from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener, TopicPartition
from aiokafka.errors import (
    KafkaConnectionError,
    KafkaError,
    NoOffsetForPartitionError,
    OffsetOutOfRangeError,
)

from stream.health.vitals import Vitals
from stream.ingest.assignment import AssignedPartition, Duties
from stream.ingest.checkpoint import Checkpoint
from stream.ingest.config import Delivery, IngestConfig
from stream.ingest.identities import Identities
from stream.ingest.keys import KeySampler
from stream.ingest.messages import Targets, batch_messages
from stream.ingest.output import AtLeastOnceOutput, Message, Output, TransactionalOutput
from stream.ingest.partition import Batch, InputPartition
from stream.ingest.positions import PositionLostError, Positions
from stream.ingest.statistics import Statistics
from stream.ingest.vitals import IngestVitals
from stream.ingest.work import Counting, Parts
from stream.kafka.admin import BrokerUnreachableError, connect_admin
from stream.kafka.connection import ConnectionConfig
from stream.kafka.topics import TopicsConfig
from stream.usage.fanout import Fanout, FanoutConfig
from stream.usage.price_config import PricingConfig
from stream.usage.pricing import PriceBook

_log = structlog.get_logger(__name__)

_FETCH_BYTES = 4 * 1024 * 1024
_POLL_MS = 200
_OVERHEAD_BYTES = 4096
"""Key and framing of a message around its value."""

_RETRY_SECONDS = 0.5
_SETTLE_TRIES = 10
_SETTLE_SECONDS = 0.3
_STOP_SECONDS = 5.0


class TopicMissingError(Exception):
    """A topic that INGEST needs is not there; the text names the fix."""


async def _nothing(_: TopicPartition) -> None:
    """At the seams, nothing happens by default."""


@dataclass(frozen=True, slots=True)
class Seams:
    """Moments at which somebody may look in: a chaos test kills the process there.

    Attributes:
        before_fence: a partition is assigned, and its former owner not yet fenced.
        before_commit: a batch is written with its offset, and not yet committed.
    """

    before_fence: Callable[[TopicPartition], Awaitable[None]] = _nothing
    before_commit: Callable[[TopicPartition], Awaitable[None]] = _nothing


@dataclass(frozen=True, slots=True)
class IngestSettings:
    """All that INGEST reads of the configuration.

    Attributes:
        ingest: the role's own.
        connection: how Kafka is reached.
        topics: names of topics.
        pricing: how events are priced.
        fanout: whom they are counted against.
    """

    ingest: IngestConfig = field(default_factory=IngestConfig)
    connection: ConnectionConfig = field(default_factory=ConnectionConfig)
    topics: TopicsConfig = field(default_factory=TopicsConfig)
    pricing: PricingConfig = field(default_factory=PricingConfig)
    fanout: FanoutConfig = field(default_factory=FanoutConfig)


async def run_ingest(
    settings: IngestSettings,
    stop: asyncio.Event,
    *,
    wall: Callable[[], float] = time.time,
    counted: Counter[str] | None = None,
    seams: Seams | None = None,
    vitals: Vitals | None = None,
) -> None:
    """Run until ``stop`` is set; then commit or abort what is open and leave.

    Args:
        settings: the configuration.
        stop: set it to end.
        wall: the wall clock, epoch seconds; asked only for verdicts of idleness.
        counted: statistics, kept up to date (``Batch.counted`` and what happened to batches).
        seams: for tests that look in.
        vitals: whom to show how it goes.

    Raises:
        BrokerUnreachableError: Kafka cannot be reached at the start (exit code 3).
        TopicMissingError: a topic is missing at the start (exit code 3).
        PositionLostError: the group's offset is not in the log.
        KafkaError: the group or the consumer has failed for good.
    """
    counted = Counter() if counted is None else counted
    config, kafka = settings.ingest, settings.connection.kafka_kwargs()
    partitions = await _partitions(settings)
    delta_partitions = partitions[settings.topics.deltas]
    is_exact = config.delivery is Delivery.EXACTLY_ONCE
    isolation = "read_committed" if is_exact else "read_uncommitted"
    if not is_exact:
        _log.warning("ingest_at_least_once", consequence="totals may be high after a crash")
    positions = Positions(kafka, group=config.group, isolation_level=isolation)
    consumer = AIOKafkaConsumer(
        **kafka,
        group_id=config.group,
        group_instance_id=config.instance_id,
        session_timeout_ms=int(config.session_timeout_seconds * 1000),
        heartbeat_interval_ms=int(config.session_timeout_seconds * 1000 / 4),
        enable_auto_commit=False,
        auto_offset_reset="none",  # a lost position is an error, not a jump
        isolation_level=isolation,
        max_partition_fetch_bytes=_FETCH_BYTES,
    )
    parts = Parts(
        make_partition=_partition_maker(settings, delta_partitions),
        make_messages=_message_maker(settings, delta_partitions),
        positions=positions,
        config=config,
        dedup=(settings.topics.dedup, partitions[settings.topics.dedup]),
        provisional=(settings.topics.provisional, partitions[settings.topics.provisional]),
        counted=counted,
        now=asyncio.get_running_loop().time,
    )
    worker = _Worker(
        Duties(
            consumer=consumer,
            positions=positions,
            make_output=_output_maker(settings, kafka, consumer, seams or Seams()),
            make_work=lambda source: Counting(source, parts),
            config=config,
            wall=wall,
            counted=counted,
            keys=KeySampler(partitions[settings.topics.usage_events], counted),
            before_fence=(seams or Seams()).before_fence,
        )
    )
    if vitals is not None:
        held = lambda: worker._partitions  # noqa: E731, SLF001  of this file
        vitals.watch(IngestVitals(consumer, counted, held, wall, vitals.name).look)
    try:
        await positions.start()
        consumer.subscribe([settings.topics.usage_events], listener=worker)
        await worker.run(stop)
    except KafkaConnectionError as error:
        raise BrokerUnreachableError(f"the connection to Kafka broke: {error}") from error
    finally:
        await worker.release_all()
        for closing in (consumer.stop(), positions.stop()):
            with contextlib.suppress(TimeoutError, KafkaError):  # leaving is best effort
                async with asyncio.timeout(_STOP_SECONDS):
                    await closing


async def _partitions(settings: IngestSettings) -> dict[str, int]:
    """How many partitions the topics that INGEST needs have; all of them are there."""
    topics = settings.topics
    needed = [
        topics.usage_events,
        topics.deltas,
        topics.dedup,
        topics.provisional,
        topics.dead_letter,
    ]
    async with connect_admin(settings.connection) as admin:
        found = await admin.describe(needed)
        for _ in range(_SETTLE_TRIES):
            if len(found) == len(needed):
                break
            # A topic made a moment ago is not known to every broker yet.
            await asyncio.sleep(_SETTLE_SECONDS)
            found = await admin.describe(needed)
    if missing := [name for name in needed if name not in found]:
        raise TopicMissingError(
            f"topics are missing: {', '.join(missing)}; run: spendwatch topics create"
        )
    return {name: topic.partitions for name, topic in found.items()}


def _output_maker(
    settings: IngestSettings, kafka: dict[str, Any], consumer: AIOKafkaConsumer, seams: Seams
) -> Callable[[TopicPartition], Output]:
    config = settings.ingest
    request_bytes = config.max_message_bytes + _OVERHEAD_BYTES

    def make(source: TopicPartition) -> Output:
        async def before_commit() -> None:
            await seams.before_commit(source)

        if config.delivery is Delivery.AT_LEAST_ONCE:
            return AtLeastOnceOutput(
                kafka,
                consumer=consumer,
                source=source,
                max_message_bytes=request_bytes,
                before_commit=before_commit,
            )
        return TransactionalOutput(
            kafka,
            group=config.group,
            source=source,
            transaction_timeout_seconds=config.transaction_timeout_seconds,
            max_message_bytes=request_bytes,
            before_commit=before_commit,
        )

    return make


def _partition_maker(
    settings: IngestSettings, delta_partitions: int
) -> Callable[[int, Checkpoint], InputPartition]:
    prices = PriceBook(settings.pricing)
    identities = Identities(Fanout(settings.fanout), delta_partitions)

    def make(next_offset: int, checkpoint: Checkpoint) -> InputPartition:
        return InputPartition(
            prices,
            identities,
            config=settings.ingest,
            next_offset=next_offset,
            checkpoint=checkpoint,
        )

    return make


def _message_maker(
    settings: IngestSettings, delta_partitions: int
) -> Callable[[TopicPartition, Batch, bool], list[Message]]:
    targets = Targets(
        deltas=settings.topics.deltas,
        delta_partitions=delta_partitions,
        dead_letters=settings.topics.dead_letter,
        payload=settings.ingest.dead_letter.payload,
        max_bytes=settings.ingest.max_message_bytes,
    )

    def make(source: TopicPartition, batch: Batch, is_beat: bool) -> list[Message]:  # noqa: FBT001 -- one caller, by position
        return batch_messages(
            batch, source=(source.topic, source.partition), targets=targets, is_beat=is_beat
        )

    return make


class _Worker(ConsumerRebalanceListener):  # type: ignore[misc]  # aiokafka has no types
    """Hands records to partitions, and partitions to and fro as the group decides."""

    def __init__(self, duties: Duties) -> None:
        self._duties = duties
        self._partitions: dict[TopicPartition, AssignedPartition] = {}
        self._failed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._statistics = Statistics(duties.counted)

    def on_partitions_assigned(self, assigned: set[TopicPartition]) -> None:
        """Pause first, with nothing awaited before; the rest takes its time elsewhere.

        Called by aiokafka, which sends no heartbeats until it returns.
        """
        self._duties.consumer.pause(*assigned)
        for source in assigned:
            partition = AssignedPartition(source, self._duties)
            partition.task.add_done_callback(self._notice)
            self._partitions[source] = partition
        _log.info("ingest_assigned", partitions=sorted(source.partition for source in assigned))

    async def on_partitions_revoked(self, revoked: set[TopicPartition]) -> None:
        """Commit or abort before returning: afterwards the partitions are somebody else's."""
        _log.info("ingest_revoked", partitions=sorted(source.partition for source in revoked))
        await self.release_all()

    async def release_all(self) -> None:
        """Give up every partition, and say what was done so far."""
        partitions, self._partitions = self._partitions, {}
        await asyncio.gather(*(each.release() for each in partitions.values()))
        self._statistics.tell()

    def _notice(self, task: asyncio.Task[None]) -> None:
        if task.cancelled() or self._failed.done():
            return
        if (error := task.exception()) is not None:
            self._failed.set_exception(error)

    async def run(self, stop: asyncio.Event) -> None:
        """Until stopped, or until the first part dies: its error is raised."""
        reading = asyncio.create_task(self._read())
        stopping = asyncio.create_task(stop.wait())
        telling = asyncio.create_task(self._statistics.run())
        try:
            ends: list[asyncio.Future[Any]] = [self._failed, reading, stopping, telling]
            await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
            for each in ends:
                if each.done():
                    each.result()
        finally:
            for task in (reading, stopping, telling):
                task.cancel()
            await asyncio.gather(reading, stopping, telling, return_exceptions=True)

    async def _read(self) -> None:
        consumer = self._duties.consumer
        await consumer.start()
        while True:
            try:
                batches = await consumer.getmany(timeout_ms=_POLL_MS)
            except (NoOffsetForPartitionError, OffsetOutOfRangeError) as error:
                self._raise_if_lost(error)
                continue
            except KafkaError as error:
                if not error.retriable:
                    raise
                _log.warning("ingest_retries", error=repr(error), retry_seconds=_RETRY_SECONDS)
                await asyncio.sleep(_RETRY_SECONDS)
                continue
            for source, records in batches.items():
                if (partition := self._partitions.get(source)) is not None:
                    partition.feed(records)

    def _raise_if_lost(self, error: KafkaError) -> None:
        """A partition that has yet to seek may have no position; one that is ready may not."""
        (named,) = error.args  # a TopicPartition, or a dict of them and offsets
        lost = {named} if isinstance(named, TopicPartition) else set(named)
        for source in lost:
            partition = self._partitions.get(source)
            if partition is not None and partition.is_ready:
                raise PositionLostError(
                    f"events of {source.topic}/{source.partition} were removed before INGEST read "
                    "them; keep them longer (retention.ms), then decide with "
                    "kafka-consumer-groups --reset-offsets"
                ) from error
