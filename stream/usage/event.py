"""UsageEvent: one model call as reported. The contract, and the slow path of reading it.

``UsageEvent`` says what is accepted; ``Usage`` is what the rest of the program sees of it. The fast
reader in ``stream/usage/decode.py`` is held equal to this one by a property test. This file must
not know JSON, Kafka or prices, and no text of a prompt or an answer has a field here.

Rules, beyond the fields' own:

* ``null`` is absent. A blank string in a text field is absent too, so a blank ``event_id`` or
  ``model`` is a missing field.
* Control characters, line separators, bidirectional overrides and halves of UTF-16 pairs in names
  become U+FFFD, so that the money is counted; in ``event_id`` they are refused, and U+FFFD with
  them, since ids must stay distinct.
* A subset (cached, written, reasoning, audio, image tokens) above its whole is refused; an absent
  whole is zero. ``cache_read + cache_write``, as ``audio + image``, may not exceed the input.
* ``total_tokens`` counts only when input and output are both absent: as input, and flagged.
* ``request_id`` and ``id`` are read as ``event_id`` only where the name before is absent.
* Whole numbers are written without fraction or exponent.
"""

from collections.abc import Mapping
from decimal import Decimal
from typing import Annotated, Any, Final, Self

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    model_validator,
)
from pydantic_core import PydanticCustomError

from detectors.scope import DEFAULT_ENVIRONMENT
from stream.redaction import redact_key
from stream.usage.literals import (
    decimal_of,
    epoch_seconds_of,
    has_unsafe_characters,
    nanousd_of,
    safe_text,
)
from stream.usage.rejection import LiteralError, RejectReason
from stream.usage.usage import (
    ATTEMPTS_MAX,
    BILLABLE_UNITS_MAX,
    EVENT_ID_MAX_CHARS,
    LATENCY_MAX_MS,
    REQUESTS_MAX,
    SECRET_MAX_CHARS,
    TAG_KEY_MAX_CHARS,
    TAGS_MAX,
    TEXT_MAX_CHARS,
    TOKENS_MAX,
    UNITS_MAX,
    URL_MAX_CHARS,
    Outcome,
    RecordKind,
    Status,
    Usage,
)

__all__ = ["Outcome", "RecordKind", "Status", "Usage", "UsageEvent", "redact_key"]


def _refuse(reason: RejectReason, fix: str) -> PydanticCustomError:
    return PydanticCustomError(reason.value, "{fix}", {"fix": fix})


def _epoch_seconds(stamp: object) -> int:
    if isinstance(stamp, bool) or not isinstance(stamp, str | int | float | Decimal):
        raise _refuse(RejectReason.WRONG_TYPE, "write an RFC 3339 string or epoch seconds")
    if isinstance(stamp, str) and not stamp.strip():
        raise _refuse(RejectReason.MISSING_FIELD, "say when the call ended")
    try:
        return epoch_seconds_of(float(stamp) if isinstance(stamp, Decimal) else stamp)
    except LiteralError as error:
        raise _refuse(error.reason, str(error)) from error


def _dollars(cost: object) -> Decimal:
    """Exactly what was written; a Python float is read as ``repr`` writes it."""
    if isinstance(cost, bool) or not isinstance(cost, str | int | float | Decimal):
        raise _refuse(RejectReason.WRONG_TYPE, "write a decimal string or a number")
    try:
        exact = decimal_of(cost if isinstance(cost, str) else str(cost))
        nanousd_of(exact)
    except LiteralError as error:
        raise _refuse(error.reason, str(error)) from error
    return exact


def _pieces(number: object) -> Decimal:
    if isinstance(number, bool) or not isinstance(number, int | float | Decimal):
        raise _refuse(RejectReason.WRONG_TYPE, "write a number of pieces")
    try:
        exact = decimal_of(str(number))
    except LiteralError as error:
        raise _refuse(error.reason, str(error)) from error
    if exact > UNITS_MAX:
        raise _refuse(RejectReason.OUT_OF_BOUNDS, f"write at most {UNITS_MAX} pieces")
    return exact


def _number(number: object) -> object:
    return float(number) if isinstance(number, Decimal) else number


def _present_tags(tags: object) -> object:
    """The number is bounded as sent; ``null`` tags are absent."""
    if not isinstance(tags, Mapping):
        return tags
    if len(tags) > TAGS_MAX:
        raise _refuse(RejectReason.OUT_OF_BOUNDS, f"send at most {TAGS_MAX} tags")
    return {key: tag for key, tag in tags.items() if tag is not None}


