"""What INGEST found out about a file. Nothing is found out here."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from detectors.observation import Counts, zero_counts
from detectors.window import MINUTE_SECONDS, Window
from stream.ingest.events import DeadRecord
from stream.usage.rejection import RejectReason

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
        span: event time of the first event that counted and after the last one, to the minute,
            epoch seconds; ``None``: there is none. It is not asked of the scopes: whoever looks at
            them has each settled, a third of a short backtest of 66,000.
    """

    counted: Counter[str] = field(default_factory=Counter)
    totals: Counts = field(default_factory=zero_counts)
    dead: list[DeadLine] = field(default_factory=list)
    dead_by_reason: Counter[str] = field(default_factory=Counter)
    span: tuple[int, int] | None = None

    def see(self, seconds: NDArray[np.int64]) -> None:
        """Take the event times, epoch seconds, of some events that count."""
        if len(seconds):
            first = Window.tumbling(int(seconds.min()), MINUTE_SECONDS).start_seconds
            last = Window.tumbling(int(seconds.max()), MINUTE_SECONDS).end_seconds
            known = self.span or (first, last)
            self.span = min(first, known[0]), max(last, known[1])

    def refuse(self, dead: Iterable[DeadRecord]) -> None:
        """Take the refused events of some lines; a record's offset is its line."""
        for record in dead:
            refused = record.rejection
            self.dead_by_reason[refused.reason.value] += 1
            if len(self.dead) < DEAD_LETTERS_NAMED:
                self.dead.append(DeadLine(record.offset, refused.reason, refused.detail))

    def refusals(self) -> list[str]:
        """The first refused events and how many more there are, a line each; none is quoted."""
        named = [f"line {each.line}: {each.reason.value}: {each.detail}" for each in self.dead]
        more = self.dead_by_reason.total() - len(named)
        return [*named, f"and {more:,} more"] if more else named
