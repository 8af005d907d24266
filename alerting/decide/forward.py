"""How DECIDE tells of alerts: WATCH's transitions with their incident, and the few it adds itself.

A reader of one alert learns from its annotations which scope the incident is about and what is done
about it (``throttle``, ``throttle_state``, ``throttle_target``…; ``throttle_held_share``, 0-1,
where enforcers hold down a part of its excess and the rest still leaks). Every id is a function of
what is told, so that a repeat is recognised. Nothing is decided here.
"""

from dataclasses import replace

from alerting.alert import Alert, ResolvedReason, Status, Transition
from alerting.command import Ack
from alerting.decide.incident import Incident
from alerting.decide.ledger import Draft, Ledger
from alerting.fingerprint import transition_id
from alerting.links import LinksConfig, labels_of
from alerting.throttle.action import Mode
from alerting.throttle.hold import HELD_SHARE
from alerting.throttle.leak import leak_so_far, leak_when_applied
from alerting.throttle.lease import Ask, TargetState
from alerting.throttle.policy import Standing
from alerting.words import percent

_SAID = {
    Standing.WAITING: "Considering",
    Standing.SHADOW: "Dry run",
    Standing.PROPOSED: "Proposed",
    Standing.ENFORCED: "Enforced",
    Standing.OVERRULED: "Overruled by an operator",
}


class Forwarder:
    """Writes alerts into a draft.

    Attributes:
        ledger: what is known of incidents and targets.
        links: where people look.
    """

    def __init__(self, ledger: Ledger, links: LinksConfig) -> None:
        self.ledger = ledger
        self.links = links

    def tell(self, alert: Alert, incident_id: str, draft: Draft) -> None:
        """Forwards a transition, or tells one that DECIDE adds."""
        draft.alerts.append(self._dressed(alert, incident_id))

    def tell_released(self, alert: Alert, incident_id: str, at: int, draft: Draft) -> None:
        """Forwards a resolve that waited for its target to be released ``at``, event time."""
        told = replace(alert, resolved_reason=ResolvedReason.RELEASED, decided_at=at, is_late=False)
        self.tell(told, incident_id, draft)

    def tell_merged(self, alert: Alert, ended: Incident, draft: Draft) -> None:
        """Tells the closing update of an incident that another one took over."""
        told = replace(
            self._dressed(_added(alert, Transition.UPDATED, ended.incident_id), ended.incident_id),
            merged_into=ended.merged_into,
        )
        draft.alerts.append(told)

    def tell_moved(self, alert: Alert, incident_id: str, draft: Draft) -> None:
        """Tells, as an update, which incident an alert belongs to now; nothing while it pends."""
        if alert.status is Status.FIRING:
            self.tell(_added(alert, Transition.UPDATED, incident_id), incident_id, draft)

    def tell_failure(self, ask: Ask, ack: Ack, draft: Draft) -> None:
        """Tells, as an update of the incident's alert, that an enforcer did not act."""
        entry = self.ledger.alerts.get(ask.root_fingerprint)
        if entry is None or entry.alert.status is not Status.FIRING:
            return
        told = _added(entry.alert, Transition.UPDATED, f"{ack.action_id}/{ack.enforcer}")
        detail = f": {ack.detail}" if ack.detail else ""
        note = {"throttle_failure": f"{ack.enforcer} says {ack.result}{detail}"}
        told = replace(told, annotations={**told.annotations, **note})
        self.tell(told, ask.incident_id, draft)

    def tell_contained(self, state: TargetState, draft: Draft) -> None:
        """Tells of each alert that a target's enforcer was the last one needed to hold it down."""
        share = self.ledger.applied_share
        for entry in list(self.ledger.alerts.values()):
            alert, of = entry.alert, entry.incident_id
            is_ours = alert.alert_id in state.held_alert_ids and of
            if not is_ours or alert.status is not Status.FIRING:
                continue
            if share(alert, of, besides=state.target) < HELD_SHARE <= share(alert, of):
                self.tell(_added(alert, Transition.CONTAINED, ""), of, draft)

    def tell_acknowledged(self, incident_id: str, by: str, draft: Draft) -> None:
        """Tells of an incident's firing alerts that somebody is on it."""
        for alert in self.ledger.firing(incident_id):
            told = _added(alert, Transition.ACKNOWLEDGED, "")
            told = replace(told, annotations={**alert.annotations, "acknowledged_by": by})
            self.tell(told, incident_id, draft)

    def _dressed(self, alert: Alert, incident_id: str) -> Alert:
        """The alert with its incident, and with what is done about it."""
        share = self.ledger.applied_share(alert, incident_id)
        incident = self.ledger.incidents[incident_id]
        annotations = {**alert.annotations, "incident_scope": incident.scope}
        for state in self.ledger.targets.values():
            ask = state.asks.get(incident_id)
            if ask is None:
                continue
            annotations |= _notes(state, ask)
            if alert.fingerprint == ask.root_fingerprint:
                annotations |= leak_so_far(ask, alert)
            elif alert.alert_id in ask.alert_ids:
                annotations |= ask.leak
        if 0.0 < share < HELD_SHARE:
            annotations["throttle_held_share"] = f"{share:.2f}"
        alert = replace(alert, incident_id=incident_id)
        return replace(
            alert,
            labels={**labels_of(alert), **alert.labels},
            links={**self.links.links_of(alert), **alert.links},
            is_contained=share >= HELD_SHARE and self.ledger.holder_of(alert.alert_id) is not None,
            annotations=annotations,
        )


def leaked(state: TargetState, applied_at: float) -> TargetState:
    """The target with each ask's leak written down, once an enforcer applied the action."""
    issued_at = state.enforced.issued_at if state.enforced else applied_at
    return state.with_asks(
        {
            name: replace(
                ask,
                leak=leak_when_applied(
                    ask, issued_at if ask.held_since is None else ask.held_since, applied_at
                ),
            )
            for name, ask in state.asks.items()
        }
    )


def _added(alert: Alert, transition: Transition, of: str) -> Alert:
    """A transition that WATCH did not make; ``of`` tells several of one window apart."""
    identity = f"{alert.alert_id}/{of}" if of else alert.fingerprint
    return replace(
        alert,
        transition=transition,
        transition_id=transition_id(identity, alert.window.end_seconds, transition),
        is_late=False,  # what was done is of now, whenever the figures are from
    )


def _notes(state: TargetState, ask: Ask) -> dict[str, str]:
    """What is done about an incident's target, for people and for buttons."""
    action, standing = state.shadow, _SAID[ask.standing]
    if state.is_held:
        action = state.enforced
    mode, ratio = ask.mode, ask.admit_ratio
    if action is not None and state.is_held:
        mode, ratio = action.mode, action.admit_ratio
    how = f"{mode.value} at {percent(ratio)}" if mode is Mode.THROTTLE else mode.value
    notes = {
        "throttle": f"{standing}: {how} {state.target}. {ask.reason}".rstrip(),
        "throttle_state": ask.standing.value,
        "throttle_mode": mode.value,
        "throttle_target": state.target,
    }
    if action is not None:
        notes["throttle_action_id"] = action.action_id
    return notes
