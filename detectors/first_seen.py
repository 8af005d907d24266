"""When each contributor of a scope was first seen: is it new, or only back?

A name that was merely forgotten must not be called new. So names are kept for ever, as 32 bits of
each, with the window in which they came; and a dimension of more names than are kept (users of a
popular agent) is given up for good: of it nothing is ever called new. Two names with the same bits
(1 in 10**7 at 256 names) make one too few, never one too many.
"""

from collections.abc import Iterator, Mapping, Sequence
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

SINCE, NAMES = range(2)
"""Of a state: start of the scope's first window; dimension -> 32 bits of a name -> start of its
first window, ``None`` for a dimension that was given up."""


class FirstSeen:
    """Remembers when names of one scope came; holds no state."""

    def fresh(self, since: int) -> State:
        """Nobody seen by a scope whose first window begins at ``since``, epoch seconds."""
        return [since, {}]

    def newcomers(self, state: State, parts: Mapping[str, Mapping[str, object]]) -> list[str]:
        """Dimension and name, flat, of those among ``parts`` that were never seen, in order."""
        return [
            each
            for dimension, name in sorted(_named(parts))
            if self.at(state, dimension, name, now=-1) == -1
            for each in (dimension, name)
        ]

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
        """Since when, then per dimension its name and a flat list of bits and instants."""
        plain = [state[SINCE]]
        for dimension, names in sorted(state[NAMES].items()):
            flat = None if names is None else [cell for item in names.items() for cell in item]
            plain += dimension, flat
        return plain

    def restore(self, snapshot: Sequence[Any]) -> State:
        """The state of a snapshot.

        Raises:
            ValueError: if it is not one.
        """
        try:
            since, *rest = snapshot
            names = {
                dimension: None if flat is None else dict(zip(flat[::2], flat[1::2], strict=True))
                for dimension, flat in zip(rest[::2], rest[1::2], strict=True)
            }
            return [int(since), names]
        except (TypeError, ValueError) as error:
            raise ValueError("not a snapshot of who was first seen when") from error


def _named(parts: Mapping[str, Mapping[str, object]]) -> Iterator[tuple[str, str]]:
    for dimension, names in parts.items():
        for name in names:
            if name != OTHER:
                yield dimension, name


def _bits(name: str) -> int:
    return crc32(name.encode())
