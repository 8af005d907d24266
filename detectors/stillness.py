"""A value that stands still in a series that never does: a stuck sensor, a frozen export.

Only runs of the very same value count. A series that often repeats itself is left alone.
"""

LEAST_RUN = 12
"""Repeats that are no alert in any series."""

LONGER = 3
"""Times the longest run before that a run must be to be an alert."""

OFTEN = 0.3
"""Share of rows that repeat the one before, above which a series stands still by nature."""

MEMORY = 0.001
"""Weight of a new row in that share."""


class Stillness:
    """How long a series has stood still, against how long it ever did.

    Args:
        share: of rows that repeat the one before, in what is known so far.
    """

    __slots__ = ("_longest", "_run", "_share")

    def __init__(self, share: float) -> None:
        self._share = share
        self._run = 0
        self._longest = 0

    def step(self, move: float) -> float:
        """The run with this row, in runs that are an alert; learns it."""
        self._share += MEMORY * ((move == 0) - self._share)
        if move != 0:
            self._longest = max(self._longest, self._run)
            self._run = 0
            return 0.0
        self._run += 1
        if self._share > OFTEN:
            return 0.0
        enough = LONGER * self._longest
        return self._run / (enough if enough > LEAST_RUN else LEAST_RUN)  # noqa: FURB136  max() is slower
