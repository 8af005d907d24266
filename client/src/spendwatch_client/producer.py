"""Publishes usage events without ever making the caller wait.

A model call must not fail or slow down because spend is being watched: events go into a bounded
queue, a task of its own sends them, and what does not fit is dropped, counted and said. This file
must not check or price events (spendwatch does).
"""

import asyncio
import contextlib
import logging
import time
import uuid
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from decimal import Decimal
from typing import Any, Self

import msgspec
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError, MessageSizeTooLargeError, RecordListTooLargeError

from spendwatch_client.key import key_id

_log = logging.getLogger("spendwatch_client.producer")

_FIRST_RETRY_SECONDS = 0.5
_MOST_RETRY_SECONDS = 10.0
_SAY_EVERY_SECONDS = 10.0
_CHUNK = 500
_POISON = (MessageSizeTooLargeError, RecordListTooLargeError)
# Sending these again would fail for ever and hold up everything behind them.

_IDS = ("event_id", "request_id", "id")
"""Fields that spendwatch reads an event's id from, first to last."""


_MOST_PLAIN_DIGITS = 60
# No price has more, and a Decimal may ask for gigabytes of zeros: larger ones keep their exponent.


def _is_there(value: object) -> bool:
    """Whether a field says anything: null and blank do not."""
    return value is not None and not (isinstance(value, str) and not value.strip())


def _event_id(event: Mapping[str, Any]) -> str:
    """The id that the event has under any of its names, or else a new one.

    Raises:
        TypeError: if it is neither text nor a whole number, which spendwatch would refuse.
        ValueError: if the number has thousands of digits.
    """
    found = next((event[name] for name in _IDS if _is_there(event.get(name))), None)
    if found is None:
        return uuid.uuid4().hex
    if isinstance(found, bool) or not isinstance(found, str | int):
        raise TypeError(f"an id is text or a whole number, not {type(found).__name__}")
    return str(found)


def _plain(value: object) -> object:
    """A Decimal in plain digits: not every reader takes the exponent of a small price for a number.

    >>> _plain(Decimal("1e-9"))
    '0.000000001'
    """
    if not isinstance(value, Decimal):
        return value
    if value.is_finite() and abs(value.adjusted()) <= _MOST_PLAIN_DIGITS:
        return format(value, "f")
    return str(value)


