"""INGEST over a file, without Kafka: the same partitions, in steps of little event time.

Events go where Kafka's own partitioner would put them and pass the very chain of the worker. A step
spans seconds of event time, as a batch of a worker does: if one spanned an hour, whoever judges
evidence by when it came would hear of a key's excess long before the key's own. This file must not
fold or judge anything.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

import msgspec
from aiokafka.partitioner import murmur2

from detectors.observation import Counts, add_counts, zero_counts
from stream.config import Settings
from stream.delta import Promise
from stream.ingest.combine import Rows
from stream.ingest.events import InputRecord
from stream.ingest.identities import Identities
from stream.ingest.partition import Batch, InputPartition
from stream.ingest.watermark import NO_TIMESTAMP_MS
from stream.usage.fanout import Fanout
from stream.usage.literals import epoch_seconds_of
from stream.usage.pricing import PriceBook
from stream.usage.rejection import LiteralError, RejectReason

STEP_RECORDS = 1000
"""Most records of a step over all input partitions."""

STEP_SECONDS = 5
"""Most event time of a step; what is decided within seconds sees evidence in its order."""

LEAP_SECONDS = 86_400
"""An event further ahead than this of all before it may be stamped wrongly."""

LEAP_EVENTS = 3
"""So many in a row are not."""

DEAD_LETTERS_NAMED = 5
"""Refused events that are named one by one; all are counted."""


@dataclass(frozen=True, slots=True)
class DeadLine:
    """A refused event of a file.

    Attributes:
        line: its number, from 1.
        reason: from the closed list.
        detail: the field and the fix; never a value that was sent.
    """

    line: int
    reason: RejectReason
    detail: str


@dataclass(slots=True)
class Intake:
    """What INGEST found out about a file.

    Attributes:
        counted: INGEST's statistics.
        totals: of all events that counted, whatever scopes they have.
        dead: the first refused events, in the order of the file.
        dead_by_reason: all of them.
    """

    counted: Counter[str] = field(default_factory=Counter)
    totals: Counts = field(default_factory=zero_counts)
    dead: list[DeadLine] = field(default_factory=list)
    dead_by_reason: Counter[str] = field(default_factory=Counter)

    def refusals(self) -> list[str]:
        """The first refused events and how many more there are, a line each; none is quoted."""
        named = [f"line {each.line}: {each.reason.value}: {each.detail}" for each in self.dead]
        more = self.dead_by_reason.total() - len(named)
        return [*named, f"and {more:,} more"] if more else named


class FileDelta(NamedTuple):
    """What one input partition says to all delta partitions.

    Attributes:
        promise: of its time.
        rows: per delta partition.
    """

    promise: Promise
    rows: Rows


class _Glance(msgspec.Struct):
    """As much of an event as its place in the log depends on."""

    event_id: str | None = None
    timestamp: str | float | None = None


_glance_decoder = msgspec.json.Decoder(_Glance)


def _glance(payload: bytes) -> _Glance:
    """What has no readable id or time shows none."""
    try:
        return _glance_decoder.decode(payload)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return _Glance()


def _seconds(glance: _Glance) -> int | None:
    try:
        return None if glance.timestamp is None else epoch_seconds_of(glance.timestamp)
    except LiteralError:
        return None


def input_partition(event_id: str | None, partitions: int) -> int:
    """Where a producer that keys by ``event_id`` puts an event: Kafka's own partitioner.

    What has no readable id goes to partition 0.
    """
    if event_id is None:
        return 0
    return int((murmur2(event_id.encode()) & 0x7FFFFFFF) % partitions)


class _LogClock:
    """Stands for the broker's clock: how far the file has come, by events that agree.

    On Kafka a record's own time keeps one event stamped years ahead from closing everybody's
    windows. A file has no such time, so a leap ahead is believed once a few events in a row made
    it, as after a quiet weekend.
    """

    def __init__(self) -> None:
        self._seconds: int | None = None
        self._leapt: list[int] = []

    def timestamp_ms(self, event_seconds: int | None) -> int:
        """The time of an event's record; -1 where the event's own may stand alone."""
        if event_seconds is None:
            return NO_TIMESTAMP_MS
        if self._seconds is None or event_seconds <= self._seconds + LEAP_SECONDS:
            self._seconds = max(event_seconds, self._seconds or event_seconds)
            self._leapt.clear()
            return NO_TIMESTAMP_MS
        self._leapt.append(event_seconds)
        if len(self._leapt) < LEAP_EVENTS:
            return self._seconds * 1000
        self._seconds = min(self._leapt)
        self._leapt.clear()
        return self.timestamp_ms(event_seconds)


class FileIngest:
    """All input partitions of an installation, fed from one file."""

    def __init__(self, settings: Settings) -> None:
        self.intake = Intake()
        self._clock = _LogClock()
        prices = PriceBook(settings.pricing)
        identities = Identities(Fanout(settings.fanout), settings.topics.deltas_partitions)
        self._partitions = [
            InputPartition(
                prices,
                identities,
                config=settings.ingest,
            )
            for _ in range(settings.topics.usage_events_partitions)
        ]

    @property
    def watermarks(self) -> list[int]:
        """Of the input partitions that have seen an event, lowest first, epoch seconds."""
        marks = (each.watermark.seconds for each in self._partitions)
        return sorted(mark for mark in marks if mark is not None)

    def promises(self, at_seconds: int) -> Iterator[FileDelta]:
        """Every partition's word that nothing before ``at_seconds`` is to come."""
        for number in range(len(self._partitions)):
            yield FileDelta(Promise(_source(number), at_seconds, is_idle=False), {})

    def feed(self, lines: Iterable[bytes]) -> Iterator[FileDelta]:
        """Take the lines of a file in their order, and say what they amount to."""
        step: list[tuple[int, InputRecord]] = []
        since: int | None = None
        for line, payload in enumerate(lines, 1):
            if not payload:
                continue
            glance = _glance(payload)
            at = _seconds(glance)
            is_far = at is not None and since is not None and abs(at - since) >= STEP_SECONDS
            if is_far or len(step) == STEP_RECORDS:
                yield from self._take(step)
                step, since = [], None
            if since is None:
                since = at
            # Offsets only need to rise, so the line's number serves as one.
            record = InputRecord(line, self._clock.timestamp_ms(at), payload)
            step.append((input_partition(glance.event_id, len(self._partitions)), record))
        if step:
            yield from self._take(step)

    def _take(self, step: list[tuple[int, InputRecord]]) -> Iterator[FileDelta]:
        queues: list[list[InputRecord]] = [[] for _ in self._partitions]
        for number, record in step:
            queues[number].append(record)
        for number, queue in enumerate(queues):
            yield from self._process(number, queue)

    def _process(self, number: int, queue: list[InputRecord]) -> Iterator[FileDelta]:
        chain = self._partitions[number]
        while queue:
            batch = chain.process(queue)
            chain.commit(batch)
            queue = queue[batch.taken :]
            self._count(batch)
            yield FileDelta(
                Promise(_source(number), batch.watermark.seconds, is_idle=False), batch.rows
            )
        if chain.watermark.seconds is None:
            # Nothing has come here yet; on Kafka an idle verdict would say so.
            yield FileDelta(Promise(_source(number), None, is_idle=True), {})

    def _count(self, batch: Batch) -> None:
        intake = self.intake
        intake.counted.update(batch.counted)
        add_counts(intake.totals, batch.totals)
        for record in batch.dead:
            refused = record.rejection
            intake.dead_by_reason[refused.reason.value] += 1
            intake.dead.append(DeadLine(record.offset, refused.reason, refused.detail))
        # Partitions are taken one by one; a person reads the file from its top.
        intake.dead.sort(key=lambda each: each.line)
        del intake.dead[DEAD_LETTERS_NAMED:]


def _source(number: int) -> str:
    return f"file/{number}"
