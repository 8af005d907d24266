"""What a replay came to, in the numbers that a person compares before and after a change.

Dollars of an incident are those of the one alert that explains it: an agent's, its key's and its
team's excess are the same money. Nothing is printed here.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import NamedTuple

from alerting.alert import Alert, Severity, Transition
from alerting.drivers import leading
from alerting.root import root_of
from alerting.throttle.action import Mode, ThrottleAction
from detectors.window import DAY_SECONDS, rfc3339
from stream.replay.replay import ReplayResult

_LEADS_SHARE = 0.5
DAYS_A_WEEK = 7


class Firing(NamedTuple):
    """The moment an alert fired, or got worse.

    Attributes:
        at: event time, epoch seconds.
        severity: as it was then.
        scope: in one-string form.
    """

    at: int
    severity: Severity
    scope: str


@dataclass(frozen=True, slots=True)
class IncidentSummary:
    """One cause, from its first alert to its last.

    Attributes:
        incident_id: of the incident; of the survivor, where several were merged.
        started_at: event time of its first anomalous window.
        scope: the narrowest scope that explains it, at its worst.
        key: the target of its first action, or else the key that leads its excess; may be empty.
        excess_nanousd: spent above expected in all.
        leaked_nanousd: the part of it that was spent before the first action; None without one.
        action: what that action was; None without one.
        is_enforced: whether it went to ``throttle.actions``; else it was a dry run.
        alerts: episodes that fired.
        severity: the worst of them.
        firings: when each of its alerts fired or got worse, in order.
        ended_at: event time of the last thing told of it.
        scopes: all that its alerts are about or name as drivers, in one-string form.
    """

    incident_id: str
    started_at: int
    scope: str
    key: str
    excess_nanousd: int
    leaked_nanousd: int | None
    action: ThrottleAction | None
    is_enforced: bool
    alerts: int
    severity: Severity
    firings: tuple[Firing, ...]
    ended_at: int
    scopes: frozenset[str]

    @property
    def told_at(self) -> int:
        """Event time at which the first of its alerts fired."""
        return self.firings[0].at

    @property
    def is_page(self) -> bool:
        """Whether somebody was paged; however many alerts it has, it is one page."""
        return self.severity is Severity.CRITICAL

    @property
    def cost_nanousd(self) -> int:
        """What it leaked until the throttle would have acted: all of it, if that never would."""
        return self.excess_nanousd if self.leaked_nanousd is None else self.leaked_nanousd


@dataclass(frozen=True, slots=True)
class BacktestSummary:
    """A whole run.

    Attributes:
        incidents: in the order of their beginning.
        fired: episodes that fired.
        fired_by_rule: the same by rule.
        fired_by_scope: the same by scope.
        fired_by_severity: the same by the worst severity they had, worst first, all there.
        span: event time of the first event and after the last one, epoch seconds.
    """

    incidents: tuple[IncidentSummary, ...]
    fired: int
    fired_by_rule: Counter[str]
    fired_by_scope: Counter[str]
    fired_by_severity: tuple[tuple[Severity, int], ...]
    span: tuple[int, int] | None

    @property
    def days(self) -> float:
        """How long it was; less than a day counts as one."""
        start, end = self.span or (0, 0)
        return max(1.0, (end - start) / DAY_SECONDS)

    @property
    def alerts_per_day(self) -> float:
        """Episodes that fired a day."""
        return self.fired / self.days

    @property
    def pages(self) -> list[IncidentSummary]:
        """The incidents that paged somebody."""
        return [each for each in self.incidents if each.is_page]

    def a_week(self, count: int) -> float:
        """So many in all, as so many a week; less than a week counts as one.

        A single page on the first day would else be called seven a week.
        """
        return count / max(1.0, self.days / DAYS_A_WEEK)


def minute(seconds: int) -> str:
    """An instant for people, UTC.

    >>> minute(1_700_000_000)
    '2023-11-14 22:13'
    """
    return rfc3339(seconds)[:16].replace("T", " ")


def summarize(result: ReplayResult, span: tuple[int, int] | None) -> BacktestSummary:
    """The summary of a settled replay.

    Args:
        result: what it came to.
        span: event time of its first event and after its last one, epoch seconds.
    """
    episodes = _episodes(result.alerts)
    severities = [_worst(transitions) for transitions in episodes.values()]
    return BacktestSummary(
        incidents=tuple(_incidents(result, episodes)),
        fired=len(episodes),
        fired_by_rule=Counter(transitions[0].rule for transitions in episodes.values()),
        fired_by_scope=Counter(str(transitions[0].scope) for transitions in episodes.values()),
        fired_by_severity=tuple((each, severities.count(each)) for each in Severity),
        span=span,
    )


def _episodes(alerts: Iterable[Alert]) -> dict[str, list[Alert]]:
    """The transitions of every episode that fired, by alert id."""
    episodes: defaultdict[str, list[Alert]] = defaultdict(list)
    for alert in alerts:
        episodes[alert.alert_id].append(alert)
    return {
        identity: transitions
        for identity, transitions in episodes.items()
        if any(each.transition is Transition.FIRED for each in transitions)
    }


def _worst(transitions: Sequence[Alert]) -> Severity:
    return max((each.severity for each in transitions), key=attrgetter("rank"))


def _survivors(alerts: Iterable[Alert]) -> dict[str, str]:
    """Merged incidents, and the one that took each over in the end."""
    taken = {alert.incident_id: alert.merged_into for alert in alerts if alert.merged_into}
    ends = {}
    for incident_id in taken:
        end = incident_id
        while end in taken:
            end = taken[end]
        ends[incident_id] = end
    return ends


def _incidents(result: ReplayResult, episodes: dict[str, list[Alert]]) -> list[IncidentSummary]:
    survivors = _survivors(result.alerts)
    members: defaultdict[str, list[list[Alert]]] = defaultdict(list)
    for transitions in episodes.values():
        incident_id = transitions[-1].incident_id
        members[survivors.get(incident_id, incident_id)].append(transitions)
    actions: dict[str, ThrottleAction] = {}
    for action in result.actions:
        if action.mode is not Mode.RELEASE and action.incident_id:
            actions.setdefault(survivors.get(action.incident_id, action.incident_id), action)
    summaries = [
        _summary(incident_id, each, actions.get(incident_id), result)
        for incident_id, each in members.items()
    ]
    return sorted(summaries, key=lambda each: (each.started_at, each.incident_id))


def _summary(
    incident_id: str,
    members: Sequence[list[Alert]],
    action: ThrottleAction | None,
    result: ReplayResult,
) -> IncidentSummary:
    # At its worst: as alerts resolve one by one, the last to do so would give it its name.
    peaks = [max(each, key=lambda alert: alert.excess_nanousd) for each in members]
    root = root_of(peaks)
    keys = [str(scope) for scope in leading(root, "api_key", _LEADS_SHARE)]
    if root.scope.kind == "api_key":
        keys = [str(root.scope)]
    return IncidentSummary(
        incident_id=incident_id,
        started_at=min(alert.started_at for each in members for alert in each),
        scope=str(root.scope),
        key=str(action.target) if action is not None else next(iter(keys), ""),
        excess_nanousd=root.excess_nanousd,
        leaked_nanousd=None if action is None else result.leaked_nanousd.get(action.incident_id),
        action=action,
        is_enforced=action is not None and action.action_id in result.enforced,
        alerts=len(members),
        severity=_worst([alert for each in members for alert in each]),
        firings=tuple(sorted(firing for each in members for firing in _firings(each))),
        ended_at=max(alert.decided_at for each in members for alert in each),
        scopes=frozenset(_scopes(members)),
    )


def _firings(transitions: Iterable[Alert]) -> Iterator[Firing]:
    worst = -1
    for alert in transitions:
        is_news = alert.severity.rank > worst and alert.transition is Transition.UPDATED
        if alert.transition is Transition.FIRED or (worst >= 0 and is_news):
            yield Firing(alert.decided_at, alert.severity, str(alert.scope))
            worst = max(worst, alert.severity.rank)


def _scopes(members: Iterable[Iterable[Alert]]) -> Iterator[str]:
    for each in members:
        for alert in each:
            yield str(alert.scope)
            yield from (driver.scope for driver in alert.drivers)
