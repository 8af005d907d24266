"""An incident in words, for somebody woken at three in the morning.

Neutral: strings and labels, nothing of Slack. The first line says who, how much, against what, and
what was done; the rest is there to decide what to do next. Escaping for a medium is the notifier's.
"""

from dataclasses import dataclass

from alerting.alert import (
    ABSENCE,
    FEED,
    NO_OVERSPEND,
    RATIO,
    Alert,
    ResolvedReason,
    Severity,
    Status,
    nanousd,
)
from alerting.exemplar import DEAREST_CALL_USD, TRACE
from alerting.explain import new_normal, why
from alerting.notify.figures import BUDGET, MAX_NOTE_CHARACTERS, how_much, news, period_word, toll
from alerting.notify.incident_view import FAILURE, Applied, Change, IncidentView
from alerting.notify.notifier import Notice
from alerting.throttle.action import Mode
from alerting.words import (
    ENDINGS,
    band_seconds,
    clean,
    duration,
    instant,
    moment,
    money,
    percent,
    quantity,
    who,
)
from detectors.scope import Scope
from detectors.window import DAY_SECONDS

MAX_DRIVERS = 6
MAX_OTHERS = 8
MAX_ACTIONS_IN_HEADLINE = 2

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

_DRY_RUN = "a dry run, nothing was held"

_NOTES = (("acknowledged_by", "Acknowledged by"), (FAILURE, "Throttle failed"))
_LINKS = {TRACE: "Traces", "dashboard": "Dashboard", "runbook": "Runbook"}
"""What is shown of an alert's links, in this order, and what it is called."""


@dataclass(frozen=True, slots=True)
class Rendered:
    """One incident in words; every string is plain text.

    Attributes:
        headline: the first line.
        why: the second: what changed, by whom, since when; empty where that is not known.
        state: ``firing``, ``contained``, ``resolved``; ``overtaken`` by a higher level of the
            budget; ``lost`` where nothing will mend it.
        severity: the worst of the incident.
        since: epoch seconds, event time, of its start.
        facts: label and text, in the order of importance.
        drivers: who drove it, largest first.
        actions: what was done, one sentence each.
        others: further alerts of the incident.
        links: label and URL.
    """

    headline: str
    why: str
    state: str
    severity: Severity
    since: int
    facts: tuple[tuple[str, str], ...]
    drivers: tuple[str, ...]
    actions: tuple[str, ...]
    others: tuple[str, ...]
    links: tuple[tuple[str, str], ...]


def _measure(applied: Applied) -> str:
    """What is done with a target."""
    done = _PARTICIPLES[applied.action.mode]
    if applied.action.mode is Mode.THROTTLE:
        done += f" to {percent(applied.action.admit_ratio)} of calls"
    return done


def what_was_done(applied: Applied) -> str:
    """An action in a few words; one in shadow never reads as if it had been done.

    ``key key-7 blocked``, ``key key-7 would be blocked (shadow)``.
    """
    done, target = _measure(applied), who(applied.action.target)
    if applied.is_enforced:
        return f"{target} {done}"
    if applied.is_release:  # of what was never held
        return f"{target}: {_DRY_RUN}"
    return f"{target} would be {done} (shadow)"


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
    shown = f"{shown} and {more} more" if more > 0 else shown
    return f"only partly held: {shown}" if view.is_partly_contained else shown


def _ending(lead: Alert) -> str:
    """Why it is over, and after how long."""
    reason = lead.resolved_reason or ResolvedReason.RECOVERED
    if lead.kind == BUDGET:
        if reason is ResolvedReason.RECOVERED:
            return "its period is over"
        return ENDINGS[reason]
    if reason is ResolvedReason.ABSORBED:
        return new_normal(lead)
    lasted = (lead.resolved_at or lead.decided_at) - lead.started_at
    return f"{ENDINGS[reason]} after {duration(max(lasted, 0))}"


