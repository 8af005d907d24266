"""Where a partition's reading starts: what its group committed, and what is told of before it.

Read after the fence and never before it: a former owner may commit until its producer is fenced.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import structlog
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError

from stream.exit import RoleRefusedError
from stream.kafka.closing import to_its_end

_log = structlog.get_logger(__name__)

_NONE_COMMITTED = -1
_POLL_MS = 500
_REQUEST_MS = 10_000
"""After it a connection that does not answer is closed, and the next question goes over another."""
_FETCH_BYTES = 8 * 1024 * 1024

_STANDSTILL_SECONDS = 90.0
"""A log of which nothing more comes for so long is not waited for."""

_LOOK_SECONDS = 1.0
"""After it, how old the transaction is that is waited for is looked at."""

_NOTICED_SECONDS = 15.0
"""A broker looks every 10 s, as Kafka comes, for transactions whose time is out; and some more."""


class PositionLostError(RoleRefusedError):
    """The committed offset is not in the log: money was lost or the topic was made anew."""


class LogHangsError(KafkaError):  # type: ignore[misc]  # aiokafka has no types
    """Behind a transaction that never ended there is what cannot be told from what was aborted."""


class PositionUnknownError(KafkaError):  # type: ignore[misc]  # aiokafka has no types
    """The group's coordinator did not say; asking again may help."""

    retriable = True


class Positions:
    """Committed offsets with their metadata, and reading behind them.

    Args:
        kafka: arguments of aiokafka's clients.
        group: the consumer group.
        isolation_level: which records of transactional producers count.
        transaction_timeout_seconds: after it, the broker aborts what is open in our logs.
        wall: the wall clock, epoch seconds.
    """

    def __init__(
        self,
        kafka: dict[str, Any],
        *,
        group: str,
        isolation_level: str,
        transaction_timeout_seconds: float,
        wall: Callable[[], float],
    ) -> None:
        self._kafka = kafka
        self._group = group
        self._isolation_level = isolation_level
        self._oldest_seconds = transaction_timeout_seconds + _NOTICED_SECONDS
        self._wall = wall
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

    async def confirm(self, source: TopicPartition, told: tuple[int, str] | None) -> None:
        """Ask once more, when nobody can have committed meanwhile.

        A coordinator that was killed answers with commits of minutes ago while it loads its log,
        for some tenths of a second (Kafka 4.3, many starts with more than 16,384 records to load).
        What the log of ids proves is read from there anyway (``stream/ingest/journal.py``). This
        is for batches without ids, and a take-over that had little to read may ask twice within
        that time.

        Raises:
            PositionUnknownError: the answer is another one now.
        """
        now = await self.committed(source)
        if now != told:
            raise PositionUnknownError(
                f"the coordinator of {self._group} told {_offset(told)} and then {_offset(now)}: "
                "it is still loading"
            )

    @asynccontextmanager
    async def reading(self, source: TopicPartition) -> AsyncIterator["LogReader"]:
        """A reader of one partition, outside the group, so that no position of it is touched."""
        async with AsyncExitStack() as opened:

            async def open_consumer(isolation_level: str) -> AIOKafkaConsumer:
                consumer = AIOKafkaConsumer(
                    **self._kafka,
                    group_id=None,
                    enable_auto_commit=False,
                    auto_offset_reset="earliest",
                    isolation_level=isolation_level,
                    max_partition_fetch_bytes=_FETCH_BYTES,
                )
                opened.push_async_callback(_close, consumer, source)  # also if it does not start
                await consumer.start()
                consumer.assign([source])
                return consumer

            yield LogReader(
                await open_consumer(self._isolation_level),
                source,
                is_exact=self._isolation_level == "read_committed",
                is_lost=lambda begun_at: self._wall() - begun_at > self._oldest_seconds,
                open_uncommitted=lambda: open_consumer("read_uncommitted"),
            )


def _offset(told: tuple[int, str] | None) -> int | None:
    return None if told is None else told[0]


async def _close(consumer: AIOKafkaConsumer, source: TopicPartition) -> None:
    """To its end: a revocation cancels the restoring."""
    await to_its_end(consumer.stop(), whose=f"reader of {source}")


