"""What a scope's silence says in an alert. Called once it is found; nothing is decided here."""

from alerting.alert import ABSENCE, Alert, ResolvedReason, Transition
from alerting.fingerprint import alert_id, fingerprint, transition_id
from alerting.watch.rules import AbsenceRule
from alerting.words import duration, moment, money, who
from detectors.absence import AbsenceFinding, Presence
from detectors.drift import DRIFT_SOURCE
from detectors.scope import Scope

METRIC = "cost_usd"

_REASONS = {
    Presence.BACK: ResolvedReason.RECOVERED,
    Presence.ACCEPTED: ResolvedReason.ABSORBED,
}


def absence_alert(rule: AbsenceRule, scope: Scope, found: AbsenceFinding) -> Alert:
    """What is told of it.

    Args:
        rule: that looks for it.
        scope: who is silent.
        found: its silence, or the end of it.
    """
    mark = fingerprint(rule.name, scope)
    reason = _REASONS.get(found.change)
    transition = Transition.FIRED if reason is None else Transition.RESOLVED
    hours, end = found.silent, found.silent.end_seconds
    expected = found.expected_nanousd if reason is None else 0
    return Alert(
        fingerprint=mark,
        alert_id=alert_id(mark, found.since),
        transition_id=transition_id(mark, hours.start_seconds, transition),
        transition=transition,
        rule=rule.name,
        kind=ABSENCE,
        severity=rule.severity,
        scope=scope,
        metric=METRIC,
        window=hours,
        observed=0,
        expected=expected,
        lower=found.lower_nanousd,
        upper=expected,
        score=1.0 if reason is None else 0.0,
        started_at=found.since,
        decided_at=end,
        fired_at=found.fired_at,
        resolved_at=None if reason is None else end,
        resolved_reason=reason,
        annotations=_notes(scope, found),
    )


def _notes(scope: Scope, found: AbsenceFinding) -> dict[str, str]:
    name, notes = who(scope), {"baseline": DRIFT_SOURCE}
    hours, silent = found.silent, duration(found.silent.end_seconds - found.since)
    if found.change is Presence.BACK:
        notes["summary"] = f"{name}: spends again after {silent}"
    elif found.change is Presence.ACCEPTED:
        notes["summary"] = f"{name}: silent for {silent}, accepted as the new normal"
    else:
        usual = f"{money(found.expected_nanousd)} in {duration(hours.size_seconds)}"
        notes["summary"] = f"{name} has spent nothing for {silent}; expected {usual}"
        at = moment(hours.start_seconds)
        notes["description"] = (
            f"expected {usual} from {at} on, at least {money(found.lower_nanousd)}; saw nothing"
            f" since {moment(found.since)}"
        )
    return notes
