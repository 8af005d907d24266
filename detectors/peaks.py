"""What the usual peaks of a series reach: only what is above them is told.

Tails know single rows, and of a spike every hundred rows they make a surprise each time; `habit.py`
counts what was told, however high it was. This remembers how high: the next usual spike is not
told, one far above them is on its first row. Must not hide the incidents of a series that has some
every few hundred rows: so many peaks as those are none of its business.
"""

from collections import deque

NOTABLE = 0.8
"""Of the alert's surprise: from there a run of rows is a peak, whether it was told or not."""

QUIET_ROWS = 10
"""Rows below in a row that end a peak, as they end an episode."""

LEAST_PEAKS = 4
MEMORY_ROWS = 2_500
ROWS_A_PEAK = 250
"""Peaks are usual if they come more often than every so many rows, in this memory; four at least.
A memory of 1,500 rows and a peak every 150 let five times as many false alarms through on made-up
series with usual spikes; 6,000 rows and three peaks cost 0.09 of event F1 on labelled curves."""

MARGIN = 1.25
"""By how much a peak must be above the usual ones, in surprise."""


class Peaks:
    """The peaks of the last rows.

    Args:
        alert: surprise at which an alert fires.

    Attributes:
        factor: by which a surprise is to be divided; 1 while peaks are rare.
    """

    __slots__ = ("_alert", "_notable", "_peak", "_peaks", "_quiet", "_rows", "factor")

    def __init__(self, alert: float) -> None:
        self._alert = alert
        self._notable = NOTABLE * alert
        self._rows = 0
        self._peak = 0.0
        self._quiet = 0
        self._peaks: deque[tuple[int, float]] = deque()
        self.factor = 1.0

    def step(self, surprise: float) -> None:
        """Take a row into account, by its surprise before any factor."""
        self._rows += 1
        if surprise >= self._notable:
            self._quiet = 0
            self._peak = max(self._peak, surprise)
        elif self._peak:
            self._quiet += 1
            if self._quiet == QUIET_ROWS:
                self._peaks.append((self._rows, self._peak))
                self._peak = 0.0
                self._weigh()
        elif self._peaks and self._rows - self._peaks[0][0] > MEMORY_ROWS:
            self._peaks.popleft()
            self._weigh()

    def _weigh(self) -> None:
        enough = max(LEAST_PEAKS, round(min(self._rows, MEMORY_ROWS) / ROWS_A_PEAK))
        if len(self._peaks) < enough:
            self.factor = 1.0
            return
        usual = sorted(peak for _, peak in self._peaks)[-enough]
        self.factor = max(MARGIN * usual / self._alert, 1.0)
