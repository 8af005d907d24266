"""Rows of one delta added up per scope and window, in numpy columns.

Pure arithmetic: which of them are ordinary is ``tally.py``'s to say. Amounts are 64 bits wide here;
the caller has made sure that the sums of one delta fit.
"""

from collections.abc import Iterator
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from detectors.observation import BESIDE, COST, REQUESTS
from detectors.window import MINUTE_SECONDS

Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class RowGroups:
    """One group per scope and window, in order of scope number and window.

    Attributes:
        number: the scope's.
        start: the window's, epoch seconds.
        turn: 0 for the first window of a scope in this delta, 1 for the second, and so on.
        first_minute: earliest minute of the group's rows.
        last_minute: latest minute.
        counts: int64, shape (groups, counters): sums of the rows.
        amounts: int64, shape (groups, 2 * minutes of a window + len(BESIDE)): as a ``Cell`` keeps
            them, their cost by minute, their calls by minute, and then the counters beside.
    """

    number: Ints
    start: Ints
    turn: Ints
    first_minute: Ints
    last_minute: Ints
    counts: Ints
    amounts: Ints

    def __len__(self) -> int:
        return len(self.number)

    def where(self, chosen: Bools) -> "RowGroups":
        """Some of the groups, in the same order."""
        return RowGroups(*(getattr(self, each.name)[chosen] for each in fields(self)))

    def turns(self) -> Iterator["RowGroups"]:
        """The groups of each turn in order, no scope twice in any; nearly always all at once."""
        last = int(self.turn.max(initial=-1))
        if last == 0:
            yield self
            return
        for turn in range(last + 1):
            yield self.where(self.turn == turn)


WIDEST = 2.0**62
"""Sums beyond it are left to Python's integers."""


def fits(counts: Ints) -> bool:
    """Whether rows can be added up in 64 bits; integers of numpy wrap in silence.

    No amount is negative, so no sum exceeds its column's, and a float is close enough to tell it
    from 2**63.
    """
    sums = counts.sum(axis=0, dtype=np.float64)
    return bool(counts.min(initial=0) >= 0 and sums.max(initial=0.0) < WIDEST)


def group_rows(
    number: Ints, minute: Ints, counts: Ints, window_seconds: int
) -> tuple[RowGroups, NDArray[np.intp]]:
    """The groups of rows, and for each row the group it is in.

    Args:
        number: per row, the scope's.
        minute: per row, epoch minutes.
        counts: shape (rows, counters).
        window_seconds: length of the judged windows.
    """
    start = minute * MINUTE_SECONDS
    start -= start % window_seconds
    order = np.lexsort((start, number))
    sorted_number, sorted_start, sorted_minute = number[order], start[order], minute[order]
    is_scope = np.ones(len(order), np.bool_)
    is_scope[1:] = sorted_number[1:] != sorted_number[:-1]
    is_first = is_scope.copy()
    is_first[1:] |= sorted_start[1:] != sorted_start[:-1]
    firsts = np.flatnonzero(is_first)
    of_window = window_seconds // MINUTE_SECONDS
    by_minute = np.zeros((len(order), 2 * of_window), np.int64)
    place, offset = np.arange(len(order)), sorted_minute % of_window  # windows divide an hour
    by_minute[place, offset] = counts[order, COST]
    by_minute[place, of_window + offset] = counts[order, REQUESTS]
    group_of_row = np.empty(len(order), np.intp)
    group_of_row[order] = np.cumsum(is_first) - 1
    if not len(firsts):
        none = np.empty(0, np.int64)
        amounts = np.zeros((0, by_minute.shape[1] + len(BESIDE)), np.int64)
        return RowGroups(none, none, none, none, none, counts, amounts), group_of_row
    place = np.arange(len(firsts))
    turn = place - np.maximum.accumulate(np.where(is_scope[firsts], place, 0))
    sums = np.add.reduceat(counts[order], firsts, axis=0)
    minutes = np.add.reduceat(by_minute, firsts, axis=0)
    groups = RowGroups(
        number=sorted_number[firsts],
        start=sorted_start[firsts],
        turn=turn,
        first_minute=np.minimum.reduceat(sorted_minute, firsts),
        last_minute=np.maximum.reduceat(sorted_minute, firsts),
        counts=sums,
        amounts=np.concatenate((minutes, sums[:, BESIDE]), axis=1),
    )
    return groups, group_of_row
