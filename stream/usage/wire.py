"""The fast reading of one event: msgspec checks types and bounds, a few lines here the rest.

It only ever accepts. What it does not accept is read again by ``UsageEvent``
(``stream/usage/event.py``), which has the last word; a property test holds the two equal. This file
must not name reasons.
"""

from typing import Annotated, Any, Final, Literal

import msgspec
from msgspec import Meta

from detectors.scope import DEFAULT_ENVIRONMENT
from stream.redaction import redact_key
from stream.usage import usage as bounds
from stream.usage.event import CLEANED_FIELDS
from stream.usage.literals import (
    decimal_of,
    epoch_seconds_of,
    has_unsafe_characters,
    nanousd_of,
    safe_text,
)
from stream.usage.rejection import LiteralError
from stream.usage.usage import Usage

_Id = Annotated[str, Meta(min_length=1, max_length=bounds.EVENT_ID_MAX_CHARS)] | None
_Text = Annotated[str, Meta(max_length=bounds.TEXT_MAX_CHARS)] | None
_Tokens = Annotated[int, Meta(ge=0, le=bounds.TOKENS_MAX)] | None
_Attempts = Annotated[int, Meta(ge=0, le=bounds.ATTEMPTS_MAX)] | None
_TagKey = Annotated[str, Meta(max_length=bounds.TAG_KEY_MAX_CHARS)]


ABSENT: Final = -1
"""A count that was not sent, where that is told from zero; ``None`` is one that was sent as null.

Numbers as defaults, so that the counts of many events become one array.
"""

NO_LITERAL: Final = msgspec.Raw()
"""A ``cost_usd`` that was not sent: this very object."""


class Wire(msgspec.Struct, gc=False):
    """An event as written, bounds checked by msgspec; the order of ``Usage`` is not needed."""

    timestamp: str | int | float
    event_id: _Id = None
    request_id: Any = None
    id: Any = None
    record: Literal["call", "outcome"] | None = None
    provider: _Text = None
    model: _Text = None
    input_tokens: _Tokens = ABSENT
    output_tokens: _Tokens = ABSENT
    total_tokens: _Tokens = ABSENT
    cache_read_tokens: _Tokens = 0
    cache_write_tokens: _Tokens = 0
    cache_write_1h_tokens: _Tokens = 0
    reasoning_tokens: _Tokens = 0
    audio_input_tokens: _Tokens = 0
    audio_output_tokens: _Tokens = 0
    image_input_tokens: _Tokens = 0
    billable_units: Any = None
    service_tier: _Text = None
    cost_usd: msgspec.Raw = NO_LITERAL
    requests: Annotated[int, Meta(ge=1, le=bounds.REQUESTS_MAX)] | None = 1
    agent: _Text = None
    workflow: _Text = None
    run_id: _Text = None
    step: _Text = None
    session_id: _Text = None
    api_key: Annotated[str, Meta(max_length=bounds.SECRET_MAX_CHARS)] | None = None
    user: _Text = None
    team: _Text = None
    department: _Text = None
    project: _Text = None
    customer: _Text = None
    organization: _Text = None
    owner: _Text = None
    environment: _Text = None
    prompt_version: _Text = None
    route: _Text = None
    feature: _Text = None
    customer_tier: _Text = None
    experiment_variant: _Text = None
    task_category: _Text = None
    tags: dict[_TagKey, _Text] | None = None
    retries: _Attempts = 0
    tool_calls: _Attempts = 0
    cache_hit: bool | None = None
    latency_ms: Annotated[float, Meta(ge=0, le=bounds.LATENCY_MAX_MS)] | None = None
    status: Literal["ok", "error", "refused"] | None = None
    outcome: Literal["accepted", "edited", "rejected", "escalated"] | None = None
    estimated: bool | None = None
    trace_url: Annotated[str, Meta(max_length=bounds.URL_MAX_CHARS)] | None = None


class KnownWire(Wire, gc=False, forbid_unknown_fields=True):
    """The same, refusing unknown fields: the usual case needs no count of them."""


_COST_WHOLE_DIGITS: Final = 5
"""Any amount of so many digits is below ``COST_MAX_USD``."""

_NANO_DIGITS: Final = 9

FIELDS: Final = frozenset(Wire.__struct_fields__)


