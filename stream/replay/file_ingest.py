"""INGEST over a file, without Kafka: the same partitions and the same verdicts, in large batches.

Events go where Kafka's own partitioner would put them, and each partition says which of its events
are repeats and which are late. All else (reading, prices, rows) is done for all partitions at once:
numpy's fixed cost per batch of seconds was most of what a backtest took. This file must not fold or
judge anything.
"""

from collections.abc import Iterable, Iterator
from itertools import groupby
from operator import itemgetter

import numpy as np
from numpy.typing import NDArray

from detectors.observation import add_counts
from stream.config import Settings
from stream.derived_settings import watermark_policy
from stream.ingest.amounts import amounts_of, is_outcome, totals_of
from stream.ingest.costs import PriceColumns
from stream.ingest.events import Events, InputRecord
from stream.ingest.identities import Identities
from stream.ingest.partition import InputPartition
from stream.ingest.provisional import correction_rows
from stream.ingest.reading import read_events
from stream.ingest.watermark import NO_TIMESTAMP_MS, log_seconds_column
from stream.replay.inputs import Asked, Inputs
from stream.replay.intake import Intake
from stream.replay.stretch import Counted, Stretch, looked_at_closely
from stream.usage.fanout import Fanout
from stream.usage.pricing import PriceBook
from stream.watch.watermark import WatermarkVector

BATCH_RECORDS = 20_000
"""Most records of a batch, and most events but for those of its last record."""

BATCH_STRETCHES = 500
"""About as many as a batch should have: a batch of a thin file took 8 s, and somebody watches."""

FIRST_RECORDS = 1000
"""Of the first batch, and the fewest that are worth a batch's fixed cost."""

BATCH_BYTES = 2**24
"""A batch ends with the line that reaches it: lines may be 8 MiB long."""

FEW_EVENTS = 50
"""With fewer in a stretch each row is looked at alone: columns have a cost of their own."""

STEP_SECONDS = 5
"""How far the file comes in a step; what is decided within seconds sees evidence in its order."""

Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]


