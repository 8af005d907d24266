"""What the scopes of a kind spent in a file of events, to the same dollar as a worker would say.

INGEST's own chain decides what an event is, whether it is a repeat and what it cost; this only
adds up. It judges nothing, and keeps every name: there is no ``__other__`` here.
"""

from collections.abc import Iterable

from detectors.observation import Counts, add_counts, zero_counts
from detectors.window import MINUTE_SECONDS
from stream.config import Settings
from stream.replay.file_ingest import FileIngest
from stream.watch.queries import SpendPart, SpendQuery


class FileSpend:
    """Sums by scope of one file."""

    def __init__(self, settings: Settings, query: SpendQuery) -> None:
        self._ingest = FileIngest(settings)
        self._query = query
        self._sums: dict[str, tuple[int, int, Counts]] = {}
        self.intake = self._ingest.intake

    def feed(self, lines: Iterable[bytes]) -> None:
        """Add up the lines of a file."""
        prefix = f"{self._query.kind}:"
        for stretch in self._ingest.feed(lines):
            for rows in [*stretch.events.rows().values(), *stretch.corrections.values()]:
                for row in rows:
                    if row.scope.startswith(prefix):
                        self._add(row.scope, row.minute * MINUTE_SECONDS, row.counts)

    def _add(self, scope: str, at_seconds: int, counts: Counts) -> None:
        span = self._query.span
        if span is not None and not span[0] <= at_seconds < span[1]:
            return
        end = at_seconds + MINUTE_SECONDS
        first, last, sums = self._sums.get(scope) or (at_seconds, end, zero_counts())
        add_counts(sums, counts)
        self._sums[scope] = (min(first, at_seconds), max(last, end), sums)

    def parts(self) -> list[SpendPart]:
        """The sums, each with the span asked for, or else with that of the scope's own events."""
        span = self._query.span
        return [
            (scope, *(span or (first, last)), counts)
            for scope, (first, last, counts) in self._sums.items()
        ]
