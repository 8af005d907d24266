"""Which key to act on, and who else would be hit: read off the alerts of one incident.

An incident's agent spends through keys; a key may serve agents that did nothing wrong. This file
only counts; how far automation may go with the count is ``policy.py``'s.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from alerting.alert import Alert, nanousd, usd
from alerting.drivers import driver_scope, leading
from detectors.scope import Scope
from detectors.window import HOUR_SECONDS, MINUTE_SECONDS

CONTRIBUTOR = "contributor"
"""The kind of a signal about single agents on a key, told to DECIDE only."""

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
        innocent_agents: the other agents seen on it, in one-string form.
    """

    is_known: bool
    innocent_share: float
    innocent_usd_per_hour: str
    admit_ratio: float
    innocent_agents: tuple[str, ...] = ()


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


def evidence_of(signal: Alert, guilty: frozenset[str]) -> Evidence | None:
    """What a key's own signal (a spike of it, or one agent standing out on it) says.

    Args:
        signal: about the key itself; its drivers of dimension ``agent`` are read.
        guilty: the incident's agents.

    Returns:
        None if the signal names no agents, or does not say what the whole key spent: who is not
        mentioned is not known to be absent.
    """
    observed = excess = explained = 0
    innocent_agents = []
    agents = [driver for driver in signal.drivers if driver.scope.startswith("agent:")]
    if not agents:
        return None
    for driver in agents:
        observed += driver.observed_nanousd
        excess += driver.excess_nanousd
        scope = driver_scope(driver, signal)
        if scope is not None and str(scope) in guilty:
            explained += driver.observed_nanousd
        elif scope is not None and driver.observed_nanousd > 0:
            innocent_agents.append(str(scope))
    if signal.kind == CONTRIBUTOR:  # there `observed` is the unusual agents', not the key's
        whole = signal.annotations.get(WHOLE_KEY)
        observed = 0 if whole is None else max(observed, nanousd(whole))
    else:
        observed = max(observed, signal.observed)
    if observed <= 0:
        return None
    innocent = max(0, observed - explained)
    seconds = signal.decided_at - signal.window.start_seconds
    seconds = max(MINUTE_SECONDS, min(signal.window.size_seconds, seconds))
    return Evidence(
        is_known=True,
        innocent_share=innocent / observed,
        innocent_usd_per_hour=usd(innocent * HOUR_SECONDS // seconds),
        admit_ratio=min(1.0, max(0, observed - excess) / observed),
        innocent_agents=tuple(innocent_agents),
    )


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
