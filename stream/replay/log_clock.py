"""Stands for the broker's clock: how far a file has come, by events that agree.

On Kafka a record's own time keeps one event stamped years ahead from closing everybody's windows.
A file has no such time, so a leap ahead is believed once a few events in a row made it, as after a
quiet weekend. This file must not know what an event is.
"""

import numpy as np
from numpy.typing import NDArray

from stream.ingest.watermark import NO_TIMESTAMP_MS

LEAP_SECONDS = 86_400
"""An event further ahead than this of all before it may be stamped wrongly."""

LEAP_EVENTS = 3
"""So many in a row are not."""

Ints = NDArray[np.int64]


class LogClock:
    """How far the file has come."""

    def __init__(self) -> None:
        self._seconds: int | None = None
        self._leapt: list[int] = []

    def timestamps_ms(self, event_seconds: Ints) -> Ints:
        """The time of each event's record; -1 where the event's own may stand alone."""
        if not len(event_seconds):
            return event_seconds
        first = int(event_seconds[0]) if self._seconds is None else self._seconds
        furthest = np.maximum.accumulate(np.append(np.int64(first), event_seconds))
        if not self._leapt and (event_seconds <= furthest[:-1] + LEAP_SECONDS).all():
            self._seconds = int(furthest[-1])
            return np.full(len(event_seconds), NO_TIMESTAMP_MS, np.int64)
        return np.array([self._timestamp_ms(each) for each in event_seconds.tolist()], np.int64)

    def _timestamp_ms(self, event_seconds: int) -> int:
        if self._seconds is None or event_seconds <= self._seconds + LEAP_SECONDS:
            self._seconds = max(event_seconds, self._seconds or event_seconds)
            self._leapt.clear()
            return NO_TIMESTAMP_MS
        self._leapt.append(event_seconds)
        if len(self._leapt) < LEAP_EVENTS:
            return self._seconds * 1000
        self._seconds = min(self._leapt)
        self._leapt.clear()
        return self._timestamp_ms(event_seconds)
