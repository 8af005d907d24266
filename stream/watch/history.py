"""What every scope did in every hour and every day: the windowed tables people ask.

Folded straight from the deltas, each page guarded by its own stamp. Retention follows the
watermark, never a clock. This file must not judge anything.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field

from detectors.observation import Counts, add_counts, zero_counts
from stream.watch.pages import Page, page_of


@dataclass(slots=True)
class HistoryPage:
    """The counts of many scopes in one window.

    Attributes:
        stamp: offset of the last delta folded in.
        counts: scope to its counts.
        is_dirty: changed since it was last written.
    """

    stamp: int = -1
    counts: dict[str, Counts] = field(default_factory=dict)
    is_dirty: bool = False


@dataclass(slots=True)
class History:
    """Counts per window of one size, for the scopes of one delta partition.

    Attributes:
        window_seconds: 3600 or 86400.
        keep_windows: how many windows behind the watermark are kept.
        page_count: pages per window.
        pages: (page, window start) to the page.
    """

    window_seconds: int
    keep_windows: int
    page_count: int
    pages: dict[tuple[int, int], HistoryPage] = field(default_factory=dict)

    def is_kept(self, at_seconds: int, watermark_seconds: int | None) -> bool:
        """Whether the window of an instant is inside the retention, and not absurdly ahead."""
        if watermark_seconds is None:
            return True
        horizon = watermark_seconds - self.keep_windows * self.window_seconds
        return horizon <= at_seconds < watermark_seconds + 2 * 86400

    def fold(
        self,
        offset: int,
        scope: str,
        minute: int,
        counts: Counts,
        watermark_seconds: int | None,
    ) -> None:
        """Add one row, unless its page already has it or its window is no longer kept."""
        at_seconds = minute * 60
        if not self.is_kept(at_seconds, watermark_seconds):
            return
        place = (page_of(scope, self.page_count), at_seconds - at_seconds % self.window_seconds)
        page = self.pages.get(place)
        if page is None:
            page = self.pages[place] = HistoryPage()
        if offset <= page.stamp:
            return
        mine = page.counts.get(scope)
        if mine is None:
            mine = page.counts[scope] = zero_counts()
        add_counts(mine, counts)
        page.is_dirty = True

    def expire(self, watermark_seconds: int) -> list[tuple[int, int]]:
        """Drop the windows that left the retention, and name them for removal from the table."""
        horizon = watermark_seconds - self.keep_windows * self.window_seconds
        gone = [place for place in self.pages if place[1] + self.window_seconds <= horizon]
        for place in gone:
            del self.pages[place]
        return gone

    def sums(self, kind: str, from_seconds: int, to_seconds: int) -> Iterator[tuple[str, Counts]]:
        """Scope and counts of each window that lies inside ``[from, to)``."""
        prefix = f"{kind}:"
        for (_, start), page in self.pages.items():
            if from_seconds <= start and start + self.window_seconds <= to_seconds:
                for scope, counts in page.counts.items():
                    if scope.startswith(prefix):
                        yield scope, counts

    def restore(self, recovered: dict[tuple[int, int], Page]) -> None:
        """Take the pages of a recovered table."""
        for place, page in recovered.items():
            self.pages[place] = HistoryPage(page.stamp, page.rows, is_dirty=True)
