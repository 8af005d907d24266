"""One throttle action as an enforcer holds it: a lease on a target, read from JSON.

Reading is lenient towards what is newer than this file and strict towards what is wrong: an action
that cannot be understood in full enforces nothing, since a throttle that is wrong is an outage.
This file must not know Kafka or keep state.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from itertools import islice
from typing import Any

import msgspec

from spendwatch_client.key import key_id

DEFAULT_ENVIRONMENT = "default"
MOST_ENTRIES = 32
MOST_TEXT_CHARS = 256
"""Bounds of ``limits`` and ``approval``: as many entries as an event has tags, as long as names.

An ``action_id`` is bounded too: acks repeat it, and an ack too big for Kafka would never leave."""

Target = tuple[str, str, str]
"""Kind, name and environment of whom an action is about."""


class Mode(StrEnum):
    """What an action asks for; ``unknown`` is anything that this file does not know."""

    RELEASE = "release"
    THROTTLE = "throttle"
    REQUIRE_APPROVAL = "require_approval"
    BLOCK = "block"
    UNKNOWN = "unknown"


KNOWN_FIELDS = frozenset(
    {
        "action_id",
        "target",
        "mode",
        "admit_ratio",
        "limits",
        "reason",
        "alert_ids",
        "incident_id",
        "policy",
        "innocent_share",
        "innocent_usd_per_hour",
        "decided_at",
        "issued_at",
        "expires_at",
        "on_lapse",
        "sequence",
        "supersedes",
        "approval",
    }
)
"""The fields of native.md section 4; others are ignored and counted."""


class MalformedActionError(ValueError):
    """The record is no throttle action at all.

    Attributes:
        action_id: of the record, if at least that could be read; empty otherwise.
    """

    def __init__(self, detail: str, action_id: str = "") -> None:
        super().__init__(detail)
        self.action_id = action_id


@dataclass(frozen=True, slots=True)
class Lease:
    """What is to be enforced on a target, and until when.

    Attributes:
        action_id: the action's id, which acks repeat; empty where nobody sent it and the client
            itself lets go (``reconciler.py``).
        target: whom it is about.
        mode: what to do; ``unknown`` enforces nothing.
        admit_ratio: 0-1, the share of calls let through by ``throttle``.
        reason: a sentence for the person whose call is refused.
        expires_at: wall clock, epoch seconds.
        holds_after_lapse: whether it goes on past ``expires_at``.
        sequence: rises per target.
        limits: optional limits for the target as a whole (``requests_per_minute``,
            ``tokens_per_minute``, ``usd_per_hour``) or None. Passed on to the gateway, which may
            enforce them; nothing in this package does. At most 32 plain entries.
        approval: who decided and when, or None; at most 32 plain entries.
        issued_at: wall clock, epoch seconds, or None where it does not read.
        trouble: why it enforces nothing, empty when it does.
        unknown_fields: how many fields, limits and the like were not understood and left out.
    """

    action_id: str
    target: Target
    mode: Mode
    admit_ratio: float
    reason: str
    expires_at: float
    holds_after_lapse: bool
    sequence: int
    limits: Mapping[str, Any] | None = None
    approval: Mapping[str, Any] | None = None
    issued_at: float | None = None
    trouble: str = ""
    unknown_fields: int = 0

    def has_lapsed(self, now: float) -> bool:
        """Whether the lease is over at ``now`` (epoch seconds) and lets everything through."""
        return now >= self.expires_at and not self.holds_after_lapse


def parse_target_key(text: str) -> Target:
    """The target of a record key, ``<kind>:<name>`` with ``@<environment>`` if not the default.

    Raises:
        MalformedActionError: if it has no kind or no name.

    >>> parse_target_key("api_key:billing%40eu@staging")
    ('api_key', 'billing@eu', 'staging')
    """
    kind, colon, rest = text.partition(":")
    name, _, environment = rest.partition("@")
    if not (kind and colon and name):
        raise MalformedActionError(f"key is no target: {text[:80]!r}")
    return kind, _decode(name), _decode(environment) or DEFAULT_ENVIRONMENT


def _decode(part: str) -> str:
    return part.replace("%40", "@").replace("%25", "%")


def epoch_seconds(text: object) -> float | None:
    """Epoch seconds of an RFC 3339 instant, or None if it is not one."""
    if not isinstance(text, str):
        return None
    try:
        instant = datetime.fromisoformat(text)
    except ValueError:
        return None
    return instant.replace(tzinfo=instant.tzinfo or UTC).timestamp()


def parse_lease(value: bytes) -> Lease:
    """The lease of a record's value.

    Raises:
        MalformedActionError: if it is not JSON, or names no action, target or sequence.
    """
    try:
        record = msgspec.json.decode(value)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise MalformedActionError(f"not JSON: {str(error)[:120]}") from error
    if not isinstance(record, dict):
        raise MalformedActionError("not a JSON object")
    action_id = record.get("action_id")
    if not isinstance(action_id, str) or not 0 < len(action_id) <= MOST_TEXT_CHARS:
        raise MalformedActionError(f"no action_id of 1 to {MOST_TEXT_CHARS} characters")
    sequence = record.get("sequence")
    if not isinstance(sequence, int) or isinstance(sequence, bool):
        raise MalformedActionError("sequence is not a whole number", action_id)
    target = _target(record.get("target"))
    if target is None:
        raise MalformedActionError("target has no kind or no name", action_id)
    mode, admit_ratio, trouble = _mode(record)
    expires_at = epoch_seconds(record.get("expires_at"))
    if expires_at is None and mode is not Mode.RELEASE:
        trouble = trouble or "expires_at is not an RFC 3339 time"
    reason = record.get("reason")
    limits, limits_left_out = _plain(record.get("limits"))
    approval, approval_left_out = _plain(record.get("approval"))
    unknown_fields = len(record.keys() - KNOWN_FIELDS) + limits_left_out + approval_left_out
    return Lease(
        action_id=action_id,
        target=target,
        mode=Mode.UNKNOWN if trouble else mode,
        admit_ratio=admit_ratio,
        reason=reason if isinstance(reason, str) else "",
        expires_at=expires_at or 0.0,
        holds_after_lapse=record.get("on_lapse") == "hold",
        sequence=sequence,
        limits=limits,
        approval=approval,
        issued_at=epoch_seconds(record.get("issued_at")),
        trouble=trouble,
        unknown_fields=unknown_fields,
    )


def _target(record: object) -> Target | None:
    if not isinstance(record, dict):
        return None
    kind, name = record.get("kind"), record.get("name")
    environment = record.get("environment", DEFAULT_ENVIRONMENT)
    if not (isinstance(kind, str) and isinstance(name, str) and isinstance(environment, str)):
        return None
    if not (kind and name):
        return None
    return kind, key_id(name) if kind == "api_key" else name, environment or DEFAULT_ENVIRONMENT


def _mode(record: dict[str, Any]) -> tuple[Mode, float, str]:
    """Mode, share of calls admitted under it, and why it enforces nothing."""
    text = record.get("mode")
    if text not in ("release", "throttle", "require_approval", "block"):
        return Mode.UNKNOWN, 1.0, f"mode {_shown(text)} is not known to this client"
    mode = Mode(text)
    if mode is Mode.RELEASE:
        return mode, 1.0, ""
    if mode is not Mode.THROTTLE:
        return mode, 0.0, ""
    ratio = record.get("admit_ratio")
    if isinstance(ratio, bool) or not isinstance(ratio, int | float) or not 0.0 <= ratio <= 1.0:
        return mode, 1.0, "admit_ratio is not a number between 0 and 1"
    return mode, float(ratio), ""


def _shown(value: object) -> str:
    """A value for a sentence; what is no text by its type alone, since it may nest."""
    return repr(value[:40]) if isinstance(value, str) else f"of type {type(value).__name__}"


def _plain(value: object) -> tuple[dict[str, str | float | bool | None] | None, int]:
    """The plain entries of an object, and how many were left out; None if it is no object.

    Bounded, since whoever may write an action may write one of a megabyte, and gateways keep it.
    """
    if not isinstance(value, dict):
        return None, 0
    plain = {
        name: entry
        for name, entry in value.items()
        if len(name) <= MOST_TEXT_CHARS
        and (
            entry is None
            or isinstance(entry, int | float)
            or (isinstance(entry, str) and len(entry) <= MOST_TEXT_CHARS)
        )
    }
    kept = dict(islice(plain.items(), MOST_ENTRIES))
    return kept, len(value) - len(kept)
