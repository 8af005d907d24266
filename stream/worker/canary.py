"""Sends canaries, acknowledges what becomes of them, and tells a service outside that all is well.

Silence is the alarm: the heartbeat URL is asked for after a completed round trip and never
otherwise, so that a worker, broker or network that is gone is noticed by somebody else. What a
canary is and why it touches nothing is ``stream/canary.py``'s. Nothing that goes wrong here ends
the worker.
"""

import asyncio
import contextlib
import secrets
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import aiohttp
import msgspec
import structlog
from aiokafka import AIOKafkaProducer
from yarl import URL

from alerting.throttle.action import decode_action
from detectors.window import rfc3339
from stream.canary import action_id_of, canary_event, is_canary_action
from stream.health import catalogue
from stream.health.config import CanaryConfig
from stream.kafka.connection import ConnectionConfig
from stream.kafka.follow import follow
from stream.kafka.topics import TopicsConfig

ENFORCER = "canary"

_RETRY_SECONDS = 5.0
_READY_SECONDS = 0.5
_HEARTBEAT_SECONDS = 10.0

_log = structlog.get_logger()

Ack = Callable[[str, float], Awaitable[None]]
"""Makes the ack of an action, applied at a wall-clock time, durable."""


class Flock:
    """The canaries that are on their way.

    Args:
        timeout_seconds: one that is not back after this is lost.
        clock: monotonic seconds.
    """

    def __init__(self, timeout_seconds: float, clock: Callable[[], float]) -> None:
        self._timeout_seconds = timeout_seconds
        self._clock = clock
        self._sent_at: dict[str, float] = {}
        self._is_losing = False

    def send(self) -> str:
        """A new canary's id; what has not come back in time is given up."""
        self.give_up()
        identity = secrets.token_hex(8)
        self._sent_at[action_id_of(identity)] = self._clock()
        catalogue.CANARIES.labels("sent").inc()
        return identity

    def is_ours(self, action_id: str) -> bool:
        """Whether an action is the answer to a canary of this worker that is still waited for."""
        return action_id in self._sent_at

    def came_back(self, action_id: str) -> float:
        """A canary's journey is complete; how many seconds it took."""
        seconds = self._clock() - self._sent_at.pop(action_id)
        catalogue.CANARIES.labels("returned").inc()
        catalogue.CANARY_SECONDS.observe(seconds)
        catalogue.CANARY_LAST.set(seconds)
        if self._is_losing:
            _log.info("canary_back", seconds=round(seconds, 3))
        self._is_losing = False
        return seconds

    def give_up(self) -> None:
        """Count those that have not come back in time; said once, until one comes back."""
        for action_id, sent_at in list(self._sent_at.items()):
            if self._clock() - sent_at > self._timeout_seconds:
                del self._sent_at[action_id]
                catalogue.CANARIES.labels("lost").inc()
                if not self._is_losing:
                    _log.error("canary_lost", after_seconds=self._timeout_seconds)
                self._is_losing = True


@dataclass(frozen=True, slots=True)
class CanaryParts:
    """What canaries need.

    Attributes:
        config: how often, and whom to tell.
        topics: names.
        connection: how to reach Kafka.
        wall: the wall clock, epoch seconds.
    """

    config: CanaryConfig
    topics: TopicsConfig
    connection: ConnectionConfig
    wall: Callable[[], float] = time.time


async def run_canaries(parts: CanaryParts, is_ready: Callable[[], bool]) -> None:
    """Send them until cancelled, whatever happens to Kafka.

    Args:
        parts: what they need.
        is_ready: whether the worker is; none is sent before it has been, since a recovery may take
            longer than a canary is waited for. That none comes back is seen all the same: the time
            of the last return begins with the worker.
    """
    flock = Flock(parts.config.timeout_seconds, time.monotonic)
    heartbeat = parts.config.heartbeat()
    catalogue.CANARY_ENABLED.set(1)
    catalogue.CANARY_RETURNED.set(parts.wall())
    while not is_ready():  # noqa: ASYNC110  nothing tells of it but looking
        await asyncio.sleep(_READY_SECONDS)
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(_for_ever(lambda: _send(parts, flock)))
        tasks.create_task(_for_ever(lambda: _answer(parts, flock, heartbeat)))
        tasks.create_task(_give_up(flock))


async def _for_ever(run: Callable[[], Awaitable[None]]) -> None:
    while True:
        try:
            await run()
        except Exception as error:  # noqa: BLE001  a canary must not end what it watches
            _log.warning("canary_interrupted", reason=repr(error), retry_seconds=_RETRY_SECONDS)
        await asyncio.sleep(_RETRY_SECONDS)


async def _give_up(flock: Flock) -> None:
    while True:
        await asyncio.sleep(1.0)
        flock.give_up()


@contextlib.asynccontextmanager
async def _producer(parts: CanaryParts):  # type: ignore[no-untyped-def]  # noqa: ANN202  aiokafka has no types
    producer = AIOKafkaProducer(
        **parts.connection.kafka_kwargs(), acks="all", request_timeout_ms=10_000
    )
    await producer.start()
    try:
        yield producer
    finally:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(2.0):  # one whose broker is gone never stops by itself
                await producer.stop()


async def _send(parts: CanaryParts, flock: Flock) -> None:
    async with _producer(parts) as producer:
        while True:
            identity = flock.send()
            event = canary_event(identity, parts.wall())
            await producer.send_and_wait(
                parts.topics.usage_events,
                msgspec.json.encode(event),
                key=event["event_id"].encode(),
            )
            await asyncio.sleep(parts.config.interval_seconds)


async def _answer(parts: CanaryParts, flock: Flock, heartbeat: URL | None) -> None:
    """Acknowledge the actions of our canaries, as an enforcer would."""
    async with _producer(parts) as producer:

        async def acknowledge(action_id: str, applied_at: float) -> None:
            ack = {
                "action_id": action_id,
                "enforcer": ENFORCER,
                "applied_at": rfc3339(applied_at),
                "result": "applied",
                "detail": "",
            }
            await producer.send_and_wait(
                parts.topics.acks, msgspec.json.encode(ack), key=action_id.encode()
            )

        async for records in follow(parts.connection, parts.topics.shadow, from_start=False):
            for record in records:
                await _take(record.value, parts, flock, acknowledge, heartbeat)


async def _take(
    value: bytes | None, parts: CanaryParts, flock: Flock, acknowledge: Ack, heartbeat: URL | None
) -> None:
    action = decode_action(value)
    if action is None or not is_canary_action(action) or not flock.is_ours(action.action_id):
        return
    await acknowledge(action.action_id, parts.wall())
    flock.came_back(action.action_id)
    catalogue.CANARY_RETURNED.set(parts.wall())
    if heartbeat is not None:
        await ping(heartbeat)


async def ping(url: URL) -> None:
    """Tell the service outside; whether it hears is counted, and its address is never said."""
    timeout = aiohttp.ClientTimeout(total=_HEARTBEAT_SECONDS)
    try:
        async with (
            aiohttp.ClientSession(timeout=timeout) as session,
            session.get(url, allow_redirects=False) as response,
        ):
            response.raise_for_status()
    except (aiohttp.ClientError, OSError, TimeoutError, ValueError) as error:
        catalogue.HEARTBEATS.labels("failed").inc()
        _log.warning("heartbeat_failed", reason=type(error).__name__)
    else:
        catalogue.HEARTBEATS.labels("answered").inc()
