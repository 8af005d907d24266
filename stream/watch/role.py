"""WATCH at work: takes deltas, publishes what they make happen, and writes pages behind.

The order is the promise: signals acknowledged by the broker, then pages, then the partition's own
page, then messages, as a strict prefix. An exception while folding ends the process: Faust would
skip the message and commit past it.
"""

import asyncio
import contextlib
import secrets
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

import structlog

from alerting.alert import LATE_AFTER_SECONDS, Alert
from alerting.watch.part_names import NameBook
from alerting.watch.scope_watch import ScopeWatch
from stream.canary import canary_signals, split_rows
from stream.collector import LongLived, collector_paused
from stream.delta import decode_delta
from stream.health import catalogue
from stream.kafka.faust_consumer import acknowledge
from stream.keyed.config import Role
from stream.watch.bounds import Bounds
from stream.watch.config import WatchRoleConfig
from stream.watch.flush import Flush, Write, pause_after
from stream.watch.pages import PageError
from stream.watch.partition import DeltaPartition
from stream.watch.take_over import LetGo, TakeOver
from stream.watch.unfoldable import UnfoldableDeltas
from stream.watch.watermark import WatermarkPolicy

PAGE_TIMEOUT_SECONDS = 60.0
"""A page not acknowledged by then ends the process; its successor recovers."""

REVOCATION_FLUSH_SECONDS = 2.0
"""How long a rebalance waits for a last flush; what it misses is replayed."""

_UNBROKEN_SECONDS = 0.05
"""So long deltas are taken with nothing else let run: a twentieth of what those who wait take for
their turns (commits and signs of life come once a second)."""

_log = structlog.get_logger()


def _incarnation() -> str:
    return secrets.token_hex(6)


class AssignmentLostError(Exception):
    """The partitions moved while they were being written; the successor carries on."""


