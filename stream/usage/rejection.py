"""Why a payload was refused: the closed list that dead letters, logs and the metric share.

This file must not decide anything; ``stream/usage/decode.py`` and ``stream/usage/event.py`` do.
"""

from dataclasses import dataclass
from enum import StrEnum


class RejectReason(StrEnum):
    """The closed list of reasons; each is a dead letter's ``reason`` and a metric's label."""

    NOT_UTF8 = "not_utf8"
    NOT_JSON = "not_json"
    NOT_AN_OBJECT = "not_an_object"
    TOO_LARGE = "too_large"
    TOO_DEEP = "too_deep"
    MISSING_FIELD = "missing_field"
    WRONG_TYPE = "wrong_type"
    UNKNOWN_VALUE = "unknown_value"
    OUT_OF_BOUNDS = "out_of_bounds"
    INCONSISTENT_COUNTS = "inconsistent_counts"


@dataclass(frozen=True, slots=True)
class Rejection:
    """One refused event.

    Attributes:
        reason: from the closed list.
        detail: the field and the fix, in a sentence; never a value that was sent.
        index: the element's position if the payload was an array whose other elements were read.
        payload: the refused bytes: the element's own if ``index`` is set, else the whole payload.
    """

    reason: RejectReason
    detail: str
    index: int | None
    payload: bytes


class LiteralError(ValueError):
    """A literal that cannot be read: the reason from the closed list, and the fix as its text."""

    def __init__(self, reason: RejectReason, fix: str) -> None:
        super().__init__(fix)
        self.reason = reason
