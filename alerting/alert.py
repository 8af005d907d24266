"""The alert: one transition of one episode, as it is told to everybody.

The wire form is a promise to other people's programs (one JSON object per transition in
``spend.alerts`` and ``alerts.jsonl``). This file holds the record and its two directions of JSON;
when a transition happens is ``alerting/watch/lifecycle.py``'s.
"""

from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any

from detectors.decomposition import Decomposition
from detectors.observation import NANOUSD_PER_USD
from detectors.scope import Scope
from detectors.window import MINUTE_SECONDS, Window, rfc3339

LATE_AFTER_SECONDS = 120
"""The wall clock this far ahead of event time makes a transition old news: it is told as such and
throttles nobody (DESIGN.md, Time). The same for whoever stamps an alert and whoever acts on it."""

CONTRIBUTOR = "contributor"
"""Kind of alerts about single agents on a key: evidence for DECIDE, told to nobody."""

_PRICE_RATIO = "price_ratio"

REMEMBERED = "remembered"
"""Annotation of a key's alerts: the agents and users that it remembers and that did not spend in
the episode, a JSON array of scopes in one-string form."""

SPIKE = "spike"
"""Kind of alerts about a scope itself; like ``CONTRIBUTOR`` it names a track, too."""

RATIO = "ratio"
"""Kind of alerts about what a scope's dollars buy; their dollars are those spent in vain."""

ABSENCE = "absence"
"""Kind of alerts about a scope that should spend and does not."""

NO_OVERSPEND = frozenset({RATIO, ABSENCE})
"""Kinds that are about no dollars above expectation: nothing is throttled for them, and where
dollars are above it, that is said first."""

FEED = "feed"
"""Kind of alerts about the data itself, which are no one's spend."""


class Transition(StrEnum):
    """What happened to an alert."""

    PENDED = "pended"
    FIRED = "fired"
    UPDATED = "updated"
    ACKNOWLEDGED = "acknowledged"
    CONTAINED = "contained"
    RESOLVED = "resolved"


class Status(StrEnum):
    """What an alert is after a transition."""

    PENDING = "pending"
    FIRING = "firing"
    RESOLVED = "resolved"


STATUS_AFTER = {
    Transition.PENDED: Status.PENDING,
    Transition.FIRED: Status.FIRING,
    Transition.UPDATED: Status.FIRING,
    Transition.ACKNOWLEDGED: Status.FIRING,
    Transition.CONTAINED: Status.FIRING,
    Transition.RESOLVED: Status.RESOLVED,
}


class Severity(StrEnum):
    """Who hears of it: critical pages and may throttle, warning goes to a channel, info waits."""

    CRITICAL = "critical"
    WARNING = "warning"
    INFO = "info"

    @property
    def rank(self) -> int:
        """Sorts from the mildest, 0, to the worst."""
        return {Severity.INFO: 0, Severity.WARNING: 1, Severity.CRITICAL: 2}[self]


class ResolvedReason(StrEnum):
    """Why an episode ended."""

    RECOVERED = "recovered"
    RELEASED = "released"
    ABSORBED = "absorbed"
    NO_DATA = "no_data"
    SUPERSEDED = "superseded"


@dataclass(frozen=True, slots=True)
class Driver:
    """One contributor's share of an alert's excess; all drivers of a dimension add up to it.

    Attributes:
        scope: the contributor in one-string form, ``agent:invoice-bot``; ``agent:__other__`` is
            the rest.
        excess_nanousd: its part of the excess; may be negative for the rest.
        observed_nanousd: what went through it in the judged windows.
    """

    scope: str
    excess_nanousd: int
    observed_nanousd: int


@dataclass(frozen=True, slots=True)
class Newcomer:
    """Who was first seen shortly before an alert's onset, or with it.

    Attributes:
        scope: in one-string form, ``prompt_version:v14``; the alert's own if it is that new.
        first_seen_at: start of the window in which it came, event time, epoch seconds.
        excess_nanousd: the part of the excess that went through it.
    """

    scope: str
    first_seen_at: int
    excess_nanousd: int