class FileIngest:
    """All input partitions of an installation, fed from one file.

    Attributes:
        intake: what was found out so far.
    """

    def __init__(self, settings: Settings) -> None:
        self.intake = Intake()
        prices = PriceBook(settings.pricing)
        identities = Identities(Fanout(settings.fanout), settings.topics.deltas_partitions)
        count = settings.topics.usage_events_partitions
        self._prices, self._identities = PriceColumns(prices), identities
        self._inputs = Inputs(
            [InputPartition(prices, identities, config=settings.ingest) for _ in range(count)],
            identities,
        )
        self._vector = WatermarkVector(watermark_policy(settings, count))
        for number in range(count):
            # Nothing has come here yet; on Kafka an idle verdict would say so.
            self._vector.observe(str(number), None, is_idle=True)
        self._window_seconds = settings.rules.window_seconds
        self._newest_at = 0
        self._enough = FIRST_RECORDS

    def feed(self, lines: Iterable[bytes]) -> Iterator[Stretch]:
        """Take the lines of a file in their order, and say what they amount to.

        A stretch is to be looked at before the next one is asked for.
        """
        records: list[InputRecord] = []
        size = 0
        for line, payload in enumerate(lines, 1):
            if not payload:
                continue
            # Offsets only need to rise, so the line's number serves as one.
            records.append(InputRecord(line, NO_TIMESTAMP_MS, payload))
            size += len(payload)
            if len(records) >= min(self._enough, BATCH_RECORDS) or size >= BATCH_BYTES:
                yield from self.take(records)
                records, size = [], 0
        yield from self.take(records)

    def take(self, records: list[InputRecord]) -> Iterator[Stretch]:
        """As ``feed``, of records: their offsets rise."""
        while records:
            self._identities.make_room()
            events = read_events(self._identities, records, max_events=BATCH_RECORDS)
            yield from self._stretches(events)
            records = records[events.taken :]

    def _stretches(self, events: Events) -> Iterator[Stretch]:
        identities, inputs, intake = self._identities, self._inputs, self.intake
        intake.counted.update(records=events.taken, unknown_fields=events.unknown_fields)
        intake.refuse(events.dead)
        asked = inputs.ask(events)
        events = asked.events
        amounts = amounts_of(identities, events, self._prices.price(identities, events))
        kept = inputs.revise(asked, amounts)
        asked.keep(kept)
        amounts = {counter: column[kept] for counter, column in amounts.items()}
        is_late, is_ahead, watermarks = inputs.late(asked)
        self._note(asked, is_late, is_ahead)
        add_counts(intake.totals, totals_of(amounts))
        for correction in asked.corrections:
            add_counts(intake.totals, correction.counts)
        events = asked.events
        intake.see(events.seconds)
        newest_at = np.maximum(
            np.maximum.accumulate(log_seconds_column(events.seconds, asked.stamps)),
            self._newest_at,
        )
        _, step = np.unique(newest_at // STEP_SECONDS, return_inverse=True)
        counted = Counted(
            identities,
            events.identity,
            events.seconds,
            is_late | is_ahead,
            amounts,
            events.trace_urls,
            step,
        )
        self._newest_at = int(newest_at.max(initial=self._newest_at))
        stretches = self._cut(counted, asked, watermarks, newest_at)
        self._enough = max(FIRST_RECORDS, BATCH_STRETCHES * events.taken // len(stretches))
        partitions = identities.delta_partitions
        stretches[-1].corrections.update(correction_rows(asked.corrections, partitions))
        if len(counted) < FEW_EVENTS * len(stretches):
            yield from looked_at_closely(counted, stretches)
        else:
            yield from stretches

    def _note(self, asked: Asked, is_late: Bools, is_ahead: Bools) -> None:
        identity, count = asked.events.identity, self._identities.count
        self.intake.counted.update(
            events=len(identity),
            repeats=asked.repeats,
            late=int(is_late.sum()),
            ahead=int(is_ahead.sum()),
            estimated=count(identity, lambda kind: kind.estimated),
            outcomes=count(identity, is_outcome),
            dead_letters=len(asked.events.dead),
        )

    def _cut(
        self, counted: Counted, asked: Asked, watermarks: Ints, newest_at: Ints
    ) -> list[Stretch]:
        """Cut where a window closes, and at the end; one stretch at least."""
        if not len(counted):
            return [Stretch(counted, 0, [], self._vector.current)]
        stretches: list[Stretch] = []
        ends = [*(np.flatnonzero(np.diff(counted.step)) + 1).tolist(), len(counted)]
        newest = newest_at[np.array(ends) - 1].tolist()
        window, first = self._window(), 0
        marks = _marks(counted.step, asked.place, watermarks, len(self._inputs))
        for step, each in groupby(marks, key=itemgetter(0)):
            for _, place, watermark in each:
                self._vector.observe(str(place), watermark, is_idle=False)
            is_last = step == len(newest) - 1
            if is_last or window != self._window():
                start = ends[first - 1] if first else 0
                stretches.append(
                    Stretch(
                        counted.between(start, ends[step]),
                        first,
                        newest[first : step + 1],
                        self._vector.current,
                    )
                )
                window, first = self._window(), step + 1
        return stretches

    def _window(self) -> int | None:
        """Which window is open, by the watermark."""
        watermark = self._vector.current
        return None if watermark is None else watermark // self._window_seconds


def _marks(step: Ints, place: Ints, watermarks: Ints, places: int) -> list[tuple[int, int, int]]:
    """Step, place and watermark after the last event of each place in each step, in order."""
    codes, last = np.unique((step * places + place)[::-1], return_index=True)
    steps, of = np.divmod(codes, places)
    found = watermarks[len(step) - 1 - last]
    return list(zip(steps.tolist(), of.tolist(), found.tolist(), strict=True))
