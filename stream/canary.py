"""The canary: a made-up event that shows that the whole path works, and touches nothing on it.

    usage event -> row of its own scope -> signal -> shadow action -> ack

Its names are reserved, and it has nothing but them. INGEST counts it against ``canary:<id>`` and
nobody else; WATCH makes a signal of that row and keeps nothing; DECIDE answers with a *release* on
``throttle.shadow``, always under the same key, so that nobody who reads it could ever act on it,
and remembers nothing; NOTIFY passes it over; whoever sent it acknowledges it. So it is in no total,
no budget and no alert.

Nobody can hide spend behind it: an event that names anything else (a key, a team, a user, a real
model) is no canary, and a row that costs anything is counted like any other, under its own scope.
This file must not know Kafka or read a clock.
"""

from collections.abc import Sequence
from typing import Any, Final

import numpy as np

from alerting.alert import Alert, Severity, Transition
from alerting.command import Ack
from alerting.fingerprint import alert_id, fingerprint, transition_id
from alerting.throttle.action import Mode, OnLapse, ThrottleAction
from detectors.observation import COST, INPUT_TOKENS, OUTPUT_TOKENS
from detectors.scope import DEFAULT_ENVIRONMENT, Scope
from detectors.window import MINUTE_SECONDS, Window, rfc3339
from stream.delta import DeltaRow, DeltaRows

KIND: Final = "canary"
"""Kind of its scope, its signal and its action's target."""

NAME: Final = "__canary__"
"""The reserved agent and model; its id travels as the prompt version, a dimension that every
configuration has."""

RULE: Final = "canary/round_trip"
TARGET: Final = Scope(KIND, NAME)
"""Whom its action is about: always the same, so that compaction keeps one record of them all."""

OLD_SECONDS: Final = 180
"""One older than this is a replay of the log: nobody waits for it, and it goes no further."""

_PREFIX = f"{KIND}:"
_NAMED = {"agent": NAME, "model": NAME, "environment": DEFAULT_ENVIRONMENT}


def canary_event(identity: str, at_seconds: float) -> dict[str, Any]:
    """The usage event of a canary."""
    return {
        "event_id": f"canary-{identity}",
        "timestamp": rfc3339(at_seconds),
        "agent": NAME,
        "model": NAME,
        "prompt_version": identity,
        "input_tokens": 0,
        "output_tokens": 0,
        "cost_usd": 0,
    }


def canary_scope(fields: Sequence[str], dimensions: Sequence[str]) -> str | None:
    """The scope of a canary's dimensions; ``None`` for all other events.

    Args:
        fields: names of the dimensions.
        dimensions: an event's values of them, empty where absent.
    """
    found = dict(zip(fields, dimensions, strict=True))
    identity = found.pop("prompt_version", "")
    for name, wanted in _NAMED.items():
        if found.pop(name, "") != wanted:
            return None
    if not identity or any(found.values()):
        return None
    return str(Scope(KIND, identity))


def is_canary_row(row: DeltaRow) -> bool:
    """Whether a row is a canary's; one that costs anything is not."""
    spent = row.counts[COST] or row.counts[INPUT_TOKENS] or row.counts[OUTPUT_TOKENS]
    return row.scope.startswith(_PREFIX) and not spent


def split_rows(rows: DeltaRows) -> tuple[DeltaRows, list[DeltaRow]]:
    """The rows to fold, and those of canaries, which are nobody's spend."""
    if _PREFIX not in "\n".join(rows.names):  # each by itself was 5 % of a fold
        return rows, []
    names = [place for place, name in enumerate(rows.names) if name.startswith(_PREFIX)]
    spends = rows.counts[:, (COST, INPUT_TOKENS, OUTPUT_TOKENS)].any(axis=1)
    is_canary = np.isin(rows.scope, names) & ~spends
    return rows.take(np.flatnonzero(~is_canary)), list(rows.take(np.flatnonzero(is_canary)))


def canary_signal(row: DeltaRow) -> Alert:
    """The signal of a canary's row."""
    scope = Scope.parse(row.scope)
    identity = fingerprint(RULE, scope)
    at = row.minute * MINUTE_SECONDS
    return Alert(
        fingerprint=identity,
        alert_id=alert_id(identity, at),
        transition_id=transition_id(identity, at, Transition.FIRED),
        transition=Transition.FIRED,
        rule=RULE,
        kind=KIND,
        severity=Severity.INFO,
        scope=scope,
        metric="round_trip",
        window=Window.tumbling(at, MINUTE_SECONDS),
        observed=0,
        expected=0,
        lower=0,
        upper=0,
        score=0.0,
        started_at=at,
        decided_at=at,
        fired_at=at,
    )


def canary_signals(rows: Sequence[DeltaRow], wall_seconds: float) -> list[Alert]:
    """The signals of canaries' rows; none of those that nobody waits for any more."""
    return [
        canary_signal(row)
        for row in rows
        if wall_seconds - row.minute * MINUTE_SECONDS <= OLD_SECONDS
    ]


def is_canary_signal(alert: Alert) -> bool:
    """Whether a signal is a canary's."""
    return alert.kind == KIND and alert.rule == RULE


def canary_action(alert: Alert, wall_seconds: float) -> ThrottleAction:
    """What DECIDE answers to a canary's signal: a release of nobody."""
    return ThrottleAction(
        action_id=action_id_of(alert.scope.name),
        target=TARGET,
        mode=Mode.RELEASE,
        admit_ratio=1.0,
        reason="A canary has come by: nobody is held and nobody is released.",
        alert_ids=(alert.alert_id,),
        incident_id="",
        policy=KIND,
        innocent_share=0.0,
        innocent_usd_per_hour="0",
        decided_at=alert.decided_at,
        issued_at=wall_seconds,
        expires_at=wall_seconds,
        on_lapse=OnLapse.ADMIT,
        sequence=int(wall_seconds * 1000),
    )


def is_canary_action(action: ThrottleAction) -> bool:
    """Whether an action is a canary's."""
    return action.target == TARGET


def action_id_of(identity: str) -> str:
    """The id of a canary's action."""
    return f"canary-{identity}"


def is_canary_ack(ack: Ack) -> bool:
    """Whether an ack is of a canary's action, by the id that it repeats."""
    return ack.action_id.startswith("canary-")
