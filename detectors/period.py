"""The value one, two and three periods ago, where a series has a period that is no day.

Jobs every twenty minutes, waves of a plant: the slots of the day cannot know them. The period is
found in the autocorrelation of the last rows, now and then. It counts rows, not seconds, so it is
told which are missing. Must not decide whether it is heard: ``experts.py`` weighs it by its losses
like any other.

Source:
    Box & Jenkins 1970 (autocorrelation; here by Wiener-Khinchin, in one Fourier transform).
"""

import numpy as np

ROWS = 1_024
"""Rows kept. A period has been seen three times in them, so it is 340 rows at most."""

EVERY_ROWS = 128
"""Rows between two searches, of about 100 us each: under 1 us a row."""

PERIODS = 3
"""Predicted is the mean of so many periods back."""

CLEAR = 0.3
"""Autocorrelation that a period has at least."""

ALIKE = 0.9
"""Of the best autocorrelation: the shortest period that reaches it is taken, not its multiples."""

SAME = 1e-9
"""Of the largest value: a smaller deviation is the rounding of a constant."""


class Period:
    """One series' short period.

    Args:
        level: what stands for the rows before the first.

    Attributes:
        rows: the period, fractions included; 0 while none is known.
    """

    __slots__ = ("_kept", "_known", "rows")

    def __init__(self, level: float) -> None:
        self._kept = [level] * ROWS
        self._known = 0
        self.rows = 0.0

    def expect(self) -> float:
        """The next value; without a period the last one."""
        kept, known, rows = self._kept, self._known, self.rows
        if not rows:
            return kept[(known - 1) % ROWS]
        return (
            kept[(known - int(rows + 0.5)) % ROWS]
            + kept[(known - int(2 * rows + 0.5)) % ROWS]
            + kept[(known - int(3 * rows + 0.5)) % ROWS]
        ) / PERIODS

    def learn(self, value: float) -> None:
        """Take one row into account."""
        self._kept[self._known % ROWS] = value
        self._known += 1
        if self._known % EVERY_ROWS == 0 and self._known > EVERY_ROWS:
            self.rows = self._find()

    def skip(self, rows: int) -> None:
        """Rows are missing: the period goes on through them, or is not known for now."""
        if rows > ROWS:
            self.rows = 0.0
            return
        for _ in range(rows):
            self.learn(self.expect())

    def _find(self) -> float:
        known = min(self._known, ROWS)
        oldest = self._known % ROWS
        values = np.array(self._kept[oldest:] + self._kept[:oldest])[-known:]
        rounding = SAME * float(np.abs(values).max())
        values -= values.mean()
        largest = float(np.abs(values).max())
        if largest <= rounding:
            return 0.0
        values /= largest  # squares of the tiniest numbers are 0, those of the largest have no end
        power = np.abs(np.fft.rfft(values, 2 * ROWS)) ** 2
        alike = np.fft.irfft(power)[: known // PERIODS]
        alike *= known / (known - np.arange(len(alike))) / alike[0]
        peaks = 1 + np.flatnonzero((alike[1:-1] > alike[:-2]) & (alike[1:-1] >= alike[2:]))
        best = float(alike[peaks].max(initial=0.0))
        if best < CLEAR:
            return 0.0
        lag = int(peaks[alike[peaks] >= ALIKE * best][0])
        left, middle, right = (float(each) for each in alike[lag - 1 : lag + 2])
        return lag + 0.5 * (left - right) / min(left - 2 * middle + right, -SAME)
