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
