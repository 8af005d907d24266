"""The suspicion against prices or units, as one alert on the feed that others belong to.

Whether there is one, and by which factor, is what that alert says: it is remembered like any other,
so that nothing else has to be. What follows for incidents and throttles is ``takeover.py``'s.
"""

import math
from collections.abc import Sequence
from dataclasses import replace

from alerting.alert import FEED, Alert, ResolvedReason, Severity, Status, Transition
from alerting.decide.incident import Incident, IncidentConfig, onset_of
from alerting.decide.ledger import AlertEntry, Ledger
from alerting.decide.same_factor import (
    COUNTED_KINDS,
    Agreement,
    agreement,
    is_explained,
    model_of,
    rise_of,
)
from alerting.fingerprint import alert_id, fingerprint, transition_id
from alerting.words import clock, duration, times
from detectors.observation import NANOUSD_PER_USD
from detectors.scope import Scope
from detectors.window import MINUTE_SECONDS, Window

SCOPE = Scope(FEED, "prices")
RULE = "feed/same_factor"
FINGERPRINT = fingerprint(RULE, SCOPE)

SCOPES_NOTE = "scopes"
"""Annotation: how many agents, or keys, it was when this was told."""

UPDATED_SECONDS = 5 * MINUTE_SECONDS
"""How often it is told anew while it lasts: as often as alerts of scopes are."""

GROWN = 1.25
"""Or once that many times as many scopes are in it."""

_UNCHANGED_SHARE = 0.2
"""Requests are called unchanged if they are less of the excess than this, either way."""


class Suspicion:
    """Reads what is suspected from the ledger.

    Args:
        config: how many scopes make one, and how near in time alerts join.
        ledger: the state.
    """

    def __init__(self, config: IncidentConfig, ledger: Ledger) -> None:
        self._config = config
        self._ledger = ledger

    @property
    def entry(self) -> AlertEntry | None:
        """The newest word on it, also once it is over."""
        return self._ledger.alerts.get(FINGERPRINT)

    @property
    def told(self) -> AlertEntry | None:
        """The same while the suspicion holds."""
        entry = self.entry
        return entry if entry is not None and entry.alert.status is Status.FIRING else None

    @property
    def incident(self) -> Incident | None:
        """Its incident while it holds."""
        entry = self.told
        return None if entry is None else self._ledger.incidents.get(entry.incident_id)

    @property
    def members(self) -> list[AlertEntry]:
        """The alerts that belong to it and are not over."""
        incident = self.incident
        live = [] if incident is None else self._ledger.live(incident.incident_id)
        return [entry for entry in live if entry.alert.fingerprint != FINGERPRINT]

    @property
    def counted(self) -> int:
        """How many agents belong to it, also those that are over; keys, where there are no agents.

        An alert of it that belongs elsewhere by now is none.
        """
        incident = self.incident
        names = () if incident is None else incident.members
        kinds = [
            entry.alert.scope.kind
            for entry in map(self._ledger.alerts.get, names)
            if entry is not None and self.owns(entry.incident_id)
        ]
        agents, keys = map(kinds.count, COUNTED_KINDS)
        return agents or keys

    def owns(self, incident_id: str) -> bool:
        """Whether an incident is that of the suspicion."""
        entry = self.told
        return entry is not None and entry.incident_id == incident_id

    def explains(self, alert: Alert) -> bool:
        """Whether an alert belongs to the suspicion that holds."""
        entry, incident = self.told, self.incident
        if entry is None or incident is None or alert.kind == FEED:
            return False
        known = self._ledger.alerts.get(alert.fingerprint)
        is_member = (
            known is not None
            and known.alert.alert_id == alert.alert_id
            and known.incident_id == incident.incident_id
        )
        since = entry.alert.started_at - int(self._config.same_factor.minutes * MINUTE_SECONDS)
        until = incident.last_onset_at + int(self._config.join_minutes * MINUTE_SECONDS)
        if not is_member and not since <= onset_of(alert) <= until:
            return False
        return is_explained(rise_of(alert), factor_of(entry.alert), is_member=is_member)

    def agreement_with(self, alert: Alert) -> Agreement | None:
        """What a new alert has in common with others; None while too few agree.

        What was given up is not taken up again at once.
        """
        is_counted = alert.status is Status.FIRING and alert.scope.kind in COUNTED_KINDS
        newest = rise_of(alert) if is_counted else None
        if newest is None or self._is_too_soon(alert):
            return None
        others = (
            rise_of(entry.alert)
            for entry in self._ledger.alerts.values()
            if entry.alert.scope.kind in COUNTED_KINDS
            and entry.alert.status is Status.FIRING
            and entry.alert.fingerprint != alert.fingerprint
        )
        rises = [each for each in others if each is not None]
        return agreement(newest, rises, self._config.same_factor)

    def _is_too_soon(self, alert: Alert) -> bool:
        entry = self.entry
        if entry is None or entry.alert.resolved_at is None:
            return False
        rest = 0
        if entry.alert.resolved_reason is ResolvedReason.SUPERSEDED:
            rest = int(self._config.same_factor.minutes * MINUTE_SECONDS)
        return alert.decided_at <= entry.alert.resolved_at + rest

    def raised(self, found: Agreement, at_seconds: int) -> Alert:
        """The alert on the feed, of scopes that agree."""
        before = self.entry
        least = 0 if before is None else before.alert.started_at  # ids tell episodes apart
        started_at = max(least, min(each.onset_at for each in found.rises))
        return _alert(
            found,
            transition=Transition.FIRED,
            started_at=started_at,
            fired_at=at_seconds,
            decided_at=at_seconds,
            scopes=len(found.rises),
        )

    def updated(self, told: Alert, found: Agreement, at_seconds: int) -> Alert:
        """The same with the figures of now."""
        return _alert(
            found,
            transition=Transition.UPDATED,
            started_at=told.started_at,
            fired_at=onset_of(told),
            decided_at=max(at_seconds, told.decided_at),
            scopes=self.counted,
        )

    def ended(self, told: Alert, at_seconds: int, reason: ResolvedReason) -> Alert:
        """The same once nobody's dollars are up any more, or once it did not hold."""
        at = max(at_seconds, told.decided_at)
        count = max(self.counted, int(told.annotations[SCOPES_NOTE]))
        ending = f"is over after {duration(max(at - told.started_at, MINUTE_SECONDS))}"
        if reason is ResolvedReason.SUPERSEDED:
            ending = "did not last: what still fires is told by itself"
        return replace(
            told,
            transition=Transition.RESOLVED,
            transition_id=transition_id(FINGERPRINT, onset_of(told), Transition.RESOLVED),
            decided_at=at,
            resolved_at=at,
            resolved_reason=reason,
            annotations={
                SCOPES_NOTE: str(count),
                "summary": f"The common rise of {count} scopes' dollars a request {ending}.",
            },
        )


