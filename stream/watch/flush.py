"""Pages as changelog records: under which keys they are written, and which keys must go.

The order of a flush's steps is the promise that a restart relies on. This file must not know what a
page says.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from stream.watch.config import WatchRoleConfig
from stream.watch.pages import PageKey, Recovered, encode_page, split_page

LIVE, PROFILE, HOURS, DAYS = "live", "profile", "spend_hour", "spend_day"
TABLES = (LIVE, PROFILE, HOURS, DAYS)

OWN_PAGE = -1
"""Number of the partition's own page: its watermarks, written after all others of a flush."""

_SHARE = 0.25
"""Of WATCH's time, how much writing pages may take while it is busy. Of 100,000 scopes at full pace
it took 69 %: every page had changed every 10 s."""

_LONGEST_ROUND_SECONDS = 60.0
"""In which each partition's pages are written once, however long that takes: what a successor has
to fold again is what came since."""

Write = tuple[str, Any, bytes | None]
"""Table, key and value of one changelog record; ``None`` removes."""


@dataclass(slots=True)
class Flush:
    """One flush: what is written, step by step, and what becomes true once it is durable.

    Attributes:
        stamp: the prefix of the delta log that the pages hold.
        steps: all of a step must be acknowledged before the next. First what earlier incarnations
            left of the own page goes, so that it never outlives the pages it speaks of; then come
            live state and history; then profiles, since a window must not be judged again by what
            was learned of it; last the own page, so that a replay never starts with a watermark
            that is ahead of its pages.
        profiles: scope to how far (epoch seconds) its profile among them has learned.
        places: (table, page, window start) to the keys it is now written under.
    """

    stamp: int
    steps: tuple[list[Write], ...] = field(default_factory=lambda: ([], [], [], []))
    profiles: dict[str, int] = field(default_factory=dict)
    places: dict[tuple[str, int, int], list[Any]] = field(default_factory=dict)


def pause_after(seconds: float, *, every_seconds: float, partitions: int) -> float:
    """How long to fold deltas after the pages of one partition were written, before the next one's.

    Args:
        seconds: that writing them took.
        every_seconds: how often each partition is to be written; less often where that would take
            more than a quarter of the time.
        partitions: how many there are.

    >>> pause_after(0.1, every_seconds=10, partitions=16)
    0.625
    >>> round(pause_after(0.4, every_seconds=10, partitions=16), 3)
    1.2
    """
    needed = min(seconds * (1 / _SHARE - 1), _LONGEST_ROUND_SECONDS / partitions)
    return max(every_seconds / partitions, needed)


class PageKeys:
    """The keys that one incarnation writes the pages of one partition under."""

    def __init__(self, partition: int, incarnation: str, config: WatchRoleConfig) -> None:
        """No page is written yet.

        Args:
            partition: the delta partition.
            incarnation: of this writer in this assignment, unique.
            config: numbers of pages.
        """
        self._partition = partition
        self._incarnation = incarnation
        self._config = config
        self._keys: dict[tuple[str, int, int], list[Any]] = {}
        self._losers: list[tuple[str, Any]] = []

    def page_count(self, table: str) -> int:
        """Pages per partition, of a windowed table per window."""
        live = table in (LIVE, PROFILE)
        return self._config.pages if live else self._config.history_pages

    def take_over(self, recovered: Mapping[str, Recovered]) -> None:
        """Know under which keys earlier incarnations wrote; they go once we have written ours."""
        for table, each in recovered.items():
            self._keys.update(((table, *place), keys) for place, keys in each.keys.items())

    def renew(self, incarnation: str) -> None:
        """Write under other keys from now on; what was written goes once it is written anew."""
        self._incarnation = incarnation

    def written(self, table: str) -> list[int]:
        """Which pages of a table were written and are not removed, the own one left out."""
        return [page for name, page, _ in self._keys if name == table and page != OWN_PAGE]

    def remove(self, table: str, page: int, start: int) -> None:
        """Let go of a page of a windowed table."""
        self._losers += [(table, key) for key in self._keys.pop((table, page, start), [])]

    def begin(self, stamp: int) -> Flush:
        """A flush that removes what has to go and writes nothing yet."""
        flush = Flush(stamp)
        for table, key in self._losers:
            is_own = table == LIVE and PageKey.parse(key).page == OWN_PAGE
            flush.steps[0 if is_own else 1].append((table, key, None))
        return flush

    def write(
        self,
        flush: Flush,
        step: int,
        table: str,
        page: int,
        rows: dict[str, Any],
        *,
        window: tuple[int, int] | None = None,
        stamp: int = -1,
    ) -> None:
        """Write a page with a flush.

        Args:
            flush: begun by ``begin``.
            step: which of its steps.
            table: the page's.
            page: its number.
            rows: what it holds.
            window: of a windowed table.
            stamp: of what the page held before: one that outlived its flush may be ahead of the
                partition, and its stamp stands.
        """
        stamp = max(stamp, flush.stamp)
        keys = flush.places[table, page, window[0] if window else 0] = []
        own = PageKey(self._partition, self.page_count(table), page, self._incarnation)
        for part, piece in split_page(own, stamp, encode_page(stamp, rows)):
            key: Any = (str(part), window) if window else str(part)
            keys.append(key)
            flush.steps[step].append((table, key, piece))

    def finish(self, flush: Flush) -> None:
        """Note that a flush is durable: what earlier incarnations wrote goes with the next."""
        self._losers.clear()
        for place, keys in flush.places.items():
            before = self._keys.get(place, [])
            self._losers += [(place[0], each) for each in before if each not in keys]
            self._keys[place] = keys
