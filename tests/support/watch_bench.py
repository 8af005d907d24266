"""The role WATCH on fakes of Faust and Kafka: two delta partitions, a log each, and notes."""

import asyncio
import tempfile
from pathlib import Path
from typing import Any

from faust.types import TP

from alerting.alert import Alert
from alerting.watch.scope_watch import ScopeWatch
from stream.delta import DeltaRow, DeltaRows, encode_delta
from stream.watch.flush import TABLES
from stream.watch.role import WatchRole
from stream.watch.unfoldable import DeadDelta, UnfoldableDeltas
from stream.watch.watermark import WatermarkPolicy
from tests.support.deltas import BOUNDS, ROLE, RULES, WINDOW
from tests.support.faust_fakes import Broker, Event, FakeApp, FakeTable, Message
from tests.support.timeline import MONDAY, counts_of

TOPIC = "spend.deltas"


def delta(watermark: int | None, *rows: DeltaRow) -> bytes:
    """One message of the only input partition."""
    return encode_delta(
        DeltaRows.of(rows),
        topic="usage.events",
        partition=0,
        first_offset=0,
        next_offset=0,
        watermark_seconds=watermark,
        is_idle=False,
    )


def row(at: int, usd: float, scope: str = "agent:a") -> DeltaRow:
    """What one scope spent in one minute."""
    return DeltaRow(scope, at // 60, is_late=False, counts=counts_of(usd))


class WatchBench:
    """A role, the tables and the broker beneath it; ``restart`` makes a new role on the same."""

    def __init__(self, partitions: int = 1) -> None:
        self.broker = Broker()
        self.app = FakeApp({TP(TOPIC, number): 1000 for number in range(partitions)})
        self.app.consumer.changelogs = self.broker.ends
        self.tables = {name: FakeTable(name, self.broker) for name in TABLES}
        self.now = 0.0
        self.folder = Path(tempfile.mkdtemp())
        self.buried: list[DeadDelta] = []
        self.told: list[Alert] = []
        self.publish_error: BaseException | None = None
        self.role = self.restart()

    def restart(self) -> WatchRole:
        self.role = WatchRole(
            app=self.app,
            tables=self.tables,
            deltas_topic=TOPIC,
            config=ROLE,
            policy=WatermarkPolicy(1),
            watch=ScopeWatch(RULES),
            bounds=BOUNDS,
            publish=self._publish,
            unfoldable=UnfoldableDeltas(self.folder / "unfoldable", self._bury),
            wall=lambda: self.now,
        )
        self.role._flush_at = self.now + ROLE.flush_seconds  # the first flush is not due at once
        return self.role

    async def recovered(self) -> None:
        """The tables are complete, and all that is assigned is restored."""
        await self.role.on_recovered()
        await self.recovered_in_turns()

    async def recovered_in_turns(self) -> None:
        """All whose turn comes are restored."""
        if self.role._restoring is not None:
            await self.role._restoring

    async def _bury(self, dead: DeadDelta, at_seconds: int) -> None:
        self.buried.append(dead)
        self.told += dead.alerts(at_seconds)

    async def _publish(self, alerts: list[Alert]) -> None:
        self.broker.note("publish")
        await asyncio.sleep(0)
        if self.publish_error is not None:
            raise self.publish_error
        self.told += alerts
        self.broker.note("published")

    def event(self, offset: int, value: bytes, partition: int = 0, generation: int = 1) -> Event:
        return Event(Message(TOPIC, partition, offset, generation, value), self.broker)

    async def take(self, offset: int, value: bytes, partition: int = 0) -> Event:
        event = self.event(offset, value, partition)
        await self.role.take(event)
        return event

    async def take_spike(self) -> list[Event]:
        """Calm hours, then a window that fires; the last event is the one that tells."""
        events = [
            await self.take(number, delta(at, row(at, 0.05)))
            for number, at in enumerate(range(MONDAY, MONDAY + 12 * WINDOW, WINDOW))
        ]
        at = MONDAY + 12 * WINDOW
        events.append(await self.take(len(events), delta(at, row(at, 50.0))))
        return events

    def totals(self, scope: str = "agent:a", partition: int = 0) -> Any:
        return self.role.partitions[partition].scopes[scope].totals
