"""Why an alert is: what kind of excess, by whom, since when. Clauses that a person can check.

It says in words what ``decomposition``, ``drivers`` and ``changes`` say in dollars, and nothing
where they say nothing. Escaping for a medium is the notifier's.
"""

from collections.abc import Mapping

from alerting.alert import Alert
from alerting.drivers import leading
from alerting.words import clock, duration, moment, percent, quantity, times, who
from detectors.decomposition import Decomposition
from detectors.scope import Scope

TOLD_USD = "told_usd"
"""Annotation: dollars that were spent in the window, too, and told of by alerts that are over."""

WORTH_SAYING = 0.1
"""A kind of excess below this share of it is not mentioned."""

WORTH_TIMES = 1.2
"""A factor of the price below this is not said: what a call is made of varies as much."""

LEADS_SHARE = 0.5
"""Who carries at least this share of the excess is said to have caused it."""

MAX_KINDS = 2
MAX_NEWCOMERS = 2

_KINDS = {
    "volume": "more requests",
    "size": "more tokens a request",
    "price": "dearer tokens",
    "cache": "fewer cached tokens",
    "retries": "more retries",
}
_SAME_SIZE = " of the same size"
_BY = ("agent", "user")
_ON = ("prompt_version", "model")


def why(alert: Alert) -> str:
    """``98 % from more requests of the same size, by agent a on prompt v14, first seen 08:55 UTC``.

    Empty if neither what kind of excess it is nor anybody new is known.
    """
    new = {change.scope: change.first_seen_at for change in alert.changes or ()}
    if alert.decomposition is None and not new:
        return ""
    named = _named(alert, new)
    clauses = [_kinds(alert), _named_in_words(named, new)]
    said = {str(scope) for scope in named}
    rest = [
        change.scope
        for change in alert.changes or ()
        if change.scope not in said and change.excess_nanousd >= WORTH_SAYING * alert.excess_nanousd
    ][:MAX_NEWCOMERS]
    clauses += [f"{who(Scope.parse(each))} first seen {clock(new[each])}" for each in rest]
    return ", ".join(clause for clause in clauses if clause)


def new_normal(alert: Alert) -> str:
    """What an alert that was absorbed says: since when it is normal, and how much that is."""
    window = duration(alert.window.size_seconds)
    level = f"{quantity(alert.observed, alert.metric)} in {window}"
    before = quantity(alert.expected, alert.metric)
    return f"new normal since {moment(alert.started_at)}: {level}, before that {before}"


def _kinds(alert: Alert) -> str:
    parts = alert.decomposition
    if parts is None:
        return ""
    shares = {kind: part / parts.total_nanousd for kind, part in parts.by_kind.items()}
    ranked = sorted(shares, key=lambda kind: -shares[kind])
    worth = [kind for kind in ranked[:MAX_KINDS] if shares[kind] >= WORTH_SAYING]
    if worth and shares[worth[0]] >= 1.0:
        del worth[1:]
    left, words = 1.0, []
    for kind in worth:  # what others took off may make them more than all
        share = min(shares[kind], left)
        words.append(f"{percent(share)} from {_of_kind(kind, parts)}")
        left -= share
    is_like_before = max(abs(shares[kind]) for kind in ("size", "cache")) < WORTH_SAYING
    if worth == ["volume"] and is_like_before:
        words[0] += _SAME_SIZE
    return " and ".join(words)


def _of_kind(kind: str, parts: Decomposition) -> str:
    ratio = parts.price_ratio
    if kind != "price" or ratio is None or ratio < WORTH_TIMES:
        return _KINDS[kind]
    return f"a price {times(ratio)} times as high"


def _named(alert: Alert, new: Mapping[str, int]) -> list[Scope]:
    """Who leads the excess, whoever is new last: that is what the time is said of."""
    found = []
    for kinds in (_BY, _ON):
        leaders = (
            scope
            for kind in kinds
            if kind != alert.scope.kind
            for scope in leading(alert, kind, LEADS_SHARE)
        )
        found += sorted(leaders, key=lambda scope: str(scope) not in new)[:1]
    return sorted(found, key=lambda scope: str(scope) in new)


def _named_in_words(named: list[Scope], new: Mapping[str, int]) -> str:
    words = [f"{'by' if scope.kind in _BY else 'on'} {who(scope)}" for scope in named]
    if named and str(named[-1]) in new:
        words[-1] += f", first seen {clock(new[str(named[-1])])}"
    return " ".join(words)
