"""Which rows of a delta are ordinary, and what they add up to; without an object a row.

``alerting/watch/tally.py`` says what ordinary means. This file must not change anything.
"""

from dataclasses import dataclass

import numpy as np

from alerting.watch.part_tally import GroupParts
from alerting.watch.row_groups import Bools, Ints, RowGroups, group_rows
from alerting.watch.tally import Tally
from stream.delta import DeltaRows
from stream.watch.roster import UNKNOWN


@dataclass(frozen=True, slots=True)
class Sifted:
    """A delta's rows, told apart.

    Attributes:
        is_single: per row, whether it has to be looked at by itself.
        groups: the others, added up per scope and window.
        parts: their contributors and exemplars.
        budgeted: which of the others count against budgets, in order.
        budgeted_number: the scopes of those.
    """

    is_single: Bools
    groups: RowGroups
    parts: GroupParts
    budgeted: Ints
    budgeted_number: Ints


def sift(
    rows: DeltaRows,
    number: Ints,
    tally: Tally,
    watermark: int,
    window_seconds: int,
    *,
    wary: Ints | None = None,
) -> Sifted:
    """Tell a delta's rows apart.

    Args:
        rows: the delta's; their sums fit 64 bits.
        number: per row, the scope's that takes it, or ``UNKNOWN``.
        tally: what is known of the scopes.
        watermark: before the delta.
        window_seconds: length of the judged windows.
        wary: the scopes that may cross a level of a budget, so that every row of theirs is to be
            looked at by itself; ``None``: those with a budget and a late row.
    """
    is_counted = (number != UNKNOWN) & tally.is_counted(number)
    if wary is None:  # budgets count in the order of rows, late ones among them
        wary = number[is_counted & rows.is_late & tally.has_budget(number)]
    is_counted &= ~rows.is_late
    if len(wary):
        is_counted &= ~np.isin(number, wary)
    chosen = np.flatnonzero(is_counted)
    number = number[chosen]
    minute, counts = rows.minute[chosen].astype(np.int64), rows.counts[chosen]
    groups, group = group_rows(number, minute, counts, window_seconds)
    is_ordinary = tally.ordinary(groups, watermark)
    is_single = np.ones(len(rows), np.bool_)
    is_single[chosen] = ~is_ordinary[group]
    group_of_row = np.full(len(rows), -1, np.int64)
    group_of_row[chosen] = np.where(is_ordinary, np.cumsum(is_ordinary) - 1, -1)[group]
    group_of_part = group_of_row[rows.part_row]
    kept = group_of_part >= 0
    budgeted = np.flatnonzero(is_ordinary[group] & tally.has_budget(number))
    return Sifted(
        is_single=is_single,
        groups=groups if is_ordinary.all() else groups.where(is_ordinary),
        parts=GroupParts(
            group=group_of_part[kept],
            dimension=rows.part_dimension[kept],
            name=rows.part_name[kept],
            cost=rows.part_cost[kept],
            names=rows.names,
            exemplars=[
                (of, exemplar)
                for row, exemplar in rows.exemplars.by_row().items()
                if (of := int(group_of_row[row])) >= 0
            ],
        ),
        budgeted=chosen[budgeted],
        budgeted_number=number[budgeted],
    )
