"""A hash table from 16-byte ids to small numbers, asked and filled for many ids at once.

A dict of CPython takes some 150 bytes an id. Ids are digests, so their own bits say where they
are: each has two buckets of eight slots and lies in the emptier one (Azar et al., Balanced
Allocations, 1999: with two choices the fullest bucket is barely above the mean). The few that find
both full have a third one among the spare buckets, which is looked at only for ids whose first
bucket once turned one away. So whether an id is absent is known after two or three looks, however
full the table is. Nothing is removed one by one: ids with a number below a floor count as gone.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from stream.ingest.grouping import ordered_by, run_starts

ID_BYTES: Final = 16

Ids = NDArray[np.uint64]
"""Shape (n, 2): an id is two words."""

ABSENT: Final = -1
"""Where an id is that is not in the table."""

_SLOTS: Final = 8
"""Of a bucket: as many first words as a line of the processor's cache holds (64 bytes)."""

GROWTH: Final = 1.25
"""By so much it grows when some id finds no room, which is at about 0.8 of all slots."""

_LOAD: Final = 0.75
"""Of all slots, when it is known how many are needed."""

_SPARE: Final = 8
"""One spare bucket for so many others."""

_SLOT_BYTES: Final = ID_BYTES + 4

_AT_ONCE: Final = 8192
"""Ids that are moved or looked for in one go: their buckets fit a processor's caches."""

_SPARSE: Final = 64
"""A table so many times larger than what it holds, and still too small, holds no digests."""

_BYTES: Final = np.dtype("<u8")
_ONES: Final = np.uint64(0x0101_0101_0101_0101)

_HALF: Final = np.uint64(32)
_LOWER: Final = np.uint64(2**32 - 1)


def ids_of(digests: bytes) -> Ids:
    """Concatenated 16-byte digests as an array; no copy."""
    return np.frombuffer(digests, np.uint64).reshape(-1, 2)


