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


_YOUNG_PASSES = 5
"""So often the young were looked at (``gc.get_count()``), at 100,000 more objects each time: half a
million take a tenth of the 2.9 s below."""

YOUNG_PASSES_BEFORE_ALL = 50
"""The collector's own third threshold where ``LongLived`` looks: ten times as many, so that it does
not come first, even if all of them come in one go."""


class LongLived:
    """Keeps what lives for long out of the collector's sight, as it comes to be.

    A full pass looks at 53 objects a scope and holds up all else, the consumer's thread too: 2.9 s
    with 100,000 scopes that one process has learned, every half minute while it learns them; a
    session is 8 s (2026-12). So the collector looks at the last 500,000 objects of a process, and
    at none before them. Garbage that is a cycle and was no longer young when it became garbage
    stays for ever; who learns 100,000 scopes makes none (0 collected in 20 full passes).

    CPython up to 3.13; from 3.14 on full passes are cut in pieces anyway.
    """

    def freeze(self) -> None:
        """Freeze whatever there is."""
        gc.freeze()

    def look(self) -> bool:
        """Freeze if there is reason to; whether there was. Takes 0.05 us where there is none."""
        is_due = gc.get_count()[2] >= _YOUNG_PASSES
        if is_due:
            gc.collect(1)  # what is young and garbage need not stay
            self.freeze()
        return is_due
