"""An incident in words, for somebody woken at three in the morning.

Neutral: strings and labels, nothing of Slack. The first line says who, how much, against what, and
what was done; the rest is there to decide what to do next. Escaping for a medium is the notifier's.
"""

from dataclasses import dataclass

from alerting.alert import Alert, ResolvedReason, Severity, Status, nanousd
from alerting.incident_view import FAILURE, Applied, Change, IncidentView
from alerting.notifier import Notice
from alerting.throttle.action import Mode
from alerting.words import clean, duration, instant, money, who
from detectors.scope import Scope
from detectors.window import DAY_SECONDS, MINUTE_SECONDS

MAX_NOTE_CHARACTERS = 300
MAX_DRIVERS = 6
MAX_OTHERS = 8
MAX_ACTIONS_IN_HEADLINE = 2

_WEEK_DAYS = 7
_RESOLVED_WORDS = {
    ResolvedReason.RECOVERED: "back to normal",
    ResolvedReason.RELEASED: "over and the throttle released",
    ResolvedReason.ABSORBED: "accepted as the new normal",
    ResolvedReason.NO_DATA: "no more data",
    ResolvedReason.SUPERSEDED: "overtaken by a higher level",
}
_PARTICIPLES = {
    Mode.BLOCK: "blocked",
    Mode.REQUIRE_APPROVAL: "held for approval",
    Mode.THROTTLE: "throttled",
    Mode.RELEASE: "released",
}
_ANNOUNCED = {
    "enforced": "{done}",
    "shadow": "would be {done} (shadow)",
    "proposed": "waits for approval to be {done}",
    "overruled": "left alone by an operator",
}
"""By ``throttle_state``; any other is still being considered."""

_NOTES = (("acknowledged_by", "Acknowledged by"), (FAILURE, "Throttle failed"))
_LINKS = ("dashboard", "runbook", "trace")


@dataclass(frozen=True, slots=True)
class Rendered:
    """One incident in words; every string is plain text.

    Attributes:
        headline: the first line.
        state: ``firing``, ``contained`` or ``resolved``.
        severity: the worst of the incident.
        since: epoch seconds, event time, of its start.
        facts: label and text, in the order of importance.
        drivers: who drove it, largest first.
        actions: what was done, one sentence each.
        others: further alerts of the incident.
        links: label and URL.
    """

    headline: str
    state: str
    severity: Severity
    since: int
    facts: tuple[tuple[str, str], ...]
    drivers: tuple[str, ...]
    actions: tuple[str, ...]
    others: tuple[str, ...]
    links: tuple[tuple[str, str], ...]


def _period(seconds: int) -> str:
    """A budget's calendar period; days and months differ in length."""
    days = round(seconds / DAY_SECONDS)
    return "day" if days <= 1 else "week" if days <= _WEEK_DAYS else "month"


