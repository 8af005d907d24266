"""Keeps a ``ThrottleState`` live from Kafka, and tells spendwatch what was applied.

Reads both throttle topics whole, without a consumer group, since every gateway replica needs all of
them. Whatever happens to Kafka, it goes on trying and says so in the log; the state stays usable
meanwhile and its leases run out by themselves. Deciding is ``state.py``'s, telling a gateway what
to enforce ``reconciler.py``'s, and sending acks ``acks.py``'s.
"""

import asyncio
import contextlib
import logging
import math
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Self

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from spendwatch_client.acks import APPLIED, FAILED, REJECTED, Acks
from spendwatch_client.lapse import Lapses
from spendwatch_client.lease import Lease
from spendwatch_client.reconciler import Reconciler
from spendwatch_client.state import Applied, Effect, ThrottleState

_log = logging.getLogger("spendwatch_client.throttle")

_POLL_SECONDS = 0.25
_FIRST_RETRY_SECONDS = 0.5
_MOST_RETRY_SECONDS = 10.0
_STALE_SECONDS = 15.0
_TICK_SECONDS = 1.0
_RESULTS = {
    Effect.APPLIED: APPLIED,
    Effect.OLDER: REJECTED,
    Effect.REJECTED: REJECTED,
    Effect.MALFORMED: REJECTED,
}


class _TopicChangedError(Exception):
    """A topic is missing, or was made anew, or has other partitions: read everything again."""


@dataclass(frozen=True, slots=True)
class Topics:
    """Names of the topics, for an installation that has others than the built-in ones."""

    actions: str = "throttle.actions"
    control: str = "throttle.control"
    acks: str = "throttle.acks"


