"""What NOTIFY knows of one incident: its alerts as last told, and what was done about it.

Messages are rendered from this, so one that was late or sent again still shows the present state.
It says what changed; who hears of it is ``pipeline.py``'s. Incidents are made in
``alerting/decide/incident.py``.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from operator import attrgetter
from typing import Any

from alerting.alert import (
    FEED,
    Alert,
    Severity,
    Status,
    Transition,
    alert_from_json,
    alert_to_json,
)
from alerting.root import root_of
from alerting.throttle.action import (
    Mode,
    ThrottleAction,
    action_from_json,
    action_to_json,
    target_key,
)

MAX_MEMBERS = 32
"""Alerts kept in full; further ones are counted, so that an incident's record stays small."""

MAX_CHANGES = 128
"""Changes remembered by id: more than one batch of input holds of one incident."""

HELD_SHARE = "throttle_held_share"
"""DECIDE's annotation where less than is called contained goes through held targets."""

FAILURE = "throttle_failure"
"""DECIDE's annotation when an enforcer says that it did not act: money goes on leaking."""

_LASTING = ("acknowledged_by", "leaked_usd")


class Change(StrEnum):
    """What happened to the incident, as a person would say it."""

    FIRED = "fired"
    MEMBER = "member"
    ESCALATED = "escalated"
    REOPENED = "reopened"
    REMINDED = "reminded"
    UPDATED = "updated"
    ACKNOWLEDGED = "acknowledged"
    CONTAINED = "contained"
    ACTED = "acted"
    NOT_ACTED = "not_acted"
    MERGED = "merged"
    RESOLVED = "resolved"
    CAUGHT_UP = "caught_up"
    STORM = "storm"


QUIET = frozenset({Change.UPDATED, Change.ACKNOWLEDGED, Change.ACTED})
"""Changes that the standing message shows and nobody is disturbed for."""


@dataclass(frozen=True, slots=True)
class Applied:
    """A throttle action and whether gateways enforce it (``throttle.actions``) or not (shadow)."""

    action: ThrottleAction
    is_enforced: bool

    @property
    def is_release(self) -> bool:
        """Whether it lets everything through."""
        return self.action.mode is Mode.RELEASE

    def is_same_measure(self, other: "Applied") -> bool:
        """Whether only the lease differs, which is no news."""
        mine, its = self.action, other.action
        return (mine.mode, mine.admit_ratio, self.is_enforced) == (
            its.mode,
            its.admit_ratio,
            other.is_enforced,
        )


