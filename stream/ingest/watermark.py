"""How far event time has come on one input partition, and what is late there.

The running watermark is the highest of min(event time, record timestamp) over the events so far,
less the allowed lateness. An event is judged against the value *before* it, so the verdict is a
function of the log and every reader finds the same. Taking the smaller of the two times keeps a
producer whose clock is a day fast from closing everybody's windows; the topic should stamp records
itself (``message.timestamp.type=LogAppendTime``), or a fast clock stamps both.

Idle is the one verdict that needs the wall clock, which is an argument here. It is written into
the log with the watermark, so that a replay repeats it.
"""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from detectors.window import MINUTE_SECONDS

NO_TIMESTAMP_MS = -1
"""Kafka's mark of a record without a timestamp: the event's own time then stands alone."""


def log_seconds(event_seconds: int, timestamp_ms: int) -> int:
    """The time that an event may claim: its own, but never beyond its record's, whole seconds.

    >>> log_seconds(1_700_086_400, 1_700_000_000_999)
    1700000000
    """
    if timestamp_ms <= NO_TIMESTAMP_MS:
        return event_seconds
    return min(event_seconds, timestamp_ms // 1000)


def log_minute(event_seconds: int, timestamp_ms: int) -> int:
    """The same in whole minutes since 1970."""
    return log_seconds(event_seconds, timestamp_ms) // MINUTE_SECONDS


def log_seconds_column(
    event_seconds: NDArray[np.int64], timestamp_ms: NDArray[np.int64]
) -> NDArray[np.int64]:
    """``log_seconds`` of many events."""
    return np.where(
        timestamp_ms <= NO_TIMESTAMP_MS,
        event_seconds,
        np.minimum(event_seconds, timestamp_ms // 1000),
    )


_LONG_AGO = np.iinfo(np.int64).min

MAX_AHEAD_SECONDS = 3600
"""An event may claim to be this far ahead of its record: clocks differ, but not by more."""


def is_ahead(event_seconds: int, timestamp_ms: int) -> bool:
    """Whether an event claims a time so far ahead of its record's that no window should hold it.

    It would wait open until its time comes, in a scope for each such event. So it counts in totals
    only, as a late one does. Without a record timestamp nothing is known.

    >>> is_ahead(1_700_086_400, 1_700_000_000_999)
    True
    """
    return (
        timestamp_ms > NO_TIMESTAMP_MS and event_seconds > timestamp_ms // 1000 + MAX_AHEAD_SECONDS
    )


def are_ahead(
    event_seconds: NDArray[np.int64], timestamp_ms: NDArray[np.int64]
) -> NDArray[np.bool_]:
    """``is_ahead`` of many events."""
    is_known = timestamp_ms > NO_TIMESTAMP_MS
    found: NDArray[np.bool_] = is_known & (event_seconds > timestamp_ms // 1000 + MAX_AHEAD_SECONDS)
    return found


@dataclass(frozen=True, slots=True)
class Watermark:
    """The state between two events; each step returns the next.

    Attributes:
        allowed_lateness_seconds: how far behind an event may be and still be on time.
        seconds: epoch seconds before which only late events are to come; ``None`` before the
            first event.
        moved_at: wall clock in epoch seconds when ``seconds`` was last known to be current;
            ``None`` while no clock has been consulted (a backtest).
        is_idle: the last verdict.
    """

    allowed_lateness_seconds: int
    seconds: int | None = None
    moved_at: float | None = None
    is_idle: bool = False

    def is_late(self, event_seconds: int) -> bool:
        """Whether an event of this time is behind what was promised."""
        return self.seconds is not None and event_seconds < self.seconds

    def after(self, event_seconds: int, timestamp_ms: int) -> "Watermark":
        """The watermark after an event; it never goes back."""
        promised = log_seconds(event_seconds, timestamp_ms) - self.allowed_lateness_seconds
        if self.seconds is not None and promised <= self.seconds:
            return self
        return replace(self, seconds=promised)

    def over(
        self, event_seconds: NDArray[np.int64], timestamp_ms: NDArray[np.int64]
    ) -> "tuple[NDArray[np.bool_], Watermark]":
        """``is_late`` of each of many events in the order of the log, and ``after`` the last.

        A running maximum gives every event the verdict that it would have had alone.
        """
        if not len(event_seconds):
            return np.zeros(0, np.bool_), self
        course = self.course(event_seconds, timestamp_ms)
        return event_seconds < course[:-1], replace(self, seconds=int(course[-1]))

    def course(
        self, event_seconds: NDArray[np.int64], timestamp_ms: NDArray[np.int64]
    ) -> NDArray[np.int64]:
        """``seconds`` before the first of many events and after each of them."""
        promised = log_seconds_column(event_seconds, timestamp_ms) - self.allowed_lateness_seconds
        course = np.empty(len(promised) + 1, np.int64)
        course[0] = _LONG_AGO if self.seconds is None else self.seconds
        course[1:] = promised
        return np.maximum.accumulate(course, out=course)

    def awake(self, wall_seconds: float) -> "Watermark":
        """The watermark while records come: not idle, and current as of now."""
        return replace(self, moved_at=wall_seconds, is_idle=False)

    def busy(self) -> "Watermark":
        """The watermark while the log's end is out of reach: nothing is known, nothing moves."""
        return replace(self, is_idle=False)

    def idle(self, wall_seconds: float) -> "Watermark":
        """The watermark of a partition that has been read to its end and stays silent.

        It goes on at the pace of the wall clock from its last value, also over a restart: what was
        produced meanwhile has been read. So a quiet live partition stays near now, and an old
        trace that has ended stays in its own year.
        """
        if self.seconds is None or self.moved_at is None:
            return replace(self, moved_at=wall_seconds, is_idle=True)
        elapsed = int(wall_seconds - self.moved_at)
        if elapsed <= 0:  # less than a second, or a wall clock set back
            return replace(self, moved_at=min(self.moved_at, wall_seconds), is_idle=True)
        return replace(
            self,
            seconds=self.seconds + elapsed,
            moved_at=self.moved_at + elapsed,
            is_idle=True,
        )
