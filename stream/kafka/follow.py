"""Reading a topic beside the consumer group: from its start or its end, for as long as one runs.

For compacted topics that everybody keeps a copy of, and for the watermark at the log's head. A
follower commits nothing and belongs to no group.
"""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition

from stream.kafka.connection import ConnectionConfig

_POLL_MS = 500
_RETRY_SECONDS = 1.0


async def follow(
    connection: ConnectionConfig,
    topic: str,
    *,
    partitions: list[int] | None = None,
    from_start: bool = True,
) -> AsyncIterator[list[Any]]:
    """Batches of records, an empty one every half second of silence, without end.

    Args:
        connection: how to reach Kafka.
        topic: which.
        partitions: which of its partitions; ``None`` for all.
        from_start: else from the end.
    """
    consumer = AIOKafkaConsumer(
        **connection.kafka_kwargs(),
        enable_auto_commit=False,
        isolation_level="read_committed",
    )
    await consumer.start()
    try:
        numbers = partitions or await _partitions(consumer, topic)
        tps = [TopicPartition(topic, number) for number in numbers]
        consumer.assign(tps)
        await (consumer.seek_to_beginning if from_start else consumer.seek_to_end)(*tps)
        while True:
            batches = await consumer.getmany(timeout_ms=_POLL_MS)
            yield [record for records in batches.values() for record in records]
    finally:
        await consumer.stop()


async def _partitions(consumer: Any, topic: str) -> list[int]:
    while True:
        # There is no public way to learn the partitions of a topic before it is assigned.
        await consumer._client.set_topics([topic])  # noqa: SLF001
        if numbers := consumer.partitions_for_topic(topic):
            return sorted(numbers)
        await asyncio.sleep(_RETRY_SECONDS)


async def read_to_end(connection: ConnectionConfig, topic: str) -> list[Any]:
    """All records of a topic as of now, oldest first within each partition."""
    consumer = AIOKafkaConsumer(
        **connection.kafka_kwargs(),
        enable_auto_commit=False,
        isolation_level="read_committed",
    )
    await consumer.start()
    try:
        tps = [TopicPartition(topic, number) for number in await _partitions(consumer, topic)]
        consumer.assign(tps)
        await consumer.seek_to_beginning(*tps)
        ends = await consumer.end_offsets(tps)
        records: list[Any] = []
        while any([await consumer.position(tp) < ends[tp] for tp in tps]):
            batches = await consumer.getmany(timeout_ms=_POLL_MS)
            records += [record for each in batches.values() for record in each]
        return records
    finally:
        await consumer.stop()
