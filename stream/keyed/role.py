"""A Faust role with one owner: single-partition topics in, small keyed state, a tick a second.

DECIDE and NOTIFY are such roles. A *session* is the role's logic between assignment and
revocation. Order per input: what it publishes is acknowledged, then its state, then the input.
This file must not know what a session does.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Coroutine, Iterable
from dataclasses import dataclass
from typing import Any, Protocol, cast

import structlog

from stream.health.vitals import Vitals
from stream.kafka.connection import ConnectionConfig
from stream.kafka.faust_app import (
    GroupConfig,
    changelog_writer,
    create_app,
    declare_table,
    run_app,
)
from stream.kafka.faust_consumer import acknowledge
from stream.keyed.config import STATE_TABLE
from stream.keyed.standstill import Standstill
from stream.keyed.state import KeyedState
from stream.keyed.vitals import KeyedVitals

TICK_SECONDS = 1.0

_log = structlog.get_logger()


class Session(Protocol):
    """A role's logic while it owns its topics. One call at a time, from one task.

    What a method raises ends the process; bad input is the session's to refuse.
    """

    async def handle(self, topic: str, value: bytes | None) -> None:
        """Take one record; everything it leads to is durable when this returns."""

    async def tick(self) -> None:
        """Time has passed; about once a second."""

    async def leave(self) -> None:
        """The process is about to stop, by its own will, and ``close`` follows."""

    async def close(self) -> None:
        """The topics are somebody else's now, or the process ends."""


Open = Callable[[KeyedState], Awaitable[Session]]


@dataclass(frozen=True, slots=True)
class KeyedRoleSettings:
    """What a keyed role is.

    Attributes:
        connection: how to reach Kafka.
        group: consumer group and session timeout.
        topics: inputs, one partition each.
        instance_id: static membership.
        datadir: a folder of Faust's own.
    """

    connection: ConnectionConfig
    group: GroupConfig
    topics: tuple[str, ...]
    instance_id: str
    datadir: str


class KeyedRole:
    """Brings assignment, records and ticks to the session, one at a time.

    Attributes:
        failure: set once, with the reason, when the process has to end.
        standstill: whether somebody else may own the topics by now.
    """

    def __init__(
        self,
        app: Any,
        table: Any,
        topics: tuple[str, ...],
        open_session: Open,
        *,
        session_seconds: float,
    ) -> None:
        self.failure: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._app = app
        self._table = table
        self._topics = topics
        self._open = open_session
        self._session: Session | None = None
        self._generation: int | None = None
        self._lock = asyncio.Lock()
        self._now = asyncio.get_running_loop().time
        self._recovering_since = self._now()
        self._is_new = False
        self.standstill = Standstill(session_seconds, self._now)
        self.recovery_seconds = 0.0

    @property
    def is_recovered(self) -> bool:
        """Whether the tables are complete and the group has settled, whoever owns the topics."""
        return self._generation is not None and not self._app.rebalancing

    @property
    def is_owner(self) -> bool:
        """Whether a session is open."""
        return self._session is not None

    async def on_recovered(self, *_: Any, **__: Any) -> None:
        """Open a session if the topics are ours; Faust calls it when the table is complete."""
        rebalance = self._app.tables.recovering
        await self.standstill.wait()
        async with self._guarded():
            if rebalance != self._app.rebalancing_count:
                return  # of an assignment that is gone: the table is not that of the next one
            await self._close()
            self._generation = self._app.consumer_generation_id
            mine = {tp.topic for tp in self._app.consumer.assignment() if tp.partition == 0}
            if mine.issuperset(self._topics) and not self.failure.done():
                state = KeyedState(self._table, 0, self._generation or 0)
                await state.claim()
                self._session, self._is_new = await self._open(state), True
                self.recovery_seconds = self._now() - self._recovering_since
                _log.info("keyed_role_taken", group=self._app.conf.id, keys=len(state.values))

    async def on_revoked(self, *_: Any, **__: Any) -> None:
        """Close the session; what it had not finished comes again to the next owner."""
        self._recovering_since = self._now()
        async with self._guarded():
            await self._close()

    async def take(self, event: Any) -> None:
        """One record to the session, then acknowledged."""
        message = event.message
        await self.standstill.wait()
        async with self._guarded():
            if self._session is None or message.generation_id != self._generation:
                return
            if self._is_new:
                await self._tick(self._session)
            await self._session.handle(message.topic, message.value)
            acknowledge(self._app, event)

    async def tick_for_ever(self) -> None:
        """Ticks, about once a second."""
        while True:
            await asyncio.sleep(TICK_SECONDS)
            async with self._guarded():
                is_ours = self.standstill.is_over() and not self._app.rebalancing
                if self._session is not None and is_ours:
                    await self._tick(self._session)

    async def _tick(self, session: Session) -> None:
        """Time has passed; in an outage, too: a new session hears of that before anything else."""
        self._is_new = False
        await session.tick()

    async def close(self) -> None:
        """For a clean stop."""
        async with self._guarded():
            if self._session is not None and self.standstill.is_over():
                await self._session.leave()
            await self._close()

    async def _close(self) -> None:
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    @contextlib.asynccontextmanager
    async def _guarded(self) -> Any:
        """One at a time; a failure is kept and ends the process: Faust would log it and go on."""
        async with self._lock:
            try:
                yield
            except Exception as error:  # noqa: BLE001  any failure ends the process, aloud
                _log.error("keyed_role_failed", reason=str(error), exc_info=error)
                self._session = None
                if not self.failure.done():
                    self.failure.set_exception(error)


async def run_keyed_role(
    settings: KeyedRoleSettings,
    stop: asyncio.Event,
    open_session: Open,
    beside: Iterable[Coroutine[Any, Any, None]] = (),
    *,
    vitals: Vitals | None = None,
) -> None:
    """Run a keyed role until ``stop`` is set or a part of it dies.

    Raises:
        Exception: whatever ended it; the process must exit non-zero.
    """
    app = create_app(
        settings.connection,
        settings.group,
        advertised_url="http://127.0.0.1",  # asked by nobody: there is nothing to query here
        instance_id=settings.instance_id,
        datadir=settings.datadir,
        table_partitions=1,
    )
    table = declare_table(app, STATE_TABLE, 1)
    role = KeyedRole(
        app,
        table,
        settings.topics,
        open_session,
        session_seconds=settings.group.session_timeout_seconds,
    )
    if vitals is not None:
        vitals.watch(KeyedVitals(vitals.role, app, role, settings.topics).look)

    async def take_all(stream: Any) -> None:
        async for event in cast("Any", stream).noack().events():
            await role.take(event)

    for name in settings.topics:
        topic = app.topic(
            name, key_serializer="raw", value_serializer="raw", value_type=bytes, allow_empty=True
        )
        app.agent(topic, name=f"take_{name}", concurrency=1)(take_all)
    app.on_rebalance_complete.connect(role.on_recovered)
    app.on_partitions_revoked.connect(role.on_revoked)
    table.writer = changelog_writer(settings.connection)
    await table.writer.start()
    looking = asyncio.create_task(role.standstill.look_for_ever())  # from before Faust waits
    try:
        await run_app(
            app,
            stop,
            failure=role.failure,
            beside=[role.tick_for_ever(), *beside],
            before_stop=role.close,
        )
    finally:
        looking.cancel()
        await table.writer.stop()
