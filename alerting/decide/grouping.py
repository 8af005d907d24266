"""Which incident an alert belongs to: one that there is, a new one, or one merged out of several.

The rules by which alerts recognise each other are ``incident.py``'s and ``attach.py``'s; here they
are applied to all that is known. While prices are suspected, what that explains belongs to the
feed's incident, which hands its cause on to nobody: a runaway of one of its scopes is none of it.
"""

from dataclasses import replace

from alerting.alert import NO_OVERSPEND, SPIKE, Alert, Status
from alerting.decide.attach import SPEAKING_KINDS, is_driver, spoken_for, spokesman
from alerting.decide.desk import Desk
from alerting.decide.forward import Forwarder
from alerting.decide.incident import (
    Incident,
    IncidentConfig,
    causes_of,
    joined,
    merged,
    onset_of,
    related,
)
from alerting.decide.ledger import AlertEntry, Draft, Ledger
from alerting.decide.suspicion import FINGERPRINT, Suspicion
from alerting.fingerprint import incident_id as new_incident_id
from alerting.root import root_of
from detectors.window import MINUTE_SECONDS


class Grouping:
    """Finds, opens, names and merges incidents.

    Args:
        config: how alerts are grouped.
        ledger: the state.
        suspicion: against the prices; it goes first.
        forwarder: tells of merges.
        desk: hands wishes over.
    """

    def __init__(
        self,
        config: IncidentConfig,
        ledger: Ledger,
        suspicion: Suspicion,
        forwarder: Forwarder,
        desk: Desk,
    ) -> None:
        self._config = config
        self._ledger = ledger
        self._suspicion = suspicion
        self._forwarder = forwarder
        self._desk = desk

    def incident_of(self, alert: Alert, entry: AlertEntry | None, draft: Draft) -> Incident:
        """The incident of a transition, with it in; found, opened, or merged out of several.

        Args:
            alert: the transition.
            entry: what is known of its fingerprint.
            draft: takes what is told of merges.
        """
        known = None
        if entry is not None and entry.alert.alert_id == alert.alert_id:
            known = self._ledger.incidents.get(entry.incident_id)
        if alert.status is Status.RESOLVED and known is not None:
            return known
        suspected = self._suspicion.incident
        may_be_explained = alert.fingerprint != FINGERPRINT and alert.kind not in NO_OVERSPEND
        if suspected is not None and may_be_explained:
            is_in = known is not None and known.incident_id == suspected.incident_id
            if (known is None or is_in) and self._suspicion.explains(alert):
                return self._with(suspected, alert)
            known = None if is_in else known
        causes = causes_of(alert, self._config.lead_share)
        found = related(self._ledger.incidents.values(), causes, onset_of(alert), self._config)
        spoken = self._with_spokesman(alert, known)
        if spoken is not None and suspected is not None and spoken == suspected:
            if known is None and not found:
                return self._with(suspected, alert)
            spoken = None
        for other in (spoken, known):
            if other is not None and other not in found:
                found = sorted([other, *found], key=lambda one: (one.opened_at, one.incident_id))
        survivor = joined(found[0] if found else self._opened(alert), alert, causes)
        self._ledger.put_incident(survivor)
        for other in found[1:]:
            survivor = self.merge(survivor, other, alert.decided_at, draft)
        return survivor

    def merge(self, survivor: Incident, other: Incident, at: int, draft: Draft) -> Incident:
        """One incident out of two; people are told where the other one went.

        Args:
            survivor: goes on. That of the feed keeps its own cause only.
            other: ends.
            at: event time.
            draft: takes the closing update.
        """
        taken, ended = merged(survivor, other, at)
        if self._suspicion.owns(survivor.incident_id):
            taken = replace(taken, causes=survivor.causes)
        entries = self._ledger.live(other.incident_id)
        self._ledger.put_incident(taken)
        self._ledger.put_incident(ended)
        self._forwarder.tell_merged(root_of([entry.alert for entry in entries]), ended, draft)
        for entry in entries:
            self._ledger.put_alert(replace(entry, incident_id=taken.incident_id))
        self._desk.hand_over(ended, taken)
        return taken

    def name(self, incident_id: str) -> None:
        """Names an incident after the narrowest scope that explains it now."""
        incident = self._ledger.incidents[incident_id]
        firing = self._ledger.firing(incident_id)
        if firing:
            self._ledger.put_incident(replace(incident, scope=str(root_of(firing).scope)))

    def _with(self, suspected: Incident, alert: Alert) -> Incident:
        incident = joined(suspected, alert, frozenset())
        self._ledger.put_incident(incident)
        return incident

    def _opened(self, alert: Alert) -> Incident:
        """A new incident; of an alert whose first one was taken over it needs another name."""
        at = onset_of(alert)
        identity = new_incident_id(alert.alert_id)
        if identity in self._ledger.incidents:
            identity = new_incident_id(alert.transition_id)
        return Incident(identity, at, at, (), (), str(alert.scope))

    def _with_spokesman(self, alert: Alert, known: Incident | None) -> Incident | None:
        """The incident of the narrower alert that speaks for this one, or of what this speaks for.

        An alert that is in an incident with any of its drivers stays there. Who might speak does
        not become part of a suspicion by it.
        """
        if alert.kind != SPIKE:
            return None
        reach = self._config.join_minutes * MINUTE_SECONDS
        may_speak = alert.scope.kind in SPEAKING_KINDS
        entries = {
            entry.alert.fingerprint: entry
            for entry in self._ledger.alerts.values()
            if entry.incident_id
            and entry.alert.status is Status.FIRING
            and entry.alert.kind == SPIKE
            and entry.alert.fingerprint != alert.fingerprint
            and abs(onset_of(entry.alert) - onset_of(alert)) <= reach
            and not (may_speak and self._suspicion.owns(entry.incident_id))
        }
        firing = {str(entry.alert.scope): entry.alert for entry in entries.values()}
        if known is None:
            found = spokesman(alert, firing) or spoken_for(alert, firing.values())
        else:
            own = [entry.alert for entry in self._ledger.live(known.incident_id)]
            is_spoken_for = any(is_driver(each, alert) for each in own)
            found = None if is_spoken_for else spokesman(alert, firing)
        return (
            None
            if found is None
            else self._ledger.incidents[entries[found.fingerprint].incident_id]
        )
