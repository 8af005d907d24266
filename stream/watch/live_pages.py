"""Which pages of live state have changed, and what each holds of the delta log. Numbers only."""

import numpy as np
from numpy.typing import NDArray

from alerting.watch.row_groups import Bools, Ints


class LivePages:
    """Pages of a partition: up to which delta each was written, and whether it changed since."""

    def __init__(self, pages: int) -> None:
        self._stamps: NDArray[np.int64] = np.full(pages, -1, np.int64)
        self._is_dirty: Bools = np.zeros(pages, np.bool_)

    def take_over(self, page: int, stamp: int) -> None:
        """Somebody wrote it, with all up to an offset."""
        self._stamps[page] = stamp
        self._is_dirty[page] = True

    def touch(self, page: int | Ints) -> None:
        """It has changed."""
        self._is_dirty[page] = True

    def holds(self, page: int, offset: int) -> bool:
        """Whether a delta was counted in it before it was taken over."""
        return bool(offset <= self._stamps[page])

    def stamp(self, page: int) -> int:
        """The offset of the last delta in it, as written; -1: never."""
        return int(self._stamps[page])

    @property
    def highest_stamp(self) -> int:
        """Of all."""
        return int(self._stamps.max())

    def due(self) -> list[int]:
        """Those that have changed."""
        return [int(page) for page in np.flatnonzero(self._is_dirty)]

    def written(self, stamp: int) -> None:
        """What has changed is durable, with all up to an offset."""
        dirty = self._is_dirty
        self._stamps[dirty] = np.maximum(self._stamps[dirty], stamp)
        dirty[:] = False
