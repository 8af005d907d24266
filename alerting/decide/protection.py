"""Protection that ends without anybody having decided so, and how people hear of it.

Leases are renewed by whoever owns DECIDE. When it stops, what it holds goes on until the leases run
out, and then gateways let go by themselves: said when it stops, and said again, as a fact, by
whoever finds leases that ran out. An end that was wanted (a pause, a person's time that is over)
is none of this. Nothing is decided here.
"""

from collections.abc import Iterable, Sequence

from alerting.alert import FEED, Alert, ResolvedReason, Severity, Transition
from alerting.decide.ledger import Control
from alerting.fingerprint import alert_id, fingerprint, transition_id
from alerting.throttle.action import OnLapse
from alerting.throttle.lease import TargetState, is_lapsed
from detectors.observation import NANOUSD_PER_USD
from detectors.scope import Scope
from detectors.window import MINUTE_SECONDS, Window, rfc3339

SCOPE = Scope(FEED, "throttle")
LAPSED_RULE = "feed/protection_lapsed"
LEFT_RULE = "feed/protection_left"

_NAMED = 5
"""Targets named in a sentence; the rest are a number."""


def left_held(states: Iterable[TargetState], wall_seconds: float) -> list[TargetState]:
    """Targets whose lease will run out if nobody renews it; one that outlasts it is none."""
    return [
        state
        for state in states
        if state.is_held
        and state.enforced is not None
        and state.enforced.on_lapse is OnLapse.ADMIT
        and not is_lapsed(state.enforced, wall_seconds)
    ]


def lapsed(
    states: Iterable[TargetState], control: Control, wall_seconds: float
) -> list[TargetState]:
    """Targets whose lease ran out although nobody wanted that."""
    if control.is_paused:
        return []
    return [
        state
        for state in states
        if is_lapsed(state.enforced, wall_seconds) and not _is_over(state, wall_seconds)
    ]


def _is_over(state: TargetState, wall_seconds: float) -> bool:
    """Whether a person gave it a time that has come."""
    until = None if state.operator is None else state.operator.until
    return until is not None and wall_seconds >= until


def lapsed_alerts(states: Sequence[TargetState], wall_seconds: float) -> list[Alert]:
    """Told and over at once: it happened, and what follows is decided anew."""
    end = _first_end(states)
    summary = (
        f"Protection lapsed on {_keys(states)}: nobody renewed the lease in time, so gateways let"
        f" calls through since {rfc3339(end)}. What still spends too much is decided anew."
    )
    said = (LAPSED_RULE, Severity.CRITICAL, summary)
    return _pair(*said, count=len(states), since=end, decided_at=int(wall_seconds))


def left_alerts(states: Sequence[TargetState], wall_seconds: float) -> list[Alert]:
    """Told by a worker that stops, while it still can."""
    end = _first_end(states)
    summary = (
        f"spendwatch stops while it holds {_keys(states)}. Unless a worker takes over before"
        f" {rfc3339(end)}, gateways let calls through from then on."
    )
    said = (LEFT_RULE, Severity.WARNING, summary)
    renewed_at = int(max(each.enforced.issued_at for each in states if each.enforced is not None))
    return _pair(*said, count=len(states), since=renewed_at, decided_at=int(wall_seconds))


def _keys(states: Sequence[TargetState]) -> str:
    named = ", ".join(state.target for state in states[:_NAMED])
    more = f" and {len(states) - _NAMED} more" if len(states) > _NAMED else ""
    return f"{len(states)} key{'s' if len(states) != 1 else ''} ({named}{more})"


def _first_end(states: Sequence[TargetState]) -> int:
    return int(min(state.enforced.expires_at for state in states if state.enforced is not None))


def _pair(
    rule: str, severity: Severity, summary: str, *, count: int, since: int, decided_at: int
) -> list[Alert]:
    """Its ids come from the leases' own times, so that a repeat after a crash is recognised."""
    identity = fingerprint(rule, SCOPE)

    def alert(transition: Transition, reason: ResolvedReason | None) -> Alert:
        return Alert(
            fingerprint=identity,
            alert_id=alert_id(identity, since),
            transition_id=transition_id(identity, since, transition),
            transition=transition,
            rule=rule,
            kind=FEED,
            severity=severity,
            scope=SCOPE,
            metric="unprotected_targets",
            window=Window.tumbling(since, MINUTE_SECONDS),
            observed=count * NANOUSD_PER_USD,  # every metric is kept in billionths
            expected=0,
            lower=0,
            upper=0,
            score=1.0,
            started_at=since,
            decided_at=decided_at,
            fired_at=since,
            resolved_at=decided_at if reason else None,
            resolved_reason=reason,
            annotations={"summary": summary},
        )

    return [alert(Transition.FIRED, None), alert(Transition.RESOLVED, ResolvedReason.NO_DATA)]
