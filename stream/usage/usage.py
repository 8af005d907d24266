"""Usage: one accepted event, as the rest of the program sees it, and the bounds it keeps.

``stream/usage/event.py`` says how a reported event becomes one; this file only names the fields. No
text of a prompt or an answer has a field here.
"""

from decimal import Decimal
from enum import StrEnum
from typing import Final

import msgspec

from detectors.observation import NANOUSD_PER_USD
from detectors.scope import DEFAULT_ENVIRONMENT

EVENT_ID_MAX_CHARS: Final = 200
TEXT_MAX_CHARS: Final = 256
"""Names, providers, models and tag values."""

SECRET_MAX_CHARS: Final = 8192
"""An ``api_key`` as sent, before a live secret is hashed: tokens of cloud identities are long."""

URL_MAX_CHARS: Final = 2048
TAGS_MAX: Final = 32
TAG_KEY_MAX_CHARS: Final = 64
BILLABLE_UNITS_MAX: Final = 16
UNITS_MAX: Final = 1_000_000_000
"""Pieces of one billable unit in one event."""

TOKENS_MAX: Final = 1_000_000_000_000
"""Tokens of one class in one event."""

COST_MAX_USD: Final = 100_000
"""Largest cost of one event, dollars: a larger reported one is refused, a larger computed one not
believed (``stream/usage/pricing.py``)."""

COST_MAX_NANOUSD: Final = COST_MAX_USD * NANOUSD_PER_USD

EVENTS_MAX: Final = 50_000
"""Most events whose amounts are added up at once: as many of the largest add up below 2**63.

50,000 x ``COST_MAX_USD`` is 5e18 nano-dollars, 50,000 x ``TOKENS_MAX`` is 5e16; 2**63 is 9.2e18.
"""

REQUESTS_MAX: Final = 1_000_000_000
ATTEMPTS_MAX: Final = 1_000_000
"""Retries or tool calls of one event."""

LATENCY_MAX_MS: Final = 2_678_400_000
"""31 days in milliseconds: the longest asynchronous batch, and then some."""


class RecordKind(StrEnum):
    """What a record is."""

    CALL = "call"
    OUTCOME = "outcome"


class Status(StrEnum):
    """How a call ended."""

    OK = "ok"
    ERROR = "error"
    REFUSED = "refused"


class Outcome(StrEnum):
    """What became of a call's result."""

    ACCEPTED = "accepted"
    EDITED = "edited"
    REJECTED = "rejected"
    ESCALATED = "escalated"


class Usage(msgspec.Struct, frozen=True):
    """One accepted event, with every rule applied: what INGEST prices, fans out and combines.

    Texts that were absent are empty strings, counts that were absent are zero.

    Attributes:
        timestamp_seconds: when the call ended, whole epoch seconds, UTC.
        has_usage: whether any tokens or billable units were reported, zeros included.
        is_total_only: only a total was reported; all of it stands in ``input_tokens``.
        reported_nanousd: cost as reported, nano-dollars; ``None`` if it was not.
        api_key: an id, or ``sha256:<hex>``; never a live secret.
        billable_units: pieces billed one by one; exact decimals.
        status: a value of ``Status``; ``record`` of ``RecordKind``; ``outcome`` of ``Outcome`` or
            empty.
    """

    event_id: str
    timestamp_seconds: int
    record: str = "call"
    provider: str = ""
    model: str = ""
    input_tokens: int = 0
    output_tokens: int = 0
    has_usage: bool = False
    is_total_only: bool = False
    cache_read_tokens: int = 0
    cache_write_tokens: int = 0
    cache_write_1h_tokens: int = 0
    reasoning_tokens: int = 0
    audio_input_tokens: int = 0
    audio_output_tokens: int = 0
    image_input_tokens: int = 0
    billable_units: dict[str, Decimal] = {}
    service_tier: str = ""
    reported_nanousd: int | None = None
    requests: int = 1
    agent: str = ""
    workflow: str = ""
    run_id: str = ""
    step: str = ""
    session_id: str = ""
    api_key: str = ""
    user: str = ""
    team: str = ""
    department: str = ""
    project: str = ""
    customer: str = ""
    organization: str = ""
    owner: str = ""
    environment: str = DEFAULT_ENVIRONMENT
    prompt_version: str = ""
    route: str = ""
    feature: str = ""
    customer_tier: str = ""
    experiment_variant: str = ""
    task_category: str = ""
    tags: dict[str, str] = {}
    retries: int = 0
    tool_calls: int = 0
    cache_hit: bool = False
    latency_ms: float | None = None
    status: str = "ok"
    outcome: str = ""
    estimated: bool = False
    trace_url: str = ""