def factor_of(told: Alert) -> float:
    """The logarithm of the factor that an alert on the feed names."""
    return math.log(told.observed / NANOUSD_PER_USD)


def is_due(told: Alert, count: int, at_seconds: int) -> bool:
    """Whether the alert on the feed is to be told anew.

    Args:
        told: its newest word.
        count: scopes in it now.
        at_seconds: event time.
    """
    is_grown = count >= GROWN * int(told.annotations[SCOPES_NOTE])
    return is_grown or at_seconds >= told.decided_at + UPDATED_SECONDS


def _alert(
    found: Agreement,
    *,
    transition: Transition,
    started_at: int,
    fired_at: int,
    decided_at: int,
    scopes: int,
) -> Alert:
    identity = FINGERPRINT if transition is Transition.FIRED else f"{FINGERPRINT}/{scopes}"
    of = fired_at if transition is Transition.FIRED else decided_at
    observed = round(math.exp(found.factor) * NANOUSD_PER_USD)
    return Alert(
        fingerprint=FINGERPRINT,
        alert_id=alert_id(FINGERPRINT, fired_at),
        transition_id=transition_id(identity, of, transition),
        transition=transition,
        rule=RULE,
        kind=FEED,
        severity=Severity.CRITICAL,
        scope=SCOPE,
        metric="cost_per_request_ratio",
        window=Window.tumbling(started_at, MINUTE_SECONDS),  # of all transitions: none overtakes
        observed=observed,  # every metric is kept in billionths
        expected=NANOUSD_PER_USD,
        lower=0,
        upper=NANOUSD_PER_USD,
        score=1.0,
        started_at=started_at,
        decided_at=decided_at,
        fired_at=fired_at,
        excess_nanousd=sum(each.alert.excess_nanousd for each in found.rises),
        annotations={SCOPES_NOTE: str(scopes), "summary": _summary(found, started_at, scopes)},
    )


def _summary(found: Agreement, started_at: int, scopes: int) -> str:
    alerts = [each.alert for each in found.rises]
    noun = "agents" if any(each.who.startswith("agent:") for each in found.rises) else "keys"
    unchanged = ", requests unchanged" if _has_same_volume(alerts) else ""
    model = model_of(found.rises)
    on = "" if model is None else f" (model {model})"
    return (
        f"{scopes} {noun}' dollars a request rose together by about"
        f" {times(math.exp(found.factor))} times at {clock(started_at)}{unchanged}: looks like a"
        f" price or unit error{on}. What it explains is told here and throttles nobody."
    )


def _has_same_volume(alerts: Sequence[Alert]) -> bool:
    parts = [alert.decomposition for alert in alerts if alert.decomposition is not None]
    volume = sum(each.volume_nanousd for each in parts)
    return abs(volume) <= _UNCHANGED_SHARE * sum(alert.excess_nanousd for alert in alerts)
