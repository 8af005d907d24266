"""One message about the feed, not hundreds about keys: what rose in a suspect burst waits.

While DECIDE suspects the feed, an incident that began in the burst and that nobody was told of is
kept back: the feed's own message says how many there are. What still fires when the suspicion ends
is offered again, and told. This file decides nothing about throttling.
"""

from collections.abc import Iterable

from alerting.alert import FEED, SPIKE, Alert, Status
from alerting.notify.incident_view import IncidentView
from alerting.notify.stages import Candidate, Context, Untold
from alerting.throttle.guard import FEED_RULE


def inhibit(candidates: list[Candidate], context: Context) -> list[Candidate]:
    """Keeps back from people what a suspicion against the feed explains; programs get all.

    Who has a message of an incident already goes on being told.
    """
    suspicion = _suspicion(context.views.values())
    if suspicion is None:
        return candidates
    passed = []
    for candidate in candidates:
        incident_id, receiver = candidate.notice.incident_id, candidate.receiver
        is_for_people = receiver in context.grouping
        is_told = receiver in context.log.receivers_told(incident_id)
        if is_for_people and not is_told and _is_of(context.views[incident_id], suspicion):
            context.keep_back(candidate, Untold.INHIBITED, suspicion.incident_id)
        else:
            passed.append(candidate)
    return passed


def _suspicion(views: Iterable[IncidentView]) -> Alert | None:
    """The alert on the feed, while it fires."""
    return next(
        (
            alert
            for view in views
            for alert in view.members.values()
            if alert.kind == FEED and alert.rule == FEED_RULE and alert.status is Status.FIRING
        ),
        None,
    )


def _is_of(view: IncidentView, suspicion: Alert) -> bool:
    """Whether all that fires in an incident rose in the burst, whose span the alert's window is."""
    return view.is_firing and all(
        alert.kind == SPIKE
        and (alert.fired_at or alert.decided_at) >= suspicion.window.start_seconds
        for alert in view.firing
    )
