"""The largest contributors of rows: per row and dimension, by cost and then by name.

So that drivers of an excess can be named (stream/delta.py, ``DeltaRows``). A scope's own dimensions
name nobody, and who cost nothing is not named. Whole columns; this file must not know events.
"""

from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from stream.delta import CONTRIBUTOR_DIMENSIONS, MAX_CONTRIBUTORS
from stream.ingest.grouping import Groups, Ints, Places, group, ordered_by, run_starts
from stream.ingest.texts import Texts

_DIMENSIONS = len(CONTRIBUTOR_DIMENSIONS)

_PAIRS = 16_384
"""So many pairs of a row and what belongs to it are looked at together."""


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
    texts: Texts,
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
    pairs = len(member)
    ends = np.append(rows.starts, pairs)
    bits = len(texts).bit_length()
    found = []
    # Where no two events are alike an event has forty contributors, and columns of all of a batch's
    # leave the processor's cache at every step: 9.9 us an event in these pieces, 11.0 in one go.
    wanted = np.append(np.arange(0, pairs, _PAIRS), pairs)
    cuts = np.unique(np.searchsorted(ends, wanted)).tolist()
    for first, end in pairwise(cuts):
        chosen = slice(ends[first], ends[end])
        some = member[chosen]
        keys, costs = _named(
            names[some],
            np.repeat(np.arange(first, end), np.diff(ends[first : end + 1])),
            cost[some],
            own,
            bits,
        )
        alike = group(keys)
        found.append(
            _rank(
                alike.keys >> bits,
                (alike.keys & ((1 << bits) - 1)).astype(np.int32),
                alike.sums(costs),
                texts,
            )
        )
    lists, name, spent = (np.concatenate(columns) for columns in zip(*found, strict=True))
    return Parts(lists // _DIMENSIONS, lists % _DIMENSIONS, name, spent)


def _named(
    names: NDArray[np.int32], row: Ints, cost: Ints, own: NDArray[np.int32], bits: int
) -> tuple[Ints, Ints]:
    """Who spent what in which list: keys of list and name, and their costs."""
    is_spent = cost > 0
    if not is_spent.all():
        names, row, cost = names[is_spent], row[is_spent], cost[is_spent]
    owned = own[row]
    keys, costs = [], []
    for dimension in range(_DIMENSIONS):
        name = names[:, dimension]
        is_named = (name > 0) & (owned >> dimension & 1 == 0)
        keys.append((row[is_named] * _DIMENSIONS + dimension) << bits | name[is_named])
        costs.append(cost[is_named])
    return np.concatenate(keys), np.concatenate(costs)


class _Lists(NamedTuple):
    lists: Ints
    name: NDArray[np.int32]
    cost: Ints


def _rank(lists: Ints, name: NDArray[np.int32], cost: Ints, texts: Texts) -> _Lists:
    """The first of each list by cost, equal ones by name; lists ascend."""
    starts = run_starts(lists)
    sizes = np.diff(starts, append=len(lists))
    is_many = sizes > 1
    if is_many.any():
        # Lists of one name (an agent's key, a key's model) are in order.
        places = np.flatnonzero(np.repeat(is_many, sizes))
        order = np.arange(len(lists))
        order[places] = places[_order(lists[places], name[places], cost[places], texts)]
        name, cost = name[order], cost[order]
    if sizes.max(initial=0) > MAX_CONTRIBUTORS:
        kept = np.arange(len(lists)) - np.repeat(starts, sizes) < MAX_CONTRIBUTORS
        lists, name, cost = lists[kept], name[kept], cost[kept]
    return _Lists(lists, name, cost)


def _order(lists: Ints, name: NDArray[np.int32], cost: Ints, texts: Texts) -> NDArray[np.intp]:
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
        order[places] = tied[np.lexsort((texts.ranks(name[tied]), ordered[places]))]
    return order
