"""What every scope did in every hour and every day: the windowed tables people ask.

Added up in numpy columns, a row per scope and window, and written as pages, each guarded by its own
stamp. Retention follows the watermark, never a clock. What is not held is known, so that nobody
gets a part for the whole. This file must not judge anything.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from detectors.observation import COUNTERS, Counts, add_counts, zero_counts
from detectors.window import DAY_SECONDS
from stream.watch.history_page import HistoryCounts
from stream.watch.pages import Page
from stream.watch.roster import UNKNOWN, Roster

_NARROW = 2**60
"""A column may hold less than four of it; what is larger is kept in Python's integers."""


@dataclass(frozen=True, slots=True)
class HistoryPage:
    """Some of the scopes of one window.

    Attributes:
        stamp: offset of the last delta folded in.
        content: what it holds.
        is_dirty: changed since it was last written.
    """

    stamp: int
    content: HistoryCounts
    is_dirty: bool


class _Window:
    """The counts of one window: a row per scope, in the order they came; a column per counter used.

    Most of 21 counters are zero in all scopes: with a column for each, and room for rows that never
    came, scopes that spent an hour a day for four weeks took 16.6 KB each, not 3.5.
    """

    def __init__(self, page_count: int) -> None:
        self.number: NDArray[np.int64] = np.zeros(0, np.int64)  # of each row's scope
        self.size = 0
        self.stamp: NDArray[np.int64] = np.full(page_count, -1, np.int64)
        self.exists: NDArray[np.bool_] = np.zeros(page_count, np.bool_)
        self.is_dirty: NDArray[np.bool_] = np.zeros(page_count, np.bool_)
        self._row: NDArray[np.int32] = np.zeros(0, np.int32)  # number to row
        self._used: list[int] = []  # counters, in the order of the columns
        self._counts: NDArray[np.int64] = np.zeros((0, 0), np.int64)
        self._wide: dict[int, Counts] = {}
        self._largest = 0

    def rows_of(self, number: NDArray[np.int64], names: int) -> NDArray[np.int32]:
        """The rows of scopes, new ones where there are none; no scope twice."""
        if names > len(self._row):
            more = np.full(max(names, 2 * len(self._row)) - len(self._row), UNKNOWN, np.int32)
            self._row = np.concatenate((self._row, more))
        rows: NDArray[np.int32] = self._row[number]
        fresh = np.flatnonzero(rows == UNKNOWN)
        if len(fresh):
            size = self.size + len(fresh)
            if size > len(self.number):
                more_rows = max(size, 2 * len(self.number)) - len(self.number)
                self.number = np.concatenate((self.number, np.zeros(more_rows, np.int64)))
                zeros = np.zeros((more_rows, len(self._used)), np.int64)
                self._counts = np.concatenate((self._counts, zeros))
            rows[fresh] = np.arange(self.size, size)
            self._row[number[fresh]] = rows[fresh]
            self.number[self.size : size] = number[fresh]
            self.size = size
        return rows

    def row_of(self, number: int, names: int) -> int:
        """The row of one scope; without arrays, if it has one."""
        row = int(self._row[number]) if number < len(self._row) else UNKNOWN
        return row if row != UNKNOWN else int(self.rows_of(np.array([number]), names)[0])

    def add(self, rows: NDArray[np.int32], counts: NDArray[np.int64]) -> None:
        """Add to some rows, none of them twice; amounts below ``2**62``."""
        self._make_room(int(counts.max(initial=0)))
        self._use(np.flatnonzero(counts.any(axis=0)).tolist())
        self._counts[rows] += counts[:, self._used]

    def _use(self, counters: Iterable[int]) -> None:
        """See to it that counters have a column."""
        fresh = [each for each in counters if each not in self._used]
        if fresh:
            zeros = np.zeros((len(self._counts), len(fresh)), np.int64)
            self._counts = np.concatenate((self._counts, zeros), axis=1)
            self._used += fresh

    def trim(self) -> None:
        """Give back the room for rows that hardly come any more."""
        if len(self.number) > self.size:
            self.number = self.number[: self.size].copy()
            self._counts = self._counts[: self.size].copy()

    def _make_room(self, amount: int) -> None:
        """See to it that no column wraps when an amount is added."""
        self._largest += amount
        if self._largest >= 2 * _NARROW:
            self._widen()
            self._largest = _NARROW + amount

    def add_one(self, row: int, counts: Counts) -> None:
        """Add to one row, whatever the amounts."""
        largest = max(counts)
        if largest < _NARROW and min(counts) >= 0:
            self._make_room(largest)
            amounts = [counts[each] for each in self._used]
            if sum(amounts) != sum(counts):
                self._use(each for each, amount in enumerate(counts) if amount)
                amounts = [counts[each] for each in self._used]
            if amounts:
                self._counts[row] += amounts
        elif row in self._wide:
            add_counts(self._wide[row], counts)
        else:
            self._wide[row] = list(counts)

    def _widen(self) -> None:
        """Carry what is large to Python's integers, which cannot wrap."""
        for row in np.flatnonzero(self._counts.max(axis=1, initial=0) >= _NARROW).tolist():
            add_counts(self._wide.setdefault(row, zero_counts()), self._full([row])[0].tolist())
            self._counts[row] = 0

    def _full(self, rows: NDArray[np.integer] | list[int]) -> NDArray[np.int64]:
        """Some rows with all counters."""
        full = np.zeros((len(rows), len(COUNTERS)), np.int64)
        full[:, self._used] = self._counts[rows]
        return full

    def content(self, rows: NDArray[np.integer], names: list[str]) -> HistoryCounts:
        """Some rows as a page holds them, and whose they are."""
        wide = {}
        if self._wide:
            places = zip(names, rows.tolist(), strict=True)
            wide = {name: self._wide[row] for name, row in places if row in self._wide}
        return HistoryCounts(names, self._full(rows), wide)

    def take(self, rows: NDArray[np.int32], content: HistoryCounts) -> None:
        """Add what a page holds to its scopes' rows."""
        self.add(rows, content.counts)
        row_of = dict(zip(content.names, rows.tolist(), strict=True))
        for name, counts in content.wide.items():
            self.add_one(row_of[name], counts)

    def counts(self, rows: NDArray[np.integer]) -> list[Counts]:
        """The counts of some rows."""
        found: list[Counts] = self._full(rows).tolist()
        if self._wide:
            for row, amounts in zip(rows.tolist(), found, strict=True):
                if row in self._wide:
                    add_counts(amounts, self._wide[row])
        return found


