"""Which events are repeats, told one at a time: the rule of ``stream/ingest/dedup.py`` as it reads.

The yardstick for what judges whole batches. It remembers for ever; only the rule forgets.
"""

from collections.abc import Hashable


class SeenIds:
    """The ids of one input partition.

    Args:
        horizon_minutes: how far the progress may move before an id is forgotten.
    """

    def __init__(self, horizon_minutes: int) -> None:
        self._horizon_minutes = horizon_minutes
        self._progress: int | None = None
        self._last: dict[Hashable, int] = {}
        self._record: dict[Hashable, int] = {}

    def is_repeat(self, identity: Hashable, minute: int) -> bool:
        """Whether the id was seen within the horizon, or in this very record."""
        is_repeat = identity in self._record or self.is_known(identity)
        self._record[identity] = max(minute, self._record.get(identity, minute))
        return is_repeat

    def is_known(self, identity: Hashable) -> bool:
        """Whether the id was seen before this record, and within the horizon."""
        last = self._last.get(identity)
        return (
            last is not None
            and self._progress is not None
            and last >= self._progress - self._horizon_minutes
        )

    def end_record(self) -> None:
        """The record whose events were asked about since the last call has no more."""
        if self._record:
            highest = max(self._record.values())
            self._progress = highest if self._progress is None else max(highest, self._progress)
            self._last.update(dict.fromkeys(self._record, self._progress))
            self._record = {}
