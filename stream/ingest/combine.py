"""Combine before Faust: many events become one row per (scope, minute, lateness).

Events are added up by their tuple of dimensions first and fanned out to scopes once per drain: one
dictionary operation an event is cheaper than one per scope (2.4 against 8 us, measured). Pure: no
Kafka, no clock, and no memory of anything before the last drain.
"""

from collections import defaultdict
from collections.abc import Iterable
from functools import lru_cache
from heapq import nsmallest
from itertools import accumulate, chain, repeat
from operator import attrgetter, itemgetter
from typing import Final

import numpy as np
from numpy.typing import NDArray

from detectors.observation import COUNTER_INDEX, Counts, zero_counts
from detectors.window import MINUTE_SECONDS
from stream.delta import (
    CONTRIBUTOR_DIMENSIONS,
    MAX_CONTRIBUTORS,
    Contributor,
    DeltaRow,
    contributors_of,
)
from stream.usage.fanout import SCOPES_CACHED, Dimensions, Fanout, delta_partition, own_dimensions
from stream.usage.pricing import Priced
from stream.usage.usage import Usage

EVENTS_PER_DRAIN_MAX: Final = 20_000
"""Most events between two drains: as many of the largest still add up below 2**63
(20,000 x ``COST_MAX_USD`` is 2e18 nano-dollars, 20,000 x ``TOKENS_MAX`` is 2e16)."""

_SUM_END: Final = 2**62

_C: Final = COUNTER_INDEX
_REQUESTS, _INPUT, _OUTPUT = _C["requests"], _C["input_tokens"], _C["output_tokens"]
_COST, _REPORTED = _C["cost_nanousd"], _C["reported_nanousd"]
_COMPUTED, _UNPRICED = _C["computed_nanousd"], _C["unpriced_requests"]
_SELDOM_NAMES: Final = (
    "cache_read_tokens",
    "cache_write_tokens",
    "reasoning_tokens",
    "retries",
    "tool_calls",
)
_SELDOM: Final = tuple(_C[name] for name in _SELDOM_NAMES)
_seldom_of: Final = attrgetter(*_SELDOM_NAMES)
_STATUS: Final = {"error": _C["errors"], "refused": _C["refusals"]}
_OUTCOME: Final = {name: _C[name] for name in ("accepted", "edited", "rejected", "escalated")}
_CACHE_HITS: Final = _C["response_cache_hits"]
_ESTIMATED_REQUESTS, _ESTIMATED = _C["estimated_requests"], _C["estimated_nanousd"]


_Key = tuple[Dimensions, int, bool]
"""Dimensions, epoch minute, lateness; a plain tuple, made once per event."""

_Parts = tuple[Contributor, ...]


class Combiner:
    """Adds up events until they are drained as rows.

    Attributes:
        events: how many were added since the last drain.
        drained: what the events of the last drain add up to, whatever scopes they have.
    """

    def __init__(self, fanout: Fanout) -> None:
        self._fanout = fanout
        self._sums: dict[_Key, Counts] = {}
        self.events = 0
        self.drained: Counts = zero_counts()

    def add(self, usage: Usage, priced: Priced, *, is_late: bool) -> None:
        """Count one event.

        Raises:
            OverflowError: if it is full; drain it first.
        """
        if self.events >= EVENTS_PER_DRAIN_MAX:
            raise OverflowError(f"drain at least every {EVENTS_PER_DRAIN_MAX} events")
        self.events += 1
        minute = usage.timestamp_seconds // MINUTE_SECONDS
        key = self._fanout.dimensions(usage), minute, is_late
        counts = self._sums.get(key)
        if counts is None:
            counts = self._sums[key] = zero_counts()
        count_event(counts, usage, priced)

    def drain(self, partitions: int) -> dict[int, list[DeltaRow]]:
        """All rows since the last drain, by partition of ``spend.deltas``, and start anew.

        The rows of a partition are in order of scope, minute and lateness, whatever the order of
        the events. Partitions without rows are left out.

        Raises:
            OverflowError: if a sum might not fit 64 bits; no events within the bounds come near.
        """
        sums, self._sums, self.events = self._sums, {}, 0
        if not sums:
            self.drained = zero_counts()
            return {}
        scopes_of = self._fanout.scopes_of
        members: defaultdict[tuple[int, bool], defaultdict[str, list[int]]] = defaultdict(
            lambda: defaultdict(list)
        )
        for index, (dimensions, minute, is_late) in enumerate(sums):
            of_minute = members[minute, is_late]
            for scope in scopes_of(dimensions):
                of_minute[scope].append(index)
        # An agent, its workflow and its key are often the same events: the 3.7 rows that an event
        # of two simulated days comes to need 0.9 sets of sums, each added up and ranked once.
        sets: dict[tuple[int, ...], int] = {}
        found = [
            (scope, minute, is_late, sets.setdefault(tuple(indexes), len(sets)))
            for (minute, is_late), of_minute in members.items()
            for scope, indexes in of_minute.items()
        ]
        amounts = np.array(list(sums.values()), np.int64)
        # Integers of numpy wrap in silence. None is negative, so no row's sum exceeds its column's,
        # and a float is close enough to tell the 2e18 of the largest events from 2**62.
        if amounts.sum(axis=0, dtype=np.float64).max() >= _SUM_END:
            raise OverflowError("the amounts of one drain do not fit 64 bits")
        self.drained = amounts.sum(axis=0).tolist()
        totals = _totals(amounts, sets)
        ranking = _Ranking(
            list(sets),
            self._fanout.contributor_names([key[0] for key in sums]),
            amounts[:, _COST].tolist(),
        )
        rows: dict[int, list[DeltaRow]] = {}
        for scope, minute, is_late, number in found:
            partition, named = _placed(scope, partitions)
            contributors = () if is_late else ranking.of(number, named)
            row = DeltaRow(scope, minute, is_late, totals[number].copy(), contributors)
            rows.setdefault(partition, []).append(row)
        for of_partition in rows.values():
            of_partition.sort()  # scope, minute and lateness are a row's own
        return rows


