"""The role INGEST: a consumer of the input topic, and one ``AssignedPartition`` per partition.

Starts, reads, hands out, and ends: cleanly when asked to, with an error when any part has died.
What a partition does with its records is ``assignment.py``'s.
"""

import asyncio
import contextlib
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace

import structlog
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import (
    KafkaConnectionError,
    KafkaError,
)

from stream.health.vitals import Vitals
from stream.ingest.assignment import Duties
from stream.ingest.checkpoint import Checkpoint
from stream.ingest.config import Delivery, IngestConfig
from stream.ingest.identities import Identities
from stream.ingest.keys import KeySampler
from stream.ingest.member import Member
from stream.ingest.messages import Targets, batch_messages
from stream.ingest.output import AtLeastOnceOutput, Message, Output, TransactionalOutput
from stream.ingest.partition import Batch, InputPartition
from stream.ingest.positions import Positions
from stream.ingest.rekey import Rekeying
from stream.ingest.statistics import Statistics
from stream.ingest.vitals import IngestVitals
from stream.ingest.work import Counting, Parts
from stream.kafka.admin import BrokerUnreachableError, TopicMissingError, connect_admin
from stream.kafka.connection import ConnectionConfig
from stream.kafka.parsed_records import as_parsed
from stream.kafka.topics import TopicsConfig
from stream.usage.decode import PAYLOAD_MAX_BYTES
from stream.usage.fanout import Fanout, FanoutConfig
from stream.usage.price_config import PricingConfig
from stream.usage.pricing import PriceBook

_log = structlog.get_logger(__name__)

_FETCH_BYTES = 4 * 1024 * 1024
_OVERHEAD_BYTES = 4096
"""Key and framing of a message around its value."""

_SETTLE_TRIES = 10
_SETTLE_SECONDS = 0.3
_STOP_SECONDS = 5.0


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
        wall: the wall clock, epoch seconds; asked for verdicts of idleness, and for how long a
            transaction has been open.
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
    seams = seams or Seams()
    partitions = await _partitions(settings)
    if settings.ingest.delivery is not Delivery.EXACTLY_ONCE:
        _log.warning("ingest_at_least_once", consequence="totals may be high after a crash")
    statistics = Statistics(counted, is_rekeyed=settings.ingest.rekey)
    told = _Told(
        wall, counted, statistics, KeySampler(partitions[settings.topics.usage_events], counted)
    )
    groups = [_counting(settings, partitions, told, seams)]
    if settings.ingest.rekey:
        groups.append(_rekeying(settings, told, seams))
    if vitals is not None:
        members = [group.worker for group in groups]
        vitals.watch(IngestVitals(members, counted, wall, vitals.name).look)
    running = [asyncio.create_task(group.run(stop)) for group in groups]
    telling = asyncio.create_task(statistics.run())
    try:
        await asyncio.wait([*running, telling], return_when=asyncio.FIRST_COMPLETED)
        for task in (*running, telling):
            if task.done():
                task.result()
        await asyncio.wait(running)
    except KafkaConnectionError as error:
        raise BrokerUnreachableError(f"the connection to Kafka broke: {error}") from error
    finally:
        for task in (*running, telling):
            task.cancel()
        await asyncio.gather(*running, telling, return_exceptions=True)
    for task in running:
        task.result()


@dataclass(frozen=True, slots=True)
class _Told:
    """What all groups of a process have in common: its clock, and what it says of itself.

    Attributes:
        wall: the wall clock, epoch seconds.
        counted: statistics.
        statistics: tells them.
        keys: looks at how producers key: in the first topic, hop or no hop.
    """

    wall: Callable[[], float]
    counted: Counter[str]
    statistics: Statistics
    keys: KeySampler