def headline(view: IncidentView) -> str:
    """Who, how much, against what, and what was done."""
    lead = view.lead
    is_silence_over = lead.kind == ABSENCE and view.merged_into is None and not view.is_firing
    if lead.kind == FEED or is_silence_over:
        return clean(lead.annotations["summary"], MAX_NOTE_CHARACTERS)
    subject = who(lead.scope)
    if view.merged_into is not None:
        return f"{subject}: part of another incident now; {toll(lead)}"
    if not view.is_firing:
        return f"{subject}: {_ending(lead)}; {toll(lead)}"
    if view.is_contained:
        return f"{subject}: contained - {_done_in_short(view)}; {toll(lead)}"
    if lead.kind in NO_OVERSPEND and not view.applied:
        return f"{subject}: {how_much(lead)}"
    return f"{subject}: {how_much(lead)} - {_done_in_short(view)}"


def _budget_facts(lead: Alert, *, is_firing: bool) -> list[tuple[str, str]]:
    """A budget is about what was spent, not about what was expected."""
    over = lead.observed - lead.expected
    facts = [("Over the budget" if over >= 0 else "Left of the budget", money(abs(over)))]
    if is_firing:
        # The mean since the period began, so no pace of now: that is what a spike's alert says.
        daily = lead.projected_nanousd_per_day
        left = max(lead.window.end_seconds - lead.decided_at, 0)
        by_end = lead.observed + daily * left // DAY_SECONDS
        period = period_word(lead.window.size_seconds)
        facts.append(("Mean so far", f"{money(daily)} a day"))
        facts.append((f"By the end of the {period}, at this rate", money(by_end)))
    return facts


def _ratio_facts(lead: Alert, *, is_firing: bool) -> list[tuple[str, str]]:
    """A ratio is about what was bought with the dollars, not about how many there are."""
    lost = money(lead.excess_nanousd)
    if is_firing:
        pace = f"{money(lead.excess_nanousd_per_hour)} an hour in vain"
        return [("Spent in vain so far", lost), ("Pace now", pace)]
    facts = [("Spent in vain", lost)]
    if lead.resolved_reason is not ResolvedReason.NO_DATA:
        facts.append(("Last hours", how_much(lead)))
    return facts


def _band(alert: Alert) -> str:
    lower, upper = (quantity(each, alert.metric) for each in (alert.lower, alert.upper))
    return f"{lower}-{upper} in {duration(band_seconds(alert.window.size_seconds))}"


def _facts(view: IncidentView) -> tuple[tuple[str, str], ...]:
    lead = view.lead
    facts: list[tuple[str, str]] = []
    if lead.kind == BUDGET:
        facts = _budget_facts(lead, is_firing=view.is_firing)
    elif lead.kind == RATIO:
        facts = _ratio_facts(lead, is_firing=view.is_firing)
    elif lead.kind not in (FEED, ABSENCE):
        facts = [("Excess so far", money(lead.excess_nanousd))]
        if view.is_firing and not view.is_contained:  # what is held has the pace of before
            pace = money(lead.excess_nanousd_per_hour)
            facts.append(("Pace now", f"{pace} an hour above expected"))
            facts.append(("At this pace", f"{money(lead.projected_nanousd_per_day)} a day"))
            facts.append((f"Expected for {moment(lead.window.start_seconds)}", _band(lead)))
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
        scope = Scope.parse(driver.scope)
        is_little = 100 * abs(driver.excess_nanousd) < lead.excess_nanousd and scope.is_other
        if scope == lead.scope or not driver.excess_nanousd or is_little:
            continue
        part = ""
        if lead.excess_nanousd > 0:
            part = f" ({100 * driver.excess_nanousd // lead.excess_nanousd} %)"
        lines.append(f"{who(scope)}: {money(driver.excess_nanousd)}{part}")
    if len(lines) > MAX_DRIVERS:
        lines[MAX_DRIVERS:] = [f"and {len(lines) - MAX_DRIVERS} more"]
    return tuple(lines)


