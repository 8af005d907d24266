"""The stages of the pipeline, each of which does one thing.

A stage passes candidates on, changed or not, and gives the reason for each one that it keeps back.
Their order is ``pipeline.py``'s. No clock, no network, no state of their own.
"""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum

from alerting.alert import Alert, ResolvedReason, Severity
from alerting.notify.incident_view import Change, IncidentView
from alerting.notify.notification_log import NotificationLog
from alerting.notify.notifier import Notice
from alerting.notify.route import NotifyConfig
from alerting.silence import Silences
from detectors.window import DAY_SECONDS

HOUR_SECONDS = 3600


class Untold(StrEnum):
    """Why somebody was not told."""

    PENDING = "pending"
    REPEATED = "repeated"
    OLD_NEWS = "old_news"
    SUPERSEDED = "superseded"
    SILENCED = "silenced"
    INHIBITED = "inhibited"
    NO_ROUTE = "no_route"
    GROUPED = "grouped"
    ALREADY_TOLD = "already_told"
    NEVER_TOLD = "never_told"
    RATE_LIMITED = "rate_limited"
    OUTBOX_FULL = "outbox_full"
    RECEIVER_GONE = "receiver_gone"


@dataclass(frozen=True, slots=True)
class NoticeVerdict:
    """What became of one transition for one receiver.

    Attributes:
        notice_id: the transition's (or action's) id.
        incident_id: its incident.
        receiver: its name; empty where the verdict is for all.
        outcome: ``enqueued`` or an ``Untold``.
        detail: which silence, or into which notice it was grouped.
    """

    notice_id: str
    incident_id: str
    receiver: str
    outcome: str
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A notice on its way through the stages.

    Attributes:
        notice: what would be told.
        severity: the incident's.
        covers: ids of the transitions it tells of.
        receiver: empty until routed.
        is_quiet: nobody may be disturbed for it.
    """

    notice: Notice
    severity: Severity
    covers: tuple[str, ...]
    receiver: str = ""
    is_quiet: bool = False

    @property
    def alert(self) -> Alert | None:
        """The transition, if it is one."""
        return self.notice.alert

    def quiet(self) -> "Candidate":
        """The same, for the standing message alone."""
        return replace(self, notice=replace(self.notice, change=Change.UPDATED), is_quiet=True)


@dataclass(slots=True)
class Context:
    """What the stages may ask.

    Attributes:
        config: receivers and routes.
        log: what has been told.
        views: incidents after this batch.
        silences: who need not be told.
        grouping: receivers that get one notice an incident, not one a transition.
        gone: receivers that asked not to be called again.
        recent: wall-clock times of the last hour's first messages, by receiver.
        now: wall clock, epoch seconds.
        verdicts: where the reasons go.
        limited: receivers whose hour is used up.
        begun: first messages that this batch begins, by receiver.
    """

    config: NotifyConfig
    log: NotificationLog
    views: Mapping[str, IncidentView]
    silences: Silences
    grouping: frozenset[str]
    gone: frozenset[str]
    recent: Mapping[str, tuple[float, ...]]
    now: float
    verdicts: list[NoticeVerdict] = field(default_factory=list)
    limited: set[str] = field(default_factory=set)
    begun: Mapping[str, int] = field(default_factory=dict)

    def keep_back(self, candidate: Candidate, reason: Untold, detail: str = "") -> None:
        """Notes why."""
        notice = candidate.notice
        self.verdicts.append(
            NoticeVerdict(
                notice.notice_id, notice.incident_id, candidate.receiver, reason.value, detail
            )
        )


Stage = Callable[[list[Candidate], Context], list[Candidate]]


def _is_known(candidate: Candidate, context: Context) -> bool:
    """Whether any receiver has, or will have, a message of the incident."""
    return bool(context.log.receivers_told(candidate.notice.incident_id))


def _is_told_to(candidate: Candidate, context: Context) -> bool:
    """Whether this receiver has, or will have, a message of the incident."""
    return candidate.receiver in context.log.receivers_told(candidate.notice.incident_id)


def drop_superseded(candidates: list[Candidate], context: Context) -> list[Candidate]:
    """A budget level overtaken by a higher one is not told; a message that stands shows it."""
    overtaken = {
        candidate.alert.alert_id
        for candidate in candidates
        if candidate.alert is not None
        and candidate.alert.resolved_reason is ResolvedReason.SUPERSEDED
    }
    passed = []
    for candidate in candidates:
        alert = candidate.alert
        if alert is None or alert.alert_id not in overtaken:
            passed.append(candidate)
        elif alert.resolved_reason is ResolvedReason.SUPERSEDED and _is_known(candidate, context):
            passed.append(candidate.quiet())
        else:
            context.keep_back(candidate, Untold.SUPERSEDED)
    return passed


def silence(candidates: list[Candidate], context: Context) -> list[Candidate]:
    """A silenced alert is not told; a message that stands is kept right without disturbing."""
    passed = []
    for candidate in candidates:
        alert = candidate.alert
        hiding = None if alert is None else context.silences.silencing(alert, context.now)
        if hiding is None:
            passed.append(candidate)
        elif _is_known(candidate, context):
            passed.append(candidate.quiet())
        else:
            context.keep_back(candidate, Untold.SILENCED, hiding.silence_id)
    return passed


def route(candidates: list[Candidate], context: Context) -> list[Candidate]:
    """One candidate a receiver: those of the incident's severity, and those already told of it."""
    passed: list[Candidate] = []
    for candidate in candidates:
        if candidate.receiver:  # one that is told again, or late
            passed.append(candidate)
            continue
        named = context.config.receivers_of(candidate.severity)
        told = context.log.receivers_told(candidate.notice.incident_id)
        kept = (name for name in told if name in context.config.receivers)
        receivers = tuple(dict.fromkeys((*named, *kept)))
        if not receivers:
            context.keep_back(candidate, Untold.NO_ROUTE, candidate.severity.value)
        passed.extend(replace(candidate, receiver=receiver) for receiver in receivers)
    return passed


