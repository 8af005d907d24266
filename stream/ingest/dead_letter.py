"""What is kept of a refused record: why, where it was, and as little of it as helps.

Topic, partition and offset lead back to the bytes as long as Kafka keeps them, so by default no
text is copied: a record that could not be read may hold a prompt or a secret. Contract:
contracts/native.md, section 1, "Dead letters". This file must not send, log or decide.
"""

import hashlib
import re
from decimal import Decimal
from enum import StrEnum
from typing import Any, Final

import msgspec
from pydantic import BaseModel, ConfigDict, Field

from stream.redaction import redact_key
from stream.usage.rejection import Rejection

DEAD_LETTER_PAYLOAD_MAX_BYTES: Final = 65_536
"""Largest payload that is copied, masked or not. As a letter it is up to nine times as large."""

_FIELD_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.\-]{0,63}")


class PayloadPolicy(StrEnum):
    """What a dead letter keeps of the payload."""

    MASKED = "masked"
    ORIGINAL = "original"
    NONE = "none"


class DeadLetterConfig(BaseModel):
    """What dead letters keep."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    payload: PayloadPolicy = Field(
        PayloadPolicy.MASKED,
        description="masked: structure and numbers, strings replaced; original: as sent, prompts "
        "and secrets included; none: nothing.",
    )


class DeadLetter(msgspec.Struct, frozen=True, omit_defaults=False):
    """One record of ``usage.dead-letter``, JSON.

    Attributes:
        reason: a value of ``RejectReason``.
        detail: the field and the fix; never a value that was sent.
        topic, partition, offset: where the record is.
        index: of the element, if the record is an array whose other elements counted.
        size: bytes of the record, or of the element.
        sha256: of the same bytes, hex.
        payload: JSON if masked, text if original; null if nothing is kept, or too much would be.
    """

    reason: str
    detail: str
    topic: str
    partition: int
    offset: int
    index: int | None
    size: int
    sha256: str
    payload: Any


def _literal(number: str) -> Decimal | str:
    try:
        return Decimal(number)
    except ArithmeticError:
        return "<number>"


_decoder = msgspec.json.Decoder(float_hook=_literal)
_encoder = msgspec.json.Encoder(decimal_format="number")


def dead_letter(
    rejection: Rejection,
    *,
    topic: str,
    partition: int,
    offset: int,
    policy: PayloadPolicy,
    max_bytes: int,
) -> bytes:
    """The dead letter of a refused event, encoded. Never raises, whatever was refused.

    Args:
        rejection: what was refused, and why.
        topic: where the record is.
        partition: of the topic.
        offset: in the partition.
        policy: what is kept of the payload.
        max_bytes: a letter that would be larger goes without its payload: Kafka would refuse it,
            and the same batch would be tried for ever.
    """
    payload = rejection.payload
    kept: Any = None
    if len(payload) <= DEAD_LETTER_PAYLOAD_MAX_BYTES:
        if policy == PayloadPolicy.MASKED:
            kept = masked(payload)
        elif policy == PayloadPolicy.ORIGINAL:
            kept = payload.decode(errors="backslashreplace")
    letter = DeadLetter(
        reason=rejection.reason.value,
        detail=rejection.detail,
        topic=topic,
        partition=partition,
        offset=offset,
        index=rejection.index,
        size=len(payload),
        sha256=hashlib.sha256(payload).hexdigest(),
        payload=kept,
    )
    encoded = _encoder.encode(letter)
    if len(encoded) > max_bytes:
        encoded = _encoder.encode(msgspec.structs.replace(letter, payload=None))
    return encoded


def masked(payload: bytes) -> Any:
    """JSON with its structure and numbers, and its strings replaced by their length.

    A key that does not look like a field's name is replaced too, since it may be text. ``None`` for
    what is no JSON or nests too deep to walk: its size and hash say what can be said.

    >>> masked(b'{"model": "gpt-4o", "input_tokens": -1}')
    {'model': '<6 characters>', 'input_tokens': -1}
    """
    try:
        return _masked(_decoder.decode(payload))
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError, MemoryError):
        return None


def _masked(node: Any) -> Any:
    if isinstance(node, str):
        return f"<{len(node)} characters>"
    if isinstance(node, list):
        return [_masked(item) for item in node]
    if isinstance(node, dict):
        return {
            _masked_key(key, place): _masked(item) for place, (key, item) in enumerate(node.items())
        }
    return node


def _masked_key(key: str, place: int) -> str:
    if _FIELD_NAME.fullmatch(key) and redact_key(key) == key:
        return key
    return f"<key {place}>"
