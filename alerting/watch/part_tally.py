"""Contributors of ordinary rows, kept in numpy columns until somebody looks at their scope.

A row names half a dozen contributors, and most of them are those of the scope's last row. Adding
them up in dictionaries one by one was half of what WATCH did (2.2 of 4.5 us a row, five a row); so
each waits as one number that says scope, window, dimension and name, and one amount, and what is
equal is added up by sorting. This file must not know what a window is.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from alerting.watch.exemplar_tally import GroupExemplar
from alerting.watch.part_names import NameBook
from alerting.watch.row_groups import WIDEST, Bools, Ints, RowGroups

MAX_PARTS = 1_000_000
"""Contributors kept, 16 bytes each; with more all has to be settled."""

MAX_BATCHES = 128
"""Deltas whose contributors are kept apart: each is looked through (3 us) when a scope is settled,
and a replay of small deltas settles one with every delta. A worker's flush comes sooner."""

MAX_WINDOWS = 1 << 12
"""Windows told apart."""

_KEY_BITS = 27
_WINDOW = MAX_WINDOWS - 1
_SCOPE_SHIFT = 12 + _KEY_BITS
"""A contributor's code: 24 bits for the scope's number, 12 for the window's, 27 for who it is."""


@dataclass(frozen=True, slots=True)
class GroupParts:
    """Contributors of the rows of groups, and their exemplars.

    Attributes:
        group: per contributor, into the groups.
        dimension: into the dimensions that the tally was made with.
        name: into ``names``.
        cost: int64, nano-dollars.
        names: the delta's.
        exemplars: of the few rows that have one; ``ExemplarTally`` keeps them.
    """

    group: NDArray[np.integer]
    dimension: NDArray[np.integer]
    name: NDArray[np.integer]
    cost: Ints
    names: list[str]
    exemplars: Sequence[GroupExemplar] = ()


class PartTally:
    """Contributors in batches, one for each delta.

    Attributes:
        next_batch: the number of the next one.
    """

    def __init__(self, dimensions: tuple[str, ...], book: NameBook) -> None:
        """None yet.

        Args:
            dimensions: in which contributors are named.
            book: numbers their names.
        """
        self.next_batch = 0
        self._dimensions = dimensions
        self._batches: list[tuple[int, Ints, Ints]] = []
        self._count = 0
        self._sum = 0.0
        self._windows: dict[int, int] = {}
        self._book = book
        self._names = book.newest()

    def has_room(self, groups: RowGroups, parts: GroupParts) -> bool:
        """Whether these can be kept with the others; if not, settle and clear those first."""
        is_few = self._count + len(parts.cost) <= MAX_PARTS
        is_narrow = self._sum + parts.cost.sum(dtype=np.float64) < WIDEST
        windows = len(self._windows) + len(np.unique(groups.start))
        is_short = len(self._batches) < MAX_BATCHES and windows <= MAX_WINDOWS
        is_fresh = not self._names.is_overfull
        return not self._batches or bool(is_few and is_narrow and is_short and is_fresh)

    def add(self, groups: RowGroups, parts: GroupParts, judged: Bools) -> None:
        """Keep the contributors of one delta's groups.

        Args:
            groups: the groups, of at most ``MAX_WINDOWS`` windows.
            parts: their contributors.
            judged: of which groups they are wanted.
        """
        batch, self.next_batch = self.next_batch, self.next_batch + 1
        wanted = judged[parts.group]
        group, name, cost = parts.group[wanted], parts.name[wanted], parts.cost[wanted]
        if not len(cost):
            return
        if not self._batches:
            self._names = self._book.newest()
        starts, window = np.unique(groups.start, return_inverse=True)
        number_of_window = np.array(
            [self._windows.setdefault(each, len(self._windows)) for each in starts.tolist()]
        )
        place = (groups.number << _SCOPE_SHIFT) | (number_of_window[window] << _KEY_BITS)
        is_used = np.zeros(len(parts.names), np.bool_)
        is_used[name] = True
        used = np.flatnonzero(is_used)
        number_of_name = np.zeros(len(parts.names), np.int64)
        names = [parts.names[each] for each in used.tolist()]
        number_of_name[used] = self._names.numbers(names)
        key = number_of_name[name] * len(self._dimensions) + parts.dimension[wanted]
        self._batches.append((batch, place[group] | key, cost))
        self._count += len(cost)
        self._sum += float(cost.sum(dtype=np.float64))

    def of(self, first_batch: Ints) -> Iterator[tuple[int, int, str, str, int]]:
        """What contributors of some scopes add up to, each in the place of its first row.

        Args:
            first_batch: per scope's number, the first batch of which its are wanted.

        Returns:
            Scope's number, window, dimension, name and nano-dollars, a scope's window together.
        """
        chosen = [
            (codes[wanted], cost[wanted])
            for batch, codes, cost in self._batches
            if len(wanted := np.flatnonzero(first_batch[codes >> _SCOPE_SHIFT] <= batch))
        ]
        if not chosen:
            return
        codes = np.concatenate([each for each, _ in chosen])
        cost = np.concatenate([each for _, each in chosen])
        order = np.argsort(codes, kind="stable")
        codes = codes[order]
        firsts = np.flatnonzero(np.concatenate(([True], codes[1:] != codes[:-1])))
        sums, codes, come = np.add.reduceat(cost[order], firsts), codes[firsts], order[firsts]
        # Of each scope and window in the order of rows, as if added up one by one.
        order = np.lexsort((come, codes >> _KEY_BITS))
        sums, codes = sums[order], codes[order]
        windows, names, dimensions = list(self._windows), self._names.texts, self._dimensions
        name, dimension = np.divmod(codes & ((1 << _KEY_BITS) - 1), len(dimensions))
        window = (codes >> _KEY_BITS) & _WINDOW
        yield from zip(
            (codes >> _SCOPE_SHIFT).tolist(),
            map(windows.__getitem__, window.tolist()),
            map(dimensions.__getitem__, dimension.tolist()),
            map(names.__getitem__, name.tolist()),
            sums.tolist(),
            strict=True,
        )

    def clear(self) -> None:
        """Forget all; the numbers of batches go on."""
        self._batches.clear()
        self._windows.clear()
        self._count, self._sum = 0, 0.0