def group_by_incident(candidates: list[Candidate], context: Context) -> list[Candidate]:
    """What happened to one incident at once is one notice, named after its loudest change."""
    groups: dict[tuple[str, str], list[Candidate]] = {}
    for candidate in candidates:
        key = (candidate.receiver, candidate.notice.incident_id)
        if candidate.receiver not in context.grouping:
            key = (candidate.receiver, candidate.notice.notice_id)
        groups.setdefault(key, []).append(candidate)
    passed: list[Candidate] = []
    for group in groups.values():
        loudest = max(group, key=lambda candidate: _LOUDNESS[candidate.notice.change])
        covers = tuple(dict.fromkeys(i for candidate in group for i in candidate.covers))
        for candidate in group:
            if candidate is not loudest:
                context.keep_back(candidate, Untold.GROUPED, loudest.notice.notice_id)
        passed.append(replace(loudest, covers=covers))
    return passed


def drop_already_told(candidates: list[Candidate], context: Context) -> list[Candidate]:
    """A repeat, by id; and an end, or an action, of what the receiver never heard of."""
    passed = []
    begun: set[tuple[str, str]] = set()
    for candidate in candidates:
        notice, receiver = candidate.notice, candidate.receiver
        key = (receiver, notice.incident_id)
        if context.log.is_told(receiver, notice.incident_id, notice.notice_id):
            context.keep_back(candidate, Untold.ALREADY_TOLD)
            continue
        is_open = context.views[notice.incident_id].is_firing and notice.change is not Change.ACTED
        if key not in begun and not _is_told_to(candidate, context):
            if not is_open and notice.change is not Change.FIRED:
                context.keep_back(candidate, Untold.NEVER_TOLD)
                continue
            begun.add(key)
        passed.append(candidate)
    return passed


def remind_after_seconds(view: IncidentView, config: NotifyConfig) -> float:
    """How long an incident fires before it is said again; budgets stay crossed for weeks."""
    if all(alert.kind == "budget" for alert in view.firing):
        return max(config.remind_after_seconds, DAY_SECONDS)
    return config.remind_after_seconds


def remind(candidates: list[Candidate], context: Context) -> list[Candidate]:
    """What fires on and on is said again after a while, so that nobody thinks it is over."""
    passed = []
    for candidate in candidates:
        entry = context.log.entry(candidate.receiver, candidate.notice.incident_id)
        is_silent = candidate.is_quiet or not entry.is_told
        view = context.views[candidate.notice.incident_id]
        is_due = context.now - entry.noticed_at >= remind_after_seconds(view, context.config)
        if candidate.notice.change is Change.UPDATED and is_due and not is_silent:
            notice = replace(candidate.notice, change=Change.REMINDED)
            passed.append(replace(candidate, notice=notice))
        else:
            passed.append(candidate)
    return passed


def limit_rate(candidates: list[Candidate], context: Context) -> list[Candidate]:
    """People get only so many new incidents an hour; what still fires later is told then."""
    passed = []
    begun: dict[str, set[str]] = {}
    for candidate in candidates:
        receiver, incident_id = candidate.receiver, candidate.notice.incident_id
        if receiver not in context.grouping or _is_told_to(candidate, context):
            passed.append(candidate)
            continue
        since = context.now - HOUR_SECONDS
        recent = sum(at > since for at in context.recent.get(receiver, ()))
        limit = context.config.receivers[receiver].max_incidents_per_hour
        new = begun.setdefault(receiver, set())
        if recent + len(new) < limit:
            new.add(incident_id)
            passed.append(candidate)
        else:
            context.limited.add(receiver)
            context.keep_back(candidate, Untold.RATE_LIMITED)
    context.begun = {receiver: len(new) for receiver, new in begun.items()}
    return passed


def limit_outbox(candidates: list[Candidate], context: Context) -> list[Candidate]:
    """A receiver that is gone, or has been down so long that its outbox is full, gets no more."""
    passed: list[Candidate] = []
    joining: Counter[str] = Counter()
    for candidate in candidates:
        receiver = candidate.receiver
        waiting = context.log.count_jobs(receiver) + joining[receiver]
        if receiver in context.gone:
            context.keep_back(candidate, Untold.RECEIVER_GONE)
        elif waiting >= context.config.receivers[receiver].max_outbox:
            context.keep_back(candidate, Untold.OUTBOX_FULL)
        else:
            joining[receiver] += 1
            passed.append(candidate)
    return passed


_LOUDNESS = {
    change: rank
    for rank, change in enumerate(
        (
            Change.ACTED,
            Change.UPDATED,
            Change.REMINDED,
            Change.ACKNOWLEDGED,
            Change.MEMBER,
            Change.CONTAINED,
            Change.NOT_ACTED,
            Change.ESCALATED,
            Change.REOPENED,
            Change.MERGED,
            Change.RESOLVED,
            Change.FIRED,
        )
    )
}
