"""All that DECIDE remembers, key by key, and what one input made of it.

Every value has a plain form (msgpack-able, money as decimal strings since 64 bits are too few for a
bad day's projection), so that a table can keep it; a value that did not change is not written. This
file decides nothing.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

import msgspec

from alerting.alert import Alert, Status, alert_from_json, alert_to_json
from alerting.decide.incident import Incident
from alerting.throttle.action import ThrottleAction
from alerting.throttle.guard import Caps
from alerting.throttle.hold import held_share
from alerting.throttle.lease import TargetState
from alerting.throttle.policy import ThrottleMode

SEEN_TRANSITIONS = 256
"""Transition ids remembered per fingerprint: 21 hours of five-minute updates."""

SEEN_COMMANDS = 512
"""Command ids remembered; a repeat comes from a crash, within seconds."""

_Value = TypeVar("_Value")


@dataclass(frozen=True, slots=True)
class AlertEntry:
    """The newest transition of one fingerprint.

    Attributes:
        alert: as WATCH told it.
        seen: transition ids, newest last, all episodes.
        incident_id: its incident; empty for evidence.
        is_resolve_held: its resolve waits until its target is released.
    """

    alert: Alert
    seen: tuple[str, ...] = ()
    incident_id: str = ""
    is_resolve_held: bool = False

    def is_repeat(self, alert: Alert) -> bool:
        """Whether a transition was seen before, or is older than what was."""
        last = self.alert
        if alert.transition_id in self.seen:
            return True
        if alert.alert_id == last.alert_id and last.status is Status.RESOLVED:
            return True
        return (alert.started_at, alert.window.end_seconds) < (
            last.started_at,
            last.window.end_seconds,
        )

    @property
    def is_live(self) -> bool:
        """Whether it still keeps its incident open."""
        return self.alert.status is not Status.RESOLVED or self.is_resolve_held


@dataclass(frozen=True, slots=True)
class Control:
    """What operators said of throttling as a whole.

    Attributes:
        is_paused: every consumer admits everything.
        mode: their word on shadow or enforce; None leaves it to the configuration.
        commands: ids of the newest commands, newest last.
    """

    is_paused: bool = False
    mode: ThrottleMode | None = None
    commands: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one input led to, in the order to publish.

    Attributes:
        alerts: for ``spend.alerts``.
        actions: for ``throttle.actions``.
        shadow: for ``throttle.shadow``.
        control: records for ``throttle.control``.
        changed: state to keep, by key; None removes a key, if it was ever kept.
        rejections: why a command or an ack was refused; sentences.
    """

    alerts: tuple[Alert, ...] = ()
    actions: tuple[ThrottleAction, ...] = ()
    shadow: tuple[ThrottleAction, ...] = ()
    control: tuple[dict[str, Any], ...] = ()
    changed: Mapping[str, Any] = field(default_factory=dict)
    rejections: tuple[str, ...] = ()


class Draft:
    """An outcome in the making."""

    def __init__(self) -> None:
        self.alerts: list[Alert] = []
        self.actions: list[ThrottleAction] = []
        self.shadow: list[ThrottleAction] = []
        self.control: list[dict[str, Any]] = []
        self.rejections: list[str] = []