def how_much(alert: Alert) -> str:
    """What was seen, against what; of an open window, in how much of it."""
    if alert.kind == "budget":
        limit = alert.expected
        share = f" ({100 * alert.observed // limit} %)" if limit > 0 else ""
        period = _period(alert.window.size_seconds)
        return f"{money(alert.observed)} spent of {money(limit)} for the {period}{share}"
    whole = duration(alert.window.size_seconds)
    elapsed = min(max(alert.decided_at - alert.window.start_seconds, 1), alert.window.size_seconds)
    so_far = duration(-(-elapsed // MINUTE_SECONDS) * MINUTE_SECONDS)
    per = "" if so_far == whole else f" in {whole}"
    is_money = alert.metric == "cost_usd"
    number = money if is_money else "{:,}".format
    what = "" if is_money else f" {clean(alert.metric)}"
    bound = f"at most {number(alert.upper)}"
    if alert.observed < alert.lower:
        bound = f"at least {number(alert.lower)}"
    return f"{number(alert.observed)}{what} in {so_far}, expected {bound}{per}"


def _measure(applied: Applied) -> str:
    """What is done with a target."""
    done = _PARTICIPLES[applied.action.mode]
    if applied.action.mode is Mode.THROTTLE:
        done += f" to {100 * applied.action.admit_ratio:g} % of calls"
    return done


def what_was_done(applied: Applied) -> str:
    """An action in a few words; one in shadow never reads as if it had been done.

    ``key key-7 blocked``, ``key key-7 would be blocked (shadow)``.
    """
    done, target = _measure(applied), who(applied.action.target)
    return f"{target} {done}" if applied.is_enforced else f"{target} would be {done} (shadow)"


def _announced(alert: Alert) -> str | None:
    """What DECIDE wrote on the alert itself, where no action has reached us."""
    notes = alert.annotations
    state, mode = notes.get("throttle_state"), notes.get("throttle_mode", "")
    if state is None or mode not in _PARTICIPLES:
        return None
    target = who(Scope.parse(notes["throttle_target"]))
    done = _PARTICIPLES[Mode(mode)]
    return f"{target} {_ANNOUNCED.get(state, 'may be {done}').format(done=done)}"


def _standing(view: IncidentView) -> tuple[Applied, ...]:
    """One action per target: what is enforced, else what would be."""
    by_target: dict[Scope, Applied] = {}
    for applied in view.applied.values():
        known = by_target.get(applied.action.target)
        if known is None or applied.is_enforced:
            by_target[applied.action.target] = applied
    return tuple(by_target.values())


def _done_in_short(view: IncidentView) -> str:
    phrases = [what_was_done(applied) for applied in _standing(view)]
    if not phrases:
        announced = (_announced(alert) for alert in view.ranked)
        phrases = list(dict.fromkeys(phrase for phrase in announced if phrase is not None))
    if not phrases:
        return "nothing stopped"
    shown = ", ".join(phrases[:MAX_ACTIONS_IN_HEADLINE])
    more = len(phrases) - MAX_ACTIONS_IN_HEADLINE
    return f"{shown} and {more} more" if more > 0 else shown


def headline(view: IncidentView) -> str:
    """Who, how much, against what, and what was done."""
    lead = view.lead
    subject = who(lead.scope)
    excess = f"{money(lead.excess_nanousd)} above expected in all"
    if view.merged_into is not None:
        return f"{subject}: part of another incident now; {excess}"
    if not view.is_firing:
        reason = _RESOLVED_WORDS[lead.resolved_reason or ResolvedReason.RECOVERED]
        lasted = (lead.resolved_at or lead.decided_at) - lead.started_at
        return f"{subject}: {reason} after {duration(max(lasted, 0))}; {excess}"
    if view.is_contained:
        return f"{subject}: contained - {_done_in_short(view)}; {excess}"
    return f"{subject}: {how_much(lead)} - {_done_in_short(view)}"


def _facts(view: IncidentView) -> tuple[tuple[str, str], ...]:
    lead = view.lead
    facts = [("Excess so far", money(lead.excess_nanousd))]
    if view.is_firing:
        facts.append(("Pace now", f"{money(lead.excess_nanousd_per_hour)} an hour above expected"))
        facts.append(("At this pace", f"{money(lead.projected_nanousd_per_day)} a day"))
    if view.is_contained or not view.is_firing:
        facts.append(("Last window", how_much(lead)))
    facts.append(("Rule", clean(lead.rule)))
    notes = {
        key: text for alert in view.members.values() for key, text in alert.annotations.items()
    }
    if "leaked_usd" in notes:
        facts.append(("Leaked before the throttle held", money(nanousd(notes["leaked_usd"]))))
    facts.extend(
        (label, clean(notes[key], MAX_NOTE_CHARACTERS)) for key, label in _NOTES if key in notes
    )
    return tuple(facts)


def _drivers(lead: Alert) -> tuple[str, ...]:
    lines = []
    for driver in lead.drivers:
        if driver.scope == str(lead.scope):
            continue
        part = ""
        if lead.excess_nanousd > 0:
            part = f" ({100 * driver.excess_nanousd // lead.excess_nanousd} %)"
        lines.append(f"{who(Scope.parse(driver.scope))}: {money(driver.excess_nanousd)}{part}")
    if len(lines) > MAX_DRIVERS:
        lines[MAX_DRIVERS:] = [f"and {len(lines) - MAX_DRIVERS} more"]
    return tuple(lines)


def _actions(view: IncidentView) -> tuple[str, ...]:
    lines = []
    for applied in _standing(view):
        action = applied.action
        line = what_was_done(applied)
        if not applied.is_enforced:
            line += ": calls still go through"
        if not applied.is_release:
            line += (
                f"; {100 * action.innocent_share:.0f} % of its spend is not part of this;"
                f" lease until {instant(action.expires_at)}"
            )
        lines.append(line)
    if not lines and "throttle" in view.lead.annotations:
        return (clean(view.lead.annotations["throttle"], MAX_NOTE_CHARACTERS),)
    return tuple(lines) or ("No throttle: calls still go through",)


def _others(view: IncidentView) -> tuple[str, ...]:
    others = view.ranked[1:]
    lines = [
        f"{who(alert.scope)}: {how_much(alert)}"
        + ("" if alert.status is Status.FIRING else " (over)")
        for alert in others[:MAX_OTHERS]
    ]
    more = max(0, len(others) - MAX_OTHERS) + len(view.also)
    return (*lines, f"and {more} more") if more else tuple(lines)


def render(view: IncidentView) -> Rendered:
    """The standing message of an incident: its present state."""
    lead = view.lead
    state = "contained" if view.is_contained else "firing"
    return Rendered(
        headline=headline(view),
        state=state if view.is_firing else "resolved",
        severity=view.severity,
        since=min(alert.started_at for alert in view.members.values()),
        facts=_facts(view),
        drivers=_drivers(lead),
        actions=_actions(view),
        others=_others(view),
        links=tuple((name, lead.links[name]) for name in _LINKS if name in lead.links),
    )


def sentence(notice: Notice, view: IncidentView) -> str:
    """The reply for a change that people must notice."""
    alert = notice.alert or view.lead
    lasted = duration(max(alert.decided_at - alert.started_at, 0))
    failure = clean(alert.annotations.get(FAILURE, ""), MAX_NOTE_CHARACTERS)
    news = f"{who(alert.scope)}: {how_much(alert)}"
    return {
        Change.MEMBER: f"Also: {news}",
        Change.ESCALATED: f"Now {view.severity.value}: {news}",
        Change.REOPENED: f"Firing again: {news}",
        Change.REMINDED: f"Still firing after {lasted}: {headline(view)}",
        Change.NOT_ACTED: f"Throttle failed: {failure}",
        Change.CONTAINED: f"Contained: {_done_in_short(view)}",
    }.get(notice.change, headline(view))


def caught_up_text(count: int, since: int, until: int) -> str:
    """The one line for incidents that came and went while nobody was told."""
    noun = "incident was" if count == 1 else "incidents were"
    return (
        f"Caught up: {count} further {noun} recorded between {instant(since)} and"
        f" {instant(until)} and already over; see spend.alerts"
    )


def storm_text(limit: int) -> str:
    """The one line when a receiver's hourly number of incidents is used up."""
    return (
        f"More than {limit} new incidents within an hour: further ones are recorded in"
        " spend.alerts and told here as the hour allows"
    )
