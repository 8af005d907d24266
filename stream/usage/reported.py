"""Reported costs of many events at once: literals as written in, nano-dollars out.

One by one they cost half a microsecond each where short and two through Decimal; as columns of
digits 0.15 (measured 2026-11). ``reported_nanousd`` has the last word on everything but plain
digits with a point.
"""

from collections.abc import Sequence
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

# What a digit counts, by its distance behind the point (before it: negative).
_DISTANCES: Final = range(-_WHOLE_DIGITS, _NANO_DIGITS + _REST_DIGITS + 1)
_NANO: Final = np.array(
    [0 if d == 0 or d > _NANO_DIGITS else 10 ** (_NANO_DIGITS - d - (d < 0)) for d in _DISTANCES],
    np.int64,
)
_REST: Final = np.array(
    [10 ** (_NANO_DIGITS + _REST_DIGITS - d) if d > _NANO_DIGITS else 0 for d in _DISTANCES],
    np.int64,
)


def reported_column(literals: Sequence[msgspec.Raw]) -> NDArray[np.int64]:
    """Nano-dollars of each; ``NOT_REPORTED`` for an empty one or null, ``REFUSED`` if it is odd."""
    found = np.full(len(literals), NOT_REPORTED, np.int64)
    sizes = np.fromiter(map(len, literals), np.int64, len(literals))
    sent = np.flatnonzero(sizes)
    if not len(sent):
        return found
    text = np.frombuffer(b"".join(literals), np.uint8)
    ends = np.cumsum(sizes)[sent]
    starts = ends - sizes[sent]
    is_quoted = text[starts] == ord('"')
    values, is_plain = _read(text, sizes[sent], starts + is_quoted, ends - is_quoted)
    found[sent] = values
    for index in sent[~is_plain].tolist():
        found[index] = _alone(bytes(literals[index]))
    return found


def _alone(literal: bytes) -> int:
    try:
        nanousd = reported_nanousd(literal)
    except (LiteralError, UnicodeDecodeError):
        return REFUSED
    return NOT_REPORTED if nanousd is None else nanousd


def _read(
    text: NDArray[np.uint8],
    sizes: NDArray[np.int64],
    starts: NDArray[np.int64],
    ends: NDArray[np.int64],
) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """The value of each literal of a text, and whether it is digits with at most one point.

    Args:
        text: one literal after the other.
        sizes: of each, quotes included.
        starts: of each in the text, without its quote.
        ends: likewise.
    """
    digits = text - np.uint8(ord("0"))  # wraps: all that is no digit is above 9
    is_digit = digits < 10  # noqa: PLR2004 -- ten digits
    points = np.flatnonzero(text == ord("."))
    first = np.searchsorted(points, starts)
    number_of_points = np.searchsorted(points, ends) - first
    point = np.where(number_of_points > 0, np.append(points, 0)[first], ends)
    digits_before = np.concatenate(([0], np.cumsum(is_digit)))
    whole, fraction = point - starts, ends - point - 1
    is_plain = (
        (number_of_points <= 1)
        & (digits_before[ends] - digits_before[starts] + number_of_points == ends - starts)
        & (whole >= 1)
        & (whole <= _WHOLE_DIGITS)
        & ((number_of_points == 0) | (fraction >= 1))
        & (fraction <= _NANO_DIGITS + _REST_DIGITS)
    )
    distance = np.arange(len(text)) - np.repeat(point, sizes) + _WHOLE_DIGITS
    np.clip(distance, 0, len(_NANO) - 1, out=distance)
    value = np.where(is_digit, digits, 0).astype(np.int64)
    nano = _sums(value * _NANO[distance], starts, ends)
    rest = _sums(value * _REST[distance], starts, ends)
    # Half-even, once, on the digits as written.
    nano += (rest > _REST_END // 2) | ((rest == _REST_END // 2) & (nano % 2 == 1))
    return nano, is_plain


def _sums(
    amounts: NDArray[np.int64], starts: NDArray[np.int64], ends: NDArray[np.int64]
) -> NDArray[np.int64]:
    """The sum of each part. The running sum may wrap; differences of it are exact nevertheless."""
    running = np.concatenate((np.zeros(1, np.int64), np.cumsum(amounts)))
    return running[ends] - running[starts]
