"""What is kept of each scope in numpy columns while its ordinary rows wait: layout and storage.

What the columns mean for a row is ``tally.py``'s.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from alerting.watch.row_groups import Ints
from alerting.watch.scope_state import UNBORN

NO_WINDOW = -1
FAR = 2**62
"""Beyond every instant and every cost that a column is compared with."""

SCOPE = [
    ("is_counted", np.bool_),  # has a state whose ordinary rows may wait in columns
    ("is_judged", np.bool_),  # a spike rule fits it
    ("has_budget", np.bool_),  # its rows count against budgets, one by one
    ("is_calm", np.bool_),  # without episodes: its windows may close on paper
    ("is_unsettled", np.bool_),  # something here is not in its state yet
    ("has_open", np.bool_),  # the open window has rows
    ("unused", np.bool_, 2),  # so that a scope is whole words
    ("least", np.int64),  # what a calm scope's window must cost at least to be news
    ("known_until", np.int64),  # for windows that begin before that
    ("open_start", np.int64),  # first unclosed window
    ("room", np.int64),  # unsettled cost of it that is no news yet is below this
    ("floor_room", np.int64),  # and below this, or
    ("calls_room", np.int64),  # the unsettled calls are below this
    ("dear_from", np.int64),  # of the open window: what it must cost in all, and
    ("dear_call", np.int64),  # more than this a call, to be news as it closes
    ("known_cost", np.int64),  # what its state knows of that window
    ("known_calls", np.int64),  # likewise
    ("next_start", np.int64),  # the later window with rows
    ("next_cost", np.int64),  # what its state knows of that window
    ("due", np.int64),  # watermark at which a window closes or opens
    ("timer_at", np.int64),  # watermark at which there may be news without a row
    ("moved_to", np.int64),  # watermark up to which windows closed on paper, or -FAR
    ("parts_from", np.int64),  # first batch of contributors not in its state
    ("first_minute", np.int64),  # of the unsettled rows
    ("last_minute", np.int64),
]
WINDOWS = ("closed", "open", "next")
"""Unsettled rows of the window closed on paper, of the first unclosed one, and of a later one."""

TURNS = 2
"""Windows of one scope that one delta's ordinary rows may be of: the open one and the next."""

START, CELL_COST, CALLS, LAST, AMOUNTS = range(5)
"""Of these: its start, and for a ``Cell`` cost, calls, last minute and, from there on, its
amounts."""

ABSENT = (
    *(False, False, False, False, False, False),
    (False, False),
    *(0, -FAR, UNBORN, 0, FAR, FAR, FAR, 0, 0, 0, NO_WINDOW, 0, FAR, FAR, -FAR, 0, FAR, -FAR),
)


class ScopeColumns:
    """A record of ``SCOPE`` and ``WINDOWS`` for each scope's number.

    Attributes:
        nothing: what a window holds without a row.
    """

    def __init__(self, amounts: Sequence[int], size: int) -> None:
        """So many scopes without a state.

        Args:
            amounts: of an empty ``Cell``.
            size: how many.
        """
        self.nothing = (NO_WINDOW, 0, 0, NO_WINDOW, *amounts)
        windows = [(each, np.int64, (len(self.nothing),)) for each in WINDOWS]
        self._record = np.dtype(SCOPE + windows)
        self._records = self._absent(size)

    def __len__(self) -> int:
        return len(self._records)

    def __getitem__(self, name: str) -> NDArray[Any]:
        """One column of all scopes; what is written to it stays."""
        return self._records[name]

    def add(self, count: int) -> None:
        """Make room for so many more."""
        self._records = np.concatenate((self._records, self._absent(count)))

    def _absent(self, count: int) -> NDArray[np.void]:
        return np.array([(*ABSENT, *(self.nothing for _ in WINDOWS))] * count, self._record)

    def enter(self, number: int, scope: tuple[Any, ...]) -> None:
        """Put a scope's record in place, without a row that waits."""
        self._records[number] = (*scope, *(self.nothing for _ in WINDOWS))

    def taken(self, number: Ints) -> NDArray[np.void]:
        """The records of some scopes, to be looked at or put back.

        As words: numpy copies the fields of a record one by one, ten times as slowly.
        """
        words = self._records.view(np.int64).reshape(len(self._records), -1)
        taken: NDArray[np.void] = words[number].view(self._record)[:, 0]
        return taken

    def put(self, number: Ints, each: NDArray[np.void]) -> None:
        """The records back in their places."""
        words = self._records.view(np.int64).reshape(len(self._records), -1)
        words[number] = each.view(np.int64).reshape(len(number), words.shape[1])
