"""Whose alert names an incident: what DECIDE throttles by and NOTIFY says first is the same."""

from collections.abc import Sequence

from alerting.alert import FEED, NO_OVERSPEND, Alert
from detectors.scope import Scope

NARROWEST_FIRST = (
    "agent",
    "workflow",
    "api_key",
    "user",
    "project",
    "customer",
    "team",
    "department",
    "model",
    "organization",
)
"""Of two scopes that explain an incident, the one nearer to what can be mended names it."""

EXPLAINS_SHARE = 0.25
"""A scope explains an incident if its excess is at least this share of the largest one in it. Many
a coarse one's excess is half noise: with 0.5 an agent at 49 % of its organization's was not named.
"""


def root_of(alerts: Sequence[Alert]) -> Alert:
    """The alert of the narrowest scope that explains the incident; the feed's own explains all.

    Args:
        alerts: at least one.
    """
    alerts = [alert for alert in alerts if alert.kind == FEED] or alerts
    alerts = [alert for alert in alerts if alert.kind not in NO_OVERSPEND] or alerts
    largest = max(alert.excess_nanousd for alert in alerts)
    explaining = [alert for alert in alerts if alert.excess_nanousd >= EXPLAINS_SHARE * largest]
    return min(
        explaining or alerts,
        key=lambda alert: (breadth(alert.scope), -alert.excess_nanousd, alert.fingerprint),
    )


def breadth(scope: Scope) -> float:
    """How coarse a scope is; a combination is narrower than the narrowest of its parts."""
    parts = scope.kind.split("+")
    ranks = [
        NARROWEST_FIRST.index(part) if part in NARROWEST_FIRST else len(NARROWEST_FIRST) / 2
        for part in parts
    ]
    return min(ranks) - (len(parts) - 1) / 2
