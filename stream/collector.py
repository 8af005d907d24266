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
_YOUNG_PASSES_BEFORE_ALL = 50
"""Of ``gc.get_count()``: how often what is young was looked at. In a worker's processes that is
whenever 100,000 objects more are there than before."""


class LongLived:
    """Keeps what lives for long out of the collector's sight, as it comes to be.

    A full pass looks at 53 objects a scope and holds up all else, the consumer's thread too: 2.9 s
    with 100,000 scopes that one process has learned, every half minute while it learns them; a
    session is 8 s (2026-12). Of what a process has it looks at the last 500,000 objects only. What
    has become garbage in a cycle among them, and not while it was young, stays for ever: the
    fewer, the more rarely.
    """

    def __init__(self) -> None:
        young, less_young, _ = gc.get_threshold()
        gc.set_threshold(young, less_young, _YOUNG_PASSES_BEFORE_ALL)

    def freeze(self) -> None:
        """Freeze whatever there is."""
        gc.freeze()

    def look(self) -> bool:
        """Freeze if there is reason to; whether there was. Takes 0.1 us where there is none."""
        is_due = gc.get_count()[2] >= _YOUNG_PASSES
        if is_due:
            gc.collect(1)  # what is young and garbage need not stay
            self.freeze()
        return is_due
