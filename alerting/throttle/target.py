"""Which key to act on, and who else would be hit: read off the alerts of one incident.

An incident's agent spends through keys; a key may serve agents that did nothing wrong. This file
only counts; how far automation may go with the count is ``policy.py``'s.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import msgspec

from alerting.alert import CONTRIBUTOR, REMEMBERED, Alert, Driver, nanousd, usd
from alerting.drivers import driver_scope, leading
from detectors.scope import Scope
from detectors.window import HOUR_SECONDS, MINUTE_SECONDS

WHOLE_KEY = "scope_observed_usd"
"""Annotation of such a signal: what everybody spent through the key, in decimal dollars, in the
windows that its drivers span. Without it the signal shows who is unusual, not who else is there."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """What is known of a target's other users.

    Attributes:
        is_known: whether the target's own signals spoke; without them everybody on it counts as
            innocent.
        innocent_share: 0-1, the part of its spend that the incident's agents do not explain.
        innocent_usd_per_hour: the same as a pace, decimal dollars.
        admit_ratio: 0-1, expected over observed: the share of calls at which normal spend passes.
        others: the other agents and users that spend through it or are remembered to, in
            one-string form.
        unnamed: of agents and users, the kinds of which not everybody on it is named.
    """

    is_known: bool
    innocent_share: float
    innocent_usd_per_hour: str
    admit_ratio: float
    others: tuple[str, ...] = ()
    unnamed: frozenset[str] = frozenset()


def targets_of(alerts: Sequence[Alert], min_share: float) -> tuple[Scope, ...]:
    """The API keys to act on, most telling alerts first: agents', then keys', then coarser ones'.

    Args:
        alerts: an incident's alerts that may act.
        min_share: 0-1, the least share of an alert's excess that makes a key a target.
    """
    groups: tuple[list[Scope], ...] = ([], [], [])
    for alert in alerts:
        if alert.scope.kind == "agent":
            groups[0].extend(leading(alert, "api_key", min_share))
        elif alert.scope.kind == "api_key":
            groups[1].append(alert.scope)
        else:
            groups[2].extend(leading(alert, "api_key", min_share))
    found = next((group for group in groups if group), [])
    return tuple(dict.fromkeys(found))


def guilty_agents(alerts: Iterable[Alert], min_share: float) -> frozenset[str]:
    """The agents that explain an incident, in one-string form.

    Those that have an alert of their own; without any, those that drive the others' excess.
    """
    alerts = tuple(alerts)
    own = frozenset(str(alert.scope) for alert in alerts if alert.scope.kind == "agent")
    if own:
        return own
    return frozenset(str(agent) for alert in alerts for agent in leading(alert, "agent", min_share))


def evidence_of(signal: Alert, guilty: frozenset[str], min_share: float) -> Evidence | None:
    """What a key's own signal (a spike of it, or one agent standing out on it) says.

    Args:
        signal: about the key itself.
        guilty: the incident's agents.
        min_share: 0-1, the least share of the excess that makes a driver a cause.

    Returns:
        None if the signal names agents nowhere although the incident does, or does not say what the
        whole key spent: who is not mentioned is not known to be absent.
    """
    if _named(signal, "agent"):
        count = _by_agents(signal, guilty)
    elif not guilty and signal.kind != CONTRIBUTOR:
        count = _by_itself(signal, min_share)
    else:
        return None
    if count.observed <= 0:
        return None
    seconds = signal.decided_at - signal.window.start_seconds
    seconds = max(MINUTE_SECONDS, min(signal.window.size_seconds, seconds))
    seen = (
        scope
        for kind in ("agent", "user")
        for scope in _named(signal, kind)
        if str(scope) not in guilty
    )
    return Evidence(
        is_known=True,
        innocent_share=count.innocent / count.observed,
        innocent_usd_per_hour=usd(count.innocent * HOUR_SECONDS // seconds),
        admit_ratio=min(1.0, max(0, count.expected) / count.observed),
        others=tuple(dict.fromkeys((*map(str, seen), *_remembered(signal)))),
        unnamed=frozenset(kind for kind in ("agent", "user") if _has_unnamed(signal, kind)),
    )


class _Count(NamedTuple):
    """A key's spend in nano-dollars: all of it, the innocent part, what was to be expected."""

    observed: int
    innocent: int
    expected: int


