"""The garbage collector, where it has nothing to find and much to look at."""

import contextlib
import gc
from collections.abc import Iterator


@contextlib.contextmanager
def collector_paused() -> Iterator[None]:
    """Without looking for cycles: there are none in pages and states, and they are many objects.

    With 100,000 scopes it was a quarter of a flush, 60 of the 104 us a scope of a recovery, and a
    fifth of a backtest.
    """
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


_GROWN = 1.1
_GROWN_BY = 1000
_FREEZE_SECONDS = 3600.0


class LongLived:
    """Keeps what lives for long out of the collector's sight, while it comes to be.

    A full pass looks at 53 objects a scope and holds up all else: 2.9 s with 100,000 scopes that
    one process has learned, a session of 6 s on a slower machine (2026-12). What has just become
    garbage in a cycle stays for ever, so it is done once the scopes are a tenth and 1,000 more, or
    an hour later, and not each time.
    """

    def __init__(self) -> None:
        self._size = 0
        self._at = 0.0

    def freeze(self, size: int, now: float) -> None:
        """Freeze whatever there is.

        Args:
            size: how many scopes.
            now: seconds, of a clock that does not go back.
        """
        gc.freeze()
        self._size, self._at = size, now

    def look(self, size: int, now: float) -> bool:
        """Freeze if there is reason to; whether there was."""
        is_due = size >= _GROWN * self._size + _GROWN_BY or now >= self._at + _FREEZE_SECONDS
        if is_due:
            gc.collect(1)  # what is young and garbage need not stay
            self.freeze(size, now)
        return is_due
