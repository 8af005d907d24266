"""How much of an alert the held targets hold down: as much of its excess as goes through them.

An agent may run away on several keys; with one of them blocked the rest still leaks. Who calls such
an alert contained keeps people asleep, keeps the alert from resolving and the baseline from
learning. This file only counts.
"""

from collections import Counter
from collections.abc import Collection, Iterable

from alerting.alert import SPIKE, Alert
from alerting.drivers import driver_scope

HELD_SHARE = 0.8
"""An alert is held from this part on: what is left is less than the fifth from which a key counts
as a cause (``throttle.min_driver_share``)."""


def held_share(alert: Alert, targets: Collection[str], beside: Iterable[Alert] = ()) -> float:
    """The part of what made an alert fire, 0-1, that goes through targets, as far as drivers tell.

    What is above the usual and still below the band's upper edge alarms nobody, so it need not be
    held: a department that is barely over, by a key's doing, is quiet without that key.

    Args:
        alert: of any scope.
        targets: in one-string form.
        beside: other alerts of its incident. Where the alert names no keys of its own, the agents
            that are held by theirs stand for them, or the keys' alerts say what it spent there.
    """
    if str(alert.scope) in targets:
        return 1.0
    kinds = {driver.scope.partition(":")[0] for driver in alert.drivers}
    if "api_key" in kinds:
        return _share(alert, targets)
    others = [one for one in beside if one.alert_id != alert.alert_id]
    agents = {
        str(one.scope)
        for one in others
        if one.scope.kind == "agent" and held_share(one, targets) >= HELD_SHARE
    }
    named = sum(
        driver.excess_nanousd
        for one in others
        if str(one.scope) in targets
        for driver in one.drivers
        if driver_scope(driver, one) == alert.scope
    )
    return max(_share(alert, {*targets, *agents}), _part(named, alert))


def is_held(alert: Alert, targets: Collection[str], beside: Iterable[Alert] = ()) -> bool:
    """Whether held targets hold an alert down."""
    return held_share(alert, targets, beside) >= HELD_SHARE


def _share(alert: Alert, scopes: Collection[str]) -> float:
    """By the dimension of drivers that says the most."""
    through: Counter[str] = Counter()
    for driver in alert.drivers:
        scope = driver_scope(driver, alert)
        if scope is not None and str(scope) in scopes:
            through[scope.kind] += driver.excess_nanousd
    return _part(max(through.values(), default=0), alert)


def _part(nanousd: int, alert: Alert) -> float:
    if nanousd <= 0 or alert.excess_nanousd <= 0:
        return 0.0
    unalarming = max(alert.upper - alert.expected, 0) if alert.kind == SPIKE else 0
    return min(1.0, nanousd / max(alert.excess_nanousd - unalarming, nanousd))