class Ledger:
    """The state, and which keys of it were touched since the last ``outcome``."""

    def __init__(self) -> None:
        self.incidents: dict[str, Incident] = {}
        self.targets: dict[str, TargetState] = {}
        self.alerts: dict[str, AlertEntry] = {}
        self.caps = Caps()
        self.control = Control()
        self._touched: set[str] = set()

    @classmethod
    def restored(cls, snapshot: Mapping[str, Any]) -> "Ledger":
        """The ledger of a snapshot, or of all values ever in ``Outcome.changed``, last ones.

        Raises:
            ValueError: if a key or a value does not read.
        """
        ledger = cls()
        for key, plain in snapshot.items():
            kind, _, name = key.partition(":")
            match kind:
                case "incident":
                    ledger.incidents[name] = msgspec.convert(plain, Incident)
                case "target":
                    ledger.targets[name] = msgspec.convert(plain, TargetState)
                case "alert":
                    ledger.alerts[name] = _entry_from_plain(plain)
                case "caps":
                    ledger.caps = msgspec.convert(plain, Caps)
                case "control":
                    ledger.control = msgspec.convert(plain, Control)
                case _:
                    raise ValueError(f"unknown key in the state of DECIDE: {key!r}")
        return ledger

    def snapshot(self) -> dict[str, Any]:
        """Every key with its plain value."""
        keys = [
            *(f"incident:{name}" for name in self.incidents),
            *(f"target:{name}" for name in self.targets),
            *(f"alert:{name}" for name in self.alerts),
            "caps",
            "control",
        ]
        return {key: self._plain(key) for key in keys}

    def outcome(self, draft: Draft) -> Outcome:
        """The finished outcome; touched keys are forgotten."""
        changed = {key: self._plain(key) for key in sorted(self._touched)}
        self._touched.clear()
        return Outcome(
            alerts=tuple(draft.alerts),
            actions=tuple(draft.actions),
            shadow=tuple(draft.shadow),
            control=tuple(draft.control),
            changed=changed,
            rejections=tuple(draft.rejections),
        )

    def put_incident(self, incident: Incident) -> None:
        """Remembers an incident."""
        self._put(self.incidents, "incident", incident.incident_id, incident)

    def put_target(self, state: TargetState) -> None:
        """Remembers a target; one of which there is nothing to remember is forgotten."""
        if state != TargetState(state.target):
            self._put(self.targets, "target", state.target, state)
        elif self.targets.pop(state.target, None) is not None:
            self._touched.add(f"target:{state.target}")

    def target(self, name: str) -> TargetState:
        """What is remembered of a target, or a blank."""
        return self.targets.get(name) or TargetState(name)

    def put_alert(self, entry: AlertEntry) -> None:
        """Remembers an alert."""
        self._put(self.alerts, "alert", entry.alert.fingerprint, entry)

    def put_caps(self, caps: Caps) -> None:
        """Remembers the brakes."""
        if caps != self.caps:
            self.caps = caps
            self._touched.add("caps")

    def put_control(self, control: Control) -> None:
        """Remembers what operators said."""
        if control != self.control:
            self.control = control
            self._touched.add("control")

    def forget_before(self, horizon: int) -> None:
        """Drops incidents that ended, and alerts that fell silent, before an event time."""
        for incident in list(self.incidents.values()):
            if incident.ended_at is not None and incident.ended_at < horizon:
                del self.incidents[incident.incident_id]
                self._touched.add(f"incident:{incident.incident_id}")
        for entry in list(self.alerts.values()):
            is_over = not entry.is_live or not entry.incident_id
            if is_over and entry.alert.decided_at < horizon:
                del self.alerts[entry.alert.fingerprint]
                self._touched.add(f"alert:{entry.alert.fingerprint}")

    def live(self, incident_id: str) -> list[AlertEntry]:
        """The entries that keep an incident open, in the order they joined it."""
        return [
            entry
            for name in self.incidents[incident_id].members
            if (entry := self.alerts.get(name)) is not None
            and entry.incident_id == incident_id
            and entry.is_live
        ]

    def last_word(self, incident: Incident) -> int:
        """Event time of the newest decision about any of an incident's alerts."""
        found = (self.alerts.get(name) for name in incident.members)
        return max(
            (entry.alert.decided_at for entry in found if entry is not None),
            default=incident.last_onset_at,
        )

    def firing(self, incident_id: str) -> list[Alert]:
        """The alerts of an incident that fire now."""
        return [
            entry.alert for entry in self.live(incident_id) if entry.alert.status is Status.FIRING
        ]

    def about(self, scope: str) -> Iterable[Alert]:
        """What fires about one scope, evidence included."""
        return (
            entry.alert
            for entry in self.alerts.values()
            if entry.alert.status is Status.FIRING and str(entry.alert.scope) == scope
        )

    def known(self, alert_ids: Collection[str]) -> list[Alert]:
        """The newest transitions of some episodes, those left out that another followed."""
        return [entry.alert for entry in self.alerts.values() if entry.alert.alert_id in alert_ids]

    def applied_share(self, alert: Alert, incident_id: str, *, besides: str = "") -> float:
        """The part of an alert's excess, 0-1, that enforcers hold down; 0 while paused.

        Args:
            alert: of the incident.
            incident_id: where its drivers may have alerts of their own.
            besides: a target that is left out.
        """
        applied = {
            state.target
            for state in self.targets.values()
            if state.is_held and state.applied_at is not None and state.target != besides
        }
        if self.control.is_paused or not applied:
            return 0.0
        return held_share(alert, applied, [entry.alert for entry in self.live(incident_id)])

    def holder_of(self, alert_id: str) -> TargetState | None:
        """The target whose action in force answers an alert; none while paused."""
        if self.control.is_paused:
            return None
        for state in self.targets.values():
            if alert_id in state.held_alert_ids:
                return state
        return None

    def _put(self, into: dict[str, _Value], kind: str, name: str, value: _Value) -> None:
        if into.get(name) != value:
            into[name] = value
            self._touched.add(f"{kind}:{name}")

    def _plain(self, key: str) -> Any:
        kind, _, name = key.partition(":")
        match kind:
            case "incident":
                return msgspec.to_builtins(self.incidents.get(name))
            case "target":
                return msgspec.to_builtins(self.targets.get(name))
            case "alert":
                entry = self.alerts.get(name)
                return None if entry is None else _entry_to_plain(entry)
            case "caps":
                return msgspec.to_builtins(self.caps)
            case _:
                return msgspec.to_builtins(self.control)


def remembered(ids: tuple[str, ...], newest: str, bound: int) -> tuple[str, ...]:
    """Ids with one more at the end, the oldest beyond ``bound`` dropped."""
    return (*ids, newest)[-bound:]


def _entry_to_plain(entry: AlertEntry) -> dict[str, Any]:
    return {
        "alert": alert_to_json(entry.alert),
        "seen": list(entry.seen),
        "incident_id": entry.incident_id,
        "is_resolve_held": entry.is_resolve_held,
    }


def _entry_from_plain(plain: Mapping[str, Any]) -> AlertEntry:
    return AlertEntry(
        alert=alert_from_json(dict(plain["alert"])),
        seen=tuple(plain["seen"]),
        incident_id=plain["incident_id"],
        is_resolve_held=plain["is_resolve_held"],
    )
