"""A table that grows by rows and is read as one array, for the price of what is new."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

_FIRST_ROWS = 1024


class Growing:
    """Rows of equal width, appended one by one and read in whole columns.

    Args:
        dtype: of all elements.
        width: elements in a row.
    """

    def __init__(self, dtype: type[np.generic], width: int) -> None:
        self.width = width
        self._rows: NDArray[Any] = np.empty((_FIRST_ROWS, width), dtype)
        self._size = 0
        self._new: list[Any] = []

    def __len__(self) -> int:
        return self._size + len(self._new) // self.width

    def append(self, row: tuple[Any, ...]) -> None:
        """Take another row."""
        self._new.extend(row)

    def extend(self, rows: NDArray[Any]) -> None:
        """Take more rows."""
        self._take(rows)

    def rows(self) -> NDArray[Any]:
        """All rows; a view, good until the next call."""
        if self._new:
            new, self._new = self._new, []
            self._take(np.array(new).reshape(-1, self.width))
        return self._rows[: self._size]

    def _take(self, rows: NDArray[Any]) -> None:
        end = self._size + len(rows)
        if end > len(self._rows):
            grown = np.empty((max(end, 2 * len(self._rows)), self.width), self._rows.dtype)
            grown[: self._size] = self._rows[: self._size]
            self._rows = grown
        self._rows[self._size : end] = rows
        self._size = end
