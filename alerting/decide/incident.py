"""One cause, one incident: which alerts belong together, and what they are called.

An agent's runaway prompt is also its key's, its team's and its organization's spike. They join by
what leads their excess, never by merely standing under the same roof: an organization whose forty
agents rise together is not their cause. This file knows nothing of throttling.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import StrEnum

from pydantic import BaseModel, ConfigDict, Field

from alerting.alert import ABSENCE, NO_OVERSPEND, Alert
from alerting.decide.same_factor import SameFactorConfig
from alerting.drivers import leading
from alerting.links import LinksConfig
from detectors.window import MINUTE_SECONDS

LEADING_KINDS = ("agent", "api_key")
"""The drivers by which alerts recognise a shared cause."""


class IncidentConfig(BaseModel):
    """How alerts are grouped."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    join_minutes: float = Field(
        60, gt=0, description="Alerts of one cause join if they fire within this event time."
    )
    lead_share: float = Field(
        0.5,
        gt=0,
        le=1,
        description="Share of the excess from which a driver is taken as the cause.",
    )
    retention_hours: float = Field(
        24, gt=0, description="How long ended incidents are remembered, in event time."
    )
    same_factor: SameFactorConfig = Field(
        SameFactorConfig(), description="When prices or units are suspected before the scopes."
    )
    links: LinksConfig = Field(LinksConfig(), description="Where people look, in every message.")


class IncidentStatus(StrEnum):
    """Where an incident stands."""

    OPEN = "open"
    MERGED = "merged"
    RESOLVED = "resolved"


@dataclass(frozen=True, slots=True)
class Incident:
    """All alerts with one cause.

    Attributes:
        incident_id: named after the alert that opened it; never changes.
        opened_at: event time, epoch seconds.
        last_onset_at: event time when its newest alert began to fire.
        causes: scopes by which further alerts recognise it, in one-string form.
        members: fingerprints of its alerts, in the order they joined.
        scope: the narrowest scope that explains it: its name for people.
        status: open, merged or resolved.
        ended_at: event time of the merge or the last resolve.
        merged_into: the incident that took it over.
    """

    incident_id: str
    opened_at: int
    last_onset_at: int
    causes: tuple[str, ...]
    members: tuple[str, ...]
    scope: str
    status: IncidentStatus = IncidentStatus.OPEN
    ended_at: int | None = None
    merged_into: str | None = None

    @property
    def is_open(self) -> bool:
        """Whether it still goes on."""
        return self.status is IncidentStatus.OPEN


def causes_of(alert: Alert, lead_share: float) -> frozenset[str]:
    """The scopes by which an alert is recognised: its own, and the drivers that lead its excess.

    What is no overspend joins none: it would keep an incident open that is contained or over. A
    ratio is by itself; agents that fall silent together have one cause, such as a dead producer.
    """
    if alert.kind in NO_OVERSPEND:
        return frozenset({alert.rule if alert.kind == ABSENCE else f"{alert.rule} {alert.scope}"})
    leaders = (scope for kind in LEADING_KINDS for scope in leading(alert, kind, lead_share))
    return frozenset({str(alert.scope), *map(str, leaders)})


def onset_of(alert: Alert) -> int:
    """When it began to fire, event time; while it is pending, when that was decided."""
    return alert.decided_at if alert.fired_at is None else alert.fired_at


def related(
    incidents: Iterable[Incident], causes: frozenset[str], onset_at: int, config: IncidentConfig
) -> list[Incident]:
    """The open incidents that share a cause and are near in time, oldest first."""
    reach = config.join_minutes * MINUTE_SECONDS
    found = [
        incident
        for incident in incidents
        if incident.is_open
        and abs(onset_at - incident.last_onset_at) <= reach
        and not causes.isdisjoint(incident.causes)
    ]
    return sorted(found, key=lambda incident: (incident.opened_at, incident.incident_id))


def joined(incident: Incident, alert: Alert, causes: frozenset[str]) -> Incident:
    """The incident with an alert in it."""
    return replace(
        incident,
        last_onset_at=max(incident.last_onset_at, onset_of(alert)),
        causes=tuple(sorted({*incident.causes, *causes})),
        members=tuple(dict.fromkeys((*incident.members, alert.fingerprint))),
    )


def merged(survivor: Incident, other: Incident, at: int) -> tuple[Incident, Incident]:
    """Both incidents after ``survivor`` took the other one over at ``at``, event time."""
    taken = replace(
        survivor,
        last_onset_at=max(survivor.last_onset_at, other.last_onset_at),
        causes=tuple(sorted({*survivor.causes, *other.causes})),
        members=tuple(dict.fromkeys((*survivor.members, *other.members))),
    )
    ended = replace(
        other, status=IncidentStatus.MERGED, ended_at=at, merged_into=survivor.incident_id
    )
    return taken, ended
