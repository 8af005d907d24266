"""A Faust app that keeps the promises of the joints: what every Faust role here starts from.

Faust is run inside our own loop, never through ``faust.Worker``, which takes the signal handlers
and does not return. This file must not know what flows through the app.

Sources: faust-streaming 0.15.3, ``transport/drivers/aiokafka.py``, ``tables/recovery.py``,
``stores/memory.py`` (read 2026-11-22).
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Coroutine, Iterable
from typing import Any, Protocol, cast

import faust
from aiokafka import AIOKafkaProducer
from faust.tables import TableManager
from faust.transport.drivers import aiokafka as driver
from faust.types import TP
from yarl import URL

from stream.kafka.connection import ConnectionConfig
from stream.kafka.page_table import PageTable
from stream.kafka.topics import MAX_MESSAGE_BYTES, changelog


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


class _CountedTables(TableManager):
    """Faust's tables, which know of which rebalance the recovery under way is.

    Attributes:
        recovering: that rebalance, as ``App.rebalancing_count`` counts them.
    """

    recovering = 0

    async def on_rebalance(
        self,
        assigned: set[TP],
        revoked: set[TP],
        newly_assigned: set[TP],
        generation_id: int = 0,
    ) -> None:
        await super().on_rebalance(assigned, revoked, newly_assigned, generation_id)
        # Its last step is to begin a recovery, and nothing runs between that and this.
        self.recovering = self.app.rebalancing_count


class _App(faust.App):
    """A Faust app that is rebalancing until the newest assignment is recovered and sought.

    A recovery that the next rebalance overtakes may still run to its end, and Faust then takes both
    for over. Inputs would be read while their partitions move: from behind what is committed, and
    the seek comes after. What lies between is passed over as if it had been counted.
    """

    _settled = 0

    @property
    def rebalancing(self) -> bool:
        """Whether a rebalance has begun since the last one that was recovered and sought."""
        return self._settled != self.rebalancing_count

    @rebalancing.setter
    def rebalancing(self, _: bool) -> None:
        """Faust's own word, which the consumer's thread and the main one say by turns."""

    def on_rebalance_end(self) -> None:
        self._settled = cast("_CountedTables", self.tables).recovering
        if not self.rebalancing:
            super().on_rebalance_end()


class ReadCommittedTransport(driver.Transport):
    """Kafka for a Faust app that must not count what INGEST aborted."""

    Consumer = _CommittedConsumer


class GroupConfig(Protocol):
    """What a Faust role's configuration has to say about its consumer group."""

    @property
    def group(self) -> str:
        """Consumer group, and the app's id."""

    @property
    def session_timeout_seconds(self) -> float:
        """A member silent for this long loses its partitions."""


def faust_credentials(connection: ConnectionConfig) -> Any:
    """For ``faust.App(broker_credentials=...)``; ``None`` on an open listener.

    Raises:
        alerting.secret.SecretError: a secret is not where its reference says.
        OSError: a TLS file cannot be read or is not what it should be (``ssl.SSLError``).
    """
    context = connection.ssl_context()
    if connection.password is not None:
        return faust.SASLCredentials(
            username=connection.username,
            password=connection.password.reveal(),
            mechanism=connection.sasl_mechanism.kafka_name,
            ssl_context=context,
        )
    return None if context is None else faust.SSLCredentials(context)


def create_app(
    connection: ConnectionConfig,
    group: GroupConfig,
    *,
    advertised_url: str,
    instance_id: str,
    datadir: str,
    table_partitions: int,
) -> Any:
    """A Faust app of our own kind, not started.

    Args:
        connection: how to reach Kafka.
        group: consumer group (the app's id) and session timeout.
        advertised_url: where other workers reach this worker's HTTP queries.
        instance_id: static membership: a restart within the session timeout moves no partition.
        datadir: a folder of the app's own; nothing that counts is kept there.
        table_partitions: partitions of every table's changelog, as many as the input topic has.

    Returns:
        The app, untyped as Faust is.
    """
    app = _App(
        group.group,
        broker=[URL(f"kafka://{server}") for server in connection.bootstrap_servers],
        broker_credentials=faust_credentials(connection),
        canonical_url=advertised_url,
        consumer_group_instance_id=instance_id,
        broker_session_timeout=group.session_timeout_seconds,
        broker_heartbeat_interval=group.session_timeout_seconds / 4,
        broker_commit_interval=1.0,
        broker_max_poll_interval=300.0,
        consumer_max_fetch_size=2 * MAX_MESSAGE_BYTES,
        producer_max_request_size=MAX_MESSAGE_BYTES,
        producer_acks=-1,
        processing_guarantee="at_least_once",
        topic_partitions=table_partitions,
        # Faust knows no "as the broker says"; changelogs are made by 'spendwatch topics create'.
        topic_replication_factor=max(1, connection.replication_factor),
        topic_disable_leader=True,
        table_standby_replicas=0,
        key_serializer="json",
        value_serializer="raw",
        store="memory://",
        datadir=datadir,
        autodiscover=False,
        web_enabled=False,
        stream_wait_empty=False,
        worker_redirect_stdouts=False,
        Table=PageTable,
        TableManager=_CountedTables,
    )
    app.transport = ReadCommittedTransport(app.conf.broker, app, loop=app.loop)
    return app


def changelog_writer(connection: ConnectionConfig) -> AIOKafkaProducer:
    """The producer of a role's changelogs, not started."""
    return AIOKafkaProducer(
        **connection.kafka_kwargs(),
        acks="all",
        linger_ms=5,
        max_batch_size=256 * 1024,
        max_request_size=MAX_MESSAGE_BYTES,
    )


def declare_table(app: Any, name: str, partitions: int, window_seconds: int | None = None) -> Any:
    """A table of pages: JSON keys, raw bytes as values; tumbling windows when a size is given.

    Never with ``expires``: Faust expires by the wall clock, and a replay of last year is not old.
    """
    topic = changelog(app.conf.id, name, partitions)
    table = app.Table(
        name,
        key_type=str,
        value_type=bytes,
        partitions=partitions,
        extra_topic_configs={key: each.wanted for key, each in topic.settings.items()},
    )
    if window_seconds is not None:
        table.tumbling(window_seconds)
    return table


STOP_SECONDS = 10.0


async def run_app(
    app: Any,
    stop: asyncio.Event,
    *,
    failure: "asyncio.Future[None]",
    beside: Iterable[Coroutine[Any, Any, None]] = (),
    before_stop: Callable[[], Awaitable[None]],
) -> None:
    """Start an app and keep it until told to stop, or until any part of it dies.

    Args:
        app: from ``create_app``.
        stop: set it to end cleanly.
        failure: set by the role when it cannot go on.
        beside: what runs beside the app for as long.
        before_stop: the last thing to do while the app still runs.

    Raises:
        Exception: whatever ended it; the process must exit non-zero.
    """
    await app.start()
    parts: set[asyncio.Future[Any]] = {
        asyncio.create_task(stop.wait(), name="stop"),
        asyncio.create_task(app.wait_until_stopped(), name="faust"),
        *(asyncio.create_task(each) for each in beside),
        failure,
    }
    done, pending = await asyncio.wait(parts, return_when=asyncio.FIRST_COMPLETED)
    try:
        for part in done:
            part.result()
        if not stop.is_set():
            raise RuntimeError("a part of the role ended by itself")
        await before_stop()
    finally:
        for part in pending:
            part.cancel()
        # After a crash of a Faust service app.stop() can hang for ever; the process has a hard
        # deadline for that.
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(app.stop(), STOP_SECONDS)
