"""One alert per episode: when it begins, when it is over, how long nothing is learned from it.

It counts rows and seconds and knows no values.
"""

CLOSE_SHARE = 0.6
"""Of the alert's surprise: an episode ends after ``QUIET_ROWS`` in a row below it."""

QUIET_ROWS = 10
PATIENCE_SECONDS = 86_400.0
PATIENCE_ROWS = 30
"""An episode longer than a day (and so many rows) is a new normal: it is learned like any other."""

HELD_PACE = 0.2
"""How fast is learned while an episode is open, in usual paces."""


class Episode:
    """Open or not, and since when.

    Args:
        alert: surprise at which an episode begins.
        patience_rows: rows after which an open episode is taken for the new normal.

    Attributes:
        pace: how fast to learn from the row last stepped over.
    """

    __slots__ = ("_alert", "_close", "_open_rows", "_patience_rows", "_quiet", "pace")

    def __init__(self, alert: float, patience_rows: float) -> None:
        self._alert = alert
        self._close = CLOSE_SHARE * alert
        self._patience_rows = max(patience_rows, PATIENCE_ROWS)
        self._open_rows = -1
        self._quiet = 0
        self.pace = 1.0

    def step(self, surprise: float) -> bool:
        """Whether an alert fires on the row of that surprise."""
        if self._open_rows < 0:
            self.pace = 1.0
            if surprise < self._alert:
                return False
            self._open_rows = self._quiet = 0
            self.pace = HELD_PACE
            return True
        self._open_rows += 1
        self.pace = HELD_PACE if self._open_rows < self._patience_rows else 1.0
        if surprise >= self._close:
            self._quiet = 0
            return False
        self._quiet += 1
        if self._quiet >= QUIET_ROWS:
            self._open_rows = -1
        return False