def count_event(counts: Counts, usage: Usage, priced: Priced) -> None:
    """Add one event's amounts to ``counts``.

    An outcome record changes outcomes only; an estimate, the two counters of estimates only: its
    final count tells the outcome. What stands for ``requests`` calls ended as many times as it
    says, and was unpriced as often.
    """
    requests = usage.requests
    if usage.estimated and usage.record != "outcome":
        counts[_ESTIMATED_REQUESTS] += requests
        counts[_ESTIMATED] += priced.cost_nanousd or 0
        return
    if usage.outcome:
        counts[_OUTCOME[usage.outcome]] += requests
    if usage.record == "outcome":
        return
    counts[_REQUESTS] += requests
    counts[_INPUT] += usage.input_tokens
    counts[_OUTPUT] += usage.output_tokens
    counts[_COST] += priced.cost_nanousd or 0
    counts[_REPORTED] += priced.reported_nanousd or 0
    counts[_COMPUTED] += priced.computed_nanousd or 0
    if priced.is_unpriced:
        counts[_UNPRICED] += requests
    seldom = _seldom_of(usage)
    if any(seldom):
        for index, amount in zip(_SELDOM, seldom, strict=True):
            counts[index] += amount
    if usage.status != "ok":
        counts[_STATUS[usage.status]] += requests
    if usage.cache_hit:
        counts[_CACHE_HITS] += requests


def _totals(amounts: NDArray[np.int64], sets: Iterable[tuple[int, ...]]) -> list[Counts]:
    """The sum of each set of rows, in one numpy call instead of one (3 us) for each."""
    sizes = [len(indexes) for indexes in sets]
    starts = [0, *accumulate(sizes[:-1])]
    order = np.fromiter(chain.from_iterable(sets), np.intp, sum(sizes))
    totals: list[Counts] = np.add.reduceat(amounts[order], starts, axis=0).tolist()
    return totals


@lru_cache(SCOPES_CACHED)
def _placed(scope: str, partitions: int) -> tuple[int, tuple[int, ...]]:
    """A scope's delta partition, and the places of the dimensions that it does not fix itself."""
    own = own_dimensions(scope.partition(":")[0])
    named = [place for place, name in enumerate(CONTRIBUTOR_DIMENSIONS) if name not in own]
    return delta_partition(scope, partitions), tuple(named)


class _Ranking:
    """The largest contributors of sets of sums: per dimension, by cost and then by name."""

    def __init__(
        self, sets: list[tuple[int, ...]], names: dict[str, list[str]], cost: list[int]
    ) -> None:
        self._sets = sets
        self._names = names
        self._cost = cost
        self._ranked: list[list[_Parts] | None] = [None] * len(sets)
        self._joined: dict[tuple[int, tuple[int, ...]], _Parts] = {}

    def of(self, number: int, dimensions: tuple[int, ...]) -> _Parts:
        """The largest of one set in some dimensions; none that cost nothing."""
        key = number, dimensions
        joined = self._joined.get(key)
        if joined is None:
            ranked = self._ranked[number]
            if ranked is None:
                ranked = self._ranked[number] = self._rank(self._sets[number])
            joined = self._joined[key] = tuple(
                chain.from_iterable([ranked[place] for place in dimensions])
            )
        return joined

    def _rank(self, indexes: tuple[int, ...]) -> list[_Parts]:
        if len(indexes) == 1:
            index = indexes[0]
            cost = self._cost[index]
            return [
                (Contributor(dimension, name_of[index], cost),) if cost and name_of[index] else ()
                for dimension, name_of in self._names.items()
            ]
        pick = itemgetter(*indexes)
        costs = pick(self._cost)
        return [
            _largest(dimension, pick(name_of), costs) for dimension, name_of in self._names.items()
        ]


def _largest(dimension: str, names: tuple[str, ...], costs: tuple[int, ...]) -> _Parts:
    spent = dict(zip(names, costs, strict=True))
    if len(spent) < len(names):
        spent = dict.fromkeys(spent, 0)
        for name, cost in zip(names, costs, strict=True):
            spent[name] += cost
    spent.pop("", None)
    ranked = [(-cost, name) for name, cost in spent.items() if cost]
    if len(ranked) <= MAX_CONTRIBUTORS:
        ranked.sort()
    else:
        ranked = nsmallest(MAX_CONTRIBUTORS, ranked)
    return contributors_of(
        repeat(dimension, len(ranked)), [name for _, name in ranked], [-cost for cost, _ in ranked]
    )