class LogReader:
    """What a partition holds, from an offset to its end.

    Args:
        consumer: assigned to it, and to nothing else.
        source: the partition.
        is_exact: whether the broker tells where a partition ends. The embedded one tells where its
            last batch begins.
        is_lost: whether a transaction that wrote first then, epoch seconds, must have ended by now.
        open_uncommitted: one more consumer, that does not care whether a transaction is open.

    Attributes:
        is_past_committed: whether what is handed out now lies behind the beginning of a transaction
            that never ended, so that Kafka does not say what of it is committed.
    """

    def __init__(
        self,
        consumer: Any,
        source: TopicPartition,
        *,
        is_exact: bool,
        is_lost: Callable[[float], bool],
        open_uncommitted: Callable[[], Awaitable[Any]],
    ) -> None:
        self._consumer = consumer
        self._source = source
        self._is_exact = is_exact
        self._is_lost = is_lost
        self._open_uncommitted = open_uncommitted
        self._uncommitted: Any = None
        self._open: tuple[int, float] | None = None  # where it begins, and when that was written
        self.is_past_committed = False

    async def span(self) -> tuple[int, int]:
        """Its oldest offset, and one that nothing written from now on is before."""
        oldest = await self._consumer.beginning_offsets([self._source])
        end = await self._consumer.end_offsets([self._source])
        return oldest[self._source], end[self._source]

    async def is_empty(self) -> bool:
        """Whether it holds nothing at all, committed or not; if in doubt, no."""
        oldest, end = await self.span()
        if not self._is_exact or oldest != end:
            return False
        # Of committed records the end is told: a transaction may be open at the very first one.
        uncommitted = await self._behind()
        return bool((await uncommitted.end_offsets([self._source]))[self._source] == oldest)

    async def is_through(self) -> bool:
        """Whether all was handed out that was committed when it was last fetched."""
        stable = self._consumer.last_stable_offset(self._source)
        return stable is not None and await self._consumer.position(self._source) >= stable

    async def records(self, first_offset: int) -> AsyncIterator[list[Any]]:
        """Bundles of aiokafka's records, up to what is the end when they are first asked for.

        Committed ones, and those of an open transaction are waited for: it is another's, and ends
        within its time-out. If it does not, what lies behind its beginning is handed out as it
        is, committed or not; see ``is_past_committed``.

        Raises:
            TimeoutError: nothing more came, and the end is not reached.
        """
        source = self._source
        self._consumer.seek(source, first_offset)
        end: int | None = None
        now = asyncio.get_running_loop().time
        since, at = now(), first_offset
        while True:
            found = (await self._consumer.getmany(source, timeout_ms=_POLL_MS)).get(source, [])
            if end is None:
                end = self._consumer.highwater(source)
            yield found
            before, at = at, await self._consumer.position(source)
            if (self._is_exact or not found) and end is not None and at >= end:
                return
            waited = now() - since
            if found or at != before:  # what was aborted is passed over
                since = now()
            elif waited > _STANDSTILL_SECONDS:
                raise TimeoutError(
                    f"{source.topic}/{source.partition} stands still before its end {end}"
                )
            elif waited > _LOOK_SECONDS and end is not None and await self._is_held_up(at):
                await self._pass_committed(at, end)
                since = now()

    async def _is_held_up(self, at: int) -> bool:
        """Whether a transaction that is open at ``at`` never ends; a slow broker is none.

        Its age tells it, by its producer's clock: who waits for it anew after each rebalance waits
        for ever, too (seen with one every 15 s, for 15 minutes).
        """
        if not self._is_exact or self.is_past_committed or not await self.is_through():
            return False
        if self._open is None or self._open[0] != at:
            uncommitted = await self._behind()
            if await uncommitted.position(self._source) != at:  # seeking drops what is on its way
                uncommitted.seek(self._source, at)
            found = await uncommitted.getmany(self._source, timeout_ms=_POLL_MS)
            if not (records := found.get(self._source)):
                return False
            self._open = at, records[0].timestamp / 1000
        return self._is_lost(self._open[1])

    async def _behind(self) -> Any:
        if self._uncommitted is None:
            self._uncommitted = await self._open_uncommitted()
        return self._uncommitted

    async def _pass_committed(self, at: int, end: int) -> None:
        """Go on behind the beginning of a transaction that does not end.

        Seen once in some hundred restarts of a broker: one that was stopped and started in the
        middle of a transaction never ended it, and its partition stood still for 45 minutes, until
        the run was over.
        """
        source = self._source
        _log.error(
            "ingest_log_hangs",
            topic=source.topic,
            partition=source.partition,
            offset=at,
            end=end,
            consequence="none for totals; each take-over reads more of it",
            fix="kafka-transactions.sh find-hanging tells whose transaction it is, abort ends it",
        )
        self._consumer, self.is_past_committed = await self._behind(), True
        self._consumer.seek(source, at)
