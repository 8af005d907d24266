"""Writing a batch: its messages and its input offset, together or in that order.

``TransactionalOutput`` makes both one Kafka transaction, by a producer that belongs to one input
partition: whoever starts the next producer of the same id ends what the last one left open, and
fences it. ``AtLeastOnceOutput`` is for brokers without transactions. Nothing but Kafka is awaited
inside a transaction: a hanging one freezes every reader of the deltas (KAFKA.md, rule 3).
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Sequence
from itertools import chain
from typing import Any, NamedTuple, Protocol

import structlog
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.errors import KafkaError, ProducerFenced
from aiokafka.structs import OffsetAndMetadata

from stream.kafka.closing import to_its_end

_log = structlog.get_logger(__name__)

_STOP_SECONDS = 2.0
_COMPRESSION = "snappy"
"""aiokafka has lz4 at level 9 and no other. Of an event, that takes 0.5 us where rows are few, 3.9
at 100,000 scopes and 11.5 where no two events are alike; snappy 0.04, 0.3 and 0.9, zstd 0.09, 0.6
and 1.6. Deltas of 100,000 scopes are 66, 79 and 49 bytes an event (2026-11, one core)."""

_BATCH_BYTES = 256 * 1024
"""Messages to one partition up to this travel in one produce batch."""


class Message(NamedTuple):
    """One record to write.

    Attributes:
        topic: where to.
        value: the bytes; ``None`` removes what a compacted topic has under the key.
        partition: which; ``None`` lets the key decide.
        key: the record's key.
        headers: the record's headers.
    """

    topic: str
    value: bytes | None
    partition: int | None = None
    key: bytes | None = None
    headers: tuple[tuple[str, bytes], ...] = ()


class BatchLostError(Exception):
    """The batch was not committed, or nobody knows: drop it and read the position again.

    Attributes:
        is_fenced: another producer has taken over the partition's transactional id.
    """

    def __init__(self, reason: str, *, is_fenced: bool = False) -> None:
        super().__init__(reason)
        self.is_fenced = is_fenced


class Output(Protocol):
    """Who writes the batches of one input partition, from assignment to revocation.

    ``start`` is awaited first, and may fence a former owner; then ``publish``, one at a time; at
    last ``stop``, once, whatever happened. After a ``BatchLostError`` only ``stop`` may follow.
    """

    async def start(self) -> None:
        """Connect; nobody else's batch of this partition can be committed after it."""

    async def publish(
        self, messages: Sequence[Message], next_offset: int, metadata: str
    ) -> list[int]:
        """Write messages, and the offset and its metadata with them; tells the messages' offsets.

        Raises:
            BatchLostError: nothing is committed, or it is unknown whether it is.
        """

    async def stop(self) -> None:
        """Disconnect within a few seconds, open transaction or not. Never raises Kafka's errors."""


async def _nothing() -> None:
    """Between the offsets and the commit, nothing is done by default."""


def _heard(future: "asyncio.Future[Any]") -> None:
    """Look at a future's error, so that asyncio does not log one that nobody asked for."""
    if not future.cancelled():
        future.exception()


async def _send_all(producer: Any, messages: Sequence[Message]) -> list[int]:
    """Send, and wait until the broker has acknowledged each: with its offset.

    A commit does not fail because a message did (aiokafka 0.14 commits the rest), so each future is
    looked at.
    """
    futures = []
    for message in messages:
        future = await producer.send(
            message.topic,
            message.value,
            key=message.key,
            partition=message.partition,
            headers=list(message.headers),
        )
        future.add_done_callback(_heard)  # if a later send fails, nobody else looks
        futures.append(future)
    offsets = []
    for result in await asyncio.gather(*futures, return_exceptions=True):
        if isinstance(result, BaseException):
            raise result
        offsets.append(result.offset)
    return offsets


async def _close(producer: Any, source: TopicPartition) -> None:
    """Stop a producer within ``_STOP_SECONDS``; one whose broker is gone never stops by itself."""
    try:
        async with asyncio.timeout(_STOP_SECONDS):
            await producer.stop()
    except (KafkaError, AssertionError, TimeoutError) as error:  # what ended it, a second time
        _log.debug("ingest_producer_stopped_after_error", error=repr(error))
    finally:  # a revocation may cancel the stopping, and stop() closes its connections last
        for future in _told_to_nobody(producer):
            future.add_done_callback(_heard)
        sender = producer._sender  # noqa: SLF001 -- stop() waits for its task for ever
        if sender is not None and sender.sender_task is not None:
            sender.sender_task.cancel()
        await to_its_end(producer.client.close(), whose=f"producer of {source}")