class WatchRole:
    """The delta partitions of this process, and the one way through them.

    Attributes:
        failure: set once, with the reason, when the process has to end.
    """

    def __init__(
        self,
        *,
        app: Any,
        tables: dict[str, Any],
        deltas_topic: str,
        config: WatchRoleConfig,
        policy: WatermarkPolicy,
        watch: ScopeWatch,
        bounds: Bounds,
        publish: Callable[[list[Alert]], Awaitable[None]],
        unfoldable: UnfoldableDeltas,
        wall: Callable[[], float],
    ) -> None:
        """A role whose app is not started.

        Args:
            app: the Faust app.
            tables: table name to the Faust table, for each of ``TABLES``.
            deltas_topic: name of the input topic.
            config: pages, retention, flush interval.
            policy: whom the watermark waits for.
            watch: the chain that judges one scope.
            bounds: names per kind.
            publish: sends alerts to the signals topic and returns once acknowledged.
            unfoldable: counts the deltas that ended the process.
            wall: the wall clock, epoch seconds.
        """
        self.failure: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.partitions: dict[int, DeltaPartition] = {}
        self._app = app
        self._tables = tables
        self._topic = deltas_topic
        self._config = config
        self._policy = policy
        self._watch = watch
        self._bounds = bounds
        self._book = NameBook()
        self._publish = publish
        self._unfoldable = unfoldable
        self._wall = wall
        self._queue: Any = None
        self._lock = asyncio.Lock()
        self._generation: int | None = None
        self._flush_at = 0.0
        self._flushes = 0
        self._flushed = -1
        self._held: frozenset[str] = frozenset()
        self._long_lived = LongLived()
        self._nobody_to_come = TakeOver(deltas_topic, tables, {}, self._empty)
        self._to_come = self._nobody_to_come
        self._restoring: asyncio.Task[None] | None = None
        self._left = LetGo()
        self._half_written: set[int] = set()
        self._now = asyncio.get_running_loop().time
        self._recovering_since = self._now()
        self._revocations = 0
        self._pause_at = 0.0

    @property
    def is_ready(self) -> bool:
        """Whether the partitions are ours and restored."""
        is_ours = self._generation is not None and not self._app.rebalancing
        return is_ours and not self._to_come

    def reads_from(self, queue: Any) -> None:
        """Say where Faust puts the messages that are to be taken."""
        self._queue = queue

    @property
    def _scope_count(self) -> int:
        return sum(each.scope_count for each in self.partitions.values())

    @property
    def buffered(self) -> tuple[int, int]:
        """Messages, and their bytes, that are read and not yet taken."""
        waiting = () if self._queue is None else self._queue._queue  # noqa: SLF001  to look at
        return len(waiting), sum(len(event.value or b"") for event in waiting)

    # -- assignment --------------------------------------------------------------------------

    async def on_recovered(self, *_: Any, **__: Any) -> None:
        """Begin to take over the assigned partitions; Faust calls it with the tables complete."""
        async with self._lock:
            if self.failure.done():
                return
            try:
                await self._take_over()
            except Exception as error:  # noqa: BLE001  Faust would log it and carry on
                self._fail(error)

    async def _take_over(self) -> None:
        self._generation = self._app.consumer_generation_id
        self.partitions = {}
        consumer, revocations = self._app.consumer, self._revocations
        assigned = [tp for tp in consumer.assignment() if tp.topic == self._topic]
        numbers = {tp.partition for tp in assigned}
        places = [place for place in self._left.written if place.partition in numbers]
        ends = await consumer.highwaters(*assigned, *places) if assigned else {}
        starts = await consumer.earliest_offsets(*assigned) if assigned else {}
        if revocations != self._revocations:
            return  # they have moved on meanwhile, and the tables with them
        log = {tp.partition: (starts.get(tp) or 0, ends.get(tp) or 0) for tp in assigned}
        kept = self._left.unchanged(log.keys() - self._half_written, ends)
        _log.info(
            "watch_tables_complete",
            seconds=round(self._now() - self._recovering_since, 3),
            partitions=sorted(log),
            kept=sorted(kept),
        )
        self._left, self._half_written = LetGo(), set()
        self._to_come = TakeOver(self._topic, self._tables, log, self._empty)
        for partition in kept.values():
            partition.renew(_incarnation())
            self._taken(self._to_come.keep(partition))
        if not log:
            self._all_taken()
        # Not awaited: what has been restored is judged meanwhile.
        self._restoring = asyncio.create_task(self._restore_all(self._to_come))

    def _empty(self, number: int) -> DeltaPartition:
        return DeltaPartition(
            number,
            incarnation=_incarnation(),
            config=self._config,
            policy=self._policy,
            watch=self._watch,
            bounds=self._bounds,
            book=self._book,
        )

    async def _restore_all(self, to_come: TakeOver) -> None:
        """Restore one after the other, unless its deltas have been here before."""
        while self._is_to_come(to_come):
            async with self._lock:
                if self._is_to_come(to_come):
                    try:
                        self._restore(to_come.whose_turn())
                    except Exception as error:  # noqa: BLE001  it ends the process, aloud
                        self._fail(error)
            await asyncio.sleep(0)

    def _is_to_come(self, to_come: TakeOver) -> bool:
        is_ours = to_come is self._to_come and not self.failure.done()
        return bool(to_come) and is_ours and self._app.consumer_generation_id == self._generation

    def _restore(self, number: int) -> DeltaPartition:
        with collector_paused():  # until it is frozen, or all of it is young and looked at
            partition = self._to_come.restore(number)
            self._long_lived.freeze()
        self._taken(partition)
        return partition

    def _taken(self, partition: DeltaPartition) -> None:
        partition.hold(self._held)
        self.partitions[partition.partition] = partition
        if not self._to_come:
            self._all_taken()

    def _all_taken(self) -> None:
        seconds = self._now() - self._recovering_since
        catalogue.RECOVERY_SECONDS.labels(Role.WATCH.value).set(seconds)
        _log.info(
            "watch_partitions_taken",
            seconds=round(seconds, 3),
            partitions=sorted(self.partitions),
            scopes=self._scope_count,
        )

    async def on_revoked(self, *_: Any, **__: Any) -> None:
        """Let go of all partitions, after one try to write what changed."""
        self._revocations += 1
        self._recovering_since = self._now()
        try:
            async with asyncio.timeout(REVOCATION_FLUSH_SECONDS), self._lock:
                for partition in self.partitions.values():
                    flush = partition.begin_flush(with_profiles=False)
                    await self._write(partition, flush, is_leaving=True)
                    partition.finish_flush(flush)
        except (TimeoutError, AssignmentLostError):
            _log.info("watch_left_unwritten")
        except Exception as error:  # noqa: BLE001  a refused page ends the process, aloud
            self._fail(error)
        finally:
            self._left.add(self.partitions, self._tables)
            self._let_go()

    def _let_go(self) -> None:
        self.partitions = {}
        self._to_come = self._nobody_to_come

    # -- deltas ------------------------------------------------------------------------------

    async def take(self, event: Any) -> None:
        """Fold one message, publish what it made happen, and flush when it is time."""
        if self.failure.done():
            return
        if self._now() >= self._pause_at:
            await asyncio.sleep(0)  # of a buffer that is full Faust takes one after the other
            self._pause_at = self._now() + _UNBROKEN_SECONDS
        message = event.message
        async with self._lock:
            number = message.partition
            is_ours = number in self.partitions or number in self._to_come
            if not is_ours or message.generation_id != self._generation:
                return  # of an assignment that is gone; it comes again to whoever has it now
            try:
                await self._fold(self.partitions.get(number) or self._restore(number), event)
                if self._wall() >= self._flush_at:
                    await self._flush_next()
                self._long_lived.look()
            except AssignmentLostError:
                _log.info("watch_assignment_lost")
            except asyncio.CancelledError:
                self._fail(RuntimeError("cancelled in the middle of a delta"))
                raise
            except Exception as error:  # noqa: BLE001  any failure ends the process, aloud
                self._fail(error)

    async def _fold(self, partition: DeltaPartition, event: Any) -> None:
        message = event.message
        place = (partition.partition, message.offset)
        if self._unfoldable.is_hopeless(*place, event.value):
            at = partition.vector.current or int(self._wall())
            await self._unfoldable.set_aside(self._topic, *place, event.value, at)
            partition.pass_over(message.offset)
            partition.unacknowledged.append(event)
            catalogue.DELTAS_SET_ASIDE.inc()
            return
        is_new = message.offset > partition.applied
        try:
            delta = decode_delta(event.value)
            rows, canaries = split_rows(delta.rows())
            alerts = partition.fold(message.offset, delta.promise, rows)
        except Exception as error:
            self._unfoldable.note(*place, event.value, error)
            raise
        event.value = message.value = None  # only its place is kept, until its pages are durable
        partition.unacknowledged.append(event)
        catalogue.DELTAS.inc()
        catalogue.DELTA_ROWS.inc(len(rows))
        if alerts:
            watermark = partition.vector.current
            is_late = watermark is None or self._wall() - watermark > LATE_AFTER_SECONDS
            await self._publish([replace(alert, is_late=is_late) for alert in alerts])
            for alert in alerts:
                catalogue.SIGNALS.labels(alert.kind).inc()
        if is_new and canaries:
            await self._publish(canary_signals(canaries, self._wall()))

    def hold(self, alert_ids: frozenset[str]) -> None:
        """Say which alerts an enforced throttle action holds down."""
        self._held = alert_ids
        for partition in self.partitions.values():
            partition.hold(alert_ids)

    # -- pages -------------------------------------------------------------------------------

    async def flush(self) -> None:
        """Write what changed now; for a clean stop, after which nothing is restored."""
        async with self._lock:
            self._to_come = self._nobody_to_come
            with contextlib.suppress(AssignmentLostError):
                for partition in list(self.partitions.values()):
                    await self._flush(partition)

    async def _flush_next(self) -> None:
        """Write the pages of the partition whose turn it is.

        One at a time: a partition of 6,250 scopes takes 0.1 to 0.4 s, and deltas, with the news in
        them, wait for it; all 16 of 100,000 scopes at once would take seconds.
        """
        numbers, count = sorted(self.partitions), len(self.partitions)
        if not numbers:
            raise AssignmentLostError  # while the news was told
        following = [number for number in numbers if number > self._flushed]
        if not following:
            self._flushes += 1
        self._flushed = (following or numbers)[0]
        started = self._wall()
        await self._flush(self.partitions[self._flushed])
        ended = self._wall()
        every = self._config.flush_seconds
        self._flush_at = ended + pause_after(ended - started, every_seconds=every, partitions=count)

    async def _flush(self, partition: DeltaPartition) -> None:
        started = self._now()
        # Profile pages are large and change slowly: each comes round once in their interval.
        turns = max(1, round(self._config.profile_flush_seconds / self._config.flush_seconds))
        with collector_paused():
            flush = partition.begin_flush(
                with_profiles=True, turn=self._flushes % turns, turns=turns
            )
        await self._write(partition, flush)
        for event in partition.finish_flush(flush):
            acknowledge(self._app, event)
        catalogue.FLUSH_SECONDS.observe(self._now() - started)

    async def _write(
        self, partition: DeltaPartition, flush: Flush, *, is_leaving: bool = False
    ) -> None:
        others = set(self._half_written)
        self._half_written.add(partition.partition)
        for writes in flush.steps:
            self._check_generation(is_leaving=is_leaving)
            await self._send(partition.partition, writes)
            self._check_generation(is_leaving=is_leaving)
        self._half_written = others

    async def _send(self, partition: int, writes: list[Write]) -> None:
        futures = [
            self._tables[table].send_changelog(
                partition, key, value, value_serializer=None if value is not None else "raw"
            )
            for table, key, value in writes
        ]
        async with asyncio.timeout(PAGE_TIMEOUT_SECONDS):
            await asyncio.gather(*futures)
        catalogue.PAGES_WRITTEN.inc(len(writes))
        catalogue.PAGE_BYTES.inc(sum(len(value or b"") for _, _, value in writes))
        for table, key, value in writes:
            self._tables[table].data.put(partition, key, value)

    def _check_generation(self, *, is_leaving: bool) -> None:
        moved = self._app.rebalancing and not is_leaving
        if moved or self._app.consumer_generation_id != self._generation:
            raise AssignmentLostError

    def _fail(self, error: Exception) -> None:
        """End the role: a delta folded in part, or told in part, must never be written."""
        self._let_go()
        trace = None if isinstance(error, PageError) else error  # that one is a sentence
        _log.error("watch_failed", reason=f"{type(error).__name__}: {error}", exc_info=trace)
        if not self.failure.done():
            self.failure.set_exception(error)
