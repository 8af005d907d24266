"""How far event time has come for one delta partition, by the inputs' promises and by its rows.

A function of the delta log; this file must not read a clock.
"""

from typing import Any

from detectors.window import MINUTE_SECONDS
from stream.delta import DeltaRows
from stream.watch.watermark import WatermarkPolicy, WatermarkVector

BEFORE_ALL = -(2**53)
"""An instant before every event: where there is no watermark yet."""


class EventTime:
    """What the inputs promised, and the newest event that was on time.

    Attributes:
        vector: the promises.
        newest_at: start of the newest minute of a row that was on time, epoch seconds.
    """

    def __init__(self, policy: WatermarkPolicy) -> None:
        """Before every event.

        Args:
            policy: whom the watermark waits for.
        """
        self._policy = policy
        self.vector = WatermarkVector(policy)
        self.newest_at = BEFORE_ALL

    def restore(self, promises: Any, newest_at: int) -> None:
        """Take over from a page; ``promises`` are a snapshot of the vector."""
        self.vector = WatermarkVector.restore(self._policy, promises)
        self.newest_at = newest_at

    @property
    def watermark(self) -> int:
        """The common watermark; before every event while there is none."""
        return BEFORE_ALL if self.vector.current is None else self.vector.current

    def note(self, rows: DeltaRows) -> None:
        """Take notice of rows."""
        on_time = rows.minute[~rows.is_late]
        if len(on_time):
            self.newest_at = max(self.newest_at, int(on_time.max()) * MINUTE_SECONDS)

    def newest_of(self, rows: DeltaRows) -> int:
        """``newest_at``; if nothing was ever on time, the newest minute of these rows."""
        if self.newest_at == BEFORE_ALL:
            return int(rows.minute.max()) * MINUTE_SECONDS
        return self.newest_at

    def front(self, promised: int | None) -> int | None:
        """How far event time has come, in whoever's word; ``None`` before anybody's.

        An input may be behind the others by days, or jump over some: the watermark alone, as it
        was before a delta, would leave money out that the delta itself is about.
        """
        known = (self.vector.furthest, promised)
        front = max(self.newest_at, *(BEFORE_ALL if at is None else at for at in known))
        return None if front == BEFORE_ALL else front