def _told_to_nobody(producer: Any) -> Iterator["asyncio.Future[Any]"]:
    """Futures of aiokafka 0.14 that fail with a fenced producer, and that it never looks at."""
    accumulator = producer._message_accumulator  # noqa: SLF001 -- there is no other way to them
    for batch in chain(*accumulator._batches.values(), accumulator._pending_batches):  # noqa: SLF001
        yield batch._drain_waiter  # noqa: SLF001
    manager = producer._txn_manager  # noqa: SLF001
    if manager is not None and (ended := manager.wait_for_transaction_end()) is not None:
        yield ended


class TransactionalOutput:
    """One transactional producer for one input partition.

    Args:
        kafka: arguments of aiokafka's clients.
        group: consumer group whose offset is committed.
        source: the input partition; its name is in the transactional id.
        transaction_timeout_seconds: after it, the broker aborts what hangs.
        max_message_bytes: largest message.
        before_commit: awaited when all is written and only the commit is missing: where a test
            kills the process.
    """

    def __init__(
        self,
        kafka: dict[str, Any],
        *,
        group: str,
        source: TopicPartition,
        transaction_timeout_seconds: float,
        max_message_bytes: int,
        before_commit: Callable[[], Awaitable[None]] = _nothing,
    ) -> None:
        self._group = group
        self._source = source
        self._before_commit = before_commit
        self._producer = AIOKafkaProducer(
            **kafka,
            transactional_id=f"{group}-{source.topic}-{source.partition}",
            transaction_timeout_ms=int(transaction_timeout_seconds * 1000),
            compression_type=_COMPRESSION,
            max_batch_size=_BATCH_BYTES,
            max_request_size=max_message_bytes,
            request_timeout_ms=int(transaction_timeout_seconds * 1000),
        )

    async def start(self) -> None:
        """Fence: InitProducerId ends the former owner's transaction and bars its producer."""
        await self._producer.start()

    async def publish(
        self, messages: Sequence[Message], next_offset: int, metadata: str
    ) -> list[int]:
        """One transaction. See ``Output``."""
        producer = self._producer
        offsets = {self._source: OffsetAndMetadata(next_offset, metadata)}
        try:
            await producer.begin_transaction()
            written = await _send_all(producer, messages)
            await producer.send_offsets_to_transaction(offsets, self._group)
            await self._before_commit()
            await producer.commit_transaction()
        except asyncio.CancelledError:
            await self._abort()
            raise
        except (KafkaError, AssertionError) as error:  # aiokafka asserts its transaction's state
            await self._abort()
            raise BatchLostError(
                repr(error), is_fenced=isinstance(error, ProducerFenced)
            ) from error
        return written

    async def _abort(self) -> None:
        """Free the readers early if possible; else the next producer or the time-out does."""
        manager = self._producer._txn_manager  # noqa: SLF001 -- a fatal state must not be aborted
        if manager.is_fatal_error():
            return
        try:
            async with asyncio.timeout(_STOP_SECONDS):
                await self._producer.abort_transaction()
        except (KafkaError, AssertionError, TimeoutError) as error:
            _log.debug("ingest_abort_left_to_the_broker", error=repr(error))

    async def stop(self) -> None:
        """See ``Output``."""
        await _close(self._producer, self._source)


class AtLeastOnceOutput:
    """A plain producer, then a plain commit: a crash between the two counts a batch twice."""

    def __init__(
        self,
        kafka: dict[str, Any],
        *,
        consumer: AIOKafkaConsumer,
        source: TopicPartition,
        max_message_bytes: int,
        before_commit: Callable[[], Awaitable[None]] = _nothing,
    ) -> None:
        self._consumer = consumer
        self._source = source
        self._before_commit = before_commit
        self._producer = AIOKafkaProducer(
            **kafka,
            acks="all",
            compression_type=_COMPRESSION,
            max_batch_size=_BATCH_BYTES,
            max_request_size=max_message_bytes,
        )

    async def start(self) -> None:
        """Connect; there is no fence without transactions."""
        await self._producer.start()

    async def publish(
        self, messages: Sequence[Message], next_offset: int, metadata: str
    ) -> list[int]:
        """Messages, and the offset once they are acknowledged. See ``Output``."""
        try:
            written = await _send_all(self._producer, messages)
            await self._before_commit()
            await self._consumer.commit({self._source: OffsetAndMetadata(next_offset, metadata)})
        except KafkaError as error:
            raise BatchLostError(repr(error)) from error
        return written

    async def stop(self) -> None:
        """See ``Output``."""
        await _close(self._producer, self._source)