@dataclass(frozen=True, slots=True)
class Alert:
    """One transition of one episode of one alert.

    Attributes:
        fingerprint: of rule and scope; the same in every episode.
        alert_id: this episode of it.
        incident_id: shared by all alerts of one cause; empty until DECIDE names it.
        transition_id: hash of fingerprint, window start and transition: a repeat is a duplicate.
        transition: what happened.
        rule: the rule's name in the configuration.
        kind: the detector's kind, or ``budget``, ``forecast``, ``feed``, ``ratio``, ``absence``.
        severity: set from projected excess dollars.
        scope: whom it is about.
        metric: what was judged, for example ``cost_usd``.
        window: the judged window; a budget's period.
        observed: in billionths of the metric's unit, so nano-dollars for metrics in dollars.
        expected: likewise.
        lower: likewise.
        upper: likewise.
        score: 0-1; 0.5 is the alert threshold.
        started_at: first anomalous window's start, event time, epoch seconds.
        decided_at: event time (the watermark, or the newest minute seen) of this decision.
        fired_at: event time, once fired.
        resolved_at: event time, once resolved.
        resolved_reason: why it ended, once it has.
        is_late: the wall clock was over ``LATE_AFTER_SECONDS`` ahead of event time.
        is_contained: an enforced action holds the spend down.
        excess_nanousd: spent above expected in this episode so far.
        excess_nanousd_per_hour: the pace of it now.
        projected_nanousd_per_day: spend a day at the present pace.
        drivers: per dimension, largest first, with an explicit rest.
        decomposition: the excess by kind; ``None`` where that is not known.
        changes: who was first seen shortly before the onset, dearest first; ``None`` where that is
            not known.
        labels: as in Alertmanager.
        annotations: likewise; ``summary`` is the sentence.
        links: ``trace``, to a call (``exemplar.py``) or to where calls are; ``dashboard``;
            ``runbook``.
        merged_into: incident that took this one's over.
    """

    fingerprint: str
    alert_id: str
    transition_id: str
    transition: Transition
    rule: str
    kind: str
    severity: Severity
    scope: Scope
    metric: str
    window: Window
    observed: int
    expected: int
    lower: int
    upper: int
    score: float
    started_at: int
    decided_at: int
    fired_at: int | None = None
    resolved_at: int | None = None
    resolved_reason: ResolvedReason | None = None
    incident_id: str = ""
    is_late: bool = False
    is_contained: bool = False
    excess_nanousd: int = 0
    excess_nanousd_per_hour: int = 0
    projected_nanousd_per_day: int = 0
    drivers: tuple[Driver, ...] = ()
    decomposition: Decomposition | None = None
    changes: tuple[Newcomer, ...] | None = None
    labels: dict[str, str] = field(default_factory=dict)
    annotations: dict[str, str] = field(default_factory=dict)
    links: dict[str, str] = field(default_factory=dict)
    merged_into: str | None = None

    def read_at(self, wall_seconds: float) -> "Alert":
        """The alert to who reads it at ``wall_seconds``: late if it was told late, or is read late.

        An open window is decided upon at the beginning of its newest minute: hence one more.
        """
        ahead_seconds = wall_seconds - self.decided_at
        is_old = ahead_seconds > LATE_AFTER_SECONDS + MINUTE_SECONDS
        return replace(self, is_late=self.is_late or is_old)

    @property
    def status(self) -> Status:
        """The status after this transition."""
        return STATUS_AFTER[self.transition]

    @property
    def is_loss(self) -> bool:
        """Whether it ended because something of the feed is lost for good, not because all is well.

        People must hear of it however late it is.
        """
        return self.kind == FEED and self.resolved_reason is ResolvedReason.NO_DATA


