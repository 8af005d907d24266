"""Costs in one byte: levels that are 9 % apart, for what is remembered of many hours.

Only the scale; what is kept in it is ``seasonal.py``'s and ``hour_ring.py``'s.
"""

from bisect import bisect_left
from itertools import pairwise

EDGES_NANOUSD = (0, *(round(100_000 * 2 ** (step / 8)) for step in range(255)))
"""Levels of one byte: upper edges from $0.0001, eight to the octave (9 % apart), to $350,000."""

MIDDLES_NANOUSD = (
    0,
    *((low + high) // 2 for low, high in pairwise(EDGES_NANOUSD)),
)
"""What a level stands for where it is added up."""

LEVELS_AN_OCTAVE = 8


def level_of(cost_nanousd: int) -> int:
    """The level whose upper edge is at or above a cost, so that reading it back never lowers it.

    >>> EDGES_NANOUSD[level_of(1_000_000_000)]
    1062370963
    """
    return min(bisect_left(EDGES_NANOUSD, cost_nanousd), len(EDGES_NANOUSD) - 1)
