"""Combine before Faust: many events become one row per (scope, minute, lateness).

Everything here is whole columns. Events are added up by identity first and fanned out to scopes
after, since a feed has fewer identities than events; ``stream/ingest/contributors.py`` names the
largest in each row, ``stream/ingest/exemplars.py`` finds its dearest call. Pure: no Kafka, no
clock, no memory of an earlier batch.
"""

from collections import Counter
from operator import attrgetter
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from detectors.observation import COST, COUNTERS, REQUESTS
from detectors.window import MINUTE_SECONDS
from stream.delta import LATE, DeltaRow, DeltaRows
from stream.exemplars import NO_EXEMPLARS, Exemplars
from stream.ingest.amounts import Amounts
from stream.ingest.contributors import Parts, contributors_of_rows
from stream.ingest.events import Bools, Ints, TraceUrls
from stream.ingest.exemplars import EXEMPLARS_MAX, exemplars_of_rows
from stream.ingest.grouping import group
from stream.ingest.identities import Columns, Identities
from stream.ingest.texts import Texts
from stream.usage.trace_url import Refusal
from stream.usage.usage import EVENTS_MAX

_TIME_BITS = 32
_MINUTES = (1 << _TIME_BITS - 1) - 1
"""A row's time: its minute and whether it is late, and above them the number of its piece."""

Rows = dict[int, DeltaRows]
"""By partition of ``spend.deltas``; those without any are left out."""


def combine(
    identities: Identities,
    identity: Ints,
    seconds: Ints,
    is_late: Bools,
    amounts: Amounts,
    *,
    trace_urls: TraceUrls,
    most_exemplars: int | None = EXEMPLARS_MAX,
    refused_urls: Counter[Refusal] | None = None,
) -> Rows:
    """All rows of some events.

    The rows of a partition are in order of scope, minute and lateness, whatever the order of the
    events.

    Args:
        identities: whose numbers ``identity`` has.
        identity: per event.
        seconds: per event, when it was.
        is_late: per event.
        amounts: per counter and event.
        trace_urls: of the events.
        most_exemplars: so many rows have one; ``None``: all.
        refused_urls: what those that may not be shown are added to.

    Raises:
        OverflowError: if there are more events than add up safely.
    """
    time = seconds // MINUTE_SECONDS << 1 | is_late
    found = _combined(
        identities,
        identity,
        time,
        amounts,
        trace_urls=trace_urls,
        most_exemplars=most_exemplars,
        refused_urls=refused_urls,
    )
    return {} if found is None else found.by_partition(identities.columns())


class PieceRow(NamedTuple):
    """A row of one piece of a batch.

    Attributes:
        piece: its number.
        partition: of ``spend.deltas``.
        row: what it counts.
    """

    piece: int
    partition: int
    row: DeltaRow


def rows_of_pieces(
    identities: Identities,
    identity: Ints,
    seconds: Ints,
    is_late: Bools,
    amounts: Amounts,
    *,
    trace_urls: TraceUrls,
    piece: Ints,
    only: Bools | None = None,
) -> list[PieceRow]:
    """All rows of some events, one by one, as if each piece had been combined alone.

    For a replay, which looks at some rows more closely than at others.

    Args:
        identities: as for ``combine``, and so are the next five.
        identity: per event.
        seconds: per event.
        is_late: per event.
        amounts: per counter and event.
        trace_urls: of the events; every row may have one.
        piece: per event, the number of its piece.
        only: per scope's number, whether its rows are wanted; all are, if not given.

    Returns:
        In the order of pieces, and then of ``combine``.
    """
    time = piece << _TIME_BITS | seconds // MINUTE_SECONDS << 1 | is_late
    found = _combined(
        identities, identity, time, amounts, trace_urls=trace_urls, most_exemplars=None, only=only
    )
    if found is None:
        return []
    by_partition = found.by_partition(identities.columns())
    rows = [(number, row) for number, rows in by_partition.items() for row in rows]
    pieces = (found.row_time >> _TIME_BITS).tolist()
    return sorted(
        [PieceRow(at, *row) for at, row in zip(pieces, rows, strict=True)],
        key=attrgetter("piece"),
    )


