"""Where a partition's reading starts: what its group committed, and the records before it.

Read after the fence and never before it: a former owner may commit until its producer is fenced.
"""

from collections.abc import AsyncIterator
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError

from stream.ingest.events import InputRecord

_NONE_COMMITTED = -1
_POLL_MS = 500
_FETCH_BYTES = 8 * 1024 * 1024


class PositionLostError(Exception):
    """The committed offset is not in the log: money was lost or the topic was made anew."""


class PositionUnknownError(KafkaError):  # type: ignore[misc]  # aiokafka has no types
    """The group's coordinator did not say; asking again may help."""

    retriable = True


def input_record(record: Any) -> InputRecord:
    """An aiokafka record as the chain takes it."""
    return InputRecord(record.offset, record.timestamp, record.value)


class Positions:
    """Committed offsets with their metadata, and reading behind them.

    Args:
        kafka: arguments of aiokafka's clients.
        group: the consumer group.
        isolation_level: which records of transactional producers count.
    """

    def __init__(self, kafka: dict[str, Any], *, group: str, isolation_level: str) -> None:
        self._kafka = kafka
        self._group = group
        self._isolation_level = isolation_level
        self._admin = AIOKafkaAdminClient(**kafka)

    async def start(self) -> None:
        """Connect."""
        await self._admin.start()

    async def stop(self) -> None:
        """Disconnect."""
        await self._admin.close()

    async def committed(self, source: TopicPartition) -> tuple[int, str] | None:
        """The group's offset in a partition and the string beside it; ``None`` if it has none.

        Raises:
            PositionUnknownError: the answer left the partition out. That is how a coordinator
                that is still loading answers, and not "none": taken for it, everything would be
                counted again.
        """
        found = await self._admin.list_consumer_group_offsets(self._group, partitions=[source])
        if source not in found:
            raise PositionUnknownError(f"the coordinator of {self._group} is not ready")
        if found[source].offset == _NONE_COMMITTED:
            return None
        return found[source].offset, found[source].metadata or ""

    async def before(
        self, source: TopicPartition, first_offset: int, end_offset: int
    ) -> AsyncIterator[list[InputRecord]]:
        """The records from ``first_offset`` up to ``end_offset``, as far as the log has them.

        Read by a consumer of its own, outside the group, so that the group's position is not
        touched.
        """
        consumer = AIOKafkaConsumer(
            **self._kafka,
            group_id=None,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            isolation_level=self._isolation_level,
            max_partition_fetch_bytes=_FETCH_BYTES,
        )
        try:
            await consumer.start()
            consumer.assign([source])
            oldest = (await consumer.beginning_offsets([source]))[source]
            consumer.seek(source, max(first_offset, oldest))
            while await consumer.position(source) < end_offset:
                found = await consumer.getmany(source, timeout_ms=_POLL_MS)
                yield [
                    input_record(record)
                    for record in found.get(source, ())
                    if record.offset < end_offset
                ]
        finally:
            await consumer.stop()