def _action(applied: Applied, *, is_firing: bool) -> str:
    """One action in a sentence."""
    action = applied.action
    if not (applied.is_enforced or is_firing):
        return f"{who(action.target)}: {_DRY_RUN}"
    line = what_was_done(applied)
    if applied.is_release:
        return line
    if not applied.is_enforced:
        line += ": calls still go through"
    share = "all its spend is part of this"
    if action.innocent_share > 0:
        share = f"{percent(action.innocent_share)} of its spend is not part of this"
    return f"{line}; {share}; lease until {instant(action.expires_at)}"


def _actions(view: IncidentView) -> tuple[str, ...]:
    if view.lead.kind == FEED:  # its own words say what is done
        return ()
    if view.lead.kind in NO_OVERSPEND and not view.applied:
        return ()
    lines = [_action(applied, is_firing=view.is_firing) for applied in _standing(view)]
    if not lines and "throttle" in view.lead.annotations:
        return (clean(view.lead.annotations["throttle"], MAX_NOTE_CHARACTERS),)
    return tuple(lines) or ("No throttle: calls still go through",)


def _others(view: IncidentView) -> tuple[str, ...]:
    others = view.ranked[1:]
    lines = [
        news(alert) + ("" if alert.status is Status.FIRING else " (over)")
        for alert in others[:MAX_OTHERS]
    ]
    more = max(0, len(others) - MAX_OTHERS) + len(view.also)
    return (*lines, f"and {more} more") if more else tuple(lines)


def _state(view: IncidentView) -> str:
    if view.is_firing:
        return "contained" if view.is_contained else "firing"
    if view.lead.resolved_reason is ResolvedReason.SUPERSEDED:
        return "overtaken"
    return "lost" if view.lead.is_loss else "resolved"


def _began_at(alert: Alert) -> int:
    """When it began. A budget's own start is its period's, long before it was crossed."""
    if alert.kind != BUDGET:
        return alert.started_at
    return alert.decided_at if alert.fired_at is None else alert.fired_at


def render(view: IncidentView) -> Rendered:
    """The standing message of an incident: its present state."""
    lead = view.lead
    return Rendered(
        headline=headline(view),
        why=why(lead) if view.is_firing else "",
        state=_state(view),
        severity=view.severity,
        since=min(_began_at(alert) for alert in view.members.values()),
        facts=_facts(view),
        drivers=_drivers(lead),
        actions=_actions(view),
        others=_others(view),
        links=_links(view),
    )


def _links(view: IncidentView) -> tuple[tuple[str, str], ...]:
    """Each link of the lead, or of the next alert that has one: a budget's leads to no call.

    A call comes before a template that only says where calls are, whoever has it.
    """
    found: list[tuple[str, str]] = []
    for name in _LINKS:
        having = [alert for alert in view.ranked if name in alert.links]
        if name == TRACE:
            having.sort(key=lambda alert: DEAREST_CALL_USD not in alert.annotations)
        found.extend((_label(name, alert), alert.links[name]) for alert in having[:1])
    return tuple(found)


def _label(name: str, alert: Alert) -> str:
    """What a link of an alert is called."""
    dearest = alert.annotations.get(DEAREST_CALL_USD)
    if name == TRACE and dearest is not None:
        return f"Dearest call ({money(nanousd(dearest))})"
    return _LINKS[name]


def sentence(notice: Notice, view: IncidentView) -> str:
    """The reply for a change that people must notice."""
    alert = notice.alert or view.lead
    failure = clean(alert.annotations.get(FAILURE, ""), MAX_NOTE_CHARACTERS)
    line = news(alert)
    return {
        Change.MEMBER: f"Also: {line}",
        Change.ESCALATED: f"Now {view.severity.value}: {line}",
        Change.REOPENED: f"Firing again: {line}",
        Change.REMINDED: f"{_still(alert, notice.at)}: {headline(view)}",
        Change.NOT_ACTED: f"Throttle failed: {failure}",
        Change.CONTAINED: f"Contained: {_done_in_short(view)}",
    }.get(notice.change, headline(view))


def _still(alert: Alert, at: int) -> str:
    """How a reminder begins."""
    return f"Still firing after {duration(max(at - _began_at(alert), 0))}"


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
