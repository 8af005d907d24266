"""What a ratio's change says in an alert: shares in place of dollars, and what was lost in vain.

Called once something is found; nothing is decided here but how loudly it is told.
"""

from alerting.alert import RATIO, Alert, ResolvedReason, Severity, Transition
from alerting.explain import new_normal
from alerting.fingerprint import alert_id, fingerprint, transition_id
from alerting.watch.rules import RatioRule, nanousd_of
from alerting.words import ENDINGS, duration, moment, money, quantity, shares, who
from detectors.observation import NANOUSD_PER_USD
from detectors.ratios import Change, RatioFinding
from detectors.scope import Scope
from detectors.window import DAY_SECONDS, HOUR_SECONDS, MINUTE_SECONDS, Window

BASELINE = "own_ratio"

_REASONS = {
    Change.RECOVERED: ResolvedReason.RECOVERED,
    Change.ABSORBED: ResolvedReason.ABSORBED,
    Change.NO_DATA: ResolvedReason.NO_DATA,
}


def ratio_rule(rule: str, ratio: str) -> str:
    """The rule's name of one ratio."""
    return f"{rule}/{ratio}"


def ratio_alerts(rule: RatioRule, scope: Scope, window: Window, found: RatioFinding) -> list[Alert]:
    """What is told of a finding.

    Args:
        rule: that judges the scope's ratios.
        scope: whose they are.
        window: the one that closed.
        found: in it and the windows before.
    """
    transitions = [Transition.UPDATED]
    if found.change is Change.BEGAN:
        transitions = [Transition.FIRED, Transition.UPDATED]
    elif found.change in _REASONS:
        transitions = [Transition.RESOLVED]
    return [_alert(rule, scope, window, found, each) for each in transitions]


def _alert(
    rule: RatioRule, scope: Scope, window: Window, found: RatioFinding, transition: Transition
) -> Alert:
    name = ratio_rule(rule.name, found.channel.name)
    mark, seconds = fingerprint(name, scope), found.span.size_seconds
    reason = _REASONS.get(found.change)
    pace = found.lost_nanousd * HOUR_SECONDS // seconds
    is_loud = found.worst_nanousd_per_hour >= nanousd_of(rule.warning_usd_per_hour)
    alert = Alert(
        fingerprint=mark,
        alert_id=alert_id(mark, found.started_at),
        transition_id=transition_id(mark, window.start_seconds, transition),
        transition=transition,
        rule=name,
        kind=RATIO,
        severity=Severity.WARNING if is_loud else Severity.INFO,
        scope=scope,
        metric=found.channel.metric,
        window=found.span,
        observed=_nano(found.seen),
        expected=_nano(found.usual),
        lower=_nano(found.lower),
        upper=_nano(found.upper),
        score=found.score,
        started_at=found.started_at,
        decided_at=window.end_seconds,
        fired_at=found.fired_at,
        resolved_at=window.end_seconds if reason is not None else None,
        resolved_reason=reason,
        excess_nanousd=found.lost_in_all_nanousd,
        excess_nanousd_per_hour=pace,
        projected_nanousd_per_day=found.cost_nanousd * DAY_SECONDS // seconds,
    )
    alert.annotations.update(_notes(alert, found))
    return alert


def _nano(ratio: float) -> int:
    return round(ratio * NANOUSD_PER_USD)


def _notes(alert: Alert, found: RatioFinding) -> dict[str, str]:
    name, lost = who(alert.scope), money(found.lost_in_all_nanousd)
    notes = {"baseline": BASELINE}
    if alert.resolved_reason is ResolvedReason.ABSORBED:
        notes["summary"] = f"{name}: {new_normal(alert)}; {lost} spent in vain until now"
        return notes
    if alert.resolved_reason is not None:
        lasted = max(alert.decided_at - alert.started_at, MINUTE_SECONDS)
        ending = ENDINGS[alert.resolved_reason]
        notes["summary"] = f"{name}: {ending} after {duration(lasted)}, with {lost} spent in vain"
        return notes
    seen = f"{quantity(alert.observed, alert.metric)} of {found.trials:,} {found.channel.noun}"
    span = duration(found.span.size_seconds)
    usual = shares(alert.lower, alert.upper)
    notes["summary"] = f"{name}: {seen} in {span}; usually {usual}; {lost} spent in vain so far"
    at = moment(found.span.start_seconds)
    figures = f"expected {usual} for {at}, saw {seen} in {span}"
    notes["description"] = "; ".join(filter(None, (figures, _per_accepted(found))))
    return notes


def _per_accepted(found: RatioFinding) -> str:
    """What an accepted answer costs, of all that was spent; at the usual share it would be less."""
    accepted, usually = found.seen * found.trials, found.usual * found.trials
    if found.channel.name != "accepted" or accepted < 1:
        return ""
    now, before = (money(int(found.cost_nanousd / each)) for each in (accepted, usually))
    return f"{now} an accepted answer, {before} if as many were accepted as usual"