class IdTable:
    """Ids and a positive int32 for each.

    Args:
        expected: how many ids it is made for; it grows beyond.

    Attributes:
        values: the numbers, at the places that ``find`` tells; what is below the floor is free.
    """

    def __init__(self, expected: float) -> None:
        self._allocate(expected / _SLOTS)

    def _allocate(self, size: float) -> None:
        """Make it anew, for so many buckets; the fraction counts when it grows again."""
        self._size = size
        self._buckets = buckets = int(size) + 1
        self._spares = buckets // _SPARE + 1
        size = (buckets + self._spares) * _SLOTS
        self._first = np.zeros((size // _SLOTS, _SLOTS), np.uint64)
        self._second = np.zeros(size, np.uint64)
        self.values = np.zeros(size, np.int32)
        self._turned_away = np.zeros(buckets, bool)

    @property
    def memory_bytes(self) -> int:
        """What the arrays take."""
        return len(self.values) * _SLOT_BYTES + self._buckets

    def find(self, ids: Ids) -> NDArray[np.int64]:
        """The place of each id in ``values``, or ``ABSENT``; of an id that is gone, either."""
        if len(ids) <= _AT_ONCE:
            return self._find(ids)
        starts = range(0, len(ids), _AT_ONCE)
        return np.concatenate([self._find(ids[at : at + _AT_ONCE]) for at in starts])

    def _find(self, ids: Ids) -> NDArray[np.int64]:
        places = np.full(len(ids), ABSENT, np.int64)
        first = self._home(ids, 0)
        self._look(ids, first, places)
        self._look(ids, self._home(ids, 1), places)
        went = np.flatnonzero(self._turned_away[first])
        if len(went):
            found = places[went]
            self._look(ids[went], self._spare(ids[went]), found)
            places[went] = found
        return places

    def _look(self, ids: Ids, bucket: NDArray[np.int64], places: NDArray[np.int64]) -> None:
        """Enter the places of those ids that are in the given bucket of each."""
        is_equal = self._first[bucket] == ids[:, :1]
        if not is_equal.any():
            return
        row, slot = np.nonzero(is_equal)
        place = bucket[row] * _SLOTS + slot
        # Free slots hold zeros or what is gone, and two ids may have the same first word.
        is_it = (self._second[place] == ids[row, 1]) & (self.values[place] > 0)
        places[row[is_it]] = place[is_it]

    def put(self, ids: Ids, values: NDArray[np.int32], floor: int) -> None:
        """Add ids, each of them once, that the table does not hold.

        Args:
            ids: the new ones.
            values: of each; at least ``floor``.
            floor: numbers below it may be overwritten; at least 1.
        """
        if len(ids) > _AT_ONCE:
            held = int(np.count_nonzero(self.values >= floor))
            if held + len(ids) > _LOAD * len(self.values):
                self._grow(ids, values, floor)
                return
        for at in range(0, len(ids), _AT_ONCE):
            part = slice(at, at + _AT_ONCE)
            left = self._put(ids[part], values[part], floor)
            if len(left):
                self._grow(ids[part][left], values[part][left], floor)

    def reserve(self, expected: float, floor: int) -> None:
        """Make room for so many more at once; growing step by step takes four times as long."""
        held = int(np.count_nonzero(self.values >= floor))
        needed = (held + expected) / _LOAD / _SLOTS
        if needed > self._size:
            self._grow(np.empty((0, 2), np.uint64), np.empty(0, np.int32), floor, needed)

    def _put(self, ids: Ids, values: NDArray[np.int32], floor: int) -> NDArray[np.int64]:
        """Add ids where there is room; which of them found none."""
        first = self._home(ids, 0)
        left = self._place(ids, values, (first, self._home(ids, 1)), floor)
        if not len(left):
            return left
        self._turned_away[first[left]] = True
        spare = self._spare(ids[left])
        return left[self._place(ids[left], values[left], (spare, spare), floor)]

    def _place(
        self,
        ids: Ids,
        values: NDArray[np.int32],
        homes: tuple[NDArray[np.int64], NDArray[np.int64]],
        floor: int,
    ) -> NDArray[np.int64]:
        """Add ids to the emptier of their homes; which of them found both full.

        The free slots of a bucket are eight bytes of a word, 0 or 1, that are counted and looked
        through all at once: 0.2 us an id, 0.35 with an array of them.
        """
        left = np.arange(len(ids))
        slots = self.values.reshape(-1, _SLOTS)
        while len(left):
            one, other = (home[left] for home in homes)
            free, free_there = ((slots[home] < floor).view(_BYTES)[:, 0] for home in (one, other))
            is_there = np.bitwise_count(free_there) > np.bitwise_count(free)
            bucket, free = np.where(is_there, other, one), np.where(is_there, free_there, free)
            # Those that want the same bucket take its free slots one after the other.
            turn = _turns(bucket)
            fits = turn < np.bitwise_count(free)
            if not fits.any():
                break
            inside = left[fits]
            place = bucket[fits] * _SLOTS + _nth(free[fits], turn[fits])
            self._first.reshape(-1)[place] = ids[inside, 0]
            self._second[place] = ids[inside, 1]
            self.values[place] = values[inside]
            left = left[~fits]
        return left

    def _home(self, ids: Ids, word: int) -> NDArray[np.int64]:
        """One of an id's two buckets: the upper half of a word as a fraction of all buckets."""
        upper = ids[:, word] >> _HALF
        return (upper * np.uint64(self._buckets) >> _HALF).astype(np.int64)

    def _spare(self, ids: Ids) -> NDArray[np.int64]:
        """An id's spare bucket: the same of a lower half."""
        lower = ids[:, 1] & _LOWER
        spare: NDArray[np.int64] = (lower * np.uint64(self._spares) >> _HALF).astype(np.int64)
        return spare + self._buckets

    def _grow(self, ids: Ids, values: NDArray[np.int32], floor: int, least: float = 0) -> None:
        """Make room for all that is not gone, and for these; at least so many buckets.

        A bucket is a fraction of all buckets, so what stays with the same word of its id is moved
        in the order in which it lies: 0.1 us each. To find the emptier bucket again took 0.4.
        """
        held = np.flatnonzero(self.values >= floor)
        bucket = held // _SLOTS
        kept = np.column_stack((self._first.reshape(-1)[held], self._second[held]))
        numbers = self.values[held]
        end = int(np.searchsorted(bucket, self._buckets))  # behind it are those in spare buckets
        is_second = self._home(kept[:end], 0) != bucket[:end]
        size = len(kept) + len(ids)
        while True:
            if self._buckets * _SLOTS > _SPARSE * (size + _AT_ONCE):
                raise RuntimeError("ids that are no digests do not spread")
            self._allocate(max(least, size / _LOAD / _SLOTS, self._size * GROWTH))
            home = np.where(is_second, self._home(kept[:end], 1), self._home(kept[:end], 0))
            left = self._lay(kept[:end], numbers[:end], home)
            left = np.concatenate((left, np.arange(end, len(kept))))
            others = np.concatenate((kept[left], ids))
            theirs = np.concatenate((numbers[left], values))
            starts = range(0, len(others), _AT_ONCE)
            parts = (slice(at, at + _AT_ONCE) for at in starts)
            if not any(len(self._put(others[part], theirs[part], floor)) for part in parts):
                return

    def _lay(
        self, ids: Ids, values: NDArray[np.int32], bucket: NDArray[np.int64]
    ) -> NDArray[np.int64]:
        """Fill an empty table, each id into the given bucket; which of them found it full."""
        order, ordered = ordered_by(bucket)
        turn = _ranks(ordered)
        fits = turn < _SLOTS
        inside, place = order[fits], ordered[fits] * _SLOTS + turn[fits]
        self._first.reshape(-1)[place] = ids[inside, 0]
        self._second[place] = ids[inside, 1]
        self.values[place] = values[inside]
        return order[~fits]


def _turns(numbers: NDArray[np.int64]) -> NDArray[np.int64]:
    """How many of the same number come before each.

    >>> _turns(np.array([7, 3, 7, 7])).tolist()
    [0, 0, 1, 2]
    """
    order, ordered = ordered_by(numbers)
    turns = np.empty(len(numbers), np.int64)
    turns[order] = _ranks(ordered)
    return turns


def _nth(bits: NDArray[np.uint64], number: NDArray[np.int64]) -> NDArray[np.int64]:
    """In each word of eight bytes, the lowest first, which one is the nth 1, counted from 0.

    >>> _nth(np.array([0x01_00_00_01_00_01_00_00], np.uint64), np.array([1])).tolist()
    [4]
    """
    # The product has in each byte how many ones there are up to it.
    wanted = (number + 1).astype(np.uint64) * _ONES
    differs = (bits * _ONES) ^ wanted
    # Below the first byte that is zero now all are not: those are as many ones, one to a byte.
    is_same = (differs.view(np.uint8).reshape(-1, _SLOTS) == 0).view(_BYTES)[:, 0]
    below: NDArray[np.int64] = np.bitwise_count((is_same & -is_same) - np.uint64(1)) >> 3
    return below


def _ranks(ordered: NDArray[np.int64]) -> NDArray[np.int64]:
    """The same of numbers in order."""
    starts = run_starts(ordered)
    return np.arange(len(ordered)) - np.repeat(starts, np.diff(starts, append=len(ordered)))
