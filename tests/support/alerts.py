"""Alerts and actions as tests want them: an agent that overspends, its key, what was done."""

from dataclasses import replace
from typing import Any

from alerting import fingerprint as ids
from alerting.alert import Alert, Driver, ResolvedReason, Severity, Transition
from alerting.throttle.action import Mode, OnLapse, ThrottleAction
from detectors.scope import Scope
from detectors.window import Window

START = 1_795_341_600
"""2026-11-22 10:00 UTC; a window's start."""

USD = 1_000_000_000
AGENT = Scope("agent", "invoice-bot")
KEY = Scope("api_key", "key-7")
INCIDENT = "incident-1"


def an_alert(
    transition: Transition = Transition.FIRED,
    *,
    scope: Scope = AGENT,
    rule: str = "spike",
    minutes: int = 0,
    started: int = START,
    **changes: Any,
) -> Alert:
    """A transition ``minutes`` after the start; ids as WATCH makes them."""
    mark = ids.fingerprint(rule, scope)
    start = started + minutes * 60 // 300 * 300
    alert = Alert(
        fingerprint=mark,
        alert_id=ids.alert_id(mark, started),
        transition_id=ids.transition_id(mark, start, transition),
        transition=transition,
        rule=rule,
        kind="spike",
        severity=Severity.CRITICAL,
        scope=scope,
        metric="cost_usd",
        window=Window(start, start + 300),
        observed=4_120_000_000,
        expected=1_100_000_000,
        lower=0,
        upper=1_900_000_000,
        score=0.93,
        started_at=started,
        decided_at=start + 300,
        fired_at=started + 300,
        incident_id=INCIDENT,
        excess_nanousd=2_220_000_000 * (minutes // 5 + 1),
        excess_nanousd_per_hour=26_640_000_000,
        projected_nanousd_per_day=1_186_560_000_000,
        drivers=(
            Driver("prompt_version:v42", 2_200_000_000, 4_000_000_000),
            Driver("prompt_version:__other__", 20_000_000, 120_000_000),
        ),
        links={"dashboard": "https://spend.example/i/1", "runbook": "https://spend.example/run"},
    )
    if transition is Transition.RESOLVED:
        reason = ResolvedReason.RECOVERED
        alert = replace(alert, resolved_at=alert.decided_at, resolved_reason=reason)
    return replace(alert, **changes)


def an_action(mode: Mode = Mode.BLOCK, *, sequence: int = 1, **changes: Any) -> ThrottleAction:
    """What was done about the key."""
    action = ThrottleAction(
        action_id=ids.action_id(str(KEY), sequence),
        target=KEY,
        mode=mode,
        admit_ratio=0.0,
        reason="agent invoice-bot overspends through it",
        alert_ids=(),
        incident_id=INCIDENT,
        policy="default",
        innocent_share=0.03,
        innocent_usd_per_hour="0.41",
        decided_at=START + 90,
        issued_at=START + 92.0,
        expires_at=START + 992.0,
        on_lapse=OnLapse.ADMIT,
        sequence=sequence,
    )
    return replace(action, **changes)
