"""When events were, whole columns at once: times as written in, epoch seconds out.

Producers write all their times in one form, so the characters of a batch are a table, and few of
its minutes differ: 0.05 us a time, where one by one they took 0.25 (2026-11, one core).
``epoch_seconds_of`` has the last word on everything but plain times in UTC.
"""

import re
from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from stream.usage.literals import epoch_seconds_of
from stream.usage.rejection import LiteralError

REFUSED: Final = -1


class _Minutes(dict[str, int]):
    """``2026-01-31T12:00`` -> epoch seconds."""

    def __missing__(self, minute: str) -> int:
        seconds = epoch_seconds_of(f"{minute}:00Z")
        if len(self) < _MINUTES_MAX:
            self[minute] = seconds
        return seconds


class _Seconds(dict[str, int]):
    """``:07.250Z``, what a time in UTC has behind its minute -> whole seconds; -1 for all else."""

    def __missing__(self, tail: str) -> int:
        parts = _TAIL.fullmatch(tail)
        seconds = -1 if parts is None else int(parts[1])
        if len(self) < _SECONDS_MAX:
            self[tail] = seconds
        return seconds


_TAIL = re.compile(r":([0-5][0-9])(?:\.[0-9]{1,18})?(?:[Zz]|[+-]00:00)")
_MINUTES_MAX: Final = 10_000
_SECONDS_MAX: Final = 100_000
"""60,000 are all that milliseconds have; some 10 MB."""

_minutes = _Minutes()
_seconds = _Seconds()

_FEW: Final = 64
"""So few are read one by one: columns begin to pay at some dozens."""

_MINUTES_AT_ONCE: Final = 16
"""With more minutes in a batch, times are read one by one: each takes a look at all left."""

_MINUTE_CHARS: Final = 16
_SIZES: Final = {len("2026-01-31T12:00:07Z"), *range(len("2026-01-31T12:00:07.2Z"), 40)}
_ZERO, _FIVE, _NINE = b"059"


def seconds_column(stamps: Sequence[Any]) -> NDArray[np.int64]:
    """Epoch seconds of each; ``REFUSED`` where ``epoch_seconds_of`` refuses."""
    found = _alike(stamps) if len(stamps) > _FEW else None
    if found is None:
        found = np.array([_alone(stamp) for stamp in stamps], np.int64)
    return found


def _alone(stamp: Any) -> int:
    try:
        if type(stamp) is str and (seconds := _seconds[stamp[_MINUTE_CHARS:]]) >= 0:
            return _minutes[stamp[:_MINUTE_CHARS]] + seconds
        return epoch_seconds_of(stamp)
    except LiteralError:
        return REFUSED


def _alike(stamps: Sequence[Any]) -> NDArray[np.int64] | None:
    """The same, if all are plain times in UTC of one length, of few minutes that all exist."""
    try:
        text = "".join(stamps).encode("ascii")
    except (TypeError, UnicodeEncodeError):  # a number among them, or no time
        return None
    size = len(stamps[0])
    if size not in _SIZES or set(map(len, stamps)) != {size}:
        return None
    table = np.frombuffer(text, np.uint8).reshape(-1, size)
    tails = np.ascontiguousarray(table[:, _MINUTE_CHARS:].T)
    if not _are_plain(tails):
        return None
    tens, ones = (tails[1:3] - np.uint8(_ZERO)).astype(np.int64)
    found: NDArray[np.int64] = tens * 10 + ones
    words = np.ascontiguousarray(table[:, :_MINUTE_CHARS]).view(np.uint64)
    left = np.arange(len(stamps))
    for _ in range(_MINUTES_AT_ONCE):
        first = int(left[0])
        try:
            minute = _minutes[stamps[first][:_MINUTE_CHARS]]
        except LiteralError:
            return None
        rest = words[left]
        is_same = (rest[:, 0] == words[first, 0]) & (rest[:, 1] == words[first, 1])
        found[left[is_same]] += minute
        left = left[~is_same]
        if not len(left):
            return found
    return None


def _are_plain(tails: NDArray[np.uint8]) -> bool:
    """Whether all are like ``:07Z`` or ``:07.250Z``.

    Args:
        tails: shape (characters, times).
    """
    digits = [tails[1:3], tails[4:-1]]
    return bool(
        (tails[0] == ord(":")).all()
        and (tails[1] <= _FIVE).all()
        and all(((part >= _ZERO) & (part <= _NINE)).all() for part in digits)
        and (tails[-1] == ord("Z")).all()
        and (len(tails) == len(":07Z") or (tails[3] == ord(".")).all())
    )
