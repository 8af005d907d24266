"""The whole chain over a file, without Kafka: backtests, spend of a file, tests.

The same code as on Kafka, from the bytes of an event to the alert, with the same number of
partitions and the same placement of keys, so that the same events give the same alerts. Event
time is the only time: the wall clock that DECIDE asks for is the watermark. This file must not
decide anything.
"""

import gzip
import itertools
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, cast

import msgspec
from aiokafka.partitioner import murmur2

from alerting.alert import Alert, Status
from alerting.decide import Decider
from alerting.ledger import Outcome
from alerting.scope_watch import ScopeWatch
from alerting.throttle.action import ThrottleAction
from detectors.observation import Counts
from stream.config import Settings
from stream.fanout import Fanout
from stream.ingest.partition import Batch, DeadRecord, InputPartition, InputRecord
from stream.ingest.watermark import NO_TIMESTAMP_MS
from stream.parts import bounds_of, watermark_policy
from stream.pricing import PriceBook
from stream.records import Promise
from stream.watch.partition import DeltaPartition

CHUNK_RECORDS = 1000
"""Records a step over all input partitions; the size changes nothing that is decided."""

SETTLE_WINDOWS = 288
"""After the end of the file time runs on for at most a day of five-minute windows."""


@dataclass(slots=True)
class ReplayResult:
    """What a replay came to.

    Attributes:
        alerts: every transition that DECIDE told, in order.
        signals: every transition of single scopes, before grouping, in order.
        actions: every throttle action it would have issued, in order.
        counted: INGEST's statistics.
        dead: refused events, by their place in the file.
    """

    alerts: list[Alert] = field(default_factory=list)
    signals: list[Alert] = field(default_factory=list)
    actions: list[ThrottleAction] = field(default_factory=list)
    counted: Counter[str] = field(default_factory=Counter)
    dead: list[DeadRecord] = field(default_factory=list)


def read_lines(path: Path) -> Iterator[bytes]:
    """The lines of a JSONL file, gzipped or not, without blank ones.

    Raises:
        OSError: if it cannot be read.
    """
    with _opened(path) as lines:
        for line in lines:
            if stripped := line.strip():
                yield stripped


def _opened(path: Path) -> IO[bytes]:
    if path.suffix == ".gz":
        return cast("IO[bytes]", gzip.open(path, "rb"))
    return path.open("rb")


def input_partition(payload: bytes, partitions: int) -> int:
    """Where a producer that keys by ``event_id`` puts an event: Kafka's own partitioner.

    What has no readable id goes to partition 0.
    """
    try:
        event = msgspec.json.decode(payload)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return 0
    event_id = event.get("event_id") if isinstance(event, dict) else None
    if not isinstance(event_id, str):
        return 0
    return int((murmur2(event_id.encode()) & 0x7FFFFFFF) % partitions)


class Replay:
    """One run of the chain; feed it once, then settle it."""

    def __init__(self, settings: Settings) -> None:
        self.result = ReplayResult()
        topics = settings.topics
        prices, fanout = PriceBook(settings.pricing), Fanout(settings.fanout)
        self._inputs = [
            InputPartition(
                prices, fanout, config=settings.ingest, delta_partitions=topics.deltas_partitions
            )
            for _ in range(topics.usage_events_partitions)
        ]
        watch = ScopeWatch(settings.rules)
        self.partitions = [
            DeltaPartition(
                number,
                incarnation="replay",
                config=settings.watch,
                policy=watermark_policy(settings),
                watch=watch,
                bounds=bounds_of(settings),
            )
            for number in range(topics.deltas_partitions)
        ]
        self._decider = Decider(settings.incidents, settings.throttle)
        self._window_seconds = settings.rules.window_seconds
        self._offsets = [0] * len(self._inputs)
        self._delta_offset = 0

    def feed(self, payloads: Iterable[bytes]) -> None:
        """Take events in the order of the log."""
        payloads = iter(payloads)
        while chunk := list(itertools.islice(payloads, CHUNK_RECORDS)):
            queues: list[list[InputRecord]] = [[] for _ in self._inputs]
            for payload in chunk:
                number = input_partition(payload, len(self._inputs))
                queues[number].append(InputRecord(self._offsets[number], NO_TIMESTAMP_MS, payload))
                self._offsets[number] += 1
            for number, queue in enumerate(queues):
                self._ingest(number, queue)

    def _ingest(self, number: int, queue: list[InputRecord]) -> None:
        chain = self._inputs[number]
        while queue:
            batch = chain.process(queue)
            chain.commit(batch)
            queue = queue[batch.taken :]
            self.result.counted.update(batch.counted)
            self.result.dead.extend(batch.dead)
            self._watch(number, batch)
        if chain.watermark.seconds is None:
            # Nothing has come here yet; on Kafka an idle verdict would say so.
            self._promise(Promise(f"file/{number}", None, is_idle=True))

    def _watch(self, number: int, batch: Batch) -> None:
        promise = Promise(f"file/{number}", batch.watermark.seconds, is_idle=False)
        signals: list[Alert] = []
        for partition in self.partitions:
            signals += partition.fold(
                self._delta_offset, promise, batch.rows.get(partition.partition, [])
            )
        self._delta_offset += 1
        self._decide(signals)

    def _promise(self, promise: Promise) -> None:
        signals: list[Alert] = []
        for partition in self.partitions:
            signals += partition.fold(self._delta_offset, promise, [])
        self._delta_offset += 1
        self._decide(signals)

    def _decide(self, signals: list[Alert]) -> None:
        self.result.signals += signals
        for alert in signals:
            self._keep(self._decider.on_signal(alert, float(alert.decided_at)))
        watermark = self.partitions[0].vector.current
        if watermark is not None:
            self._keep(self._decider.on_tick(float(watermark), watermark))

    def _keep(self, outcome: Outcome) -> None:
        self.result.alerts += outcome.alerts
        self.result.actions += [*outcome.actions, *outcome.shadow]

    def settle(self) -> ReplayResult:
        """Let time run on until open alerts settle, and return what came of it all."""
        watermark = self.partitions[0].vector.current
        marks = [each.watermark.seconds for each in self._inputs]
        start = max((at for at in [watermark, *marks] if at is not None), default=None)
        for step in range(SETTLE_WINDOWS if start is not None else 0):
            at = (start or 0) + (step + 1) * self._window_seconds
            for number in range(len(self._inputs)):
                self._promise(Promise(f"file/{number}", at, is_idle=False))
            if not self._open_alerts():
                break
        return self.result

    def _open_alerts(self) -> set[str]:
        """Anomalies that still fire; a budget's alert lasts until its period ends."""
        firing: dict[str, Alert] = {}
        for alert in self.result.signals:
            firing[alert.fingerprint] = alert
        return {
            fingerprint
            for fingerprint, alert in firing.items()
            if alert.status is not Status.RESOLVED and alert.kind != "budget"
        }

    def spend(self, kind: str, span: tuple[int, int] | None) -> dict[str, tuple[int, int, Counts]]:
        """What the scopes of a kind spent, as the workers' tables would say."""
        return {
            scope: row
            for partition in self.partitions
            for scope, row in partition.spend(kind, span).items()
        }
