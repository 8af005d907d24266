"""The throttle action: a lease on a target, as gateways read it.

A promise to other people's programs. This file holds the record and its JSON; who gets one is
``policy.py``'s.
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

import msgspec

from detectors.scope import Scope
from detectors.window import rfc3339


class Mode(StrEnum):
    """How hard, from mildest to hardest."""

    RELEASE = "release"
    THROTTLE = "throttle"
    REQUIRE_APPROVAL = "require_approval"
    BLOCK = "block"


class OnLapse(StrEnum):
    """What a consumer does by itself past ``expires_at``."""

    ADMIT = "admit"
    HOLD = "hold"


@dataclass(frozen=True, slots=True)
class ThrottleAction:
    """The one merged state of a target.

    Attributes:
        action_id: deterministic, of target and sequence.
        target: usually an API key.
        mode: what to do.
        admit_ratio: 0-1, the share of calls to let through; always there with ``throttle``.
        reason: a sentence.
        alert_ids: the alerts it answers.
        incident_id: their incident.
        policy: the policy's name in the configuration; ``operator`` when a person asked.
        innocent_share: 0-1, the part of the target's spend that the incident does not explain.
        innocent_usd_per_hour: the same as a pace, decimal dollars in a string.
        decided_at: event time, epoch seconds.
        issued_at: wall clock, epoch seconds.
        expires_at: wall clock; past it ``on_lapse`` holds.
        on_lapse: what happens then.
        sequence: rises per target.
        supersedes: the action before it, if any.
        limits: optional limits for the target as a whole, such as ``requests_per_minute``.
        approval: who decided and when, if a person did.
    """

    action_id: str
    target: Scope
    mode: Mode
    admit_ratio: float
    reason: str
    alert_ids: tuple[str, ...]
    incident_id: str
    policy: str
    innocent_share: float
    innocent_usd_per_hour: str
    decided_at: int
    issued_at: float
    expires_at: float
    on_lapse: OnLapse
    sequence: int
    supersedes: str | None = None
    limits: dict[str, int | str] | None = None
    approval: dict[str, str] | None = None


def target_key(target: Scope) -> str:
    """The record key in the compacted topics: ``<kind>:<name>``, environment included if set."""
    return str(target)


def action_to_json(action: ThrottleAction) -> dict[str, Any]:
    """The wire form."""
    return {
        "action_id": action.action_id,
        "target": {
            "kind": action.target.kind,
            "name": action.target.name,
            "environment": action.target.environment,
        },
        "mode": action.mode.value,
        "admit_ratio": action.admit_ratio,
        "limits": action.limits,
        "reason": action.reason,
        "alert_ids": list(action.alert_ids),
        "incident_id": action.incident_id,
        "policy": action.policy,
        "innocent_share": action.innocent_share,
        "innocent_usd_per_hour": action.innocent_usd_per_hour,
        "decided_at": rfc3339(action.decided_at),
        "issued_at": rfc3339(action.issued_at),
        "expires_at": rfc3339(action.expires_at),
        "on_lapse": action.on_lapse.value,
        "sequence": action.sequence,
        "supersedes": action.supersedes,
        "approval": action.approval,
    }


def _seconds(text: str) -> float:
    return datetime.fromisoformat(text).astimezone(UTC).timestamp()


def decode_action(value: bytes | None) -> ThrottleAction | None:
    """The action of a record's value; None for a tombstone, and for what somebody else wrote."""
    try:
        return None if value is None else action_from_json(msgspec.json.decode(value))
    except (KeyError, TypeError, ValueError, ArithmeticError, RecursionError):
        return None


def action_from_json(record: dict[str, Any]) -> ThrottleAction:
    """The action of a wire form.

    Raises:
        KeyError: if a promised field is missing.
        ArithmeticError, TypeError, ValueError: if a field does not read.
    """
    target = record["target"]
    return ThrottleAction(
        action_id=record["action_id"],
        target=Scope(target["kind"], target["name"], target["environment"]),
        mode=Mode(record["mode"]),
        admit_ratio=float(record["admit_ratio"]),
        limits=record["limits"],
        reason=record["reason"],
        alert_ids=tuple(record["alert_ids"]),
        incident_id=record["incident_id"],
        policy=record["policy"],
        innocent_share=record["innocent_share"],
        innocent_usd_per_hour=record["innocent_usd_per_hour"],
        decided_at=int(_seconds(record["decided_at"])),
        issued_at=_seconds(record["issued_at"]),
        expires_at=_seconds(record["expires_at"]),
        on_lapse=OnLapse(record["on_lapse"]),
        sequence=int(record["sequence"]),
        supersedes=record["supersedes"],
        approval=record["approval"],
    )
