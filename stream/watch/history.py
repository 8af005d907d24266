"""What every scope did in every hour and every day: the windowed tables people ask.

Folded straight from the deltas, each page guarded by its own stamp. Retention follows the
watermark, never a clock. What is not held is known, so that nobody gets a part for the whole. This
file must not judge anything.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from detectors.observation import Counts, add_counts, zero_counts
from detectors.window import DAY_SECONDS
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
    _ahead: set[int] = field(default_factory=set)
    _left_out: set[int] = field(default_factory=set)

    def is_kept(self, at_seconds: int, watermark_seconds: int | None) -> bool:
        """Whether the window of an instant is inside the retention."""
        if watermark_seconds is None:
            return True
        return at_seconds >= watermark_seconds - self.keep_windows * self.window_seconds

    def _is_in_reach(self, start: int, front_seconds: int | None) -> bool:
        """Whether a window may have pages: all have up to the front, a bounded number beyond it.

        Only events that INGEST found ahead of their records come from beyond the front. A producer
        whose clock is wrong could name each of the 876,000 hours of a century, so as many windows
        are taken ahead of the front as are kept behind the watermark. Of further ones the day is
        remembered: at most 36,525 numbers, since events lie between 2000 and 2100.

        The verdict must be a function of the log and of what the own page holds, never of the
        pages found: of a flush that was cut, some are newer than the own page.
        """
        if (front_seconds is not None and start <= front_seconds) or start in self._ahead:
            return True
        if len(self._ahead) >= self.keep_windows and front_seconds is not None:
            self._ahead = {each for each in self._ahead if each > front_seconds}
        if len(self._ahead) < self.keep_windows:
            self._ahead.add(start)
            return True
        self._left_out.add(start // DAY_SECONDS)
        return False

    def fold(
        self,
        offset: int,
        scope: str,
        minute: int,
        counts: Counts,
        *,
        watermark_seconds: int | None,
        front_seconds: int | None,
    ) -> None:
        """Add one row, unless its page already has it or its window is out of reach.

        Args:
            offset: of the row's delta.
            scope: of the row.
            minute: of the row, epoch minutes.
            counts: what it counts.
            watermark_seconds: before the delta; what retention has let go stays away.
            front_seconds: how far event time has come with the delta; ``None`` if nobody knows.
        """
        at_seconds = minute * 60
        if not self.is_kept(at_seconds, watermark_seconds):
            return
        start = at_seconds - at_seconds % self.window_seconds
        if not self._is_in_reach(start, front_seconds):
            return
        place = (page_of(scope, self.page_count), start)
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
        self._left_out = {day for day in self._left_out if (day + 1) * DAY_SECONDS > horizon}
        return gone

    def first_left_out(self, from_seconds: int, to_seconds: int) -> int | None:
        """The first day that touches ``[from, to)`` and is not held in full, epoch seconds."""
        days = (day * DAY_SECONDS for day in self._left_out)
        touched = (at for at in days if from_seconds < at + DAY_SECONDS and at < to_seconds)
        return min(touched, default=None)

    def sums(self, kind: str, from_seconds: int, to_seconds: int) -> Iterator[tuple[str, Counts]]:
        """Scope and counts of each window that lies inside ``[from, to)``."""
        prefix = f"{kind}:"
        for (_, start), page in self.pages.items():
            if from_seconds <= start and start + self.window_seconds <= to_seconds:
                for scope, counts in page.counts.items():
                    if scope.startswith(prefix):
                        yield scope, counts

    def snapshot(self) -> list[Any]:
        """What the own page has to hold, as plain values."""
        return [sorted(self._ahead), sorted(self._left_out)]

    def restore(self, recovered: dict[tuple[int, int], Page], snapshot: list[Any] | None) -> None:
        """Take the pages of a recovered table, and the snapshot of the own page if there is one."""
        if snapshot is not None:
            self._ahead, self._left_out = map(set, snapshot)
        for place, page in recovered.items():
            self.pages[place] = HistoryPage(page.stamp, page.rows, is_dirty=True)
