"""The exemplars of rows as columns: what INGEST finds, a delta carries and WATCH keeps.

Few rows have one, and URLs are as good as never alike; so they are columns of their own, and a
delta without any is as it was. What an exemplar is says ``alerting/exemplar.py``.
"""

from collections.abc import Iterable
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from alerting.exemplar import Exemplar


class Exemplars(NamedTuple):
    """Of some rows.

    Attributes:
        row: int32, per exemplar, the row it is of; ascending, none twice.
        cost: int64, nano-dollars, above zero.
        url: per exemplar.
    """

    row: NDArray[np.int32]
    cost: NDArray[np.int64]
    url: list[str]

    @classmethod
    def of(cls, each: Iterable[Exemplar | None]) -> "Exemplars":
        """The columns of what each row has."""
        found = {row: one for row, one in enumerate(each) if one is not None}
        if not found:
            return NO_EXEMPLARS
        costs, urls = zip(*found.values(), strict=True)
        return cls(np.array(list(found), np.int32), np.array(costs, np.int64), list(urls))

    def by_row(self) -> dict[int, Exemplar]:
        """Each by the row it is of."""
        costs = self.cost.tolist()
        found = map(Exemplar, costs, self.url)
        return dict(zip(self.row.tolist(), found, strict=True))

    def take(self, chosen: NDArray[np.integer]) -> "Exemplars":
        """Those of some rows, in the order of ``chosen``."""
        if not self.url:
            return self
        place = np.minimum(np.searchsorted(self.row, chosen), len(self.row) - 1)
        row = np.flatnonzero(self.row[place] == chosen)
        place = place[row]
        return Exemplars(
            row.astype(np.int32), self.cost[place], [self.url[each] for each in place.tolist()]
        )

    def check(self, rows: int) -> None:
        """Refuse what cannot be of so many rows.

        Raises:
            ValueError: if it is damaged.
        """
        size = len(self.row)
        if not size == len(self.cost) == len(self.url):
            raise ValueError(f"a delta's {size} exemplars lack a cost or a URL")
        if size and not 0 <= self.row[0] <= self.row[-1] < rows:
            raise ValueError(f"a delta's exemplar points beyond {rows}")
        if (np.diff(self.row) <= 0).any():
            raise ValueError("a delta's exemplars are not in the order of its rows")
        if (self.cost <= 0).any():
            raise ValueError("a delta's exemplar cost nothing")


NO_EXEMPLARS: Final = Exemplars(np.zeros(0, np.int32), np.zeros(0, np.int64), [])
