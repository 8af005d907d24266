"""Where a partition's reading starts: what its group committed, and what is told of before it.

Read after the fence and never before it: a former owner may commit until its producer is fenced.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError

from stream.kafka.closing import to_its_end

_NONE_COMMITTED = -1
_POLL_MS = 500
_REQUEST_MS = 10_000
"""After it a connection that does not answer is closed, and the next question goes over another."""
_FETCH_BYTES = 8 * 1024 * 1024

_STANDSTILL_SECONDS = 90.0
"""Longer than any transaction time-out that can be set, and than a broker takes to notice it."""


class PositionLostError(Exception):
    """The committed offset is not in the log: money was lost or the topic was made anew."""


class PositionUnknownError(KafkaError):  # type: ignore[misc]  # aiokafka has no types
    """The group's coordinator did not say; asking again may help."""

    retriable = True


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
        self._admin = AIOKafkaAdminClient(**kafka, request_timeout_ms=_REQUEST_MS)

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

    @asynccontextmanager
    async def reading(self, source: TopicPartition) -> AsyncIterator["LogReader"]:
        """A reader of one partition, outside the group, so that no position of it is touched."""
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
            yield LogReader(consumer, source, is_exact=self._isolation_level == "read_committed")
        finally:  # a revocation cancels the restoring
            await to_its_end(consumer.stop(), whose=f"reader of {source}")


class LogReader:
    """What a partition holds, from an offset to its end.

    Args:
        consumer: assigned to it, and to nothing else.
        source: the partition.
        is_exact: whether the broker tells where a partition ends. The embedded one tells where its
            last batch begins.
    """

    def __init__(self, consumer: Any, source: TopicPartition, *, is_exact: bool) -> None:
        self._consumer = consumer
        self._source = source
        self._is_exact = is_exact

    async def span(self) -> tuple[int, int]:
        """Its oldest offset, and one that nothing written from now on is before."""
        oldest = await self._consumer.beginning_offsets([self._source])
        end = await self._consumer.end_offsets([self._source])
        return oldest[self._source], end[self._source]

    async def is_through(self) -> bool:
        """Whether all was handed out that was committed when it was last fetched."""
        stable = self._consumer.last_stable_offset(self._source)
        return stable is not None and await self._consumer.position(self._source) >= stable

    async def records(self, first_offset: int) -> AsyncIterator[list[Any]]:
        """Bundles of aiokafka's records, up to what is the end when they are first asked for.

        Committed ones only, and those of an open transaction are waited for: it is another's,
        and ends within its time-out. Nothing is left out while it lasts.

        Raises:
            TimeoutError: nothing more came, and the end is not reached.
        """
        consumer, source = self._consumer, self._source
        consumer.seek(source, first_offset)
        end: int | None = None
        now = asyncio.get_running_loop().time
        since, at = now(), first_offset
        while True:
            found = (await consumer.getmany(source, timeout_ms=_POLL_MS)).get(source, [])
            if end is None:
                end = consumer.highwater(source)
            yield found
            before, at = at, await consumer.position(source)
            if (self._is_exact or not found) and end is not None and at >= end:
                return
            if found or at != before:  # what was aborted is passed over
                since = now()
            elif now() - since > _STANDSTILL_SECONDS:
                # Seen once: a broker that stopped and started in the middle of a transaction never
                # ended it, and its partition stood still for 45 minutes, until the run was over.
                raise TimeoutError(
                    f"{source.topic}/{source.partition} stands still before its end {end}: "
                    "kafka-transactions.sh find-hanging tells whose transaction never ended, and "
                    "abort ends it"
                )
