"""When a batch is cut: small batches while little comes, larger ones under load.

A transaction costs about the same whatever is in it, so under load fewer and larger ones leave more
of the processor to the events; at rest a quarter of a second of delay is all there is.
"""

_SHARE = 4
"""The next batch gathers four times as long as the last one took: writing is at most a fifth."""


class AdaptiveCut:
    """How long the next batch gathers.

    Args:
        min_seconds: never shorter.
        max_seconds: never longer.

    >>> cut = AdaptiveCut(0.25, 1.0)
    >>> cut.took(0.15)
    >>> cut.seconds
    0.6
    """

    def __init__(self, min_seconds: float, max_seconds: float) -> None:
        self._min_seconds = min_seconds
        self._max_seconds = max_seconds
        self._seconds = min_seconds

    @property
    def seconds(self) -> float:
        """From the last cut, or the first record since, to the next."""
        return self._seconds

    def took(self, seconds: float) -> None:
        """Learn what processing and writing the last batch took; the mean of it and before."""
        target = min(max(seconds * _SHARE, self._min_seconds), self._max_seconds)
        self._seconds = max(target, (target + self._seconds) / 2)
