"""Transactions that do not end: how much of a role's input nobody may read, and since when.

A reader of committed records stops at the last stable offset, whoever left the transaction open,
and its topic looks as if it had ended there. Only the end of the log tells the difference. This
file must not ask Kafka.
"""

from collections.abc import Callable, Hashable, Mapping

from stream.health import catalogue
from stream.kafka.progress import Progress


class Stability:
    """Since when each partition's last stable offset stands still below the end of its log.

    A transaction is open for a moment in every batch; one that hangs shows by the time for which
    the offset does not move.

    Args:
        role: whose input it is.
        clock: monotonic seconds.
    """

    def __init__(self, role: str, clock: Callable[[], float]) -> None:
        self._role = role
        self._clock = clock
        self._since: dict[Hashable, tuple[int, float]] = {}

    def look(self, known: Mapping[Hashable, Progress]) -> None:
        """Set the gauges: records nobody may read, and for how long; of the worst partition each.

        Args:
            known: progress by partition.
        """
        now = self._clock()
        since: dict[Hashable, tuple[int, float]] = {}
        for source, progress in known.items():
            if progress.stable < progress.end:
                before = self._since.get(source)
                is_same = before is not None and before[0] == progress.stable
                since[source] = before if before and is_same else (progress.stable, now)
        self._since = since
        records = max((each.end - each.stable for each in known.values()), default=0)
        seconds = max((now - start for _, start in since.values()), default=0.0)
        catalogue.UNSTABLE.labels(self._role).set(records)
        catalogue.UNSTABLE_SECONDS.labels(self._role).set(seconds)
