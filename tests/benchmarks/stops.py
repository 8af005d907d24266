"""Stops: how long a partition did not move while workers came and went.

Seen from outside, by what the workers answer and what the group has committed; a stop includes the
time until somebody answers again. Nothing here knows why it stopped.
"""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence

from aiokafka import TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError

from tests.support.worker import UnavailableError, Worker

_LOOK_SECONDS = 0.25
_MOVES_SECONDS = 3.0

Look = Callable[[], Awaitable[dict[int, int]]]
"""Partition -> something that only grows, of those of whom somebody says it."""


class Stops:
    """Finds the longest time in which a partition did not move.

    Args:
        look: where each stands.
    """

    def __init__(self, look: Look) -> None:
        self._look = look
        self._reached: dict[int, int] = {}
        self._moved_at: dict[int, float] = {}

    async def watch(self, seconds: float, settled: asyncio.Event | None = None) -> float:
        """Look on for so long, and on until everybody has moved; the longest stop in seconds.

        Args:
            seconds: at least; given up after four times as long.
            settled: looked on until it is set, as well.
        """
        begun = time.monotonic()
        longest = 0.0
        while True:
            now = time.monotonic()
            for number, reached in (await self._look()).items():
                if reached > self._reached.get(number, -1):
                    # A stop that began before this watch counts from the watch's beginning.
                    longest = max(longest, now - max(self._moved_at.get(number, now), begun))
                    self._reached[number], self._moved_at[number] = reached, now
            stuck = min(self._moved_at.values(), default=begun)
            is_settled = settled is None or settled.is_set()
            is_over = (is_settled and now - stuck < _MOVES_SECONDS) or now - begun > 4 * seconds
            if now - begun >= seconds and is_over:
                return max(longest, now - max(stuck, begun))
            await asyncio.sleep(_LOOK_SECONDS)


def requests_counted(workers: Sequence[Worker], kind: str) -> Look:
    """Delta partition -> requests counted in its scopes of a kind, by whoever answers.

    Args:
        workers: who may hold it.
        kind: of which each partition has scopes that spend whenever it works.
    """

    async def look() -> dict[int, int]:
        found: dict[int, int] = {}
        for worker in workers:
            if not worker.is_wanted:
                continue
            with contextlib.suppress(UnavailableError):
                answer = await worker._get("/v1/spend/own", by=kind)
                for text, rows in answer.items():
                    number, counted = int(text), sum(row[3][0] for row in rows)
                    found[number] = max(found.get(number, 0), counted)
        return found

    return look


@contextlib.asynccontextmanager
async def offsets_committed(bootstrap: str, group: str, topic: str) -> AsyncIterator[Look]:
    """Partition of a topic -> the offset that a group has committed."""
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()

    async def look() -> dict[int, int]:
        with contextlib.suppress(KafkaError):
            found = await admin.list_consumer_group_offsets(group)
            return {
                place.partition: each.offset
                for place, each in found.items()
                if isinstance(place, TopicPartition) and place.topic == topic
            }
        return {}

    try:
        yield look
    finally:
        await admin.close()
