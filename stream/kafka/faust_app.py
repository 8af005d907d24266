"""A Faust app that keeps the promises of the joints: what every Faust role here starts from.

Faust is run inside our own loop, never through ``faust.Worker``, which takes the signal handlers
and does not return. This file must not know what flows through the app.

Sources: faust-streaming 0.15.3, ``app/base.py``, ``tables/recovery.py`` (read 2026-11-22).
"""

import asyncio
import contextlib
import sys
from collections.abc import Awaitable, Callable, Coroutine, Iterable
from typing import Any, Protocol, cast

import faust
from aiokafka import AIOKafkaProducer
from faust.tables import TableManager
from faust.tables.recovery import Recovery
from faust.types import TP
from yarl import URL

from stream.kafka.connection import ConnectionConfig
from stream.kafka.faust_consumer import ReadCommittedTransport, live_for_ever
from stream.kafka.page_table import PageTable
from stream.kafka.topics import MAX_MESSAGE_BYTES, changelog


class _Recovery(Recovery):
    """Faust's recovery, which begins no completion once the next rebalance has overtaken it.

    Faust says that the tables are complete whichever rebalance they were recovered for. A worker
    that had just given up its topics and got them back heard it of the time between: its tables
    were empty, DECIDE and NOTIFY claimed that for their state, and the gateway's keys were
    throttled anew and people told twice (``make chaos`` on a busy machine).
    """

    async def on_recovery_completed(self, generation_id: int = 0) -> None:
        is_next_assigned = self.signal_recovery_start.is_set()
        begun = self.app.rebalancing_count
        if is_next_assigned or cast("_CountedTables", self.tables).recovering != begun:
            return  # the next one recovers, from what the store says that it holds
        await super().on_recovery_completed(generation_id)


class _CountedTables(TableManager):
    """Faust's tables, which know of which rebalance the recovery under way is.

    Attributes:
        recovering: that rebalance, as ``App.rebalancing_count`` counts them.
    """

    recovering = 0

    @property
    def recovery(self) -> Recovery:
        """Of our own kind; Faust has no setting for it."""
        if self._recovery is None:
            self._recovery = _Recovery(self.app, self, beacon=self.beacon, loop=self.loop)
        return self._recovery

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


MAX_SILENCE_SECONDS = 300.0
"""A main loop that stands still for so long leaves its group (``live_for_ever``)."""

MAX_POLL_RECORDS = 100
"""Records that are unpacked in one go of the consumer's loop, heartbeats waiting. aiokafka unpacks
Snappy in blocks of 32 KB and asks for its turn of the interpreter after each: all that 16
partitions had fetched took 4 s beside a busy main loop (2026-12-01). By reckoning, 100 deltas of
200 KB are 600 such turns, a third of a second."""


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
        broker_max_poll_interval=MAX_SILENCE_SECONDS,
        broker_max_poll_records=MAX_POLL_RECORDS,
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

SWITCH_SECONDS = 0.0005
"""How long a thread that wants to run waits for the one that does, at most.

Faust's consumer lives in a thread of its own, and whenever it has read from a socket it asks for
its turn anew. With Python's 5 ms, a main loop that folds or restores for seconds let it read so
slowly that its heartbeats were 8 s late: WATCH, 100,000 scopes and five minutes behind, lost its
partitions every half minute (2026-12-01), and with this it kept them. David Beazley, "Understanding
the Python GIL" (PyCon 2010), calls it the convoy effect.
"""


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
    sys.setswitchinterval(SWITCH_SECONDS)
    await app.start()
    parts: set[asyncio.Future[Any]] = {
        asyncio.create_task(stop.wait(), name="stop"),
        asyncio.create_task(app.wait_until_stopped(), name="faust"),
        *(asyncio.create_task(each) for each in (live_for_ever(app), *beside)),
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
