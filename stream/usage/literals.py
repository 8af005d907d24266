"""The strict reading of numbers, times and names that producers write.

Decoders are too kind: they take ``"1_0"`` as 10, ``"NaN"`` as a number, round decimals through
binary floats. Both readers of an event (``stream/usage/event.py``, ``stream/usage/decode.py``) use
these, and nothing here may keep or quote what was sent.
"""

import re
from datetime import datetime
from decimal import ROUND_HALF_EVEN, Context, Decimal, InvalidOperation
from functools import lru_cache

from stream.usage.rejection import LiteralError, RejectReason
from stream.usage.usage import COST_MAX_USD

TIMESTAMP_MIN_SECONDS = 946_684_800
"""2000-01-01T00:00:00Z, the first second accepted. No bound is relative to now: old traces pass."""

TIMESTAMP_END_SECONDS = 4_102_444_800
"""2100-01-01T00:00:00Z, the first second refused."""

MILLISECONDS_ABOVE = 100_000_000_000
"""A numeric timestamp above this is in milliseconds (as seconds it would be the year 5138)."""

DECIMAL_MAX_CHARS = 64
"""Longest decimal literal read. Python's ``str(float)`` and any ledger's decimals are shorter."""

_DECIMAL = re.compile(r"[0-9]+(?:\.[0-9]+)?(?:[eE][+-]?[0-9]{1,3})?")
_EXACT = Context(prec=2 * DECIMAL_MAX_CHARS + 16, rounding=ROUND_HALF_EVEN)
_NANO = Decimal("1e-9")
_RFC3339 = re.compile(
    r"([0-9]{4}-[0-9]{2}-[0-9]{2})[Tt ]([0-9]{2}:[0-9]{2}):([0-9]{2})(?:\.[0-9]{1,18})?"
    r"([Zz]|[+-][0-9]{2}:[0-9]{2})"
)
_UNSAFE = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
REPLACEMENT = "\ufffd"


def decimal_of(literal: str) -> Decimal:
    """A non-negative decimal exactly as written: digits, a point, a small exponent.

    Raises:
        LiteralError: for a sign, ``_``, ``NaN``, ``Infinity``, blanks, or over 64 characters.

    >>> decimal_of("0.1234567890123456789")
    Decimal('0.1234567890123456789')
    """
    if len(literal) > DECIMAL_MAX_CHARS:
        raise LiteralError(
            RejectReason.OUT_OF_BOUNDS, f"write at most {DECIMAL_MAX_CHARS} characters"
        )
    if literal.startswith("-") and _DECIMAL.fullmatch(literal[1:]):
        if not Decimal(literal):
            return Decimal(0)
        raise LiteralError(RejectReason.OUT_OF_BOUNDS, "write a number that is not negative")
    if _DECIMAL.fullmatch(literal) is None:
        raise LiteralError(
            RejectReason.WRONG_TYPE, 'write plain decimal digits, for example "0.0042"'
        )
    return Decimal(literal)


def nanousd_of(dollars: Decimal) -> int:
    """Dollars as whole nano-dollars, rounded half-even once.

    Raises:
        LiteralError: below zero, above ``COST_MAX_USD`` or not finite.

    >>> nanousd_of(Decimal("0.1234567885")), nanousd_of(Decimal("1e-30"))
    (123456788, 0)
    """
    if not dollars.is_finite() or not 0 <= dollars <= COST_MAX_USD:
        raise LiteralError(
            RejectReason.OUT_OF_BOUNDS, f"write dollars between 0 and {COST_MAX_USD}"
        )
    try:
        return int(dollars.quantize(_NANO, context=_EXACT).scaleb(9, context=_EXACT))
    except InvalidOperation as error:
        raise LiteralError(RejectReason.OUT_OF_BOUNDS, "write fewer digits") from error


@lru_cache(maxsize=4096)
def _minute_of(date: str, clock: str, zone: str) -> int:
    """Epoch seconds of a minute's start. A feed has few minutes and zones: hence the cache."""
    return int(datetime.fromisoformat(f"{date}T{clock}:00{zone}").timestamp())


def epoch_seconds_of(stamp: str | float) -> int:
    """Whole seconds since 1970 of an RFC 3339 string or a number; fractions are cut off.

    A number above 1e11 is milliseconds. A leap second ``:60`` is the next minute's first second.

    Raises:
        LiteralError: if the string is no RFC 3339 instant with a zone, or the time lies outside
            ``TIMESTAMP_MIN_SECONDS`` to ``TIMESTAMP_END_SECONDS``.

    >>> epoch_seconds_of("2023-11-14T22:13:20.5Z"), epoch_seconds_of(1_700_000_000_500)
    (1700000000, 1700000000)
    """
    if isinstance(stamp, str):
        parts = _RFC3339.fullmatch(stamp)
        if parts is None:
            raise LiteralError(
                RejectReason.WRONG_TYPE,
                "write RFC 3339 with a zone, for example 2026-01-31T12:00:00Z, or epoch seconds",
            )
        date, clock, second, zone = parts.groups()
        try:
            minute = _minute_of(date, clock, zone.upper())
        except (ValueError, OverflowError) as error:
            raise LiteralError(RejectReason.OUT_OF_BOUNDS, "write a date that exists") from error
        if int(second) > 60:  # noqa: PLR2004 - 60 is RFC 3339's leap second
            raise LiteralError(RejectReason.OUT_OF_BOUNDS, "write a second from 00 to 60")
        seconds: float = minute + int(second)
    elif stamp > MILLISECONDS_ABOVE:
        seconds = min(stamp, TIMESTAMP_END_SECONDS * 1000) / 1000
    else:
        seconds = stamp
    if not TIMESTAMP_MIN_SECONDS <= seconds < TIMESTAMP_END_SECONDS:
        raise LiteralError(RejectReason.OUT_OF_BOUNDS, "write a time from the years 2000 to 2099")
    return int(seconds)


_SURROGATE_ESCAPE = re.compile(rb"\\u[dD][89a-fA-F]")
_ESCAPE = re.compile(
    rb"\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}"  # a pair: one character
    rb"|(\\u[dD][89a-fA-F][0-9a-fA-F]{2})"
    rb"|\\."
)


def without_lone_surrogates(json: bytes) -> bytes:
    r"""JSON whose escaped halves of UTF-16 pairs read U+FFFD.

    JavaScript writes them when it cuts a text inside an emoji, and msgspec refuses the whole
    document for one, even in a field that nobody reads.

    >>> without_lone_surrogates(b'"\\ud83d\\ude00 \\ud83d"')
    b'"\\ud83d\\ude00 \\ufffd"'
    """
    if _SURROGATE_ESCAPE.search(json) is None:
        return json
    return _ESCAPE.sub(lambda escape: b"\\ufffd" if escape[1] else escape[0], json)


def has_unsafe_characters(text: str) -> bool:
    """Whether a text holds what ``safe_text`` replaces, or what something replaced before."""
    return REPLACEMENT in text or _UNSAFE.search(text) is not None


def safe_text(text: str) -> str:
    r"""A name that can be printed: unsafe characters become U+FFFD, blank becomes empty.

    Blank means absent. Anything else is kept as the producer spells it: ``<!channel>`` is a name.

    >>> safe_text("a\nb") == "a\ufffdb", safe_text("   "), safe_text(" bot")
    (True, '', ' bot')
    """
    if not text or text.isspace():
        return ""
    return text if text.isprintable() else _UNSAFE.sub(REPLACEMENT, text)
