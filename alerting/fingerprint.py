"""Deterministic identities, so that anyone recognises a repeat.

The same events and configuration give the same ids in a worker, in a backtest and after a crash.
"""

from hashlib import sha256

from alerting.alert import Transition
from detectors.scope import Scope


def _digest(*parts: str) -> str:
    return sha256("\x1f".join(parts).encode()).hexdigest()[:32]


def fingerprint(rule: str, scope: Scope) -> str:
    """Of a rule and a scope: the same in every episode."""
    return _digest("fingerprint", rule, str(scope))


def alert_id(fingerprint_: str, started_at: int) -> str:
    """Of one episode: the fingerprint and its first anomalous window's start."""
    return _digest("alert", fingerprint_, str(started_at))


def transition_id(fingerprint_: str, window_start: int, transition: Transition) -> str:
    """Of one transition: also the CloudEvents id and the webhook id."""
    return _digest("transition", fingerprint_, str(window_start), transition.value)


def incident_id(first_alert_id: str) -> str:
    """Of an incident: named after the alert that opened it."""
    return _digest("incident", first_alert_id)


def action_id(target: str, sequence: int) -> str:
    """Of one throttle action: its target and the number that rises per target."""
    return _digest("action", target, str(sequence))