class UsageProducer:
    """A queue of usage events in front of Kafka.

    ``publish`` may be called from any thread, before ``start`` too. Events are keyed by
    ``event_id``, which makes spendwatch's recognition of repeats exact, so sending one twice after
    an error does no harm.

    Args:
        bootstrap_servers: Kafka, ``host:port`` with commas between.
        topic: where usage goes.
        capacity: events kept while Kafka is slow or away; more are dropped.
        linger_seconds: how long events gather before they are sent.
        connection: further arguments of the aiokafka producer, such as ``security_protocol``.
        clock: wall clock, epoch seconds, for events without a timestamp.

    Attributes:
        published: events that Kafka has confirmed.
        dropped: events given up since the queue was full.
        rejected: events that cannot be written as JSON, whose id cannot be one, or that Kafka
            refuses.
    """

    def __init__(
        self,
        bootstrap_servers: str,
        *,
        topic: str = "usage.events",
        capacity: int = 10_000,
        linger_seconds: float = 0.05,
        connection: Mapping[str, Any] | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.published = 0
        self.dropped = 0
        self.rejected = 0
        self._topic = topic
        self._capacity = capacity
        self._linger_seconds = linger_seconds
        self._connection = {"bootstrap_servers": bootstrap_servers, **(connection or {})}
        self._clock = clock
        self._queue: deque[tuple[bytes, bytes]] = deque()
        self._sending = 0
        self._said_at = -_SAY_EVERY_SECONDS
        self._said_lost = 0
        self._task: asyncio.Task[None] | None = None

    @property
    def waiting(self) -> int:
        """Events not yet confirmed by Kafka."""
        return len(self._queue) + self._sending

    def publish(self, event: Mapping[str, Any]) -> bool:
        """Queue one event; never blocks, never raises on account of its content.

        Args:
            event: a UsageEvent (native.md section 1). A missing ``timestamp`` is filled in, in
                epoch seconds, and so is a missing ``event_id``: from ``request_id`` or ``id``, or
                else anew. Null and blank count as missing. ``api_key`` is replaced by its id where
                it looks like a live secret.

        Returns:
            Whether it was queued.
        """
        try:
            event_id = _event_id(event)
            record = {name: _plain(value) for name, value in event.items()}
            record["event_id"] = event_id
            if not _is_there(record.get("timestamp")):
                record["timestamp"] = self._clock()
            api_key = record.get("api_key")
            if isinstance(api_key, str):
                record["api_key"] = key_id(api_key)
            entry = (event_id.encode(), msgspec.json.encode(record))
        except (TypeError, ValueError, RecursionError, OverflowError):
            self.rejected += 1
            return False
        if self.waiting >= self._capacity:
            self.dropped += 1
            return False
        self._queue.append(entry)
        return True

    async def start(self) -> None:
        """Begin sending; returns at once, also without Kafka."""
        self._task = asyncio.create_task(self._keep_sending(), name="usage-producer")

    async def stop(self, drain_seconds: float = 5.0) -> None:
        """Send what waits, for at most ``drain_seconds``, and end."""
        deadline = time.monotonic() + drain_seconds
        while self.waiting and time.monotonic() < deadline:  # noqa: ASYNC110  any thread publishes
            await asyncio.sleep(self._linger_seconds)
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            self._task = None
        if self.waiting:
            _log.warning("usage_lost_at_stop events=%d", self.waiting)

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def _keep_sending(self) -> None:
        pause = _FIRST_RETRY_SECONDS
        while True:
            producer = AIOKafkaProducer(
                acks="all", compression_type="snappy", linger_ms=5, **self._connection
            )
            try:
                await producer.start()
                pause = _FIRST_RETRY_SECONDS
                while True:
                    await asyncio.sleep(self._linger_seconds)
                    while self._queue:
                        await self._send_chunk(producer)
                    self._say_losses()
            except Exception as error:  # noqa: BLE001  whatever it is, usage goes on being sent
                _log.warning(
                    "usage_publish_failed error=%s waiting=%d retry_seconds=%.1f",
                    type(error).__name__,
                    self.waiting,
                    pause,
                )
            finally:
                with contextlib.suppress(Exception):
                    await producer.stop()
            self._say_losses()
            await asyncio.sleep(pause)
            pause = min(2 * pause, _MOST_RETRY_SECONDS)

    async def _send_chunk(self, producer: AIOKafkaProducer) -> None:
        """Send some events and wait for all; those that failed for a passing reason wait again."""
        chunk = [self._queue.popleft() for _ in range(min(_CHUNK, len(self._queue)))]
        self._sending = len(chunk)
        unsent = list(chunk)
        error: BaseException | None = None
        try:
            futures = [await self._begin(producer, entry) for entry in chunk]
            results = await asyncio.gather(*futures, return_exceptions=True)
            unsent = []
            for entry, result in zip(chunk, results, strict=True):
                if not isinstance(result, BaseException):
                    self.published += 1
                elif isinstance(result, _POISON):
                    self.rejected += 1
                else:
                    unsent.append(entry)
                    error = result
        finally:
            self._queue.extendleft(reversed(unsent))
            self._sending = 0
        if error is not None:
            raise error

    async def _begin(
        self, producer: AIOKafkaProducer, entry: tuple[bytes, bytes]
    ) -> Awaitable[object]:
        """Hand one event to the Kafka client; what the client refuses becomes a failed future."""
        key, value = entry
        try:
            future: Awaitable[object] = await producer.send(self._topic, key=key, value=value)
        except KafkaError as error:
            failed: asyncio.Future[object] = asyncio.get_running_loop().create_future()
            failed.set_exception(error)
            return failed
        return future

    def _say_losses(self) -> None:
        lost = self.dropped + self.rejected
        now = time.monotonic()
        if lost > self._said_lost and now - self._said_at >= _SAY_EVERY_SECONDS:
            _log.warning(
                "usage_events_lost dropped=%d rejected=%d waiting=%d",
                self.dropped,
                self.rejected,
                self.waiting,
            )
            self._said_lost, self._said_at = lost, now