def usd(nanousd: int) -> str:
    """Nano-dollars as an exact decimal string of dollars, without an exponent.

    >>> usd(2_500_000_000), usd(1), usd(0), usd(-10)
    ('2.5', '0.000000001', '0', '-0.00000001')
    """
    text = format(Decimal(nanousd) / NANOUSD_PER_USD, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


def nanousd(text: str) -> int:
    """Nano-dollars of a decimal string of dollars, as ``usd`` writes it."""
    return int(Decimal(text) * NANOUSD_PER_USD)


def _seconds(text: str | None) -> int | None:
    if text is None:
        return None
    return int(datetime.fromisoformat(text).timestamp())


def _instant(seconds: int | None) -> str | None:
    return None if seconds is None else rfc3339(seconds)


def alert_to_json(alert: Alert) -> dict[str, Any]:
    """The wire form: RFC 3339 instants, dollars as decimal strings; what is not known is absent."""
    excess = alert.excess_nanousd
    known: dict[str, Any] = {}
    if alert.decomposition is not None:
        known["decomposition"] = {
            kind: usd(part) for kind, part in alert.decomposition.by_kind.items()
        }
        if alert.decomposition.price_ratio is not None:
            known[_PRICE_RATIO] = alert.decomposition.price_ratio
    if alert.changes is not None:
        known["changes"] = [
            {
                "scope": change.scope,
                "first_seen": rfc3339(change.first_seen_at),
                "excess_usd": usd(change.excess_nanousd),
                "share": _share(change.excess_nanousd, excess),
            }
            for change in alert.changes
        ]
    return {
        "fingerprint": alert.fingerprint,
        "alert_id": alert.alert_id,
        "incident_id": alert.incident_id,
        "transition_id": alert.transition_id,
        "transition": alert.transition.value,
        "status": alert.status.value,
        "contained": alert.is_contained,
        "rule": alert.rule,
        "kind": alert.kind,
        "severity": alert.severity.value,
        "scope": {
            "kind": alert.scope.kind,
            "name": alert.scope.name,
            "environment": alert.scope.environment,
        },
        "metric": alert.metric,
        "window": {
            "start": rfc3339(alert.window.start_seconds),
            "end": rfc3339(alert.window.end_seconds),
        },
        "observed": usd(alert.observed),
        "expected": usd(alert.expected),
        "lower": usd(alert.lower),
        "upper": usd(alert.upper),
        "score": alert.score,
        "started_at": rfc3339(alert.started_at),
        "fired_at": _instant(alert.fired_at),
        "resolved_at": _instant(alert.resolved_at),
        "resolved_reason": alert.resolved_reason.value if alert.resolved_reason else None,
        "decided_at": rfc3339(alert.decided_at),
        "late": alert.is_late,
        "excess_usd": usd(excess),
        "excess_usd_per_hour": usd(alert.excess_nanousd_per_hour),
        "projected_usd_per_day": usd(alert.projected_nanousd_per_day),
        "drivers": [
            {
                "scope": driver.scope,
                "excess_usd": usd(driver.excess_nanousd),
                "observed_usd": usd(driver.observed_nanousd),
                "share": _share(driver.excess_nanousd, excess),
            }
            for driver in alert.drivers
        ],
        **known,
        "labels": alert.labels,
        "annotations": alert.annotations,
        "links": alert.links,
        "merged_into": alert.merged_into,
    }


def _share(part: int, excess: int) -> float:
    return round(part / excess, 4) if excess else 0.0


def _required_seconds(text: str) -> int:
    return int(datetime.fromisoformat(text).timestamp())


def alert_from_json(record: dict[str, Any]) -> Alert:
    """The alert of a wire form.

    Raises:
        KeyError: if a promised field is missing.
        ValueError: if a field does not read.
    """
    scope = record["scope"]
    window = record["window"]
    reason = record["resolved_reason"]
    return Alert(
        fingerprint=record["fingerprint"],
        alert_id=record["alert_id"],
        incident_id=record["incident_id"],
        transition_id=record["transition_id"],
        transition=Transition(record["transition"]),
        rule=record["rule"],
        kind=record["kind"],
        severity=Severity(record["severity"]),
        scope=Scope(scope["kind"], scope["name"], scope["environment"]),
        metric=record["metric"],
        window=Window(_required_seconds(window["start"]), _required_seconds(window["end"])),
        observed=nanousd(record["observed"]),
        expected=nanousd(record["expected"]),
        lower=nanousd(record["lower"]),
        upper=nanousd(record["upper"]),
        score=record["score"],
        started_at=_required_seconds(record["started_at"]),
        decided_at=_required_seconds(record["decided_at"]),
        fired_at=_seconds(record["fired_at"]),
        resolved_at=_seconds(record["resolved_at"]),
        resolved_reason=ResolvedReason(reason) if reason else None,
        is_late=record["late"],
        is_contained=record["contained"],
        excess_nanousd=nanousd(record["excess_usd"]),
        excess_nanousd_per_hour=nanousd(record["excess_usd_per_hour"]),
        projected_nanousd_per_day=nanousd(record["projected_usd_per_day"]),
        drivers=tuple(
            Driver(driver["scope"], nanousd(driver["excess_usd"]), nanousd(driver["observed_usd"]))
            for driver in record["drivers"]
        ),
        decomposition=_decomposition(record.get("decomposition"), record.get(_PRICE_RATIO)),
        changes=_changes(record.get("changes")),
        labels=record["labels"],
        annotations=record["annotations"],
        links=record["links"],
        merged_into=record["merged_into"],
    )


def _decomposition(record: dict[str, str] | None, ratio: float | None) -> Decomposition | None:
    if record is None:
        return None
    by_kind = {f"{kind}_nanousd": nanousd(part) for kind, part in record.items()}
    return Decomposition(**by_kind, price_ratio=ratio)


def _changes(record: list[dict[str, Any]] | None) -> tuple[Newcomer, ...] | None:
    if record is None:
        return None
    return tuple(
        Newcomer(each["scope"], _required_seconds(each["first_seen"]), nanousd(each["excess_usd"]))
        for each in record
    )
