"""The single writer: signals, commands and acks in; alerts, incidents and throttle actions out.

"One cause, one incident", "strictest wins" and "at most three targets an hour" need one place that
sees everything: this one. It knows no Kafka and reads no clock; whoever calls it publishes an
``Outcome``, then keeps ``Outcome.changed``, then acknowledges the input, in that order. After a
crash in between, the same input gives the same ids again.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from alerting.alert import CONTRIBUTOR, LATE_AFTER_SECONDS, Alert, Status, Transition
from alerting.command import Ack, Acknowledge, Command, SilenceAdd, SilenceExpire
from alerting.decide.desk import Desk
from alerting.decide.forward import Forwarder, leaked
from alerting.decide.grouping import Grouping
from alerting.decide.incident import IncidentConfig, IncidentStatus
from alerting.decide.ledger import (
    SEEN_COMMANDS,
    SEEN_TRANSITIONS,
    AlertEntry,
    Draft,
    Ledger,
    Outcome,
    remembered,
)
from alerting.decide.orders import Orders, is_of
from alerting.decide.protection import lapsed, lapsed_alerts, left_alerts, left_held
from alerting.decide.publish import Publisher
from alerting.decide.suspicion import Suspicion
from alerting.decide.takeover import Takeover
from alerting.throttle.action import ThrottleAction, target_key
from alerting.throttle.guard import feed_alert, unsuspected
from alerting.throttle.lease import TargetState, is_lapsed
from alerting.throttle.policy import ThrottleConfig
from detectors.window import HOUR_SECONDS


class Decider:
    """Judges one input at a time; everything it remembers is in its snapshot.

    Args:
        incidents: how alerts are grouped.
        throttle: how far automation may go.
        snapshot: every key ever told in ``Outcome.changed``, with its newest value.
    """

    def __init__(
        self,
        incidents: IncidentConfig,
        throttle: ThrottleConfig,
        snapshot: Mapping[str, Any] | None = None,
    ) -> None:
        self.incidents = incidents
        self.throttle = throttle
        self.ledger = Ledger.restored(snapshot or {})
        self._forwarder = Forwarder(self.ledger, incidents.links)
        publisher = Publisher(throttle, self.ledger)
        self._desk = Desk(throttle, self.ledger, publisher)
        self._orders = Orders(throttle, self.ledger, self._desk, publisher)
        suspicion = Suspicion(incidents, self.ledger)
        self._grouping = Grouping(incidents, self.ledger, suspicion, self._forwarder, self._desk)
        self._takeover = Takeover(
            suspicion=suspicion,
            grouping=self._grouping,
            desk=self._desk,
            forwarder=self._forwarder,
            ledger=self.ledger,
            config=incidents.same_factor,
            take=self._take,
        )
        self._newest_at = 0  # event time, as far as it has been heard of

    @property
    def is_idle(self) -> bool:
        """Whether time alone leads to nothing, but that what is long over is forgotten."""
        return not self.ledger.targets and not self.ledger.caps.is_suspect

    def snapshot(self) -> dict[str, Any]:
        """The whole state by key; a ``Decider`` made with it goes on where this one stands."""
        return self.ledger.snapshot()

    def on_signal(self, alert: Alert, wall_seconds: float) -> Outcome:
        """One transition of one scope's alert, from WATCH; stamped late if it is read late."""
        draft = Draft()
        self._newest_at = max(self._newest_at, alert.decided_at)
        suspected = self.ledger.caps.suspect_since
        was_in = self._take(alert, wall_seconds, draft)
        if was_in is not None:
            self._takeover.look(alert, was_in, wall_seconds, draft)
        if suspected is None:
            self.ledger.put_caps(unsuspected(self.ledger.caps, self.throttle))
        since = self.ledger.caps.suspect_since
        if since is not None and suspected is None:
            told = feed_alert(self.ledger.caps, self.throttle, Transition.FIRED, since, since)
            self._take(told, wall_seconds, draft)
            self._desk.reconsider(wall_seconds, draft, "Many keys at once: the feed is suspected.")
        return self._finish(wall_seconds, draft)

    def on_command(self, command: Command, wall_seconds: float) -> Outcome:
        """One operator's command; ``decode_command`` reads it."""
        draft = Draft()
        control = self.ledger.control
        if command.id in control.commands:
            return self._finish(wall_seconds, draft)
        commands = remembered(control.commands, command.id, SEEN_COMMANDS)
        self.ledger.put_control(replace(control, commands=commands))
        if isinstance(command, Acknowledge):
            incident = self.ledger.incidents.get(command.incident_id)
            if incident is None or not incident.is_open:
                draft.rejections.append(f"no open incident {command.incident_id}")
            else:
                self._forwarder.tell_acknowledged(incident.incident_id, command.issued_by, draft)
        elif not isinstance(command, SilenceAdd | SilenceExpire):
            self._orders.obey(command, wall_seconds, draft)
        return self._finish(wall_seconds, draft)

    def on_ack(self, ack: Ack, wall_seconds: float) -> Outcome:
        """One enforcer's word; ``decode_ack`` reads it."""
        draft = Draft()
        state = next(
            (
                state
                for state in self.ledger.targets.values()
                if state.is_held
                and not is_lapsed(state.enforced, wall_seconds)
                and is_of(state, ack.action_id, state.held_from)
            ),
            None,
        )
        if state is None:
            draft.rejections.append(f"ack of {ack.action_id}: no action in force has that id")
        elif not ack.is_applied:
            self._complain(state, ack, draft)
        elif state.applied_at is None:
            state = replace(
                leaked(state, ack.applied_at),
                applied_at=ack.applied_at,
                applied_by=ack.enforcer,
            )
            self.ledger.put_target(state)
            self._forwarder.tell_contained(state, draft)
        return self._finish(wall_seconds, draft)

    def on_tick(self, wall_seconds: float, watermark_seconds: int | None) -> Outcome:
        """Time has passed; about once a second.

        Args:
            wall_seconds: now.
            watermark_seconds: event time before which nothing more is expected; None if unknown:
                then nothing new acts.
        """
        draft = Draft()
        is_old = True
        if watermark_seconds is not None:
            self._newest_at = max(self._newest_at, watermark_seconds)
            is_old = wall_seconds - watermark_seconds > LATE_AFTER_SECONDS
            self._end_suspicion(watermark_seconds, wall_seconds, draft)
            kept = self.incidents.retention_hours * HOUR_SECONDS
            self.ledger.forget_before(watermark_seconds - int(kept))
        unprotected = lapsed(self.ledger.targets.values(), self.ledger.control, wall_seconds)
        if unprotected:
            for alert in lapsed_alerts(unprotected, wall_seconds):
                self._take(alert, wall_seconds, draft)
        self._desk.tick(wall_seconds, draft, is_old=is_old)
        return self._finish(wall_seconds, draft)

    def on_stop(self, wall_seconds: float) -> Outcome:
        """The owner stops: people are told of what it leaves held, while they can be."""
        draft = Draft()
        held = left_held(self.ledger.targets.values(), wall_seconds)
        if held:
            for alert in left_alerts(held, wall_seconds):
                self._take(alert, wall_seconds, draft)
        return self._finish(wall_seconds, draft)

    def adopt(self, action: ThrottleAction) -> Outcome:
        """Takes note of a record found in ``throttle.actions`` or ``throttle.shadow`` at start.

        A crash between publishing and keeping the state leaves a sequence out there that the state
        does not know; counting on from it would give a second record the same id.
        """
        state = self.ledger.target(target_key(action.target))
        if action.sequence > state.sequence:
            self.ledger.put_target(replace(state, sequence=action.sequence))
        return self.ledger.outcome(Draft())

    def _take(self, alert: Alert, wall_seconds: float, draft: Draft) -> str | None:
        """The way of every alert.

        Returns:
            The incident it was in; empty if it is new. None of evidence, and of a repeat.
        """
        entry = self.ledger.alerts.get(alert.fingerprint)
        if entry is not None and entry.is_repeat(alert):
            return None
        seen = remembered(entry.seen if entry else (), alert.transition_id, SEEN_TRANSITIONS)
        if alert.kind == CONTRIBUTOR:
            self.ledger.put_alert(AlertEntry(alert, seen))
            self._desk.revisit(str(alert.scope), alert, wall_seconds, draft)
            return None
        is_resolved = alert.status is Status.RESOLVED
        is_held = is_resolved and self.ledger.holder_of(alert.alert_id) is not None
        incident = self._grouping.incident_of(alert, entry, draft)
        self.ledger.put_alert(AlertEntry(alert, seen, incident.incident_id, is_held))
        self._grouping.name(incident.incident_id)
        if not is_held:
            self._forwarder.tell(alert, incident.incident_id, draft)
        self._desk.consider(incident.incident_id, alert, wall_seconds, draft)
        self._desk.revisit(str(alert.scope), alert, wall_seconds, draft)
        return "" if entry is None else entry.incident_id

    def _complain(self, state: TargetState, ack: Ack, draft: Draft) -> None:
        """Tells people, once, that an enforcer did not do it."""
        complaint = f"{ack.action_id}/{ack.enforcer}"
        if complaint in state.complaints:
            return
        complaints = remembered(state.complaints, complaint, 16)
        self.ledger.put_target(replace(state, complaints=complaints))
        for ask in state.asks.values():
            self._forwarder.tell_failure(ask, ack, draft)

    def _end_suspicion(self, watermark_seconds: int, wall_seconds: float, draft: Draft) -> None:
        caps = self.ledger.caps
        if caps.suspect_since is None or watermark_seconds < caps.suspect_until:
            return
        told = feed_alert(
            caps,
            self.throttle,
            Transition.RESOLVED,
            caps.suspect_until,
            caps.suspect_since,
        )
        self.ledger.put_caps(replace(caps, suspect_since=None))
        self._take(told, wall_seconds, draft)

    def _finish(self, wall_seconds: float, draft: Draft) -> Outcome:
        """Tells the resolves that need wait no longer, and closes incidents that are over."""
        for entry in list(self.ledger.alerts.values()):
            if entry.is_resolve_held and self.ledger.holder_of(entry.alert.alert_id) is None:
                self.ledger.put_alert(replace(entry, is_resolve_held=False))
                at = max(self._newest_at, entry.alert.decided_at)
                self._forwarder.tell_released(entry.alert, entry.incident_id, at, draft)
        for incident in list(self.ledger.incidents.values()):
            if incident.is_open and not self.ledger.live(incident.incident_id):
                ended = replace(
                    incident,
                    status=IncidentStatus.RESOLVED,
                    ended_at=self.ledger.last_word(incident),
                )
                self.ledger.put_incident(ended)
                self._desk.drop(incident.incident_id, wall_seconds, draft)
        return self.ledger.outcome(draft)
