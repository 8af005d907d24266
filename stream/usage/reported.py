"""Reported costs of many events at once: literals as written in, nano-dollars out.

One by one they cost half a microsecond each where short and two through Decimal; as columns of
digits 0.1 to 0.2 (measured 2026-11). ``reported_nanousd`` has the last word on everything but plain
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
            if len(places) * size == len(text):
                lines = np.ascontiguousarray(text.reshape(-1, size).T)
            else:
                lines = text[starts[places] + np.arange(size)[:, None]]
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

    Args:
        lines: shape (characters, literals): a column of all first characters, and so on.
    """
    is_quoted = lines[0] == ord('"')
    for quotes, chosen in ((1, np.flatnonzero(is_quoted)), (0, np.flatnonzero(~is_quoted))):
        inner = lines[quotes : len(lines) - quotes]
        if not len(chosen) or not len(inner):
            continue
        points = np.full(lines.shape[1], len(inner), np.uint8)
        for place in reversed(range(len(inner))):
            points[inner[place] == ord(".")] = place
        for point in np.unique(points[chosen]).tolist():
            whole, fraction = point, len(inner) - point - 1
            if not 1 <= whole <= _WHOLE_DIGITS or fraction == 0:
                continue
            if fraction > _NANO_DIGITS + _REST_DIGITS:
                continue
            alike = chosen[points[chosen] == point]
            digits = [
                line[alike] - np.uint8(ord("0"))  # wraps: all that is no digit is above 9
                for place, line in enumerate(inner)
                if place != point
            ]
            is_plain = np.logical_and.reduce([digit < 10 for digit in digits])  # noqa: PLR2004
            yield alike[is_plain], _values(digits, whole)[is_plain]


def _values(digits: list[_Text], whole: int) -> NDArray[np.int64]:
    """Nano-dollars of columns of digits of which the first ``whole`` are before the point."""
    values, beyond = np.zeros((2, len(digits[0])), np.int64)
    for place, digit in enumerate(digits):
        behind = place - whole  # the point
        if behind < _NANO_DIGITS:
            values += digit * np.int64(10 ** (_NANO_DIGITS - 1 - behind))
        else:
            beyond += digit * np.int64(10 ** (_NANO_DIGITS + _REST_DIGITS - 1 - behind))
    if len(digits) > whole + _NANO_DIGITS:  # half-even, once, on the digits as written
        half = _REST_END // 2
        values += (beyond > half) | ((beyond == half) & (values % 2 == 1))
    return values