@dataclass(frozen=True, slots=True)
class IncidentView:
    """One incident.

    Attributes:
        incident_id: its name, the same in every message.
        members: last transition of each alert, in the order they came.
        also: alert ids beyond ``MAX_MEMBERS`` that are firing.
        applied: last action per target and mode of enforcement.
        severity: the worst it ever was.
        merged_into: the incident that took it over.
        settled_at: wall clock of its end, epoch seconds; ``None`` while anything fires.
        changes: what the last transitions and actions changed, by their ids, oldest first: the same
            input read again says the same, and the log knows whether it was told.
    """

    incident_id: str
    members: Mapping[str, Alert] = field(default_factory=dict)
    also: frozenset[str] = frozenset()
    applied: Mapping[str, Applied] = field(default_factory=dict)
    severity: Severity = Severity.INFO
    merged_into: str | None = None
    settled_at: float | None = None
    changes: tuple[tuple[str, Change], ...] = ()

    @property
    def firing(self) -> tuple[Alert, ...]:
        """The alerts that fire now."""
        return tuple(alert for alert in self.members.values() if alert.status is Status.FIRING)

    @property
    def is_firing(self) -> bool:
        """Whether anything of it fires."""
        return self.merged_into is None and bool(self.firing or self.also)

    @property
    def is_contained(self) -> bool:
        """Whether enforced actions hold down the spend of every alert that still fires."""
        firing = self.firing
        return bool(firing) and not self.also and all(alert.is_contained for alert in firing)

    @property
    def is_partly_contained(self) -> bool:
        """Whether they hold down some of them: money goes on leaking through the rest."""
        return not self.is_contained and any(
            alert.is_contained or HELD_SHARE in alert.annotations for alert in self.firing
        )

    @property
    def lead(self) -> Alert:
        """The alert that names the incident: DECIDE's rule, so that reason and headline agree.

        Raises:
            ValueError: before its first alert.
        """
        return root_of(self.firing or tuple(self.members.values()))

    @property
    def ranked(self) -> tuple[Alert, ...]:
        """Alerts, the one to name first in front; then firing, worst, dearest."""
        lead = self.lead

        def key(alert: Alert) -> tuple[bool, bool, int, int, str]:
            is_over = alert.status is not Status.FIRING
            rank = -alert.severity.rank
            return alert is not lead, is_over, rank, -alert.excess_nanousd, alert.alert_id

        return tuple(sorted(self.members.values(), key=key))

    def with_alert(self, alert: Alert, now: float) -> tuple["IncidentView", Change | None]:
        """The incident after a transition, and what changed; ``None`` for an old repeat.

        Args:
            alert: any transition but ``pended``.
            now: wall clock, epoch seconds.
        """
        known = self.members.get(alert.alert_id)
        if _is_repeat(known, alert, self.also):
            return self, dict(self.changes).get(alert.transition_id)
        is_over = alert.status is Status.RESOLVED
        members, also = dict(self.members), set(self.also)
        if known is None and (len(members) >= MAX_MEMBERS or alert.alert_id in also):
            if is_over:
                also.discard(alert.alert_id)
            else:
                also.add(alert.alert_id)
        else:
            members[alert.alert_id] = _with_notes_of(known, alert)
        severity = max(self.severity, alert.severity, key=attrgetter("rank"))
        after = replace(
            self,
            members=members,
            also=frozenset(also),
            severity=severity,
            merged_into=alert.merged_into or self.merged_into,
        )
        after = replace(after, settled_at=None if after.is_firing else now)
        change = self._change(after, alert, is_new=known is None)
        return _noted(after, alert.transition_id, change), change

    def without(self, alert: Alert, now: float) -> "IncidentView":
        """The incident once an alert belongs to another one; as it is if it is none of its own.

        Args:
            alert: newly told with the other incident.
            now: wall clock, epoch seconds.
        """
        identity = alert.alert_id
        is_mine = identity in self.members or identity in self.also
        if alert.incident_id == self.incident_id or self.merged_into is not None or not is_mine:
            return self
        members = {name: each for name, each in self.members.items() if name != identity}
        after = replace(self, members=members, also=self.also - {identity})
        return replace(after, settled_at=None if after.is_firing else now)

    def _change(self, after: "IncidentView", alert: Alert, *, is_new: bool) -> Change:
        """The first that holds, most telling first."""
        is_over = alert.status is Status.RESOLVED
        is_of_feed = any(each.kind == FEED for each in self.firing)  # its own words say how many
        is_new_member = is_new and not is_over and not is_of_feed
        is_new_member = is_new_member and alert.alert_id not in self.also
        holds = (
            (after.merged_into != self.merged_into, Change.MERGED),
            (is_over and not after.is_firing, Change.RESOLVED),
            (is_over, Change.UPDATED),
            (not self.members, Change.FIRED),
            (not self.is_firing, Change.REOPENED),
            (after.severity is not self.severity, Change.ESCALATED),
            (after.is_contained and not self.is_contained, Change.CONTAINED),
            (FAILURE in alert.annotations and not self._has_failed(alert), Change.NOT_ACTED),
            (alert.transition is Transition.ACKNOWLEDGED, Change.ACKNOWLEDGED),
            (is_new_member, Change.MEMBER),
        )
        return next((change for is_true, change in holds if is_true), Change.UPDATED)

    def _has_failed(self, alert: Alert) -> bool:
        """Whether this very failure is known already."""
        failure = alert.annotations[FAILURE]
        return any(known.annotations.get(FAILURE) == failure for known in self.members.values())

    def with_action(self, applied: Applied) -> tuple["IncidentView", Change | None]:
        """The incident after an action, and whether people would call that a change."""
        key = (
            f"{'enforced' if applied.is_enforced else 'shadow'}:{target_key(applied.action.target)}"
        )
        known = self.applied.get(key)
        if known is not None and applied.action.sequence <= known.action.sequence:
            return self, dict(self.changes).get(applied.action.action_id)
        after = replace(self, applied={**self.applied, key: applied})
        if known is not None and known.is_same_measure(applied):
            return after, None
        if applied.is_release and not applied.is_enforced and self.is_firing:
            return after, None  # nothing was held; if it is now for real, that action says so
        return _noted(after, applied.action.action_id, Change.ACTED), Change.ACTED

    def to_json(self) -> dict[str, Any]:
        """A plain record."""
        return {
            "incident_id": self.incident_id,
            "members": [alert_to_json(alert) for alert in self.members.values()],
            "also": sorted(self.also),
            "applied": [
                {"action": action_to_json(applied.action), "is_enforced": applied.is_enforced}
                for applied in self.applied.values()
            ],
            "severity": self.severity.value,
            "merged_into": self.merged_into,
            "settled_at": self.settled_at,
            "changes": [[notice_id, change.value] for notice_id, change in self.changes],
        }


def view_from_json(record: Mapping[str, Any]) -> IncidentView:
    """The incident of a plain record.

    Raises:
        KeyError: if a field is missing.
        ValueError: if a field does not read.
    """
    view = IncidentView(record["incident_id"])
    for item in record["applied"]:
        view, _ = view.with_action(Applied(action_from_json(item["action"]), item["is_enforced"]))
    alerts: Iterable[Alert] = map(alert_from_json, record["members"])
    return replace(
        view,
        members={alert.alert_id: alert for alert in alerts},
        also=frozenset(record["also"]),
        severity=Severity(record["severity"]),
        merged_into=record["merged_into"],
        settled_at=record["settled_at"],
        changes=tuple((notice_id, Change(change)) for notice_id, change in record["changes"]),
    )


def _noted(view: IncidentView, notice_id: str, change: Change) -> IncidentView:
    return replace(view, changes=(*view.changes, (notice_id, change))[-MAX_CHANGES:])


def _is_repeat(known: Alert | None, alert: Alert, also: frozenset[str]) -> bool:
    """Whether the transition is already in the view.

    Alert ids are of one episode, so one that is over stays over; windows and decisions only go on.
    """
    if known is None:
        return alert.status is Status.FIRING and alert.alert_id in also and _is_first(alert)
    if known.transition_id == alert.transition_id or known.status is Status.RESOLVED:
        return True
    if alert.status is Status.RESOLVED:
        return False
    return _is_first(alert) or alert.decided_at < known.decided_at


def _with_notes_of(known: Alert | None, alert: Alert) -> Alert:
    """The alert with what DECIDE says once and stays true: WATCH's next news do not repeat it."""
    if known is None:
        return alert
    kept = {key: known.annotations[key] for key in _LASTING if key in known.annotations}
    return replace(alert, annotations={**kept, **alert.annotations}) if kept else alert


def _is_first(alert: Alert) -> bool:
    return alert.transition is Transition.FIRED
