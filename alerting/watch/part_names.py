"""Numbers for the names of contributors, shared by all delta partitions of a process.

The same agents, keys and users contribute to scopes of every partition. With a dictionary for each
of 16 partitions most names were looked up in cold memory, a third of a fold, and kept 16 times.
Numbers are of this process only and never written.
"""

from typing import cast

MAX_NAMES = 500_000
"""Names with which a generation is full, some 150 bytes each; twice as many end its use."""


class PartNames:
    """One generation: names, numbered as they come.

    Attributes:
        texts: number to name.
    """

    def __init__(self) -> None:
        """None yet."""
        self.texts: list[str] = []
        self._numbers: dict[str, int] = {}

    def __len__(self) -> int:
        return len(self.texts)

    @property
    def is_overfull(self) -> bool:
        """Whether whoever uses it must stop: a number has 27 bits for a name and a dimension."""
        return len(self) > 2 * MAX_NAMES

    def numbers(self, names: list[str]) -> list[int]:
        """The numbers of names; a new one gets the next."""
        # Nearly all are known: 0.04 us a name, against 0.15 with setdefault for each.
        found = list(map(self._numbers.get, names))
        if None in found:
            for name, number in zip(names, found, strict=True):
                if number is None and name not in self._numbers:
                    self._numbers[name] = len(self.texts)
                    self.texts.append(name)
            found = list(map(self._numbers.get, names))
        return cast("list[int]", found)


class NameBook:
    """The newest generation. Whoever holds codes of an older one keeps that until it is done."""

    def __init__(self) -> None:
        """The first, empty."""
        self._newest = PartNames()

    def newest(self) -> PartNames:
        """The generation to begin with now; a full one is followed by an empty one."""
        if len(self._newest) > MAX_NAMES:
            self._newest = PartNames()
        return self._newest
