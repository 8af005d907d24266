"""Reported costs of many events at once: literals as written in, nano-dollars out.

One by one they cost half a microsecond each where short and two through Decimal; as columns of
digits 0.15 (measured 2026-11). ``reported_nanousd`` has the last word on everything but plain
digits with a point.
"""

from collections.abc import Iterator, Sequence
from typing import Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from stream.usage.rejection import LiteralError
from stream.usage.wire import reported_nanousd

NOT_REPORTED: Final = -1
REFUSED: Final = -2

_WHOLE_DIGITS: Final = 5
"""Any amount of so many digits is below ``COST_MAX_USD``."""

_NANO_DIGITS: Final = 9
_REST_DIGITS: Final = 18
"""Digits behind the nano-dollar that still fit 64 bits; a float's shortest spelling has fewer."""

_REST_END: Final = 10**_REST_DIGITS

_NANO: Final = 10 ** np.arange(_NANO_DIGITS + _WHOLE_DIGITS - 1, -1, -1, dtype=np.int64)
"""What the digits up to the nano-dollar count, the first of five whole ones first."""

_REST: Final = 10 ** np.arange(_REST_DIGITS - 1, -1, -1, dtype=np.int64)
"""What the digits behind it count, as parts of ``_REST_END``."""

_CHARS_MAX: Final = _WHOLE_DIGITS + 1 + _NANO_DIGITS + _REST_DIGITS + 2
"""Longest literal that is looked at in columns, quotes included."""

_FEW: Final = 64
"""So few literals are read one by one: columns begin to pay at some dozens."""

_Text = NDArray[np.uint8]
_Places = NDArray[np.intp]


def reported_column(literals: Sequence[msgspec.Raw]) -> NDArray[np.int64]:
    """Nano-dollars of each; ``NOT_REPORTED`` for an empty one or null, ``REFUSED`` if it is odd."""
    found = np.full(len(literals), NOT_REPORTED, np.int64)
    sizes = np.fromiter(map(len, literals), np.int64, len(literals))
    left = np.flatnonzero(sizes)
    if len(left) > _FEW:
        is_alone = np.ones(len(literals), np.bool_)
        text = np.frombuffer(b"".join(literals), np.uint8)
        starts = np.cumsum(sizes) - sizes
        for size in np.unique(sizes[left][sizes[left] <= _CHARS_MAX]).tolist():
            places = np.flatnonzero(sizes == size)
            lines = text[starts[places, None] + np.arange(size)]
            for chosen, values in _read(lines):
                found[places[chosen]] = values
                is_alone[places[chosen]] = False
        left = left[is_alone[left]]
    for place in left.tolist():
        found[place] = _alone(bytes(literals[place]))
    return found


def _alone(literal: bytes) -> int:
    try:
        nanousd = reported_nanousd(literal)
    except (LiteralError, UnicodeDecodeError):
        return REFUSED
    return NOT_REPORTED if nanousd is None else nanousd


def _read(lines: _Text) -> Iterator[tuple[_Places, NDArray[np.int64]]]:
    """Which of some literals of one length are plain digits with a point, and their values.

    Those that begin with a quote end with one, and are alike; so are those whose point is at the
    same place.
    """
    is_quoted = lines[:, 0] == ord('"')
    for quotes, chosen in ((1, np.flatnonzero(is_quoted)), (0, np.flatnonzero(~is_quoted))):
        inner = lines[chosen, quotes : lines.shape[1] - quotes]
        if not inner.size:
            continue
        is_point = inner == ord(".")
        points = np.where(is_point.any(axis=1), is_point.argmax(axis=1), inner.shape[1])
        for point in np.unique(points).tolist():
            alike = np.flatnonzero(points == point)
            digits = (
                np.delete(inner[alike], point, axis=1) if point < inner.shape[1] else inner[alike]
            )
            digits = digits - np.uint8(ord("0"))  # wraps: all that is no digit is above 9
            fraction = digits.shape[1] - point
            if not 1 <= point <= _WHOLE_DIGITS or fraction > _NANO_DIGITS + _REST_DIGITS:
                continue
            if point == inner.shape[1] - 1:  # a point that nothing follows
                continue
            is_plain = (digits < 10).all(axis=1)  # noqa: PLR2004 -- ten digits
            yield chosen[alike[is_plain]], _values(digits[is_plain].astype(np.int64), point)


def _values(digits: NDArray[np.int64], whole: int) -> NDArray[np.int64]:
    """Nano-dollars of rows of digits of which the first ``whole`` are before the point."""
    nano = digits[:, : whole + _NANO_DIGITS]
    first = _WHOLE_DIGITS - whole
    values: NDArray[np.int64] = nano @ _NANO[first : first + nano.shape[1]]
    rest = digits[:, whole + _NANO_DIGITS :]
    if rest.shape[1]:  # half-even, once, on the digits as written
        beyond = rest @ _REST[: rest.shape[1]]
        half = _REST_END // 2
        values += (beyond > half) | ((beyond == half) & (values % 2 == 1))
    return values
