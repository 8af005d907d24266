"""What a suspicion against prices takes over, and what it gives back.

Incidents that the common factor explains become part of the feed's, and their wishes for throttles
are withdrawn; what turns out to be somebody's own doing goes its own way again, as if there had
been no suspicion. Judging factors is ``same_factor.py``'s.
"""

from collections.abc import Callable, Iterable
from dataclasses import replace

from alerting.alert import Alert, ResolvedReason, Status
from alerting.decide.desk import Desk
from alerting.decide.forward import Forwarder
from alerting.decide.grouping import Grouping
from alerting.decide.ledger import Draft, Ledger
from alerting.decide.same_factor import (
    COUNTED_KINDS,
    Agreement,
    SameFactorConfig,
    common_factor,
    do_differ,
    one_a_scope,
    rise_of,
)
from alerting.decide.suspicion import Suspicion, factor_of, is_due

WITHDRAWN = "Many scopes rose by one factor: the prices or the units are suspected."


class Takeover:
    """Keeps the suspicion's incident in line with what is known.

    Args:
        suspicion: what is suspected.
        grouping: merges incidents.
        desk: withdraws what incidents wish.
        forwarder: tells of alerts that change incidents.
        ledger: the state.
        config: how many scopes make a suspicion.
        take: lets an alert of ours go the way of all alerts.
    """

    def __init__(
        self,
        *,
        suspicion: Suspicion,
        grouping: Grouping,
        desk: Desk,
        forwarder: Forwarder,
        ledger: Ledger,
        config: SameFactorConfig,
        take: Callable[[Alert, float, Draft], object],
    ) -> None:
        self._suspicion = suspicion
        self._grouping = grouping
        self._desk = desk
        self._forwarder = forwarder
        self._ledger = ledger
        self._config = config
        self._take = take

    def look(self, alert: Alert, was_in: str, wall_seconds: float, draft: Draft) -> None:
        """Takes note of an alert that has just been put into its incident.

        Args:
            alert: as WATCH told it.
            was_in: the incident it was in before; empty if there was none.
            wall_seconds: now.
            draft: takes the outcome.
        """
        entry = self._suspicion.told
        if entry is None:
            self._raise_if(alert, wall_seconds, draft)
            return
        incident_id = self._ledger.alerts[alert.fingerprint].incident_id
        if self._suspicion.owns(incident_id):
            self._go_on(entry.alert, alert.decided_at, wall_seconds, draft)
        elif self._suspicion.owns(was_in):
            if self._suspicion.counted < self._config.min_scopes:
                self._give_up(entry.alert, alert.decided_at, wall_seconds, draft)
        elif not self._desk.is_holding(incident_id):  # what is held down looks calm
            self._gather([incident_id], alert.decided_at, wall_seconds, draft)

    def _raise_if(self, alert: Alert, wall_seconds: float, draft: Draft) -> None:
        found = self._suspicion.agreement_with(alert)
        if found is None:
            return
        told = self._suspicion.raised(found, alert.decided_at).read_at(wall_seconds)
        self._take(told, wall_seconds, draft)
        incidents = [each.incident_id for each in self._ledger.incidents.values() if each.is_open]
        self._gather(incidents, alert.decided_at, wall_seconds, draft)

    def _gather(
        self, incidents: Iterable[str], at_seconds: int, wall_seconds: float, draft: Draft
    ) -> None:
        """Takes over those of the incidents that the common factor explains."""
        for incident_id in incidents:
            own = self._suspicion.incident
            if own is None or own.incident_id == incident_id:
                continue
            if not self._is_explained(incident_id):
                continue
            other = self._ledger.incidents[incident_id]
            self._grouping.merge(own, other, at_seconds, draft)
            self._desk.withdraw(own.incident_id, wall_seconds, draft, WITHDRAWN)

    def _is_explained(self, incident_id: str) -> bool:
        """Whether all of its agents and keys are; of one without any, all that fires."""
        firing = self._ledger.firing(incident_id)
        finest = [alert for alert in firing if alert.scope.kind in COUNTED_KINDS]
        alerts = finest or firing
        return bool(alerts) and all(self._suspicion.explains(alert) for alert in alerts)

    def _go_on(self, told: Alert, at_seconds: int, wall_seconds: float, draft: Draft) -> None:
        """Tells it anew with what has come, ends it with its last alert, or gives it up."""
        members = [entry.alert for entry in self._suspicion.members]
        if all(alert.status is Status.RESOLVED for alert in members):
            ended = self._suspicion.ended(told, at_seconds, ResolvedReason.RECOVERED)
            self._take(ended.read_at(wall_seconds), wall_seconds, draft)
            return
        if not is_due(told, self._suspicion.counted, at_seconds):
            return
        rises = [rise_of(alert) for alert in members if alert.scope.kind in COUNTED_KINDS]
        found = one_a_scope(each for each in rises if each is not None)
        factor = common_factor(found) if found else factor_of(told)
        if do_differ(found, factor):
            self._give_up(told, at_seconds, wall_seconds, draft)
            return
        now = Agreement(factor, found)
        updated = self._suspicion.updated(told, now, at_seconds)
        self._take(updated.read_at(wall_seconds), wall_seconds, draft)

    def _give_up(self, told: Alert, at_seconds: int, wall_seconds: float, draft: Draft) -> None:
        """Lets everything go its own way: the alerts first, then the word that it was nothing.

        What waits for its release only stays where it is.
        """
        members = self._suspicion.members
        ending = Draft()
        ended = self._suspicion.ended(told, at_seconds, ResolvedReason.SUPERSEDED)
        self._take(ended.read_at(wall_seconds), wall_seconds, ending)
        members = [entry for entry in members if entry.alert.status is not Status.RESOLVED]
        for entry in members:  # first of all: none of them is in an incident that others may join
            self._ledger.put_alert(replace(entry, incident_id=""))
        for entry in members:
            alert = entry.alert
            incident = self._grouping.incident_of(alert, None, draft)
            self._ledger.put_alert(replace(entry, incident_id=incident.incident_id))
            self._grouping.name(incident.incident_id)
            self._forwarder.tell_moved(alert, incident.incident_id, draft)
            self._desk.consider(incident.incident_id, alert, wall_seconds, draft)
        draft.alerts += ending.alerts
