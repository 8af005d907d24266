"""Keeps a ``ThrottleState`` live from Kafka, and tells spendwatch what was applied.

Reads both throttle topics whole, without a consumer group, since every gateway replica needs all of
them. Whatever happens to Kafka, it goes on trying and says so in the log; the state stays usable
meanwhile and its leases run out by themselves. Deciding is ``state.py``'s.
"""

import asyncio
import contextlib
import logging
import math
import time
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Self

import msgspec
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.errors import KafkaError

from spendwatch_client.lease import Lease
from spendwatch_client.state import Applied, Effect, ThrottleState

_log = logging.getLogger("spendwatch_client.throttle")

_POLL_SECONDS = 0.25
_FIRST_RETRY_SECONDS = 0.5
_MOST_RETRY_SECONDS = 10.0
_STALE_SECONDS = 15.0
_MOST_ACKS_WAITING = 10_000
_RESULTS = {
    Effect.APPLIED: "applied",
    Effect.OLDER: "rejected",
    Effect.REJECTED: "rejected",
    Effect.MALFORMED: "rejected",
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

    Args:
        bootstrap_servers: Kafka, ``host:port`` with commas between.
        enforcer: this gateway's name in acks; one per replica, such as its host name.
        state: the state to keep live; made if None.
        topics: names of the topics.
        connection: further arguments of every aiokafka client, such as ``security_protocol``.
        enforce: awaited with every lease taken in, for a gateway that has to do something (call an
            admin API); the ack then says ``failed`` with the error if it raises. Nothing is read
            meanwhile, so it should take less than a second or two.
        clock: wall clock, epoch seconds.

    Attributes:
        state: the live state.
        ready: set once the state is complete.
        acks_dropped: acks given up because Kafka could not take them.
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
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.state = ThrottleState() if state is None else state
        self.ready = asyncio.Event()
        self.acks_dropped = 0
        self._enforcer = enforcer
        self._topics = topics or Topics()
        self._connection = {"bootstrap_servers": bootstrap_servers, **(connection or {})}
        self._enforce = enforce
        self._clock = clock
        self._complete_at = -math.inf
        self._stale = False
        self._acked: dict[str, None] = {}
        self._acks: deque[dict[str, str]] = deque()
        self._ack_waiting = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        """Begin; returns at once, also without Kafka."""
        self._tasks = [
            asyncio.create_task(self._keep_reading(), name="throttle-read"),
            asyncio.create_task(self._keep_acking(), name="throttle-ack"),
        ]

    async def stop(self) -> None:
        """End both tasks; acks not yet taken by Kafka are lost."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks = []

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
            self._note_staleness()
            await asyncio.sleep(pause)
            pause = min(2 * pause, _MOST_RETRY_SECONDS)

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
                                await self._answer(applied)
                await self._finish_catching_up(consumer, behind, ends, fresh)
                self._note_progress(consumer, behind, asked_at)
        finally:
            with contextlib.suppress(KafkaError, OSError):
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
                if not lease.has_lapsed(now):
                    effect = Effect.REJECTED if lease.trouble else Effect.APPLIED
                    await self._answer(Applied(effect, lease.action_id, lease.trouble, lease))
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
        self._note_staleness()

    def _note_staleness(self) -> None:
        if not self.ready.is_set():
            return
        seconds = self.seconds_behind()
        if seconds > _STALE_SECONDS and not self._stale:
            _log.warning("throttle_feed_stale seconds_behind=%.0f", seconds)
        elif self._stale and seconds <= _STALE_SECONDS:
            _log.info("throttle_feed_back seconds_behind=%.1f", seconds)
        self._stale = seconds > _STALE_SECONDS

    async def _answer(self, applied: Applied) -> None:
        """Queue the ack of one record, once per action."""
        result = _RESULTS.get(applied.effect)
        if result is None or not applied.action_id or applied.action_id in self._acked:
            return
        detail = applied.detail
        if result == "applied" and self._enforce is not None and applied.lease is not None:
            try:
                await self._enforce(applied.lease)
            except Exception as error:  # noqa: BLE001  the gateway's own code: said in the ack
                result, detail = "failed", f"{type(error).__name__}: {error}"[:300]
                _log.warning(
                    "throttle_enforce_failed action_id=%s detail=%s", applied.action_id, detail
                )
        self._acked[applied.action_id] = None
        if len(self._acked) > _MOST_ACKS_WAITING:
            del self._acked[next(iter(self._acked))]
        if len(self._acks) >= _MOST_ACKS_WAITING:
            self._acks.popleft()
            self.acks_dropped += 1
        self._acks.append(
            {
                "action_id": applied.action_id,
                "enforcer": self._enforcer,
                "applied_at": _rfc3339(self._clock()),
                "result": result,
                "detail": detail,
            }
        )
        self._ack_waiting.set()

    async def _keep_acking(self) -> None:
        pause = _FIRST_RETRY_SECONDS
        while True:
            producer = AIOKafkaProducer(acks="all", **self._connection)
            try:
                await producer.start()
                pause = _FIRST_RETRY_SECONDS
                while True:
                    await self._ack_waiting.wait()
                    while self._acks:
                        await self._send_ack(producer, self._acks[0])
                        self._acks.popleft()
                    self._ack_waiting.clear()
            except (KafkaError, OSError) as error:
                _log.warning(
                    "throttle_ack_failed error=%s waiting=%d retry_seconds=%.1f",
                    type(error).__name__,
                    len(self._acks),
                    pause,
                )
            finally:
                with contextlib.suppress(KafkaError, OSError):
                    await producer.stop()
            await asyncio.sleep(pause)
            pause = min(2 * pause, _MOST_RETRY_SECONDS)

    async def _send_ack(self, producer: AIOKafkaProducer, ack: Mapping[str, str]) -> None:
        identity = f"{ack['action_id']}/{ack['enforcer']}"
        headers = {
            "ce_specversion": "1.0",
            "ce_id": identity,
            "ce_source": f"/spendwatch-client/{ack['enforcer']}",
            "ce_type": "io.spendwatch.throttle.ack.v1",
            "ce_time": ack["applied_at"],
            "content-type": "application/json",
        }
        await producer.send_and_wait(
            self._topics.acks,
            key=ack["action_id"].encode(),
            value=msgspec.json.encode(ack),
            headers=[(name, text.encode()) for name, text in headers.items()],
        )


def _rfc3339(now: float) -> str:
    return (
        datetime.fromtimestamp(now, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    )
