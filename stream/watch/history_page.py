"""What the page of an hour or a day holds: a column per counter, not a list per scope.

Most of 21 counters are zero in all scopes of a page. As a list of integers per scope these pages
were a fifth of a flush, and each integer was read by itself at a recovery. This file must not know
windows or pages' keys.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from detectors.observation import COUNTERS, Counts

_INTEGER = np.dtype("<i8")


@dataclass(frozen=True, slots=True, eq=False)
class HistoryCounts:
    """The counts of many scopes in one window.

    Attributes:
        names: the scopes', none twice.
        counts: int64, shape (scopes, counters), none negative.
        wide: what 64 bits are too narrow for, by scope; adds to ``counts``.
    """

    names: list[str]
    counts: NDArray[np.int64]
    wide: dict[str, Counts]

    def to_rows(self) -> dict[str, Any]:
        """As plain values for a page."""
        used = np.flatnonzero(self.counts.any(axis=0)).tolist()
        columns = {COUNTERS[each]: self.counts[:, each].astype(_INTEGER).tobytes() for each in used}
        return {"names": self.names, "columns": columns, "wide": self.wide}

    @classmethod
    def from_rows(cls, rows: Mapping[str, Any]) -> Self:
        """Back.

        Raises:
            ValueError: if a column is not as long as there are names.
        """
        names = rows["names"]
        counts = np.zeros((len(names), len(COUNTERS)), np.int64)
        for counter, column in rows["columns"].items():
            amounts = np.frombuffer(column, _INTEGER)
            if len(amounts) != len(names):
                raise ValueError(f"{counter} of {len(amounts)} scopes, not {len(names)}")
            counts[:, COUNTERS.index(counter)] = amounts
        return cls(names, counts, rows["wide"])