Text = Annotated[str, StringConstraints(max_length=TEXT_MAX_CHARS)]
Tokens = Annotated[int, Field(ge=0, le=TOKENS_MAX)]
Attempts = Annotated[int, Field(ge=0, le=ATTEMPTS_MAX)]


class UsageEvent(BaseModel):
    """One model call as reported: contracts/native.md, section 1.

    >>> event = UsageEvent.model_validate(
    ...     {"event_id": "1", "timestamp": 1700000000, "model": "gpt-4o", "cost_usd": "0.01"}
    ... )
    >>> event.to_usage().reported_nanousd
    10000000
    """

    model_config = ConfigDict(extra="ignore", frozen=True, strict=True, hide_input_in_errors=True)

    record: Annotated[RecordKind, Field(strict=False)] = Field(
        RecordKind.CALL, description="A call, or the outcome of an earlier one."
    )
    event_id: Annotated[str, StringConstraints(min_length=1, max_length=EVENT_ID_MAX_CHARS)] = (
        Field(description="Unique per call; the key of deduplication. Also request_id or id.")
    )
    timestamp: Annotated[int, BeforeValidator(_epoch_seconds)] = Field(
        description="When the call ended: RFC 3339, epoch seconds, or (above 1e11) milliseconds."
    )
    provider: Text = Field("", description="As spelled by the provider; inferred if absent.")
    model: Text = Field("", description="As spelled by the provider; a call needs it.")
    input_tokens: Tokens | None = Field(None, description="Everything read, cached or not.")
    output_tokens: Tokens | None = Field(None, description="Everything written, with reasoning.")
    total_tokens: Tokens | None = Field(None, description="Read only if alone; as input.")
    cache_read_tokens: Tokens = Field(0, description="Of the input: read from a cache.")
    cache_write_tokens: Tokens = Field(0, description="Of the input: written to a cache.")
    cache_write_1h_tokens: Tokens = Field(0, description="Of the written: kept for an hour.")
    reasoning_tokens: Tokens = Field(0, description="Of the output.")
    audio_input_tokens: Tokens = Field(0, description="Of the input.")
    audio_output_tokens: Tokens = Field(0, description="Of the output.")
    image_input_tokens: Tokens = Field(0, description="Of the input.")
    billable_units: dict[
        Annotated[str, StringConstraints(min_length=1, max_length=TAG_KEY_MAX_CHARS)],
        Annotated[Decimal, BeforeValidator(_pieces)],
    ] = Field(
        default_factory=dict,
        max_length=BILLABLE_UNITS_MAX,
        description="What is billed per piece: web_search, image, minute.",
    )
    service_tier: Text = Field("", description="standard, batch, priority…; changes the price.")
    cost_usd: Annotated[Decimal, BeforeValidator(_dollars)] | None = Field(
        None, description="Cost as reported, dollars; a decimal string is best."
    )
    requests: Annotated[int, Field(ge=1, le=REQUESTS_MAX)] = Field(
        1, description="Calls this event stands for; retries do not count."
    )
    agent: Text = Field("", description="Which automation.")
    workflow: Text = Field("", description="Which workflow.")
    run_id: Text = Field("", description="Which execution.")
    step: Text = Field("", description="Which step of it.")
    session_id: Text = Field("", description="Which session.")
    api_key: Annotated[str, StringConstraints(max_length=SECRET_MAX_CHARS)] = Field(
        "", description="Id or hash of the key; a live secret is hashed."
    )
    user: Text = Field("", description="Who called.")
    team: Text = Field("", description="Whose it is.")
    department: Text = Field("", description="Whose it is.")
    project: Text = Field("", description="What it belongs to.")
    customer: Text = Field("", description="For whom.")
    organization: Text = Field("", description="Who pays.")
    owner: Text = Field("", description="Who answers.")
    environment: Text = Field(DEFAULT_ENVIRONMENT, description="Part of every scope's identity.")
    prompt_version: Text = Field("", description="Which version of the prompt.")
    route: Text = Field("", description="Carried.")
    feature: Text = Field("", description="Carried.")
    customer_tier: Text = Field("", description="Carried.")
    experiment_variant: Text = Field("", description="Carried.")
    task_category: Text = Field("", description="Carried.")
    tags: Annotated[
        dict[Annotated[str, StringConstraints(max_length=TAG_KEY_MAX_CHARS)], Text],
        BeforeValidator(_present_tags),
    ] = Field(default_factory=dict, description="Anything else; tags.<name> can be a scope kind.")
    retries: Attempts = Field(0, description="Attempts beyond the first.")
    tool_calls: Attempts = Field(0, description="Tools called.")
    cache_hit: bool = Field(default=False, description="Answered by a cache before the model.")
    latency_ms: (
        Annotated[float, BeforeValidator(_number), Field(ge=0, le=LATENCY_MAX_MS)] | None
    ) = Field(None, description="Milliseconds.")
    status: Annotated[Status, Field(strict=False)] = Field(Status.OK, description="How it ended.")
    outcome: Annotated[Outcome, Field(strict=False)] | None = Field(
        None, description="What became of the result."
    )
    estimated: bool = Field(default=False, description="Counts are a guess, replaced later.")
    trace_url: Annotated[str, StringConstraints(max_length=URL_MAX_CHARS)] = Field(
        "", description="Where a person can look at the call."
    )

    @model_validator(mode="before")
    @classmethod
    def _drop_absent(cls, sent: object) -> object:
        """Null and blank are absent; the id may have another name."""
        if not isinstance(sent, Mapping):
            return sent
        present: dict[str, Any] = {
            name: content
            for name, content in sent.items()
            if content is not None
            and not (name in BLANKABLE_FIELDS and isinstance(content, str) and not content.strip())
        }
        for alias in ("request_id", "id"):
            if "event_id" not in present and alias in present:
                present["event_id"] = present[alias]
        return present

    @model_validator(mode="after")
    def _is_consistent(self) -> Self:
        if has_unsafe_characters(self.event_id):
            raise _refuse(
                RejectReason.OUT_OF_BOUNDS, "event_id: write it without control characters"
            )
        if len(redact_key(self.api_key)) > TEXT_MAX_CHARS:
            raise _refuse(
                RejectReason.OUT_OF_BOUNDS, f"api_key: write at most {TEXT_MAX_CHARS} characters"
            )
        if self.record == RecordKind.CALL and not self.model:
            raise _refuse(RejectReason.MISSING_FIELD, "model: a call names its model")
        if self.record == RecordKind.OUTCOME and self.outcome is None:
            raise _refuse(RejectReason.MISSING_FIELD, "outcome: say what became of the call")
        read = self.input_tokens or 0
        written = self.output_tokens or 0
        if self._is_total_only:
            read = self.total_tokens or 0
        for whole, name, subset in (
            (read, "input_tokens", self.cache_read_tokens + self.cache_write_tokens),
            (read, "input_tokens", self.audio_input_tokens + self.image_input_tokens),
            (self.cache_write_tokens, "cache_write_tokens", self.cache_write_1h_tokens),
            (written, "output_tokens", self.reasoning_tokens),
            (written, "output_tokens", self.audio_output_tokens),
        ):
            if subset > whole:
                raise _refuse(
                    RejectReason.INCONSISTENT_COUNTS,
                    f"{name}: must include its cached, reasoning, audio and image tokens",
                )
        return self

    @property
    def _is_total_only(self) -> bool:
        return (
            self.total_tokens is not None
            and self.input_tokens is None
            and self.output_tokens is None
        )

    def to_usage(self) -> Usage:
        """The event with every rule applied."""
        fields = self.model_dump(
            exclude={"timestamp", "cost_usd", "total_tokens", "input_tokens", "output_tokens"}
        )
        fields["api_key"] = redact_key(self.api_key)  # first: no stray character hides a secret
        for name in CLEANED_FIELDS:
            fields[name] = safe_text(fields[name])
        fields["environment"] = fields["environment"] or DEFAULT_ENVIRONMENT
        fields["record"], fields["status"] = self.record.value, self.status.value
        fields["outcome"] = self.outcome.value if self.outcome else ""
        fields["tags"] = {
            safe_text(key): safe_text(tag)
            for key, tag in self.tags.items()
            if key.strip() and tag.strip()
        }
        total = self.total_tokens if self._is_total_only else None
        return Usage(
            timestamp_seconds=self.timestamp,
            input_tokens=(self.input_tokens if total is None else total) or 0,
            output_tokens=self.output_tokens or 0,
            has_usage=bool(self.billable_units)
            or not (self.input_tokens is None and self.output_tokens is None and total is None),
            is_total_only=total is not None,
            reported_nanousd=None if self.cost_usd is None else nanousd_of(self.cost_usd),
            **fields,
        )


CLEANED_FIELDS: Final = tuple(
    name
    for name, field in UsageEvent.model_fields.items()
    if field.annotation is str and name != "event_id"
)
"""Text fields whose unsafe characters are replaced."""

BLANKABLE_FIELDS: Final = frozenset(
    {*CLEANED_FIELDS, "event_id", "request_id", "id", "record", "status", "outcome"}
)
"""Fields in which a blank string is absent."""
