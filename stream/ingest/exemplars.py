"""The exemplars of rows: per row the dearest of its calls that can be looked at.

So that an alert can lead to a call (``alerting/exemplar.py``). Whole columns; a batch without any
``trace_url`` is not looked at. Late events are no exemplars, since nobody is told of their rows,
nor are those that cost nothing (estimates, outcomes, calls without a price) or stand for several
requests.
"""

from collections import Counter
from heapq import nsmallest
from typing import Final

import numpy as np

from stream.exemplars import NO_EXEMPLARS, Exemplars
from stream.ingest.events import Bools, Ints, TraceUrls
from stream.ingest.grouping import Groups, Places, run_starts
from stream.usage.trace_url import Refusal, refusal

EXEMPLARS_MAX: Final = 512
"""Rows of a batch that have one, those that cost most: alerts are about them, and no two URLs are
alike, so that nothing compresses them. 512 of 100 bytes are 50 kB beside the 8 MB of a batch of
20,000 events; of ten scopes an event, 50 events a batch have all their rows in it."""

LOOKS_MAX_PER_GROUP: Final = 8
"""URLs looked at of calls that are alike: who sends one that may not be shown sends many."""

LOOKS_MAX: Final = 2000
"""URLs looked at of a batch, 5 to 40 us each; what is not looked at is not shown."""

ROUNDS_MAX: Final = 16
"""How often another call is sought for rows whose dearest may not be shown, up to 2 ms each."""

_NONE: Final = -1


def exemplars_of_rows(
    urls: TraceUrls,
    *,
    cost: Ints,
    alike: Groups,
    member: Places,
    rows: Groups,
    row_cost: Ints,
    most: int | None,
    refused: Counter[Refusal],
) -> Exemplars:
    """The dearest call of each row.

    Nearly always all of a feed may be shown, so only what would be is looked at. Where it is
    refused, the next few of the calls that are alike are, and then none of those.

    Args:
        urls: of the events.
        cost: per event; 0 where it is no exemplar.
        alike: groups of events.
        member: groups of events that belong to rows, a pair for each; into ``alike``.
        rows: groups of those pairs.
        row_cost: per row.
        most: so many rows have one, and ``LOOKS_MAX`` is kept; ``None``: all, and it is not.
        refused: what URLs that may not be shown are added to, each once.
    """
    if not urls.number.any():
        return NO_EXEMPLARS
    dearest = _of_groups(urls, cost, alike)
    most_looks = len(urls.texts) if most is None else LOOKS_MAX
    looks = _Looks(urls, cost, alike, most_looks, refused)
    for _ in range(ROUNDS_MAX):
        row, event = _of_rows(
            urls, dearest, cost=cost, member=member, rows=rows, row_cost=row_cost, most=most
        )
        is_good = looks.are_shown(event)
        if is_good.all() or not looks.left:
            break
        looks.replace(dearest, event[~is_good])
    row, event = row[is_good], event[is_good]
    texts = [urls.texts[number] for number in urls.number[event].tolist()]
    return Exemplars(row.astype(np.int32), cost[event], texts)


class _Looks:
    """Looks at the URLs of a batch, at each once.

    Attributes:
        left: so many more may be looked at; of others it is said that they may not be shown.
    """

    def __init__(
        self, urls: TraceUrls, cost: Ints, alike: Groups, left: int, refused: Counter[Refusal]
    ) -> None:
        self.left = left
        self._refused = refused
        self._urls = urls
        self._cost = cost
        self._alike = alike
        self._known: dict[str, bool] = {}

    def are_shown(self, events: Places) -> Bools:
        """Of each event, whether its URL may be shown; in the order of their costs."""
        found = np.zeros(len(events), np.bool_)
        for place in np.argsort(-self._cost[events], kind="stable").tolist():
            found[place] = self._is_shown(events[place])
        return found

    def _is_shown(self, event: int) -> bool:
        url = self._urls.texts[self._urls.number[event]]
        known = self._known.get(url)
        if known is None:
            if not self.left:
                return False
            self.left -= 1
            reason = refusal(url)
            known = self._known[url] = reason is None
            if reason is not None:
                self._refused[reason] += 1
        return known

    def replace(self, dearest: Places, refused: Places) -> None:
        """Put others in the place of events that may not be shown.

        Args:
            dearest: per group, the event that is to be shown of it; it is changed.
            refused: events among them.
        """
        order, starts = self._alike.order, self._alike.starts
        ends = np.append(starts[1:], len(order))
        for group in np.flatnonzero(np.isin(dearest, refused)).tolist():
            mine = self._in_turn(order[starts[group] : ends[group]])
            dearest[group] = next(filter(self._is_shown, mine), _NONE)

    def _in_turn(self, events: Places) -> list[int]:
        """The dearest few, of equally dear ones the first by their URLs."""
        urls, cost = self._urls, self._cost
        events = events[(urls.number[events] > 0) & (cost[events] > 0)]
        few = min(LOOKS_MAX_PER_GROUP, len(events))
        events = events[cost[events] >= np.partition(cost[events], -few)[-few]]
        return nsmallest(
            few, events.tolist(), key=lambda each: (-cost[each], urls.texts[urls.number[each]])
        )


def _of_groups(urls: TraceUrls, cost: Ints, alike: Groups) -> Places:
    """The dearest event of each group of events, or ``_NONE``."""
    has_url = ((urls.number > 0) & (cost > 0))[alike.order]
    group = np.repeat(np.arange(len(alike.keys)), alike.sizes)[has_url]
    group, event = _dearest(group, alike.order[has_url], cost, urls)
    found = np.full(len(alike.keys), _NONE)
    found[group] = event
    return found


def _of_rows(
    urls: TraceUrls,
    dearest: Places,
    *,
    cost: Ints,
    member: Places,
    rows: Groups,
    row_cost: Ints,
    most: int | None,
) -> tuple[Ints, Places]:
    """The rows that have an exemplar, ascending, and their events."""
    event = dearest[member[rows.order]]
    is_there = event != _NONE
    row, event = np.repeat(np.arange(len(rows.keys)), rows.sizes)[is_there], event[is_there]
    with_one = row[run_starts(row)]
    if most is not None and len(with_one) > most:
        kept = np.zeros(len(rows.keys), np.bool_)
        kept[with_one[np.argsort(-row_cost[with_one], kind="stable")[:most]]] = True
        row, event = row[kept[row]], event[kept[row]]
    return _dearest(row, event, cost, urls)


def _dearest(group: Ints, event: Places, cost: Ints, urls: TraceUrls) -> tuple[Ints, Places]:
    """The dearest event of each group, of equally dear ones the one whose URL comes first.

    Args:
        group: per element, ascending.
        event: per element, an event that has a URL.
        cost: per event.
        urls: of the events.
    """
    if not len(group):
        return group, event
    starts = run_starts(group)
    spent = cost[event]
    highest = np.maximum.reduceat(spent, starts)
    is_dearest = spent == np.repeat(highest, np.diff(starts, append=len(group)))
    group, event = group[is_dearest], event[is_dearest]
    if len(group) == len(starts):
        return group, event
    texts, number, first = urls.texts, urls.number, dict[int, int]()
    for mine, each, url in zip(group.tolist(), event.tolist(), number[event].tolist(), strict=True):
        known = first.get(mine)
        if known is None or texts[url] < texts[number[known]]:
            first[mine] = each
    return np.array(list(first), np.int64), np.array(list(first.values()), np.intp)