def usage_of(wire: Wire, *, is_plain: bool) -> Usage | None:
    """The accepted event, or ``None`` if anything about it is unusual."""
    event_id = wire.event_id or other_id(wire)
    record = wire.record or "call"
    if not (event_id and (wire.model if record == "call" else wire.outcome)):
        return None
    cost = wire.cost_usd
    try:
        seconds = epoch_seconds_of(wire.timestamp)
        reported = reported_nanousd(bytes(cost)) if cost else None
    except LiteralError:
        return None
    read, written, total = (
        None if count == ABSENT else count
        for count in (wire.input_tokens, wire.output_tokens, wire.total_tokens)
    )
    has_usage = read is not None or written is not None
    if has_usage:
        total = None
    read, written = (read if total is None else total) or 0, written or 0
    cache_read = wire.cache_read_tokens or 0
    cache_write = wire.cache_write_tokens or 0
    cache_write_1h = wire.cache_write_1h_tokens or 0
    reasoning = wire.reasoning_tokens or 0
    audio_input = wire.audio_input_tokens or 0
    audio_output = wire.audio_output_tokens or 0
    image_input = wire.image_input_tokens or 0
    if (
        cache_read + cache_write > read
        or audio_input + image_input > read
        or cache_write_1h > cache_write
        or reasoning > written
        or audio_output > written
        or wire.billable_units is not None
        or (wire.tags is not None and len(wire.tags) > bounds.TAGS_MAX)
    ):
        return None
    if wire.api_key:  # before it is cleaned, so that no stray character hides a secret
        wire.api_key = redact_key(wire.api_key)
        if len(wire.api_key) > bounds.TEXT_MAX_CHARS:
            return None
    if not is_plain and not _clean(wire, event_id):
        return None
    return Usage(  # by position, in the order of the fields: keywords cost another microsecond
        event_id,
        seconds,
        record,
        wire.provider or "",
        wire.model or "",
        read,
        written,
        has_usage or total is not None,
        total is not None,
        cache_read,
        cache_write,
        cache_write_1h,
        reasoning,
        audio_input,
        audio_output,
        image_input,
        {},
        wire.service_tier or "",
        reported,
        wire.requests or 1,
        wire.agent or "",
        wire.workflow or "",
        wire.run_id or "",
        wire.step or "",
        wire.session_id or "",
        wire.api_key or "",
        wire.user or "",
        wire.team or "",
        wire.department or "",
        wire.project or "",
        wire.customer or "",
        wire.organization or "",
        wire.owner or "",
        wire.environment or DEFAULT_ENVIRONMENT,
        wire.prompt_version or "",
        wire.route or "",
        wire.feature or "",
        wire.customer_tier or "",
        wire.experiment_variant or "",
        wire.task_category or "",
        {key: tag for key, tag in wire.tags.items() if key and tag} if wire.tags else {},
        wire.retries or 0,
        wire.tool_calls or 0,
        wire.cache_hit or False,
        wire.latency_ms,
        wire.status or "ok",
        wire.outcome or "",
        wire.estimated or False,
        wire.trace_url or "",
    )


def other_id(wire: Wire) -> str:
    """The id under its other names; empty if there is none that can be used."""
    other = wire.id if wire.request_id is None else wire.request_id
    is_id = isinstance(other, str) and len(other) <= bounds.EVENT_ID_MAX_CHARS
    return other if is_id else ""


def reported_nanousd(literal: bytes) -> int | None:
    """Nano-dollars of a JSON number, string or null, as written; short ones skip Decimal."""
    digits = literal[1:-1] if literal[:1] == b'"' else literal
    whole, point, fraction = digits.partition(b".")
    if (
        len(whole) <= _COST_WHOLE_DIGITS
        and whole.isdigit()
        and len(fraction) <= _NANO_DIGITS
        and (fraction.isdigit() or not point)
    ):
        return int(whole + fraction.ljust(_NANO_DIGITS, b"0"))
    if literal == b"null":
        return None
    return nanousd_of(decimal_of(digits.decode()))


def _clean(wire: Wire, event_id: str) -> bool:
    """Make every name safe, in place; false if what is left needs the slow reader."""
    if event_id.isspace() or has_unsafe_characters(event_id):
        return False
    for name in CLEANED_FIELDS:
        text = getattr(wire, name)
        if text is not None:
            setattr(wire, name, safe_text(text))
    if wire.tags is not None:
        wire.tags = {
            safe_text(key): safe_text(tag)
            for key, tag in wire.tags.items()
            if tag and key.strip() and tag.strip()
        }
    return bool(wire.model) or wire.record == "outcome"
