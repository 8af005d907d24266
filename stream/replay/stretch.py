"""A stretch of a file in which no window closes, and the rows that it amounts to.

WATCH's verdicts do not hang on how rows were batched, so a stretch may be taken as a whole; where
something is to be told, the same events are looked at again step by step, for what is decided
within seconds. This file must not judge anything.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from operator import attrgetter

import numpy as np
from numpy.typing import NDArray

from stream.delta import DeltaRow
from stream.ingest.amounts import Amounts
from stream.ingest.combine import PieceRow, Rows, combine, rows_of_pieces
from stream.ingest.events import TraceUrls
from stream.ingest.identities import Identities

_TOGETHER = 1000
"""Events whose rows are kept one by one: some 10 a piece, a kilobyte each."""

Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Counted:
    """The events of a batch that count, as columns in the order of the file.

    Attributes:
        identities: whose numbers ``identity`` has; they hold until the next batch.
        identity: per event.
        seconds: per event.
        is_late: per event.
        amounts: per counter and event.
        trace_urls: of the events.
        step: per event, the number of its step within the batch; never falling.
    """

    identities: Identities
    identity: Ints
    seconds: Ints
    is_late: Bools
    amounts: Amounts
    trace_urls: TraceUrls
    step: Ints

    def __len__(self) -> int:
        return len(self.identity)

    def between(self, start: int, stop: int) -> "Counted":
        """Some of them."""
        return self._where(slice(start, stop))

    def rows(self) -> Rows:
        """What they add up to, by delta partition."""
        return combine(
            self.identities,
            self.identity,
            self.seconds,
            self.is_late,
            self.amounts,
            trace_urls=self.trace_urls,
            most_exemplars=None,  # no topic has to carry them
        )

    def rows_by_step(self, scopes: Iterable[str] | None = None) -> dict[int, list[PieceRow]]:
        """The rows of each step that has any, of these scopes alone or of all."""
        of, chosen, only = self.identities.columns(), self, None
        if scopes is not None:
            only = self.identities.are_scopes(scopes)
            is_wanted: Bools = np.any(only[of.scopes[self.identity]], axis=1)
            chosen = self._where(is_wanted)
        rows = rows_of_pieces(
            chosen.identities,
            chosen.identity,
            chosen.seconds,
            chosen.is_late,
            chosen.amounts,
            trace_urls=chosen.trace_urls,
            piece=chosen.step,
            only=only,
        )
        return {step: list(each) for step, each in groupby(rows, key=attrgetter("piece"))}

    def _where(self, chosen: Bools | slice) -> "Counted":
        return Counted(
            self.identities,
            self.identity[chosen],
            self.seconds[chosen],
            self.is_late[chosen],
            {counter: column[chosen] for counter, column in self.amounts.items()},
            self.trace_urls.where(chosen),
            self.step[chosen],
        )


@dataclass(slots=True)
class Stretch:
    """Consecutive steps of a file; a window may close after the last of them and not before.

    Attributes:
        events: those that count.
        first_step: number of the first step in ``events.step``.
        newest_at: per step, how far the file has come after it, epoch seconds.
        watermark_seconds: before which no more than late events are to come; ``None`` at first.
        corrections: what is taken back of what was counted before, by delta partition.
        rows_by_step: the rows, where each is to be looked at alone.
    """

    events: Counted
    first_step: int
    newest_at: Sequence[int]
    watermark_seconds: int | None
    corrections: dict[int, list[DeltaRow]] = field(default_factory=dict)
    rows_by_step: Mapping[int, list[PieceRow]] | None = None


def looked_at_closely(batch: Counted, stretches: Iterable[Stretch]) -> Iterator[Stretch]:
    """The stretches of a batch, with the rows of each step; found for many stretches at once."""
    start, size, some = 0, 0, list[Stretch]()
    for stretch in stretches:
        some.append(stretch)
        size += len(stretch.events)
        if size >= _TOGETHER:
            yield from _with_rows(batch.between(start, start + size), some)
            start, size, some = start + size, 0, []
    yield from _with_rows(batch.between(start, start + size), some)


def _with_rows(events: Counted, stretches: Sequence[Stretch]) -> Sequence[Stretch]:
    rows = events.rows_by_step()
    for stretch in stretches:
        stretch.rows_by_step = rows
    return stretches
