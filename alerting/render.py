"""An incident in words, for somebody woken at three in the morning.

Neutral: strings and labels, nothing of Slack. The first line says who, how much, against what, and
what was done; the rest is there to decide what to do next. Names come from users and are cleaned
here of what would change the text around them; escaping for a medium is the notifier's.
"""

import unicodedata
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import ROUND_HALF_EVEN, Decimal

from alerting.alert import Alert, ResolvedReason, Severity, Status
from alerting.incident_view import Applied, Change, IncidentView
from alerting.notifier import Notice
from alerting.throttle.action import Mode
from detectors.observation import NANOUSD_PER_USD
from detectors.scope import DEFAULT_ENVIRONMENT, OTHER, Scope
from detectors.window import DAY_SECONDS, HOUR_SECONDS, MINUTE_SECONDS

MAX_NAME_CHARACTERS = 80
MAX_DRIVERS = 6
MAX_OTHERS = 8
MAX_ACTIONS_IN_HEADLINE = 2

_CENT = Decimal("0.01")
_KIND_WORDS = {"api_key": "key"}
_RESOLVED_WORDS = {
    ResolvedReason.RECOVERED: "back to normal",
    ResolvedReason.RELEASED: "released by an operator",
    ResolvedReason.ABSORBED: "accepted as the new normal",
    ResolvedReason.NO_DATA: "no more data",
    ResolvedReason.SUPERSEDED: "overtaken by a higher level",
}
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


def clean(name: str, max_characters: int = MAX_NAME_CHARACTERS) -> str:
    r"""A user's name on one line: no control or direction characters, and not endless.

    >>> clean("bot\nRESOLVED"), clean("x" * 5, 3)
    ('bot RESOLVED', 'xx…')
    """
    spaced = "".join(
        " " if unicodedata.category(character) in {"Cc", "Cf", "Cs", "Zl", "Zp"} else character
        for character in name
    )
    line = " ".join(spaced.split())
    return line if len(line) <= max_characters else line[: max_characters - 1] + "…"


def money(nanousd: int) -> str:
    """Dollars as people write them: cents, or two digits below a cent.

    >>> money(4_120_000_000), money(17_020_500_000_000), money(4_200_000), money(-1_500_000_000)
    ('$4.12', '$17,020', '$0.0042', '-$1.50')
    """
    sign = "-" if nanousd < 0 else ""
    dollars = abs(Decimal(nanousd)) / NANOUSD_PER_USD
    if not dollars or dollars >= _CENT:
        cents = dollars.quantize(_CENT, ROUND_HALF_EVEN)
        return f"{sign}${cents:,.2f}" if cents < 1000 else f"{sign}${dollars:,.0f}"  # noqa: PLR2004  where cents stop to matter
    digits = dollars.quantize(Decimal(1).scaleb(dollars.adjusted() - 1), ROUND_HALF_EVEN)
    return f"{sign}${digits.normalize():f}"


def duration(seconds: int) -> str:
    """A span as people say it.

    >>> duration(300), duration(5400), duration(86400), duration(45)
    ('5 min', '1 h 30 min', '1 day', '45 s')
    """
    if seconds < MINUTE_SECONDS:
        return f"{seconds} s"
    if seconds < HOUR_SECONDS:
        return f"{seconds // MINUTE_SECONDS} min"
    if seconds < DAY_SECONDS:
        hours, rest = divmod(seconds, HOUR_SECONDS)
        minutes = rest // MINUTE_SECONDS
        return f"{hours} h {minutes} min" if minutes else f"{hours} h"
    days = round(seconds / DAY_SECONDS)
    return "1 day" if days == 1 else f"{days} days"


def instant(seconds: float) -> str:
    """An instant to the minute, UTC: ``2026-11-22 10:05 UTC``."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M UTC")


def who(scope: Scope) -> str:
    """A scope in words.

    >>> who(Scope("api_key", "key-7")), who(Scope("agent", "bot", "staging"))
    ('key key-7', 'agent bot (staging)')
    """
    kind = _KIND_WORDS.get(scope.kind, clean(scope.kind))
    name = "all others" if scope.name == OTHER else clean(scope.name)
    environment = scope.environment
    suffix = "" if environment == DEFAULT_ENVIRONMENT else f" ({clean(environment)})"
    return f"{kind} {name}{suffix}"


def how_much(alert: Alert) -> str:
    """What was seen, against what."""
    span = duration(alert.window.size_seconds)
    if alert.kind == "budget":
        limit = alert.expected
        share = f" ({100 * alert.observed // limit} %)" if limit > 0 else ""
        return f"{money(alert.observed)} of the {money(limit)} budget for {span} spent{share}"
    if alert.metric.endswith("_usd") or alert.metric.startswith("cost"):
        what = "" if alert.metric == "cost_usd" else f" {clean(alert.metric)}"
        return (
            f"{money(alert.observed)}{what} in {span}, expected at most {money(alert.upper)}"
            if alert.observed >= alert.lower
            else f"{money(alert.observed)}{what} in {span}, expected at least {money(alert.lower)}"
        )
    bound = f"at most {alert.upper:,}"
    if alert.observed < alert.lower:
        bound = f"at least {alert.lower:,}"
    return f"{alert.observed:,} {clean(alert.metric)} in {span}, expected {bound}"


def _measure(applied: Applied) -> tuple[str, str]:
    """What is done with a target, and what would be."""
    match applied.action.mode:
        case Mode.BLOCK:
            return "blocked", "would be blocked"
        case Mode.REQUIRE_APPROVAL:
            return "held for approval", "would be held for approval"
        case Mode.THROTTLE:
            ratio = f"{100 * applied.action.admit_ratio:g} %"
            return f"throttled to {ratio} of calls", f"would be throttled to {ratio} of calls"
        case Mode.RELEASE:
            return "released", "would be released"


def what_was_done(applied: Applied) -> str:
    """An action in a few words; one in shadow never reads as if it had been done.

    ``key key-7 blocked``, ``key key-7 would be blocked (shadow)``.
    """
    done, would = _measure(applied)
    target = who(applied.action.target)
    return f"{target} {done}" if applied.is_enforced else f"{target} {would} (shadow)"


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
    return tuple(facts)


def _drivers(lead: Alert) -> tuple[str, ...]:
    lines = []
    for driver in lead.drivers:
        if driver.scope == str(lead.scope):
            continue
        share = f" ({100 * driver.excess_nanousd // lead.excess_nanousd} %)"
        part = share if lead.excess_nanousd > 0 else ""
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
    match notice.change:
        case Change.MEMBER:
            return f"Also: {who(alert.scope)}: {how_much(alert)}"
        case Change.ESCALATED:
            return f"Now {view.severity.value}: {who(alert.scope)}: {how_much(alert)}"
        case Change.REOPENED:
            return f"Firing again: {who(alert.scope)}: {how_much(alert)}"
        case Change.REMINDED:
            lasted = duration(max(alert.decided_at - alert.started_at, 0))
            return f"Still firing after {lasted}: {headline(view)}"
        case Change.CONTAINED:
            return f"Contained: {_done_in_short(view)}"
        case _:
            return headline(view)


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
