"""What WATCH shows of itself once a second: its lag, its time, and transactions that hang.

This file must not change anything.
"""

import time
from collections.abc import Callable
from typing import Any, Final

from stream.health import catalogue
from stream.health.stability import Stability
from stream.health.vitals import READY, Readiness, show_buffered, show_lag, unready
from stream.kafka.progress import progress_of_app
from stream.keyed.config import Role
from stream.watch.role import WatchRole

NEAR_HEAD_RECORDS: Final = 500
"""Records of one delta partition behind its end at which WATCH counts as caught up: each input
partition writes one a second, or up to four, and a marker after each."""


class WatchVitals:
    """Looks at the role WATCH.

    Args:
        app: its Faust app.
        role: the role.
        topic: of the deltas.
        wall: the wall clock, epoch seconds.
        clock: monotonic seconds.
    """

    def __init__(
        self,
        app: Any,
        role: WatchRole,
        topic: str,
        wall: Callable[[], float],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._app = app
        self._role = role
        self._topic = topic
        self._wall = wall
        self._stability = Stability(Role.WATCH.value, clock)

    def look(self) -> Readiness:
        """Set the gauges, and say whether the tables are recovered and nearly up to date."""
        role = self._role
        partitions = dict(role.partitions)
        catalogue.SCOPES.set(sum(each.scope_count for each in partitions.values()))
        marks = [each.vector.current for each in partitions.values()]
        ages = [self._wall() - mark for mark in marks if mark is not None]
        catalogue.WATERMARK_AGE.set(max(ages, default=0))
        known = {
            source.partition: progress
            for source, progress in progress_of_app(self._app).items()
            if source.topic == self._topic
        }
        lags = [
            max(0, known[number].end - partition.applied - 1)
            for number, partition in partitions.items()
            if number in known
        ]
        show_lag(Role.WATCH.value, lags)
        self._stability.look(known)
        show_buffered(Role.WATCH.value, *role.buffered)
        if not role.is_ready:
            return unready("its tables are being recovered")
        if max(lags, default=0) > NEAR_HEAD_RECORDS:
            return unready(f"{max(lags)} deltas behind in the worst partition")
        return READY
