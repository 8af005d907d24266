"""The largest contributors of rows: per row and dimension, by cost and then by name.

So that drivers of an excess can be named (stream/delta.py, ``DeltaRows``). A scope's own dimensions
name nobody, and who cost nothing is not named. Whole columns; this file must not know events.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from stream.delta import CONTRIBUTOR_DIMENSIONS, MAX_CONTRIBUTORS
from stream.ingest.grouping import Groups, Ints, Places, group, ordered_by, run_starts


class Parts(NamedTuple):
    """Contributors, in the order of their rows, then dimensions, then costs.

    Attributes:
        row: per contributor, ascending.
        dimension: into ``CONTRIBUTOR_DIMENSIONS``.
        name: its number.
        cost: nano-dollars, above zero.
    """

    row: Ints
    dimension: Ints
    name: NDArray[np.int32]
    cost: Ints


def contributors_of_rows(
    names: NDArray[np.int32],
    texts: list[str],
    *,
    rows: Groups,
    member: Places,
    cost: Ints,
    own: NDArray[np.int32],
) -> Parts:
    """The largest of each row in each dimension.

    Args:
        names: shape (members, dimensions), numbers of names; 0 where absent.
        texts: of names, by number.
        rows: groups of members.
        member: in the order of the rows.
        cost: per member.
        own: per row, a bit for each dimension that names nobody.
    """
    row = np.repeat(np.arange(len(rows.starts)), rows.sizes)
    spent = cost[member]
    is_spent = spent > 0
    if not is_spent.all():
        row, member, spent = row[is_spent], member[is_spent], spent[is_spent]
    dimensions = len(CONTRIBUTOR_DIMENSIONS)
    bits = len(texts).bit_length()
    keys, costs = [], []
    for dimension in range(dimensions):
        name = names[:, dimension][member]
        is_named = (name > 0) & (own[row] >> dimension & 1 == 0)
        keys.append((row[is_named] * dimensions + dimension) << bits | name[is_named])
        costs.append(spent[is_named])
    alike = group(np.concatenate(keys))
    ranked = _rank(
        alike.keys >> bits,
        (alike.keys & ((1 << bits) - 1)).astype(np.int32),
        alike.sums(np.concatenate(costs)),
        texts,
    )
    return Parts(ranked.row // dimensions, ranked.row % dimensions, ranked.name, ranked.cost)


class _Lists(NamedTuple):
    row: Ints
    name: NDArray[np.int32]
    cost: Ints


def _rank(lists: Ints, name: NDArray[np.int32], cost: Ints, texts: list[str]) -> _Lists:
    """The first of each list by cost, equal ones by name; lists ascend."""
    starts = run_starts(lists)
    sizes = np.diff(starts, append=len(lists))
    is_many = sizes > 1
    if is_many.any():
        # Most lists have one name (an agent's key, a key's model); the others are put in order.
        places = np.flatnonzero(np.repeat(is_many, sizes))
        order = np.arange(len(lists))
        order[places] = places[_order(lists[places], name[places], cost[places], texts)]
        name, cost = name[order], cost[order]
    if sizes.max(initial=0) > MAX_CONTRIBUTORS:
        kept = np.arange(len(lists)) - np.repeat(starts, sizes) < MAX_CONTRIBUTORS
        lists, name, cost = lists[kept], name[kept], cost[kept]
    return _Lists(lists, name, cost)


def _order(lists: Ints, name: NDArray[np.int32], cost: Ints, texts: list[str]) -> NDArray[np.intp]:
    """By list, then by falling cost, then by text."""
    largest = int(cost.max())
    bits = largest.bit_length()
    if int(lists.max()).bit_length() + bits < 63:  # noqa: PLR2004 -- bits without the sign
        by_cost = lists << bits | (largest - cost)
        order, ordered = ordered_by(by_cost)
    else:
        order = np.lexsort((-cost, lists))
        is_new = np.ones(len(order), np.bool_)
        is_new[1:] = np.diff(lists[order]).astype(bool) | np.diff(cost[order]).astype(bool)
        ordered = np.cumsum(is_new)
    is_like_next = ordered[1:] == ordered[:-1]
    if is_like_next.any():
        is_tied = np.zeros(len(order), np.bool_)
        is_tied[1:] |= is_like_next
        is_tied[:-1] |= is_like_next
        places = np.flatnonzero(is_tied)
        tied = order[places]
        order[places] = tied[np.lexsort((_by_text(name[tied], texts), ordered[places]))]
    return order


def _by_text(numbers: NDArray[np.int32], texts: list[str]) -> Places:
    """The place of each number's text among all of theirs."""
    distinct, inverse = np.unique(numbers, return_inverse=True)
    found = [texts[number] for number in distinct.tolist()]
    place = np.empty(len(found), np.intp)
    place[sorted(range(len(found)), key=found.__getitem__)] = np.arange(len(found))
    return place[inverse]
