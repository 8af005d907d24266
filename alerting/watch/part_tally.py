"""Contributors of ordinary rows, kept in numpy columns until somebody looks at their scope.

A row names half a dozen contributors, and most of them are those of the scope's last row. Adding
them up in dictionaries one by one was half of what WATCH did (2.2 of 4.5 us a row, five a row); so
each waits as one number that says scope, window, dimension and name, and one amount, and what is
equal is added up by sorting. This file must not know what a window is.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from alerting.watch.exemplar_tally import GroupExemplar
from alerting.watch.part_names import NameBook
from alerting.watch.row_groups import WIDEST, Bools, Ints, RowGroups

MAX_PARTS = 1_000_000
"""Contributors kept, 16 bytes each; with more all has to be settled."""

MAX_BATCHES = 128
"""Pieces that are kept apart: each is looked through (3 us) when scopes are settled."""

MAX_JOINED_PARTS = 16_384
"""Contributors up to which small batches become one piece. A replay of small deltas settles a scope
with every delta: looking through each of theirs was a quarter of it."""

MAX_WINDOWS = 1 << 12
"""Windows told apart."""

_NO_CODES = np.zeros(0, np.int64)

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


class _Piece(NamedTuple):
    """Contributors of one batch or of several.

    Attributes:
        batch: per contributor, or of all.
        codes: who it is.
        cost: nano-dollars.
    """

    batch: Ints | int
    codes: Ints
    cost: Ints

    def where(self, kept: Bools) -> "_Piece":
        batch = self.batch if isinstance(self.batch, int) else self.batch[kept]
        return _Piece(batch, self.codes[kept], self.cost[kept])

    def per_contributor(self) -> Ints:
        return np.broadcast_to(np.asarray(self.batch, np.int64), self.codes.shape)


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
        self._pieces: list[_Piece] = []
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
        is_short = len(self._pieces) < MAX_BATCHES and windows <= MAX_WINDOWS
        is_fresh = not self._names.is_overfull
        return not self._pieces or bool(is_few and is_narrow and is_short and is_fresh)

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
        if not self._pieces:
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
        self._pieces.append(_Piece(batch, place[group] | key, cost))
        self._count += len(cost)
        self._sum += float(cost.sum(dtype=np.float64))

    def take(self, numbers: Ints, first_batch: Ints) -> Iterable[tuple[int, int, str, str, int]]:
        """What contributors of some scopes add up to, each in the place of its first row.

        Args:
            numbers: of the scopes; the batches that there are hold nothing more of them.
            first_batch: per scope's number, the first batch that holds anything of it.

        Returns:
            Scope's number, window, dimension, name and nano-dollars, a scope's window together.
        """
        is_wanted = np.zeros(len(first_batch), np.bool_)
        is_wanted[numbers] = True
        self._join(first_batch)
        chosen = []
        for index, piece in enumerate(self._pieces):
            scope = piece.codes >> _SCOPE_SHIFT
            wanted = is_wanted[scope]
            if not wanted.any():
                continue
            chosen.append(piece.where(wanted & (first_batch[scope] <= piece.batch)))
            if len(piece.codes) <= MAX_JOINED_PARTS:
                self._pieces[index] = piece.where(~wanted)
                self._count -= int(wanted.sum())
        codes = np.concatenate([_NO_CODES, *(each.codes for each in chosen)])
        if not len(codes):
            return ()
        cost = np.concatenate([each.cost for each in chosen])
        return self._added_up(codes, cost)

    def _join(self, first_batch: Ints) -> None:
        """Make one of the last pieces, while that is small, without what nobody wants any more."""
        size, first = 0, len(self._pieces)
        while first and size + len(self._pieces[first - 1].codes) <= MAX_JOINED_PARTS:
            first -= 1
            size += len(self._pieces[first].codes)
        if len(self._pieces) - first < 2:  # noqa: PLR2004  one is joined
            return
        batch, codes, cost = (
            np.concatenate(columns)
            for columns in zip(
                *((each.per_contributor(), each.codes, each.cost) for each in self._pieces[first:]),
                strict=True,
            )
        )
        joined = _Piece(batch, codes, cost)
        self._pieces[first:] = [joined.where(first_batch[codes >> _SCOPE_SHIFT] <= batch)]
        self._count -= size - len(self._pieces[first].codes)

    def _added_up(self, codes: Ints, cost: Ints) -> Iterable[tuple[int, int, str, str, int]]:
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
        return zip(
            (codes >> _SCOPE_SHIFT).tolist(),
            map(windows.__getitem__, window.tolist()),
            map(dimensions.__getitem__, dimension.tolist()),
            map(names.__getitem__, name.tolist()),
            sums.tolist(),
            strict=True,
        )

    def clear(self) -> None:
        """Forget all; the numbers of batches go on."""
        self._pieces.clear()
        self._windows.clear()
        self._count, self._sum = 0, 0.0
