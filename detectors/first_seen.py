"""When each contributor of a scope was first seen: is it new, or only back?

A name that was merely forgotten must not be called new. So names are kept for ever, as 32 bits of
each, with the window in which they came; and a dimension of more names than are kept (users of a
popular agent) is given up for good: of it nothing is ever called new. Two names with the same bits
(1 in 10**7 at 256 names) make one too few, never one too many.
"""

from collections.abc import Mapping, Sequence
from typing import Any
from zlib import crc32

from detectors.detector import State
from detectors.scope import OTHER
from detectors.window import HOUR_SECONDS

MAX_NAMES = 256
"""Names kept per scope and dimension, 10 bytes each: a new prompt version a day for eight months.
"""

SETTLING_SECONDS = HOUR_SECONDS
"""How long a scope must have been watched to call anything of it new: in its first hour all is."""

KnownNames = Mapping[str, object]
"""Names as the keys of whatever is kept of them."""

SINCE, NAMES = range(2)
"""Of a state: start of the scope's first window; dimension -> 32 bits of a name -> start of its
first window, ``None`` for a dimension that was given up."""


class FirstSeen:
    """Remembers when names of one scope came; holds no state."""

    def fresh(self, since: int) -> State:
        """Nobody seen by a scope whose first window begins at ``since``, epoch seconds."""
        return [since, {}]

    def newcomers(
        self, state: State, parts: Mapping[str, Mapping[str, int]], known: Mapping[str, KnownNames]
    ) -> list[str]:
        """Dimension and name, flat, of those among ``parts`` that were never seen, in order.

        Args:
            state: the scope's.
            parts: dimension to the names seen in a window.
            known: dimension to names that were certainly noted before. Nearly always that is all
                of them, and nothing is hashed: 0.2 us a dimension, against 1.
        """
        found = []
        for dimension, names in parts.items():
            if dimension in known and names.keys() <= known[dimension].keys():
                continue
            bits = state[NAMES].get(dimension, {})
            if bits is not None:
                found += [
                    (dimension, name) for name in names if _bits(name) not in bits and name != OTHER
                ]
        return [each for pair in sorted(found) for each in pair]

    def learn(self, state: State, newcomers: Sequence[str], start: int) -> None:
        """Note who came in the window that begins at ``start``, as ``newcomers`` says."""
        for dimension, name in zip(newcomers[::2], newcomers[1::2], strict=True):
            names = state[NAMES].setdefault(dimension, {})
            if names is not None:
                names[_bits(name)] = start
                if len(names) > MAX_NAMES:
                    state[NAMES][dimension] = None

    def at(self, state: State, dimension: str, name: str, *, now: int) -> int | None:
        """When a name was first seen, epoch seconds.

        Args:
            state: the scope's.
            dimension: in which it is named.
            name: the contributor's.
            now: start of the window in which it is seen, if that is the first.

        Returns:
            The start of a window; ``None`` if it cannot be told from one that was there before.
        """
        names = state[NAMES].get(dimension, {})
        if names is None:
            return None
        found: int = names.get(_bits(name), now)
        return found

    def snapshot(self, state: State) -> State:
        """The state itself, to be encoded before the next window is learned."""
        return state

    def restore(self, snapshot: Sequence[Any]) -> State:
        """The state of a snapshot.

        Raises:
            ValueError: if it is not one.
        """
        try:
            since, names = snapshot
            return [
                int(since),
                {each: None if of is None else {**of} for each, of in names.items()},
            ]
        except (AttributeError, TypeError, ValueError) as error:
            raise ValueError("not a snapshot of who was first seen when") from error


def _bits(name: str) -> int:
    return crc32(name.encode())
