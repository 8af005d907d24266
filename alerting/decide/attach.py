"""Which narrower alert speaks for a coarser one, so that one cause is one incident.

An organization's excess is seldom led by half by anybody: others of it rise and fall meanwhile. It
is no news of its own where the scopes that fire already are nearly all of it, or where one stands
out and nobody else comes near. An organization whose many agents rise together is its own news.
"""

from collections.abc import Iterable, Mapping

from alerting.alert import Alert
from alerting.drivers import driver_scope
from alerting.root import EXPLAINS_SHARE, breadth

SPEAKING_KINDS = ("agent", "api_key")
"""Drivers that may speak for a coarser scope."""

MOSTLY_SHARE = 0.8
"""Scopes that fire speak for a coarser one if together they explain that much of what its band
would not have taken for usual."""

ALONE_SHARE = 0.4
"""One alone speaks from that share of the whole excess on..."""

ALONE_LEAD = 2
"""...if it is that many times the next of its kind. Two agents at 49 % and 45 % are two causes."""


def spokesman(alert: Alert, firing: Mapping[str, Alert]) -> Alert | None:
    """The firing alert that a coarser one belongs to; ``None``: it is its own news.

    Args:
        alert: the coarser one.
        firing: alerts of scopes that fire near it in time, by scope in one-string form.
    """
    excess = alert.excess_nanousd
    if excess <= 0:
        return None
    beyond = max(excess - max(alert.upper - alert.expected, 0), 1)
    for kind in SPEAKING_KINDS:
        named = _named(alert, kind)
        known = [scope for scope in named if _is_narrower(firing.get(scope), alert)]
        if not known:
            continue
        first = known[0]
        others = [part for scope, part in named.items() if scope != first]
        is_alone = named[first] >= ALONE_LEAD * max(others, default=0)
        is_mostly = sum(named[scope] for scope in known) >= MOSTLY_SHARE * min(beyond, excess)
        if (is_alone and named[first] >= ALONE_SHARE * excess) or (
            is_mostly and named[first] >= EXPLAINS_SHARE * excess
        ):
            return firing[first]
    return None


def spoken_for(alert: Alert, firing: Iterable[Alert]) -> Alert | None:
    """A coarser alert that was its own news until this one came; the other way round.

    Args:
        alert: of a scope that begins to fire.
        firing: what fires near it in time.
    """
    others = tuple(firing)
    name = str(alert.scope)
    by_scope = {**{str(each.scope): each for each in others}, name: alert}
    for each in others:
        if name in _named(each, alert.scope.kind) and spokesman(each, by_scope) is alert:
            return each
    return None


def is_driver(one: Alert, alert: Alert) -> bool:
    """Whether the scope of one is among those that drive a coarser one's excess."""
    return one.scope.kind in SPEAKING_KINDS and str(one.scope) in _named(alert, one.scope.kind)


def _is_narrower(one: Alert | None, alert: Alert) -> bool:
    return one is not None and breadth(one.scope) < breadth(alert.scope)


def _named(alert: Alert, kind: str) -> dict[str, int]:
    """The drivers of a kind with an excess, largest first."""
    found = {
        str(scope): driver.excess_nanousd
        for driver in alert.drivers
        if (scope := driver_scope(driver, alert)) is not None
        and scope.kind == kind
        and driver.excess_nanousd > 0
    }
    return dict(sorted(found.items(), key=lambda item: -item[1]))
