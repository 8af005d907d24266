"""What still fires is said again: to whom it was never said, and to people after a while.

Transitions alone do not see to that: a first one can be lost, and a budget or the feed has nothing
new to say for days. This file only finds what is due; it goes through the stages like all else.
"""

from collections.abc import Collection, Iterator, Mapping

from alerting.alert import Alert, Status
from alerting.notify.incident_view import Change, IncidentView
from alerting.notify.notification_log import NotificationLog
from alerting.notify.notifier import Notice, notice_id_of
from alerting.notify.route import NotifyConfig
from alerting.notify.stages import Candidate, remind_after_seconds
from alerting.silence import Silences

OFFER_EVERY_SECONDS = 300.0
"""Between two offers of one incident to one receiver: a token that is refused is tried 12 times an
hour, not every second."""

REMIND_LATER_SECONDS = 600.0
"""A reminder waits so much longer for a transition, which carries newer figures."""


class Offers:
    """Finds what is due, and remembers for minutes what it has offered.

    Args:
        config: receivers and routes.
        log: what has been told.
        silences: who need not be told.
        people: receivers to be reminded.
    """

    def __init__(
        self,
        config: NotifyConfig,
        log: NotificationLog,
        silences: Silences,
        people: Collection[str],
    ) -> None:
        self._config = config
        self._log = log
        self._silences = silences
        self._people = people
        self._offered: dict[tuple[str, str], float] = {}

    def due(
        self, views: Mapping[str, IncidentView], waiting: Collection[str], now: float
    ) -> Iterator[Candidate]:
        """What still fires, for each receiver that was never told of it or is due a reminder.

        A first message is lost to a silence that has ended since, an hour that was used up, a full
        outbox, a refused token; and what says nothing new, a budget or the feed, says it once.

        Args:
            views: all incidents.
            waiting: ids of those that the backlog will tell of.
            now: wall clock, epoch seconds.
        """
        recently = now - OFFER_EVERY_SECONDS
        self._offered = {key: at for key, at in self._offered.items() if at > recently}
        for incident_id, view in views.items():
            if not view.is_firing or incident_id in waiting:
                continue
            due = [
                (receiver, notice_id)
                for receiver in self._config.receivers_of(view.severity)
                if (receiver, incident_id) not in self._offered
                and (notice_id := self._due(receiver, view, now)) is not None
            ]
            alert = self._loudest(view, now) if due else None
            if alert is None:
                continue
            for receiver, notice_id in due:
                self._offered[receiver, incident_id] = now
                notice = Notice(notice_id, incident_id, Change.REMINDED, int(now), alert)
                if not notice_id:
                    first, at = alert.transition_id, alert.decided_at
                    notice = Notice(first, incident_id, Change.FIRED, at, alert)
                yield Candidate(notice, view.severity, (notice.notice_id,), receiver)

    def _loudest(self, view: IncidentView, now: float) -> Alert | None:
        """What to speak of: the first alert that fires and is not silenced."""
        return next(
            (
                alert
                for alert in view.ranked
                if alert.status is Status.FIRING and self._silences.silencing(alert, now) is None
            ),
            None,
        )

    def _due(self, receiver: str, view: IncidentView, now: float) -> str | None:
        """The id of the reminder that a receiver is due; empty for the first message it never got.

        Programs are not reminded: each transition has one id, under which they have it.
        """
        incident_id = view.incident_id
        if any(job.notice.incident_id == incident_id for job in self._log.jobs(receiver)):
            return None
        entry = self._log.entry(receiver, incident_id)
        if not entry.is_told:
            return ""
        due_at = entry.noticed_at + remind_after_seconds(view, self._config) + REMIND_LATER_SECONDS
        if receiver not in self._people or now < due_at:
            return None
        return notice_id_of("reminder", receiver, incident_id, str(entry.noticed_at))
