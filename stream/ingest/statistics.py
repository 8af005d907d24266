"""What INGEST says of its work in the log: now and then a line of counters, if one has moved.

The same counters are for whoever wants them as metrics. This file must not count.
"""

import asyncio
from collections import Counter
from typing import Final

import structlog

_log = structlog.get_logger(__name__)

TELL_SECONDS: Final = 60.0
"""At most this often, one line."""

TOLD: Final = (
    "events",
    "repeats",
    "late",
    "ahead",
    "dead_letters",
    "unknown_fields",
    "batches_lost",
    "records_dropped",
    "dedup_shortened",
)
"""Counters worth a line; ``estimated`` and ``outcomes`` are events too, the rest is traffic."""


class Statistics:
    """Tells what has changed.

    Args:
        counted: counters that only grow, kept up to date by others.
    """

    def __init__(self, counted: Counter[str]) -> None:
        self._counted = counted
        self._told: Counter[str] = Counter()

    def tell(self) -> None:
        """One line of what was added since the last; none if that is nothing."""
        added = {name: self._counted[name] - self._told[name] for name in TOLD}
        if any(added.values()):
            self._told = self._counted.copy()
            _log.info("ingest_counted", **added)

    async def run(self) -> None:
        """Tell again and again, until cancelled."""
        while True:
            await asyncio.sleep(TELL_SECONDS)
            self.tell()
