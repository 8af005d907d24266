"""A member of INGEST's consumer group: hands records to partitions, and partitions to and fro.

What a partition does is ``assignment.py``'s; when a member begins and leaves, ``worker.py``'s.
"""

import asyncio
from typing import Any

import structlog
from aiokafka import ConsumerRebalanceListener, TopicPartition
from aiokafka.errors import KafkaError, NoOffsetForPartitionError, OffsetOutOfRangeError

from stream.ingest.assignment import AssignedPartition, Duties
from stream.ingest.positions import PositionLostError

_log = structlog.get_logger(__name__)

_POLL_MS = 200
_RETRY_SECONDS = 0.5


class Member(ConsumerRebalanceListener):  # type: ignore[misc]  # aiokafka has no types
    """Hands records to partitions, and partitions to and fro as the group decides."""

    def __init__(self, duties: Duties) -> None:
        self._duties = duties
        self.partitions: dict[TopicPartition, AssignedPartition] = {}
        self._failed: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    @property
    def consumer(self) -> Any:
        """Of its group."""
        return self._duties.consumer

    def on_partitions_assigned(self, assigned: set[TopicPartition]) -> None:
        """Pause first, with nothing awaited before; the rest takes its time elsewhere.

        Called by aiokafka, which sends no heartbeats until it returns.
        """
        self._duties.consumer.pause(*assigned)
        for source in assigned:
            partition = AssignedPartition(source, self._duties)
            partition.task.add_done_callback(self._notice)
            self.partitions[source] = partition
        _log.info("ingest_assigned", partitions=sorted(source.partition for source in assigned))

    async def on_partitions_revoked(self, revoked: set[TopicPartition]) -> None:
        """Commit or abort before returning: afterwards the partitions are somebody else's."""
        _log.info("ingest_revoked", partitions=sorted(source.partition for source in revoked))
        await self.release_all()

    async def release_all(self) -> None:
        """Give up every partition, and say what was done so far."""
        partitions, self.partitions = self.partitions, {}
        await asyncio.gather(*(each.release() for each in partitions.values()))
        self._duties.statistics.tell()

    def _notice(self, task: asyncio.Task[None]) -> None:
        """A part that is not given up has no reason to end, by an error or without a word."""
        if self._failed.done():
            return
        if task.cancelled():
            for source, each in self.partitions.items():
                if each.task is task:
                    self._failed.set_exception(RuntimeError(f"the task of {source} was cancelled"))
        elif (error := task.exception()) is not None:
            self._failed.set_exception(error)

    async def run(self, stop: asyncio.Event) -> None:
        """Until stopped, or until the first part dies: its error is raised."""
        reading = asyncio.create_task(self._read())
        stopping = asyncio.create_task(stop.wait())
        try:
            ends: list[asyncio.Future[Any]] = [self._failed, reading, stopping]
            await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
            for each in ends:
                if each.done():
                    each.result()
        finally:
            self._failed.cancel()  # who ends from now on is no failure, and nobody asks
            for task in (reading, stopping):
                task.cancel()
            await asyncio.gather(reading, stopping, return_exceptions=True)

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
                if (partition := self.partitions.get(source)) is not None:
                    partition.feed(records)

    def _raise_if_lost(self, error: KafkaError) -> None:
        """A partition that has yet to seek may have no position; one that is ready may not."""
        (named,) = error.args  # a TopicPartition, or a dict of them and offsets
        lost = {named} if isinstance(named, TopicPartition) else set(named)
        for source in lost:
            partition = self.partitions.get(source)
            if partition is not None and partition.is_ready:
                raise PositionLostError(
                    f"events of {source.topic}/{source.partition} were removed before INGEST read "
                    "them; keep them longer (retention.ms), then decide with "
                    "kafka-consumer-groups --reset-offsets"
                ) from error