class _Group:
    """One consumer group's member on one topic, from its connection to its leaving.

    Args:
        settings: with the group's own name.
        topic: what is read.
        wall: the wall clock, epoch seconds.
    """

    def __init__(self, settings: IngestSettings, topic: str, wall: Callable[[], float]) -> None:
        config, self.kafka = settings.ingest, settings.connection.kafka_kwargs()
        is_exact = config.delivery is Delivery.EXACTLY_ONCE
        isolation = "read_committed" if is_exact else "read_uncommitted"
        self._topic = topic
        self.positions = Positions(
            self.kafka,
            group=config.group,
            isolation_level=isolation,
            transaction_timeout_seconds=config.transaction_timeout_seconds,
            wall=wall,
        )
        self.consumer = AIOKafkaConsumer(
            **self.kafka,
            group_id=config.group,
            group_instance_id=config.instance_id,
            session_timeout_ms=int(config.session_timeout_seconds * 1000),
            heartbeat_interval_ms=int(config.session_timeout_seconds * 1000 / 4),
            enable_auto_commit=False,
            auto_offset_reset="none",  # a lost position is an error, not a jump
            isolation_level=isolation,
            max_partition_fetch_bytes=_FETCH_BYTES,
            value_deserializer=as_parsed,
        )
        self.worker: Member

    async def run(self, stop: asyncio.Event) -> None:
        """Until stopped, or until a part of it dies."""
        try:
            await self.positions.start()
            self.consumer.subscribe([self._topic], listener=self.worker)
            await self.worker.run(stop)
        finally:
            await self.worker.release_all()
            for closing in (self.consumer.stop(), self.positions.stop()):
                with contextlib.suppress(TimeoutError, KafkaError):  # leaving is best effort
                    async with asyncio.timeout(_STOP_SECONDS):
                        await closing


def _counting(
    settings: IngestSettings, partitions: dict[str, int], told: _Told, seams: Seams
) -> _Group:
    topics, config = settings.topics, settings.ingest
    topic = topics.counted_from(is_rekeyed=config.rekey)
    config = config.model_copy(update={"group": config.counting_group})
    settings = replace(settings, ingest=config)
    group = _Group(settings, topic, told.wall)
    delta_partitions = partitions[topics.deltas]
    parts = Parts(
        make_partition=_partition_maker(settings, delta_partitions),
        make_messages=_message_maker(settings, delta_partitions),
        positions=group.positions,
        config=config,
        dedup=(topics.dedup, partitions[topics.dedup]),
        provisional=(topics.provisional, partitions[topics.provisional]),
        counted=told.counted,
        now=asyncio.get_running_loop().time,
    )
    group.worker = Member(
        Duties(
            consumer=group.consumer,
            positions=group.positions,
            make_output=_output_maker(settings, group, seams, config.max_message_bytes),
            make_work=lambda source: Counting(source, parts),
            config=config,
            wall=told.wall,
            counted=told.counted,
            statistics=told.statistics,
            keys=None if config.rekey else told.keys,
            before_fence=seams.before_fence,
        )
    )
    return group


def _rekeying(settings: IngestSettings, told: _Told, seams: Seams) -> _Group:
    """Reads on in the group's own name: what it has counted is not counted again."""
    config = settings.ingest
    group = _Group(settings, settings.topics.usage_events, told.wall)
    group.worker = Member(
        Duties(
            consumer=group.consumer,
            positions=group.positions,
            make_output=_output_maker(settings, group, seams, PAYLOAD_MAX_BYTES),
            make_work=lambda _: Rekeying(settings.topics.usage_keyed, told.counted),
            config=config,
            wall=told.wall,
            counted=told.counted,
            statistics=told.statistics,
            keys=told.keys,
            before_fence=seams.before_fence,
        )
    )
    return group


async def _partitions(settings: IngestSettings) -> dict[str, int]:
    """How many partitions the topics that INGEST needs have; all of them are there."""
    topics = settings.topics
    needed = [
        topics.usage_events,
        topics.counted_from(is_rekeyed=settings.ingest.rekey),
        topics.deltas,
        topics.dedup,
        topics.provisional,
        topics.dead_letter,
    ]
    async with connect_admin(settings.connection) as admin:
        found = await admin.describe(needed)
        for _ in range(_SETTLE_TRIES):
            if len(found) == len(set(needed)):
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
    settings: IngestSettings, group: _Group, seams: Seams, max_message_bytes: int
) -> Callable[[TopicPartition], Output]:
    config, kafka, consumer = settings.ingest, group.kafka, group.consumer
    request_bytes = max_message_bytes + _OVERHEAD_BYTES

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
