"""What the Faust roles need of Faust, without a broker: an app, tables, events.

Futures are real, so that what waits for the broker really waits; every step is noted in order.
"""

import asyncio
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any, NamedTuple

from faust.types import TP

from stream.kafka.faust_consumer import DurablePrefix


class Sent(NamedTuple):
    """One changelog record on its way."""

    table: str
    partition: int
    key: Any
    value: bytes | None
    value_serializer: str | None
    future: "asyncio.Future[None]"


class Broker:
    """Acknowledges at once, unless told to hold records back or to refuse them."""

    def __init__(self) -> None:
        self.notes: list[str] = []
        self.sent: list[Sent] = []
        self.ends: Counter[TP] = Counter()
        self.holds = False
        self.on_write: Callable[[], None] | None = None
        self.refusal: Exception | None = None
        self.changed = asyncio.Event()

    def note(self, text: str) -> None:
        self.notes.append(text)
        self.changed.set()

    def take(self, record: Sent) -> "asyncio.Future[None]":
        self.sent.append(record)
        self.note(f"{record.table} {record.key}")
        if self.on_write is not None:
            self.on_write()
        if self.refusal is not None:
            record.future.set_exception(self.refusal)
        elif not self.holds:
            record.future.set_result(None)
        return record.future

    @property
    def waiting(self) -> list[Sent]:
        return [each for each in self.sent if not each.future.done()]

    def acknowledge(self) -> None:
        """What waits now is durable."""
        for each in self.waiting:
            each.future.set_result(None)

    async def until_waiting(self) -> list[Sent]:
        async with asyncio.timeout(5):
            while not self.waiting:
                self.changed.clear()
                await self.changed.wait()
        return self.waiting


class TableData:
    """A table's data: what ``PageStore`` offers the roles."""

    def __init__(self) -> None:
        self.records: dict[Any, bytes] = {}
        self._partitions: dict[Any, int] = {}
        self._offsets: dict[TP, int] = {}

    def persisted_offset(self, tp: TP) -> int | None:
        return self._offsets.get(tp)

    def acknowledged(self, tp: TP, offset: int) -> None:
        if offset == self._offsets.get(tp, -1) + 1:
            self._offsets[tp] = offset

    def of_partition(self, partition: int) -> dict[Any, bytes]:
        return {k: v for k, v in self.records.items() if self._partitions[k] == partition}

    def put(self, partition: int, key: Any, value: bytes | None) -> None:
        if value is None:
            self.records.pop(key, None)
        else:
            self.records[key] = value
            self._partitions[key] = partition


class FakeTable:
    """One table."""

    def __init__(self, name: str, broker: Broker) -> None:
        self.name = name
        self.broker = broker
        self.data = TableData()
        self.changelog_topic_name = f"{name}-changelog"

    def send_changelog(
        self, partition: int, key: Any, value: bytes | None, value_serializer: str | None = None
    ) -> "asyncio.Future[None]":
        future = asyncio.get_running_loop().create_future()
        place = TP(self.changelog_topic_name, partition)
        offset = self.broker.ends[place]
        self.broker.ends[place] += 1
        future.add_done_callback(
            lambda done: done.exception() or self.data.acknowledged(place, offset)
        )
        return self.broker.take(Sent(self.name, partition, key, value, value_serializer, future))


class FakeConsumer:
    """Assignment and log ends."""

    def __init__(self, ends: dict[TP, int]) -> None:
        self.ends = ends
        self.changelogs: Counter[TP] = Counter()
        self.durable = DurablePrefix()
        self.starts: dict[TP, int] = {}

    def assignment(self) -> set[TP]:
        return set(self.ends)

    async def earliest_offsets(self, *tps: TP) -> dict[TP, int]:
        return {tp: self.starts.get(tp, 0) for tp in tps}

    async def highwaters(self, *tps: TP) -> dict[TP, int]:
        return {tp: self.ends.get(tp, self.changelogs[tp]) for tp in tps}


class _Conf(NamedTuple):
    id: str = "test"


class FakeApp:
    """An app whose partitions are those of ``ends``."""

    def __init__(self, ends: dict[TP, int]) -> None:
        self.consumer = FakeConsumer(ends)
        self.consumer_generation_id = 1
        self.rebalancing = False
        self.rebalancing_count = 1
        self.tables = SimpleNamespace(recovering=1)
        self.conf = _Conf()


@dataclass(slots=True)
class Message:
    """A consumed record."""

    topic: str
    partition: int
    offset: int
    generation_id: int
    value: bytes | None


class Event:
    """A record as an agent gets it."""

    def __init__(self, message: Message, broker: Broker) -> None:
        self.message = message
        self.value: bytes | None = message.value
        self.is_acknowledged = False
        self._broker = broker

    def ack(self) -> None:
        self.is_acknowledged = True
        self._broker.note(f"ack {self.message.partition}/{self.message.offset}")
