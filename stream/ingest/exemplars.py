"""The exemplars of rows: per row the dearest of its calls that can be looked at.

So that an alert can lead to a call (``alerting/exemplar.py``). Whole columns; a batch without any
``trace_url`` is not looked at. Late events are no exemplars, since nobody is told of their rows,
nor are those that cost nothing: estimates, outcomes, and calls without a price.
"""

from typing import Final

import numpy as np

from stream.exemplars import NO_EXEMPLARS, Exemplars
from stream.ingest.events import Ints, TraceUrls
from stream.ingest.grouping import Groups, Places, run_starts
from stream.usage.trace_url import is_shown

EXEMPLARS_MAX: Final = 512
"""Rows of a batch that have one, those that cost most: alerts are about them, and no two URLs are
alike, so that nothing compresses them. 512 of 100 bytes are 50 kB beside the 8 MB of a batch of
20,000 events; of ten scopes an event, 50 events a batch have all their rows in it."""

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
) -> Exemplars:
    """The dearest call of each row.

    Args:
        urls: of the events.
        cost: per event; 0 where it is late.
        alike: groups of events.
        member: groups of events that belong to rows, a pair for each; into ``alike``.
        rows: groups of those pairs.
        row_cost: per row.
        most: so many rows have one; ``None``: all.
    """
    if not urls.number.any():
        return NO_EXEMPLARS
    dearest = _of_groups(urls, cost, alike)
    found = _of_rows(
        urls, dearest, cost=cost, member=member, rows=rows, row_cost=row_cost, most=most
    )
    # Nearly always all of a feed may be shown: looking at each event's would be for nothing.
    if all(map(is_shown, set(found.url))):
        return found
    urls = _shown(urls, dearest, alike)
    dearest = _of_groups(urls, cost, alike)
    return _of_rows(
        urls, dearest, cost=cost, member=member, rows=rows, row_cost=row_cost, most=most
    )


def _shown(urls: TraceUrls, dearest: Places, alike: Groups) -> TraceUrls:
    """Without those that may not be shown, as far as they are in the way.

    Who sends such URLs sends many: of groups whose dearest is refused all are looked at, of others
    none but that one. At 5 us each, all of a batch would take as long as the rest of its events.
    """
    texts, number = urls.texts, urls.number.copy()
    ends = np.append(alike.starts[1:], len(alike.order))
    for group in np.flatnonzero(dearest != _NONE).tolist():
        if is_shown(texts[number[dearest[group]]]):
            continue
        mine = alike.order[alike.starts[group] : ends[group]]
        number[[event for event in mine.tolist() if not is_shown(texts[number[event]])]] = 0
    return TraceUrls(number, texts)


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
) -> Exemplars:
    event = dearest[member[rows.order]]
    is_there = event != _NONE
    row, event = np.repeat(np.arange(len(rows.keys)), rows.sizes)[is_there], event[is_there]
    with_one = row[run_starts(row)]
    if most is not None and len(with_one) > most:
        kept = np.zeros(len(rows.keys), np.bool_)
        kept[with_one[np.argsort(-row_cost[with_one], kind="stable")[:most]]] = True
        row, event = row[kept[row]], event[kept[row]]
    row, event = _dearest(row, event, cost, urls)
    texts = [urls.texts[number] for number in urls.number[event].tolist()]
    return Exemplars(row.astype(np.int32), cost[event], texts)


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
