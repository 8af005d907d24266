"""Bytes to usages: never raises, never loses a neighbour, names the reason of every refusal.

The fast reader (``stream/usage/wire.py``) only ever accepts; whatever it does not is read again by
``UsageEvent`` itself, which accepts it after all or names the reason. This file must not price, log
or count.

Measured 2026-11, Python 3.11, one core, microseconds an event of 370 bytes: 5 alone or in an array,
11 with unknown fields, 20 refused.
"""

from decimal import Decimal, InvalidOperation
from typing import Final, NamedTuple

import msgspec
from pydantic import ValidationError

from stream.usage.array_split import split_array
from stream.usage.event import UsageEvent
from stream.usage.literals import without_lone_surrogates
from stream.usage.rejection import Rejection, RejectReason
from stream.usage.usage import Usage
from stream.usage.wire import FIELDS, KnownWire, Wire, usage_of

__all__ = ["Decoded", "RejectReason", "Rejection", "decode"]

PAYLOAD_MAX_BYTES: Final = 8_388_608
"""Largest message read: 8 MiB. Far above Kafka's default ``max.message.bytes`` of 1 MiB."""

ARRAY_MAX_EVENTS: Final = 20_000
"""Most events in one array; so many of the largest events still fit a signed 64-bit sum."""


class Decoded(NamedTuple):
    """What one payload held: every element is in ``usages`` or in ``rejections``.

    Attributes:
        usages: the accepted events, in order.
        rejections: the refused ones, in order.
        unknown_fields: fields of accepted events that were ignored.
    """

    usages: list[Usage]
    rejections: list[Rejection]
    unknown_fields: int


def _literal_number(literal: str) -> Decimal:
    """A JSON number as written; an exponent beyond reason is left to the bounds as infinity."""
    try:
        return Decimal(literal)
    except InvalidOperation:
        return Decimal("Infinity")


_known_decoder = msgspec.json.Decoder(KnownWire)
_wire_decoder = msgspec.json.Decoder(Wire)
_array_decoder = msgspec.json.Decoder(list[msgspec.Raw])
_object_decoder = msgspec.json.Decoder(dict[str, msgspec.Raw])
_plain_decoder = msgspec.json.Decoder(float_hook=_literal_number)

_Refusal = tuple[RejectReason, str]
_NOT_UTF8: Final[_Refusal] = RejectReason.NOT_UTF8, "send JSON in UTF-8"
_Buffer = bytes | msgspec.Raw
UNREADABLE = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError, MemoryError)
"""All that msgspec raises; it is not only its own errors."""


def decode(payload: bytes) -> Decoded:
    """The events of one message: a JSON object, or an array of them.

    An array's bad element is refused by its index and the rest counts, whatever is wrong with it:
    strings and brackets tell the elements apart. An array that leaves one open, or that something
    follows, is refused whole. An empty array is accepted and holds nothing. Never raises, whatever
    the bytes.
    """
    if len(payload) > PAYLOAD_MAX_BYTES:
        fix = f"send at most {PAYLOAD_MAX_BYTES} bytes in one message"
        return _refused_whole(payload, (RejectReason.TOO_LARGE, fix))
    is_plain = _is_plain(payload)
    if payload.lstrip()[:1] == b"[":
        elements = _elements(payload)
        if isinstance(elements, list):
            return _decode_elements(elements, is_plain=is_plain)
        return _refused_whole(payload, elements)
    found, unknown_fields = _read(payload, is_plain=is_plain)
    if isinstance(found, Usage):
        return Decoded([found], [], unknown_fields)
    return _refused_whole(payload, found)


def _refused_whole(payload: bytes, refusal: _Refusal) -> Decoded:
    return Decoded([], [Rejection(*refusal, None, payload)], 0)


def _is_utf8(payload: bytes) -> bool:
    if payload.isascii():
        return True
    try:
        payload.decode()
    except UnicodeDecodeError:
        return False
    return True


def _elements(payload: bytes) -> list[msgspec.Raw] | list[bytes] | _Refusal:
    """An array's elements, read by msgspec or, where it reads none, told apart by a scanner."""
    elements: list[msgspec.Raw] | list[bytes] | None
    refusal = _NOT_UTF8
    try:
        elements = None
        if _is_utf8(payload):
            elements = _array_decoder.decode(without_lone_surrogates(payload))
    except UNREADABLE as error:
        refusal = _unreadable(error)
    if elements is None:
        elements = split_array(payload, ARRAY_MAX_EVENTS + 1)
    if elements is None:
        return refusal
    if len(elements) > ARRAY_MAX_EVENTS:
        return RejectReason.TOO_LARGE, f"send at most {ARRAY_MAX_EVENTS} events in one array"
    return elements