@dataclass(slots=True)
class History:
    """Counts per window of one size, for the scopes of one delta partition.

    Attributes:
        window_seconds: 3600 or 86400.
        keep_windows: how many windows behind the watermark are kept.
        page_count: pages per window.
        roster: numbers the scopes.
        highest_stamp: the furthest delta that a page taken over holds.
    """

    window_seconds: int
    keep_windows: int
    page_count: int
    roster: Roster
    highest_stamp: int = -1
    _windows: dict[int, _Window] = field(default_factory=dict)
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
        number: int,
        minute: int,
        counts: Counts,
        *,
        watermark_seconds: int | None,
        front_seconds: int | None,
    ) -> None:
        """Add one row, unless its page already has it or its window is out of reach.

        Args:
            offset: of the row's delta.
            number: of the row's scope.
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
        window, page = self._window(start), self.roster.history_page[number]
        window.exists[page] = True
        if offset <= window.stamp[page]:
            return
        window.add_one(window.row_of(number, len(self.roster)), counts)
        window.is_dirty[page] = True

    def add(
        self,
        number: NDArray[np.int64],
        at_seconds: NDArray[np.int64],
        counts: NDArray[np.int64],
    ) -> None:
        """Add many sums: within reach, of a delta beyond ``highest_stamp``, no scope twice."""
        starts = at_seconds - at_seconds % self.window_seconds
        is_one = len(starts) and starts.min() == starts.max()
        for start in starts[:1].tolist() if is_one else np.unique(starts).tolist():
            mine: slice | NDArray[np.bool_] = slice(None) if is_one else starts == start
            window, scopes = self._window(start), number[mine]
            window.add(window.rows_of(scopes, len(self.roster)), counts[mine])
            pages = self.roster.history_page[scopes]
            window.exists[pages] = window.is_dirty[pages] = True

    def _window(self, start: int) -> _Window:
        window = self._windows.get(start)
        if window is None:
            window = self._windows[start] = _Window(self.page_count)
        return window

    def expire(self, watermark_seconds: int) -> list[tuple[int, int]]:
        """Drop the windows that left the retention, and name their pages for removal."""
        horizon = watermark_seconds - self.keep_windows * self.window_seconds
        over = [start for start in self._windows if start + self.window_seconds <= horizon]
        gone = [
            (page, start)
            for start in over
            for page in np.flatnonzero(self._windows.pop(start).exists).tolist()
        ]
        self._left_out = {day for day in self._left_out if (day + 1) * DAY_SECONDS > horizon}
        for start, window in self._windows.items():
            if start + self.window_seconds <= watermark_seconds:
                window.trim()
        return gone

    def rewrite(self) -> None:
        """Take every page for changed."""
        for window in self._windows.values():
            window.is_dirty |= window.exists

    def pages(self, *, only_dirty: bool = False) -> Iterator[tuple[tuple[int, int], HistoryPage]]:
        """Page and window start, and what the page holds."""
        for start, window in self._windows.items():
            rows_page = self.roster.history_page[window.number[: window.size]]
            for page in np.flatnonzero(window.is_dirty if only_dirty else window.exists).tolist():
                rows = np.flatnonzero(rows_page == page)
                names = list(map(self.roster.texts.__getitem__, window.number[rows].tolist()))
                stamp, is_dirty = int(window.stamp[page]), bool(window.is_dirty[page])
                yield (page, start), HistoryPage(stamp, window.content(rows, names), is_dirty)

    def written(self, stamp: int) -> None:
        """Note that every dirty page is durable as of a delta."""
        for window in self._windows.values():
            stamps = window.stamp[window.is_dirty]
            window.stamp[window.is_dirty] = np.maximum(stamps, stamp)
            window.is_dirty[:] = False

    def first_left_out(self, from_seconds: int, to_seconds: int) -> int | None:
        """The first day that touches ``[from, to)`` and is not held in full, epoch seconds."""
        days = (day * DAY_SECONDS for day in self._left_out)
        touched = (at for at in days if from_seconds < at + DAY_SECONDS and at < to_seconds)
        return min(touched, default=None)

    def sums(self, kind: str, from_seconds: int, to_seconds: int) -> Iterator[tuple[str, Counts]]:
        """Scope and counts of each window that lies inside ``[from, to)``."""
        prefix, texts = f"{kind}:", self.roster.texts
        is_kind = np.array([text.startswith(prefix) for text in texts], np.bool_)
        for start, window in self._windows.items():
            if from_seconds <= start and start + self.window_seconds <= to_seconds:
                rows = np.flatnonzero(is_kind[window.number[: window.size]])
                scopes = map(texts.__getitem__, window.number[rows].tolist())
                yield from zip(scopes, window.counts(rows), strict=True)

    def snapshot(self) -> list[Any]:
        """What the own page has to hold, as plain values."""
        return [sorted(self._ahead), sorted(self._left_out)]

    def restore(self, recovered: dict[tuple[int, int], Page], snapshot: list[Any] | None) -> None:
        """Take the pages of a recovered table, and the snapshot of the own page if there is one."""
        if snapshot is not None:
            self._ahead, self._left_out = map(set, snapshot)
        for (page, start), each in recovered.items():
            window = self._window(start)
            content = HistoryCounts.from_rows(each.rows)
            number = np.array([self.roster.number(name) for name in content.names], np.int64)
            window.take(window.rows_of(number, len(self.roster)), content)
            window.stamp[page] = each.stamp
            window.exists[page] = window.is_dirty[page] = True
            self.highest_stamp = max(self.highest_stamp, each.stamp)
