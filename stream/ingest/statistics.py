"""What INGEST says of its work: counters of every committed batch, and now and then a line of them.

The same counters become metrics (``stream/ingest/vitals.py``).
"""

import asyncio
from collections import Counter
from typing import Final

import structlog

from detectors import observation
from stream.health import catalogue
from stream.ingest.keys import SAMPLED, off_key_ratio
from stream.ingest.partition import Batch

_log = structlog.get_logger(__name__)

DEAD_LETTER: Final = "dead_letter."
"""Prefix of the counters per reason."""

TRACE_URL: Final = "trace_url."
"""Likewise, of addresses of calls that may not be shown."""

REQUESTS, UNPRICED, COST = "requests", "unpriced_requests", "cost_nanousd"
"""Sums over all events, whatever scopes they have."""

_OFF_KEY_RATIO: Final = 0.01
"""Said above it: a stray record is no cause for concern."""

TELL_SECONDS: Final = 60.0
"""At most this often, one line."""

TOLD: Final = (
    "events",
    "rekeyed",
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


def count_batch(counted: Counter[str], batch: Batch, *, messages: int, seconds: float) -> None:
    """Add a batch that is committed.

    Args:
        counted: what it is added to.
        batch: what became of its records.
        messages: how many were written.
        seconds: from the first look at it until it was committed.
    """
    counted.update(batch.counted)
    counted.update(transactions=1, messages=messages)
    for dead in batch.dead:
        counted[DEAD_LETTER + dead.rejection.reason] += 1
    for refusal, urls in batch.refused_urls.items():
        counted[TRACE_URL + refusal] += urls
    for name in (REQUESTS, UNPRICED, COST):
        counted[name] += batch.totals[observation.COUNTER_INDEX[name]]
    if batch.counted["records"]:  # a hop in front counts none: what it reads comes again
        catalogue.BATCH_SECONDS.observe(seconds)


class Statistics:
    """Tells what has changed.

    Args:
        counted: counters that only grow, kept up to date by others.
        is_rekeyed: a hop puts every event where its id leads, so that it may be keyed otherwise.
    """

    def __init__(self, counted: Counter[str], *, is_rekeyed: bool = False) -> None:
        self._counted = counted
        self._is_rekeyed = is_rekeyed
        self._told: Counter[str] = Counter()

    def tell(self) -> None:
        """One line of what was added since the last; none if that is nothing."""
        added = {name: self._counted[name] - self._told[name] for name in TOLD}
        if any(added.values()):
            sampled = self._counted - self._told
            self._told = self._counted.copy()
            _log.info("ingest_counted", **added)
            if not self._is_rekeyed:
                self._tell_keys(sampled)

    def _tell_keys(self, sampled: Counter[str]) -> None:
        off_key = off_key_ratio(sampled)
        if off_key is not None and off_key > _OFF_KEY_RATIO:
            _log.warning(
                "ingest_off_key",
                off_key_ratio=round(off_key, 3),
                sampled=sampled[SAMPLED],
                consequence="an event sent again to another partition counts twice",
                fix="key records by event_id, all by one partitioner, or set ingest.rekey",
            )

    async def run(self) -> None:
        """Tell again and again, until cancelled."""
        while True:
            await asyncio.sleep(TELL_SECONDS)
            self.tell()