def _by_agents(signal: Alert, guilty: frozenset[str]) -> _Count:
    """What is not spent by the incident's agents is innocent."""
    drivers = _of_kind(signal, "agent")
    observed = sum(driver.observed_nanousd for driver in drivers)
    excess = sum(driver.excess_nanousd for driver in drivers)
    explained = _observed_by(signal, drivers, guilty)
    if signal.kind == CONTRIBUTOR:  # there `observed` is the unusual agents', not the key's
        whole = signal.annotations.get(WHOLE_KEY)
        observed = 0 if whole is None else max(observed, nanousd(whole))
    else:
        observed = max(observed, signal.observed)
    return _Count(observed, max(0, observed - explained), observed - excess)


def _by_itself(signal: Alert, min_share: float) -> _Count:
    """A feed that names no agents: the key is the culprit.

    Innocent is all that the users, or the prompt versions, that lead the excess do not explain,
    whichever excuses more. Where there are neither, it is what the key's band allows: a key is
    blocked from twenty times that on, and throttled to it from twice.
    """
    counts = []
    for kind in ("user", "prompt_version"):
        if not _named(signal, kind):
            continue
        drivers = _of_kind(signal, kind)
        observed = max(signal.observed, sum(driver.observed_nanousd for driver in drivers))
        excess = sum(driver.excess_nanousd for driver in drivers)
        leaders = {str(scope) for scope in leading(signal, kind, min_share)}
        innocent = max(0, observed - _observed_by(signal, drivers, leaders))
        counts.append(_Count(observed, innocent, observed - excess))
    if not counts:
        allowed = min(max(0, signal.upper), signal.observed)
        return _Count(signal.observed, allowed, allowed)
    return max(counts, key=lambda count: count.innocent / max(1, count.observed))


def _of_kind(signal: Alert, kind: str) -> list[Driver]:
    return [driver for driver in signal.drivers if driver.scope.startswith(f"{kind}:")]


def _named(signal: Alert, kind: str) -> list[Scope]:
    """The drivers of a kind that have a name and spent something."""
    return [
        scope
        for driver in _of_kind(signal, kind)
        if driver.observed_nanousd > 0 and (scope := driver_scope(driver, signal)) is not None
    ]


def _observed_by(signal: Alert, drivers: Iterable[Driver], scopes: Collection[str]) -> int:
    return sum(
        driver.observed_nanousd for driver in drivers if str(driver_scope(driver, signal)) in scopes
    )


def _has_unnamed(signal: Alert, kind: str) -> bool:
    """Whether some of the key's spend is by nobody that a kind's drivers name."""
    drivers = _of_kind(signal, kind)
    named = {str(scope) for scope in _named(signal, kind)}
    return not named or any(
        driver.observed_nanousd > 0 and str(driver_scope(driver, signal)) not in named
        for driver in drivers
    )


def _remembered(signal: Alert) -> list[str]:
    """Who else is known to spend through the key, as WATCH says in an annotation."""
    try:
        names = msgspec.json.decode(signal.annotations.get(REMEMBERED, "[]"), type=list[str])
        return [str(Scope.parse(name)) for name in names]
    except (ValueError, RecursionError):  # nobody, if it does not read: the rest of it does
        return []


def no_evidence(root: Alert) -> Evidence:
    """What is assumed of a key that has not spoken: all of its spend is innocent.

    Args:
        root: the alert that names the incident; its ratio is the best guess there is.
    """
    observed = max(1, root.observed)
    return Evidence(
        is_known=False,
        innocent_share=1.0,
        innocent_usd_per_hour="0",
        admit_ratio=min(1.0, max(0, root.expected) / observed),
    )
