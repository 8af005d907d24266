"""What one alert says in figures, by its kind: what was seen, against what, what it has come to.

Plain text; which alert is told of, and what was done, is ``render.py``'s.
"""

from alerting.alert import ABSENCE, FEED, RATIO, Alert, nanousd
from alerting.explain import TOLD_USD
from alerting.words import band_seconds, clean, duration, money, quantity, shares, who
from detectors.window import DAY_SECONDS, MINUTE_SECONDS

MAX_NOTE_CHARACTERS = 300

BUDGET = "budget"
"""Kind of alerts about a budget's level."""

_WEEK_DAYS = 7


def period_word(seconds: int) -> str:
    """A budget's calendar period; days and months differ in length."""
    days = round(seconds / DAY_SECONDS)
    return "day" if days <= 1 else "week" if days <= _WEEK_DAYS else "month"


def how_much(alert: Alert) -> str:
    """What was seen, against what; of an open window, in how much of it."""
    if alert.kind == BUDGET:
        limit = alert.expected
        share = f" ({100 * alert.observed // limit} %)" if limit > 0 else ""
        period = period_word(alert.window.size_seconds)
        return f"{money(alert.observed)} spent of {money(limit)} for the {period}{share}"
    if alert.kind == ABSENCE:
        silent = duration(max(alert.decided_at - alert.started_at, 0))
        if not alert.expected:  # it is over
            return f"nothing spent for {silent}"
        span = duration(alert.window.size_seconds)
        return f"nothing spent for {silent}, expected {money(alert.expected)} in {span}"
    if alert.kind == RATIO:
        span, band = duration(alert.window.size_seconds), shares(alert.lower, alert.upper)
        return f"{quantity(alert.observed, alert.metric)} in {span}, usually {band}"
    whole = duration(band_seconds(alert.window.size_seconds))
    elapsed = min(max(alert.decided_at - alert.window.start_seconds, 1), alert.window.size_seconds)
    so_far = duration(-(-elapsed // MINUTE_SECONDS) * MINUTE_SECONDS)
    per = "" if so_far == whole else f" in {whole}"
    bound = f"at most {quantity(alert.upper, alert.metric)}"
    if alert.observed < alert.lower:
        bound = f"at least {quantity(alert.lower, alert.metric)}"
    told = alert.annotations.get(TOLD_USD)
    besides = "" if told is None else f" besides {money(nanousd(told))} told of before"
    return f"{quantity(alert.observed, alert.metric)} in {so_far}{besides}, expected {bound}{per}"


def news(alert: Alert) -> str:
    """One alert in a line; about the feed, in the words of who raised it."""
    if alert.kind == FEED:
        return clean(alert.annotations["summary"], MAX_NOTE_CHARACTERS)
    return f"{who(alert.scope)}: {how_much(alert)}"


def toll(alert: Alert) -> str:
    """What it has come to in all."""
    if alert.kind in (BUDGET, ABSENCE):
        return how_much(alert)
    what = "spent in vain" if alert.kind == RATIO else "above expected"
    return f"{money(alert.excess_nanousd)} {what} in all"
