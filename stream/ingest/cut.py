"""When a batch is cut: small batches while little comes, larger ones under load.

A transaction costs about the same whatever is in it, so for who is behind fewer and larger ones
leave more of the processor to the events; who keeps up gathers as long as writing takes, and at
rest a quarter of a second of delay is all there is. One that the broker's time-out ends is tried
again with half of its records: as it was it would fail for ever (seen with 15,000 dead letters in
one, on a machine that gave INGEST a quarter of a core).

What is read and judged in one go holds up the transactions of all other partitions, which take a
turn of the loop for each of their five answers, and the heartbeats: 20,000 records that are refused
take 2 s on a busy machine where 20,000 events take 0.1. So a batch is cut by that time, too.
"""

_BLOCKED_SECONDS = 0.5
"""A batch that took longer to read has fewer records next time. 20,000 events take as long only
where no two of them are alike."""

_SHARE = 1
"""The next batch gathers as long as the last one took: writing is at most half of the time.

Of 45 incidents beside 100,000 events a second, half of what two cores do, actions came after 0.71 s
in the median and 1.08 s in nine of ten with 4, after 0.61 and 0.93 with 2, and 0.52 and 0.75 with 1
(2026-12)."""

_BEHIND_SHARE = 4
"""Likewise while more than ``_BEHIND`` batches wait: writing is at most a fifth. With 1 then, too,
a worker of 1,000 scopes took 167,000 events a second and not 201,000 (2026-12)."""

_BEHIND = 2
"""Batches. While one is written hardly more than it has comes in, if gathering took as long."""


class AdaptiveCut:
    """How long the next batch gathers, and how many records it takes at most.

    Args:
        min_seconds: never shorter.
        max_seconds: never longer.
        max_records: never more.
        quick_seconds: only after a full batch that took less may the next one be larger.

    >>> cut = AdaptiveCut(0.25, 1.0, max_records=1000, quick_seconds=2.5)
    >>> cut.took(0.3, records=1000, blocked=0.05, waiting=900)
    >>> cut.seconds
    0.3
    >>> cut.took(0.15, records=1000, blocked=0.05, waiting=5000)
    >>> cut.seconds
    0.6
    """

    def __init__(
        self, min_seconds: float, max_seconds: float, *, max_records: int, quick_seconds: float
    ) -> None:
        self._min_seconds = min_seconds
        self._max_seconds = max_seconds
        self._max_records = max_records
        self._quick_seconds = quick_seconds
        self._seconds = min_seconds
        self._records = max_records

    @property
    def seconds(self) -> float:
        """From the last cut, or the first record since, to the next."""
        return self._seconds

    @property
    def records(self) -> int:
        """Most of the next batch."""
        return self._records

    def took(self, seconds: float, *, records: int, blocked: float, waiting: int) -> None:
        """Learn what the last batch took; of its time, the mean of it and before.

        Args:
            seconds: to process and write it.
            records: in it. Only a full one shows that more may go well: the first after a lost one
                often has none.
            blocked: of the seconds, those in which nothing else could run.
            waiting: records that could have been in it, too, by now.
        """
        is_behind = bool(records) and waiting > _BEHIND * records
        share = _BEHIND_SHARE if is_behind else _SHARE
        target = min(max(seconds * share, self._min_seconds), self._max_seconds)
        self._seconds = max(target, (target + self._seconds) / 2)
        if records and blocked > _BLOCKED_SECONDS:
            self._records = max(1, int(records * _BLOCKED_SECONDS / blocked))
        elif (
            records >= self._records
            and seconds < self._quick_seconds
            and blocked < _BLOCKED_SECONDS / 2
        ):
            self._records = min(2 * self._records, self._max_records)

    def lost(self, records: int) -> None:
        """Learn that a batch of so many was not committed, perhaps because it took too long."""
        if records:
            self._records = max(1, records // 2)
