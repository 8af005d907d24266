"""What Kafka's topics held: read at the end, and where compaction forgets, all along.

Own reading, own decoding. This file must not know what should be in them.
"""

import asyncio
import contextlib
import json
from pathlib import Path
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from tests.support.auditor import read_topic

Json = dict[str, Any]


class Witness:
    """Every record of single-partition topics, in order, from before compaction.

    Args:
        bootstrap: ``host:port`` of the broker.
        topics: their names.
    """

    def __init__(self, bootstrap: str, topics: tuple[str, ...]) -> None:
        self._bootstrap = bootstrap
        self._seen: dict[str, dict[int, Json]] = {topic: {} for topic in topics}
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to read."""
        self._task = asyncio.create_task(self._read_for_ever())

    async def stop(self) -> None:
        """Read what is there now, and no more."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
        await self.catch_up()

    async def catch_up(self) -> None:
        """Take what the topics hold now."""
        for topic in self._seen:
            for record in await read_topic(self._bootstrap, topic):
                self._take(record)

    def values(self, topic: str) -> list[Json]:
        """What a topic's records said, in their order."""
        return [value for _, value in sorted(self._seen[topic].items())]

    def _take(self, record: Any) -> None:
        if record.value is not None:
            self._seen[record.topic][record.offset] = json.loads(record.value)

    async def _read_for_ever(self) -> None:
        while True:
            with contextlib.suppress(KafkaError, OSError, TimeoutError):
                await self._read()
            await asyncio.sleep(0.5)

    async def _read(self) -> None:
        consumer = AIOKafkaConsumer(
            bootstrap_servers=self._bootstrap,
            enable_auto_commit=False,
            isolation_level="read_committed",
        )
        await consumer.start()
        try:
            places = {topic: TopicPartition(topic, 0) for topic in self._seen}
            consumer.assign([*places.values()])
            for topic, place in places.items():
                consumer.seek(place, max(self._seen[topic], default=-1) + 1)
            while True:
                for records in (await consumer.getmany(timeout_ms=200)).values():
                    for record in records:
                        self._take(record)
        finally:
            await consumer.stop()


async def values_in(bootstrap: str, topic: str) -> list[Json]:
    """What the records of a topic say, committed ones only."""
    return [json.loads(record.value) for record in await read_topic(bootstrap, topic)]


async def dump(bootstrap: str, topic: str, path: Path) -> None:
    """A topic as lines of ``[partition, offset, milliseconds, value]``, to look at."""
    with path.open("w") as lines:
        for record in await read_topic(bootstrap, topic):
            line = [record.partition, record.offset, record.timestamp, _readable(record.value)]
            lines.write(json.dumps(line) + "\n")


def _readable(value: bytes | None) -> Any:
    try:
        return None if value is None else json.loads(value)
    except ValueError:
        return value.hex() if value is not None else None
