"""How Faust reads Kafka here: only what is committed, and no record passed over.

What comes twice is recognised by the roles, and what may be committed is their word alone. This
file must not know tables.

Sources: faust-streaming 0.15.3, ``transport/drivers/aiokafka.py`` (read 2026-11-22).
"""

import asyncio
import time
from typing import Any

from faust.transport.drivers import aiokafka as driver
from faust.types import TP


async def seek_to_committed(consumer: Any) -> Any:
    """Every assigned partition to its committed offset, or to its start if there is none.

    aiokafka leaves a partition without a committed offset where it is, and Faust may have fetched
    and dropped records by then: what came before was never counted (600 of 2,000 events, when
    a second worker joined before the first had committed).
    """
    committed = await consumer.seek_to_committed()
    if unread := [tp for tp, offset in committed.items() if not offset]:
        await consumer.seek_to_beginning(*unread)
    return committed


class DurablePrefix:
    """How far each partition may be committed: by our own word, never by Faust's.

    Faust looks for a run of consecutive offsets, and behind INGEST there is a transaction marker
    after every message: its commits fell behind by half of the log, for ever. And it acknowledges
    what it skips in a rebalance, which it then commits under the next generation: 1,063 requests
    of a scope were never counted after a worker had slept past its session.
    """

    def __init__(self) -> None:
        self._reached: dict[TP, tuple[int, int]] = {}

    def reach(self, tp: TP, offset: int, generation: int | None) -> None:
        """Everything up to an offset, read in this generation of the group, is durable."""
        self._reached[tp] = (generation or 0, offset)

    def next_offset(self, tp: TP, generation: int) -> int | None:
        """The offset to commit, said once; ``None`` if nothing of this generation is new."""
        of_generation, offset = self._reached.pop(tp, (None, 0))
        return offset + 1 if of_generation == generation else None


def acknowledge(app: Any, event: Any) -> None:
    """Say that a message and all before it in its partition are durable and may be committed."""
    message = event.message
    tp = TP(message.topic, message.partition)
    app.consumer.durable.reach(tp, message.offset, message.generation_id)
    event.ack()


_LIFE_SECONDS = 1.0


async def live_for_ever(app: Any) -> None:
    """Say again and again that the main loop runs, in place of the next question for records.

    A consumer that asked for none for ``max.poll.interval.ms`` leaves its group, and aiokafka does
    not let it back in before it asks. A role with that much work in its buffer asks for nothing,
    and in a rebalance no input is asked for: WATCH, 100,000 scopes and five minutes behind, lost
    its partitions and never had any again (seen 2026-12-01). A main loop that stands still still
    leaves.
    """
    while True:
        note_life(app)
        await asyncio.sleep(_LIFE_SECONDS)


def note_life(app: Any) -> None:
    """Once; nothing before there is a consumer."""
    consumer = getattr(getattr(app.consumer, "_thread", None), "_consumer", None)
    if consumer is not None:
        # Of the thread's loop, which only reads it; aiokafka has no word for it.
        consumer._subscription._last_fetch_ended = time.monotonic()  # noqa: SLF001


_PAUSE_SECONDS = 0.01
"""Between two questions for records while there is none to ask for."""


class _CommittedConsumerThread(driver.AIOKafkaConsumerThread):
    """Faust reads uncommitted records unless it is in its own transactions; this one does not."""

    def _create_worker_consumer(self, transport: Any) -> Any:
        consumer = super()._create_worker_consumer(transport)
        # The fetcher and the coordinator read it when the consumer starts, which is later.
        consumer._isolation_level = "read_committed"  # noqa: SLF001  no other way in
        return consumer

    @property
    def _reading(self) -> asyncio.Lock:
        """Held while input is asked for; of this thread's loop, like all that waits for it."""
        found: asyncio.Lock | None = self.__dict__.get("_reading_lock")
        if found is None:
            found = self._reading_lock = asyncio.Lock()
        return found

    async def seek_to_committed(self) -> Any:
        return await self.call_thread(self._seek_to_committed)

    async def _seek_to_committed(self) -> Any:
        async with self._reading:  # what is being read now is from where we stood before
            return await seek_to_committed(self._ensure_consumer())

    async def _fetch_records(
        self,
        consumer: Any,
        active_partitions: set[TP],
        timeout: float | None = None,  # noqa: ASYNC109  Faust's signature
        max_records: int | None = None,
    ) -> Any:
        """Records of the active partitions; in a rebalance of changelogs only.

        Faust seeks its inputs to what is committed and then clears its queues: input that it reads
        between the two is never seen again, and what comes after it is committed. In 16 kills a
        signal was never decided on, and deltas were never counted.
        """
        # The set is Faust's own and changes while the call is on its way to this thread. Empty, it
        # would mean "any partition" to aiokafka, and what came of it would be dropped.
        asked = set(active_partitions)
        changelogs = {tp for tp in asked if tp.topic in self.app.tables.changelog_topics}
        fetch = super()._fetch_records
        if asked != changelogs and not self.app.rebalancing:
            async with self._reading:
                began = self.app.rebalancing_count
                records = await fetch(consumer, asked, timeout, max_records)
                if self.app.rebalancing_count == began:
                    return records
                return {tp: found for tp, found in records.items() if tp in changelogs}
        if not changelogs:
            await asyncio.sleep(_PAUSE_SECONDS)
            return {}
        return await fetch(consumer, changelogs, timeout, max_records)


class _NothingIsRead(dict[TP, int | None]):
    """Faust's memory of how far it has read, forgotten.

    It drops what lies below. But a message that was on its way when the flow was suspended is
    noted after the partitions were sought anew, and all that came again before it was dropped:
    5 times in 28 rebalances after a sleep. What comes twice is recognised by the roles.
    """

    def __getitem__(self, tp: TP) -> int | None:
        return None


class _CommittedConsumer(driver.Consumer):
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self.durable = DurablePrefix()
        super().__init__(*args, **kwargs)
        self._read_offset = _NothingIsRead()

    def _new_consumer_thread(self) -> _CommittedConsumerThread:
        return _CommittedConsumerThread(self, loop=self.loop, beacon=self.beacon)

    def verify_event_path(self, now: float, tp: TP) -> None:
        """Not asked: Faust would only log, and dies of a partition that has no position yet.

        Its fetch of positions waits for the broker, and the task that verifies does not: with
        kills all along, two roles ended by it within a minute, and their neighbours with them.
        """

    def _new_offset(self, tp: TP) -> int | None:
        self._gap.pop(tp, None)
        self._acked[tp].clear()
        self._acked_index[tp].clear()
        return self.durable.next_offset(tp, self.app.consumer_generation_id)


class ReadCommittedTransport(driver.Transport):
    """Kafka for a Faust app that must not count what INGEST aborted."""

    Consumer = _CommittedConsumer
