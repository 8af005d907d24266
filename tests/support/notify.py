"""A notifier that writes down what it is told, and a store that outlives the pipeline."""

import asyncio
from collections import deque

from alerting.notify.incident_view import IncidentView
from alerting.notify.notification_log import Record
from alerting.notify.notifier import Memory, Notice, Remember
from alerting.notify.retry import DeliveryError
from tests.support.alerts import START


class WritingNotifier:
    """Keeps every notice; ``failures`` are raised first, one a call."""

    def __init__(self, *, is_coalescing: bool = True) -> None:
        self._is_coalescing = is_coalescing
        self.calls: list[tuple[Notice, ...]] = []
        self.views: list[IncidentView | None] = []
        self.failures: deque[DeliveryError] = deque()
        self.gate = asyncio.Event()
        self.gate.set()
        self.is_closed = False

    @property
    def is_coalescing(self) -> bool:
        return self._is_coalescing

    @property
    def told(self) -> list[str]:
        return [notice.change.value for notices in self.calls for notice in notices]

    async def deliver(
        self,
        notices: tuple[Notice, ...],
        view: IncidentView | None,
        memory: Memory,
        remember: Remember,
    ) -> None:
        await self.gate.wait()
        if self.failures:
            raise self.failures.popleft()
        self.calls.append(notices)
        self.views.append(view)
        await remember({**memory, "last": notices[-1].notice_id})

    async def close(self) -> None:
        self.is_closed = True


class Store:
    """Durable records, a clock that only sleeping moves, and what was slept."""

    def __init__(self) -> None:
        self.records: dict[str, Record] = {}
        self.now = START + 310.0
        self.slept: list[float] = []
        self.outcomes: list[tuple[str, str]] = []

    async def persist(self, key: str, record: Record | None) -> None:
        await asyncio.sleep(0)
        if record is None:
            self.records.pop(key, None)
        else:
            self.records[key] = record

    def clock(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds
        await asyncio.sleep(0)

    def report(self, receiver: str, outcome: str) -> None:
        self.outcomes.append((receiver, outcome))
