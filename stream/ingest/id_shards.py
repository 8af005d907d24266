"""Several tables of ids instead of one, that never grow at the same time.

A table that becomes too small is made anew, 0.1 s for a million ids, and nothing else happens in
the process meanwhile. So ids are spread over tables whose sizes are steps between two growths of
one: of eight, each grows when the ids have become a fortieth more than at the last growth of
another, and what one batch waits for is an eighth. Measured 2026-11, one core, with four million
ids in batches of 20,000: the slowest took 60 ms, 20 of them for its own ids; with one table 400,
at two million.
"""

from collections.abc import Iterator
from typing import Final

import numpy as np
from numpy.typing import NDArray

from stream.ingest.id_table import ABSENT, GROWTH, Ids, IdTable

_SHARDS: Final = 8

_SMALLEST: Final = 0.94
"""Of an even share, what the smallest is made for when it is known how many ids come: no less than
fits a table without growing, no more than needed for 32 bytes an id."""


class IdShards:
    """Ids and a positive int32 for each.

    Args:
        expected: how many ids it is made for; it grows beyond.
    """

    def __init__(self, expected: int) -> None:
        self._tables = [IdTable(share) for share in _shares(expected)]

    @property
    def memory_bytes(self) -> int:
        """What the tables take."""
        return sum(table.memory_bytes for table in self._tables)

    def find(self, ids: Ids) -> NDArray[np.int32]:
        """The number of each id; 0 where there is none. Of an id that is gone, either."""
        found = np.zeros(len(ids), np.int32)
        for table, places in self._parts(ids):
            found[places] = _numbers(table, table.find(ids[places]))
        return found

    def put(self, ids: Ids, numbers: NDArray[np.int32], floor: int) -> NDArray[np.int32]:
        """Give ids, each of them once, a number; which they had before, as ``find`` tells it.

        Args:
            ids: known or not.
            numbers: of each; at least ``floor``.
            floor: numbers below it may be overwritten; at least 1.
        """
        former = np.zeros(len(ids), np.int32)
        for table, places in self._parts(ids):
            some, theirs = ids[places], numbers[places]
            found = table.find(some)
            former[places] = _numbers(table, found)
            is_new = found == ABSENT
            table.values[found[~is_new]] = theirs[~is_new]
            table.put(some[is_new], theirs[is_new], floor)
        return former

    def reserve(self, expected: int, floor: int) -> None:
        """Make room for so many more at once; growing step by step takes longer."""
        for table, share in zip(self._tables, _shares(expected), strict=True):
            table.reserve(share, floor)

    def _parts(self, ids: Ids) -> Iterator[tuple[IdTable, NDArray[np.intp]]]:
        """Each table with the places of its ids, by bits that tables do not look at."""
        shard = (ids[:, 0] & np.uint64(_SHARDS - 1)).astype(np.uint8)
        order = np.argsort(shard, kind="stable")
        ends = np.cumsum(np.bincount(shard, minlength=_SHARDS)).tolist()
        for table, start, end in zip(self._tables, [0, *ends], ends, strict=False):
            if start < end:
                yield table, order[start:end]


def _numbers(table: IdTable, places: NDArray[np.int64]) -> NDArray[np.int32]:
    return np.where(places == ABSENT, np.int32(0), table.values[places])


def _shares(expected: int) -> list[float]:
    """How many of the ids each table is made for: steps between two growths."""
    even = expected / _SHARDS * _SMALLEST
    return [even * GROWTH ** (number / _SHARDS) for number in range(_SHARDS)]