def _decode_elements(elements: list[msgspec.Raw] | list[bytes], *, is_plain: bool) -> Decoded:
    usages: list[Usage] = []
    rejections: list[Rejection] = []
    unknown_fields = 0
    for index, element in enumerate(elements):
        found, unknown = _read(element, is_plain=is_plain)
        unknown_fields += unknown
        if isinstance(found, Usage):
            usages.append(found)
        else:
            rejections.append(Rejection(*found, index, bytes(element)))
    return Decoded(usages, rejections, unknown_fields)


def _unreadable(error: Exception) -> _Refusal:
    """The reason behind msgspec's error; its text is not passed on, since it may quote keys."""
    if isinstance(error, RecursionError):
        return RejectReason.TOO_DEEP, "send usage only; it needs no deep nesting"
    if isinstance(error, MemoryError):
        return RejectReason.TOO_LARGE, "send less in one message"
    if isinstance(error, UnicodeDecodeError):
        return _NOT_UTF8
    if isinstance(error, msgspec.ValidationError):
        return RejectReason.NOT_AN_OBJECT, "send a JSON object, or an array of them"
    return RejectReason.NOT_JSON, "send JSON as RFC 8259 has it"


def _is_plain(payload: bytes) -> bool:
    """Whether no name in it can be blank or hold anything but printable ASCII.

    JSON itself escapes all control characters but DEL, and a blank string that is not empty opens
    with a space.
    """
    return (
        payload.isascii()
        and b"\\" not in payload
        and b"\x7f" not in payload
        and b'" ' not in payload
    )


def _read(element: _Buffer, *, is_plain: bool) -> tuple[Usage | _Refusal, int]:
    """One event and its number of unknown fields, or the refusal of it."""
    try:
        usage = usage_of(_known_decoder.decode(element), is_plain=is_plain)
    except UNREADABLE:  # no refusal yet, only a reason to look closer
        usage = None
    if usage is not None:
        return usage, 0
    return _read_closely(bytes(element), is_plain=is_plain)


def _read_closely(element: bytes, *, is_plain: bool) -> tuple[Usage | _Refusal, int]:
    """The same, with unknown fields, and with what only the contract can tell."""
    if not _is_utf8(element):  # msgspec skips unknown fields unread
        return _NOT_UTF8, 0
    element = without_lone_surrogates(element)
    try:
        raw_fields = _object_decoder.decode(element)
    except UNREADABLE as error:
        return _unreadable(error), 0
    unknown_fields = sum(name not in FIELDS for name in raw_fields)
    if unknown_fields:
        try:
            usage = usage_of(_wire_decoder.decode(element), is_plain=is_plain)
        except UNREADABLE:
            usage = None
        if usage is not None:
            return usage, unknown_fields
    return _read_slowly(raw_fields), unknown_fields


def _read_slowly(raw_fields: dict[str, msgspec.Raw]) -> Usage | _Refusal:
    """The contract itself: what it says is final."""
    sent: dict[str, object] = {}
    for name in FIELDS & raw_fields.keys():
        try:
            sent[name] = _plain_decoder.decode(raw_fields[name])
        except UNREADABLE as error:
            reason, fix = _unreadable(error)
            if isinstance(error, msgspec.ValidationError):
                reason, fix = RejectReason.OUT_OF_BOUNDS, "write fewer digits"
            return reason, f"{name}: {fix}"
    try:
        return UsageEvent.model_validate(sent).to_usage()
    except ValidationError as error:
        return _refusal_of(error)


_REASON_OF_TYPE: Final = {
    "missing": RejectReason.MISSING_FIELD,
    "enum": RejectReason.UNKNOWN_VALUE,
    "greater_than_equal": RejectReason.OUT_OF_BOUNDS,
    "less_than_equal": RejectReason.OUT_OF_BOUNDS,
    "string_too_long": RejectReason.OUT_OF_BOUNDS,
    "string_too_short": RejectReason.OUT_OF_BOUNDS,
    "too_long": RejectReason.OUT_OF_BOUNDS,
    "finite_number": RejectReason.OUT_OF_BOUNDS,
    **{reason.value: reason for reason in RejectReason},
}
"""pydantic's error type -> reason; what is not here is a wrong type."""


def _refusal_of(error: ValidationError) -> _Refusal:
    """The first thing wrong, by field; keys inside a field are the producer's, so not named."""
    first = error.errors(include_url=False, include_context=False, include_input=False)[0]
    reason = _REASON_OF_TYPE.get(first["type"], RejectReason.WRONG_TYPE)
    field = f"{first['loc'][0]}: " if first["loc"] else ""
    return reason, f"{field}{first['msg']}"