def _combined(
    identities: Identities,
    identity: Ints,
    time: Ints,
    amounts: Amounts,
    *,
    trace_urls: TraceUrls,
    most_exemplars: int | None,
    refused_urls: Counter[Refusal] | None = None,
    only: Bools | None = None,
) -> "_Cut | None":
    """The rows of events; of equal scope and time there is one."""
    if len(identity) > EVENTS_MAX:
        raise OverflowError(f"combine at most {EVENTS_MAX} events at once")
    if not len(identity):
        return None
    of, is_late = identities.columns(), (time & 1).astype(np.bool_)
    times, time = np.unique(time, return_inverse=True)
    bits = len(times).bit_length()
    alike = group(identity << bits | time)
    who, when = alike.keys >> bits, alike.keys & ((1 << bits) - 1)
    sums = {counter: alike.sums(column) for counter, column in amounts.items()}

    member, scope = _fan_out(of, who, only)
    if not len(member):
        return None
    scopes, place = _by_place(identities.scopes, of, scope)
    rows = group(place << bits | when[member])
    row_scope, row_time = rows.keys >> bits, times[rows.keys & ((1 << bits) - 1)]
    cost = sums.get(COST)
    if cost is None:
        cost = np.zeros(len(who), np.int64)
    parts = contributors_of_rows(
        of.names[who],
        identities.names,
        rows=rows,
        member=member[rows.order],
        cost=np.where(times[when] & 1, 0, cost),  # late rows name nobody
        own=of.own[scopes[row_scope]],
    )
    counts = np.zeros((len(COUNTERS), len(rows.keys)), np.int64)
    for counter, column in sums.items():
        counts[counter] = rows.sums(column[member])
    exemplars = NO_EXEMPLARS
    if COST in amounts and REQUESTS in amounts:
        is_call = ~is_late & (amounts[REQUESTS] == 1)
        exemplars = exemplars_of_rows(
            trace_urls,
            cost=np.where(is_call, amounts[COST], 0),
            alike=alike,
            member=member,
            rows=rows,
            row_cost=counts[COST],
            most=most_exemplars,
            refused=Counter() if refused_urls is None else refused_urls,
        )
    return _Cut(identities, scopes, row_scope, row_time, counts, parts, exemplars)


def _fan_out(
    of: Columns, who: Ints, only: Bools | None
) -> tuple[NDArray[np.intp], NDArray[np.int32]]:
    """Each pair of an element of ``who`` (its index) and one of its scopes (its number)."""
    scopes = of.scopes[who]
    pairs = scopes.ravel()
    found = np.flatnonzero(pairs if only is None else only[pairs])
    return found // scopes.shape[1], pairs[found]


def _by_place(
    texts: Texts, of: Columns, numbers: NDArray[np.int32]
) -> tuple[NDArray[np.intp], Ints]:
    """The distinct scopes in the order of partition and text, and each one's place there."""
    is_there = np.zeros(len(of.partition), np.bool_)
    is_there[numbers] = True
    scopes = np.flatnonzero(is_there)
    scopes = scopes[np.lexsort((texts.ranks(scopes), of.partition[scopes]))]
    places = np.empty(len(of.partition), np.int64)
    places[scopes] = np.arange(len(scopes))
    return scopes, places[numbers]


class _Cut(NamedTuple):
    """The rows of all partitions, in order, and how they are cut.

    Attributes:
        scopes: numbers of the distinct scopes, in the order of partition and text.
        row_scope: per row, into ``scopes``.
        row_time: per row, twice its minute, and one more if it is late; above that its piece.
        counts: shape (counters, rows).
        parts: the contributors of the rows.
        exemplars: likewise.
    """

    identities: Identities
    scopes: NDArray[np.intp]
    row_scope: Ints
    row_time: Ints
    counts: Ints
    parts: Parts
    exemplars: Exemplars

    def by_partition(self, of: Columns) -> Rows:
        partition = of.partition[self.scopes]
        numbers, first_scope = np.unique(partition, return_index=True)
        scope_ends = [*first_scope.tolist(), len(partition)]
        row_ends = np.searchsorted(self.row_scope, scope_ends).tolist()
        part_ends = np.searchsorted(self.parts.row, row_ends).tolist()
        local = np.zeros(len(self.identities.names), np.int32)
        is_used = np.zeros(len(local), np.bool_)
        minute = (self.row_time >> 1 & _MINUTES).astype(np.int32)
        flags = (self.row_time & 1).astype(np.uint8) * np.uint8(LATE)
        row_scope = self.row_scope.astype(np.int32)
        part_row = self.parts.row.astype(np.int32)
        dimension = self.parts.dimension.astype(np.uint8)
        found = {}
        for index, number in enumerate(numbers.tolist()):
            scopes = slice(*scope_ends[index : index + 2])
            rows = slice(*row_ends[index : index + 2])
            parts = slice(*part_ends[index : index + 2])
            name = self.parts.name[parts]
            is_used[:] = False
            is_used[name] = True
            used = np.flatnonzero(is_used)
            local[used] = np.arange(len(used)) + (scopes.stop - scopes.start)
            found[number] = DeltaRows(
                names=[
                    *self.identities.scopes.take(self.scopes[scopes]),
                    *self.identities.names.take(used),
                ],
                scope=row_scope[rows] - np.int32(scopes.start),
                minute=minute[rows],
                flags=flags[rows],
                counts=self.counts[:, rows].T,
                part_row=part_row[parts] - np.int32(rows.start),
                part_dimension=dimension[parts],
                part_name=local[name],
                part_cost=self.parts.cost[parts],
                exemplars=self.exemplars.take(np.arange(rows.start, rows.stop)),
            )
        return found
