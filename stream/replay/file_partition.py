"""A delta partition fed from a file: a stretch in which no window closes is taken as a whole.

What may bring news is folded row by row, in its order; of the rest only the sums matter. This file
must not decide what is news: that is the tally's and the budgets' to say.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from alerting.alert import Alert
from alerting.watch.row_groups import Bools, Ints, fits
from detectors.observation import COST
from detectors.window import MINUTE_SECONDS
from stream.delta import DeltaRow, DeltaRows
from stream.watch.partition import DeltaPartition
from stream.watch.roster import UNKNOWN
from stream.watch.sift import Sifted, sift


@dataclass(frozen=True, slots=True)
class Quiet:
    """The rows of a stretch that can tell nobody anything, in whatever order they are counted.

    Attributes:
        rows: all of the stretch.
        sifted: which of them are counted in columns.
        late: which of the others are counted one by one.
        loud: names of the scopes of all that remain; these have no row among the former.
    """

    rows: DeltaRows
    sifted: Sifted
    late: Ints
    loud: frozenset[str]


class FilePartition(DeltaPartition):
    """A partition whose rows are handed in by stretches, never from pages."""

    def quiet(self, rows: DeltaRows) -> Quiet | None:
        """Tell a stretch's rows apart; nothing is changed.

        ``None`` if each has to be looked at.
        """
        if not fits(rows.counts):
            return None
        number = self._roster.numbers(rows)
        wary = self._wary(number, rows.counts[:, COST])
        watermark, window_seconds = self._time.watermark, self._watch.window_seconds
        sifted = sift(rows, number, self._tally, watermark, window_seconds, wary=wary)
        # A late row is judged by nobody. Its scope's others may be quiet: none is counted twice.
        is_loud = sifted.is_single & ~rows.is_late
        is_loud = np.isin(number, np.concatenate((number[is_loud], wary, [UNKNOWN])))
        loud = frozenset(map(rows.names.__getitem__, set(rows.scope[is_loud].tolist())))
        return Quiet(rows, sifted, np.flatnonzero(sifted.is_single & ~is_loud), loud)

    def _wary(self, number: Ints, cost: Ints) -> Ints:
        """The scopes that may cross a level of a budget, by what all their rows cost."""
        known = number != UNKNOWN
        known[known] = self._tally.has_budget(number[known])
        budgeted, of = np.unique(number[known], return_inverse=True)
        sums = np.zeros(len(budgeted), np.int64)
        np.add.at(sums, of, cost[known])
        states, room = self._tally.states, self._watch.budget_room
        is_wary: Bools = np.array(
            [
                spent >= room(states[each])
                for each, spent in zip(budgeted.tolist(), sums.tolist(), strict=True)
            ],
            np.bool_,
        )
        wary: Ints = budgeted[is_wary]
        return wary

    def count(self, offset: int, quiet: Quiet, newest_at: int) -> None:
        """Count the quiet rows; time does not pass.

        Args:
            offset: as if of the delta that holds them.
            quiet: as told apart with what is loud not yet folded.
            newest_at: how far the file has come, epoch seconds.

        Raises:
            RuntimeError: if a row was news after all.
        """
        self._time.note(quiet.rows)
        alerts = [alert for _, each in self._count(quiet.rows, quiet.sifted) for alert in each]
        alerts += self.fold_each(offset, list(quiet.rows.take(quiet.late)), newest_at)
        if alerts:
            raise RuntimeError(f"{alerts[0].scope}: a row taken for quiet was news")

    def fold_each(self, offset: int, rows: Sequence[DeltaRow], newest_at: int) -> list[Alert]:
        """Fold rows one by one, and return what they made happen; time does not pass.

        Args:
            offset: as if of the delta that holds them.
            rows: what is counted.
            newest_at: how far the file has come, epoch seconds: of the file and not of these rows,
                since not all of a step may be among them.
        """
        minute_at = newest_at - newest_at % MINUTE_SECONDS
        self._time.newest_at = max(self._time.newest_at, minute_at)
        front = self._time.front(None)
        return [
            alert
            for row in rows
            for alert in self._fold_one(offset, row, front=front, newest_at=minute_at)
        ]