class ThrottleSubscriber:
    """A live ``ThrottleState``.

    Start it beside the gateway's event loop; ``start`` returns at once and ``ready`` is set when
    everything that the topics held has been read. Until then the state admits all. Every action
    taken in is acknowledged once on ``throttle.acks``.

    **With** ``enforce``, for a gateway that has to call somebody (an admin API), the callback is
    awaited with a ``Lease`` whenever what is to be enforced on a target differs from what it was
    told last: a new action, its renewal, its release. Where an action is over without another one
    (its lease ran out, everything is paused, it is gone from the topic or not understood), the
    client makes a lease of mode ``release`` with an empty ``action_id``; on resume the live ones
    are told again. After ``ready`` every target in the topic is told once, old releases included,
    so the callback must be idempotent. It runs beside the reading, for up to 32 targets at a time,
    never twice for one. If it raises, or takes longer than ``enforce_seconds``, it is called again
    after 1, 2, 4 … 60 s, for as long as that is wanted: a release for ever. The ack of an action is
    then sent when it is enforced, or ``failed`` with the error, and ``applied`` once it came right;
    an action that a newer one overtakes before that has none, and neither has what the client
    releases by itself.

    Args:
        bootstrap_servers: Kafka, ``host:port`` with commas between.
        enforcer: this gateway's name in acks; one per replica, such as its host name.
        state: the state to keep live; made if None.
        topics: names of the topics.
        connection: further arguments of every aiokafka client, such as ``security_protocol``.
        enforce: see above; None for a gateway that asks ``state.decide`` before each call.
        enforce_seconds: how long one call of ``enforce`` may take. A pause reaches a target within
            5 s if the calls take 1 s.
        clock: wall clock, epoch seconds.

    Attributes:
        state: the live state.
        ready: set once the state is complete.
    """

    def __init__(
        self,
        bootstrap_servers: str,
        *,
        enforcer: str,
        state: ThrottleState | None = None,
        topics: Topics | None = None,
        connection: Mapping[str, Any] | None = None,
        enforce: Callable[[Lease], Awaitable[None]] | None = None,
        enforce_seconds: float = 3.0,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.state = ThrottleState() if state is None else state
        self.ready = asyncio.Event()
        self._enforcer = enforcer
        self._topics = topics or Topics()
        self._connection = {"bootstrap_servers": bootstrap_servers, **(connection or {})}
        self._clock = clock
        self._complete_at = -math.inf
        self._stale = False
        self._lapses = Lapses()
        self._acks = Acks(
            self._topics.acks, enforcer=enforcer, connection=self._connection, clock=clock
        )
        self._reconciler: Reconciler | None = None
        if enforce is not None:
            self._reconciler = Reconciler(
                self.state,
                enforce,
                enforce_seconds=enforce_seconds,
                told=self._answer_told,
                clock=clock,
            )
        self._tasks: list[asyncio.Task[None]] = []

    @property
    def acks_dropped(self) -> int:
        """Acks given up because Kafka could not take them."""
        return self._acks.dropped

    async def start(self) -> None:
        """Begin; returns at once, also without Kafka."""
        self._tasks = [
            asyncio.create_task(self._keep_reading(), name="throttle-read"),
            asyncio.create_task(self._keep_time(), name="throttle-time"),
            asyncio.create_task(self._acks.keep_sending(), name="throttle-ack"),
        ]

    async def stop(self) -> None:
        """End all tasks; acks not yet taken by Kafka are lost, and what is enforced stays so."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks = []
        if self._reconciler is not None:
            await self._reconciler.stop()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    def seconds_behind(self) -> float:
        """Seconds since the state was last known to be complete; infinite before ``ready``.

        Up to a second is usual. Decisions go on when it grows: leases run out by themselves.
        """
        return max(0.0, self._clock() - self._complete_at)

    async def _keep_reading(self) -> None:
        pause = _FIRST_RETRY_SECONDS
        while True:
            started_at = self._clock()
            try:
                await self._read()
            except (KafkaError, OSError, _TopicChangedError) as error:
                if self._clock() - started_at > _MOST_RETRY_SECONDS:
                    pause = _FIRST_RETRY_SECONDS
                _log.warning(
                    "throttle_feed_lost error=%s detail=%s retry_seconds=%.1f",
                    type(error).__name__,
                    error,
                    pause,
                )
            except Exception:  # noqa: BLE001  a task that ended would leave the state to age unsaid
                _log.exception("throttle_read_failed retry_seconds=%.1f", pause)
            await asyncio.sleep(pause)
            pause = min(2 * pause, _MOST_RETRY_SECONDS)

    async def _keep_time(self) -> None:
        """See to what time alone brings about, whatever reading does: staleness, lapse, retry."""
        while True:
            try:
                self._note_staleness()
                self._note_lapses()
                self._reconcile()
            except Exception:  # noqa: BLE001  said with its traceback, and a second later again
                _log.exception("throttle_tick_failed")
            await asyncio.sleep(_TICK_SECONDS)

    def _reconcile(self) -> None:
        if self._reconciler is not None and self.ready.is_set():
            self._reconciler.look()

    async def _read(self) -> None:
        """Read from the beginning until something breaks."""
        consumer = AIOKafkaConsumer(
            self._topics.actions,
            self._topics.control,
            group_id=None,
            auto_offset_reset="earliest",
            isolation_level="read_committed",
            fetch_max_wait_ms=500,
            client_id=f"spendwatch-client-{self._enforcer}"[:100],
            **self._connection,
        )
        try:
            await consumer.start()
            fresh = ThrottleState()
            positions: dict[TopicPartition, int] = {}
            behind = {self._topics.actions, self._topics.control}
            asked_at = self._clock()
            ends = await consumer.end_offsets(list(consumer.assignment()))
            if len({partition.topic for partition in ends}) < len(behind):
                raise _TopicChangedError("a topic is missing")
            while True:
                if consumer.assignment() != ends.keys():
                    raise _TopicChangedError("a topic is gone, or has other partitions")
                batches = await consumer.getmany(timeout_ms=int(_POLL_SECONDS * 1000))
                for partition, records in batches.items():
                    for record in records:
                        if record.offset < positions.get(partition, 0):
                            raise _TopicChangedError(f"{partition.topic} starts again")
                        positions[partition] = record.offset + 1
                        into = fresh if partition.topic in behind else self.state
                        if partition.topic == self._topics.control:
                            self._take_control(into, record.value)
                        else:
                            applied = into.apply_action(record.key, record.value)
                            if into is self.state:
                                self._answer(applied)
                if batches or behind:
                    await self._finish_catching_up(consumer, behind, ends, fresh)
                    self._reconcile()
                self._note_progress(consumer, behind, asked_at)
        finally:
            with contextlib.suppress(Exception):
                await consumer.stop()

    async def _finish_catching_up(
        self,
        consumer: AIOKafkaConsumer,
        behind: set[str],
        ends: Mapping[TopicPartition, int],
        fresh: ThrottleState,
    ) -> None:
        """Adopt a topic's content once its end, as it was at the start, is reached.

        Only the newest action of a target is answered, and only if it still matters.
        """
        for topic in sorted(behind):
            reached = True
            for partition, end in ends.items():
                if partition.topic == topic and await consumer.position(partition) < end:
                    reached = False
            if not reached:
                continue
            behind.discard(topic)
            if topic == self._topics.control:
                self.state.adopt_control(fresh)
                continue
            self.state.adopt_actions(fresh)
            now = self._clock()
            for lease in self.state.leases():
                if lease.has_lapsed(now):
                    self._acks.leave_out(lease.action_id)
                else:
                    effect = Effect.REJECTED if lease.trouble else Effect.APPLIED
                    self._answer(Applied(effect, lease.action_id, lease.trouble, lease))
        if not behind and not self.ready.is_set():
            self.ready.set()
            _log.info("throttle_feed_ready targets=%d", len(self.state.leases()))

    def _take_control(self, into: ThrottleState, value: bytes | None) -> None:
        was_paused = into.is_paused
        if not into.apply_control(value):
            _log.warning("throttle_control_malformed bytes=%d", len(value or b""))
        elif into is self.state and into.is_paused is not was_paused:
            _log.warning("throttle_paused" if into.is_paused else "throttle_resumed")

    def _note_progress(self, consumer: AIOKafkaConsumer, behind: set[str], asked_at: float) -> None:
        """Note since when the state is known to be complete; at first since the ends were asked."""
        if not behind:
            self._complete_at = max(self._complete_at, asked_at)
            polled = [consumer.last_poll_timestamp(tp) for tp in consumer.assignment()]
            if polled and all(moment is not None for moment in polled):
                self._complete_at = max(self._complete_at, min(polled) / 1000)

    def _note_staleness(self) -> None:
        if not self.ready.is_set():
            return
        seconds = self.seconds_behind()
        if seconds > _STALE_SECONDS and not self._stale:
            _log.warning("throttle_feed_stale seconds_behind=%.0f", seconds)
        elif self._stale and seconds <= _STALE_SECONDS:
            _log.info("throttle_feed_back seconds_behind=%.1f", seconds)
        self._stale = seconds > _STALE_SECONDS

    def _note_lapses(self) -> None:
        """Say loudly, once, that leases have run out with nobody having released their targets."""
        if not self.ready.is_set():
            return
        lapsed = self._lapses.look(self.state, self._clock())
        if lapsed:
            self.state.counts["lapsed"] += len(lapsed)
            _log.error(
                "throttle_protection_lapsed targets=%d first_action_id=%s seconds_behind=%.0f",
                len(lapsed),
                lapsed[0].action_id,
                self.seconds_behind(),
            )

    def _answer(self, applied: Applied) -> None:
        """Queue the ack of one record; what is yet to be enforced is answered when it is."""
        result = _RESULTS.get(applied.effect)
        if result is None or not applied.action_id:
            return
        if result == APPLIED and self._reconciler is not None:
            return
        self._acks.add(applied.action_id, result, applied.detail)

    def _answer_told(self, lease: Lease, error: str) -> None:
        """Queue the ack of what ``enforce`` was told; nobody waits for what the client made up."""
        if lease.action_id:
            self._acks.add(lease.action_id, FAILED if error else APPLIED, error)
