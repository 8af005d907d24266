"""Old news: told once, as the present state, when the log's head is reached.

After a night's outage people need to know what is wrong now, not to relive the night. This file
says what is old and what is told of it; keeping and sending it is ``pipeline.py``'s.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from alerting.alert import Alert, ResolvedReason, Transition
from alerting.notify.incident_view import FAILURE, Change
from alerting.notify.notification_log import Record
from alerting.notify.notifier import Notice, notice_id_of
from alerting.notify.render import caught_up_text
from alerting.notify.stages import Candidate, Context


@dataclass(frozen=True, slots=True)
class Backlog:
    """Old news that nobody was told of yet.

    Attributes:
        incident_ids: which incidents it is about, in the order they came.
        since: event time of the first transition, epoch seconds.
        until: event time of the last.
        last_id: the last transition's id, which names the summary.
    """

    incident_ids: tuple[str, ...] = ()
    since: int = 0
    until: int = 0
    last_id: str = ""

    def with_alert(self, incident_id: str, alert: Alert) -> "Backlog":
        """With one more transition."""
        ids = dict.fromkeys((*self.incident_ids, incident_id))
        since = self.since if self.incident_ids else alert.decided_at
        return Backlog(tuple(ids), since, alert.decided_at, alert.transition_id)

    def to_json(self) -> Record:
        """A plain record."""
        return {
            "incident_ids": list(self.incident_ids),
            "since": self.since,
            "until": self.until,
            "last_id": self.last_id,
        }


def backlog_from_json(record: Mapping[str, Any]) -> Backlog:
    """The backlog of a plain record."""
    return Backlog(**{**record, "incident_ids": tuple(record["incident_ids"])})


def is_added(alert: Alert) -> bool:
    """Whether DECIDE added it: what its time says is when WATCH last spoke, minutes before."""
    return (
        alert.transition in {Transition.CONTAINED, Transition.ACKNOWLEDGED}
        or alert.resolved_reason is ResolvedReason.RELEASED
        or alert.merged_into is not None
        or FAILURE in alert.annotations
    )


def is_old(alert: Alert, incident_id: str, backlog: Backlog, now: float) -> bool:
    """Whether it happened so long ago that people are told the present state only.

    Late are WATCH behind its feed (``is_late``) and whoever was down in between, NOTIFY too.
    """
    if is_added(alert):
        return alert.is_late or incident_id in backlog.incident_ids
    return alert.read_at(now).is_late


def folded(candidates: Iterable[Candidate], backlog: Backlog, context: Context) -> list[Candidate]:
    """The present state of each incident of the backlog that this batch does not tell anyway."""
    spoken = {candidate.notice.incident_id for candidate in candidates}
    folded = []
    for incident_id in backlog.incident_ids:
        if incident_id in spoken:
            continue
        view = context.views[incident_id]
        lead = view.lead
        is_told = bool(context.log.receivers_told(incident_id))
        change = Change.UPDATED if is_told else Change.FIRED
        if not view.is_firing:
            change = Change.FIRED if lead.is_loss and not is_told else Change.RESOLVED
        notice = Notice(lead.transition_id, incident_id, change, lead.decided_at, lead)
        folded.append(Candidate(notice, view.severity, (lead.transition_id,)))
    return folded


def caught_up(backlog: Backlog, context: Context) -> Iterator[tuple[str, Notice]]:
    """One line a receiver for the incidents that came and went without its hearing of them."""
    counts: dict[str, int] = {}
    for incident_id in backlog.incident_ids:
        view = context.views[incident_id]
        is_over = not view.is_firing and not view.lead.is_loss
        if is_over and not context.log.receivers_told(incident_id):
            for receiver in context.config.receivers_of(view.severity):
                counts[receiver] = counts.get(receiver, 0) + 1
    for receiver, count in counts.items():
        text = caught_up_text(count, backlog.since, backlog.until)
        notice_id = notice_id_of("caught_up", backlog.last_id, receiver)
        notice = Notice(notice_id, notice_id, Change.CAUGHT_UP, backlog.until, None, text, count)
        if not context.log.is_told(receiver, notice_id, notice_id):
            yield receiver, notice
