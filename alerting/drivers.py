"""Reading an alert's drivers: which scopes lead its excess.

Incidents are grouped by it and targets found by it. Nothing here decides anything.
"""

from alerting.alert import Alert, Driver
from detectors.scope import DEFAULT_ENVIRONMENT, Scope


def driver_scope(driver: Driver, alert: Alert) -> Scope | None:
    """The scope of a driver; None for the rest, or for what does not read.

    Drivers of an alert in an environment are of that environment, whether they say so or not.
    """
    try:
        scope = Scope.parse(driver.scope)
    except ValueError:
        return None
    if scope.is_other:
        return None
    if scope.environment == DEFAULT_ENVIRONMENT:
        return Scope(scope.kind, scope.name, alert.scope.environment)
    return scope


def leading(alert: Alert, kind: str, min_share: float) -> tuple[Scope, ...]:
    """The alert's drivers of a kind that carry at least ``min_share`` (0-1) of its excess."""
    return tuple(
        scope
        for driver in alert.drivers
        if (scope := driver_scope(driver, alert)) is not None
        and scope.kind == kind
        and driver.excess_nanousd > 0
        and driver.excess_nanousd >= min_share * alert.excess_nanousd
    )
