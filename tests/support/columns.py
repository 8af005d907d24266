"""Events that were made as ``Usage``, as the columns that INGEST works on."""

from collections.abc import Sequence

import numpy as np

from detectors.observation import Counts
from stream.ingest.amounts import amounts_of, totals_of
from stream.ingest.combine import Rows, combine
from stream.ingest.costs import UNKNOWN_COST, Costs
from stream.ingest.events import Events
from stream.ingest.identities import Identities
from stream.ingest.reading import _Reading
from stream.usage.fanout import Fanout
from stream.usage.pricing import Priced
from stream.usage.usage import Usage


def events_of(identities: Identities, usages: Sequence[Usage]) -> Events:
    """Accepted events, each in a record of its own."""
    reading = _Reading(identities, [])
    for usage in usages:
        reading.append(usage)
    return reading.events(len(usages))


def costs_of(priced: Sequence[Priced]) -> Costs:
    """Their dollars."""

    def column(amounts: Sequence[int | None]) -> np.ndarray:
        return np.array([UNKNOWN_COST if each is None else each for each in amounts], np.int64)

    return Costs(
        column([each.cost_nanousd for each in priced]),
        column([each.computed_nanousd for each in priced]),
        np.array([each.is_unpriced for each in priced], np.bool_),
    )


def combined(
    fanout: Fanout, events: Sequence[tuple[Usage, Priced, bool]], partitions: int = 1
) -> tuple[Rows, Counts]:
    """The rows of events, by delta partition, and what all of them add up to.

    Args:
        fanout: whom they are counted against.
        events: with their prices, and whether they are late.
        partitions: of the deltas.
    """
    identities = Identities(fanout, partitions)
    columns = events_of(identities, [usage for usage, _, _ in events])
    costs = costs_of([priced for _, priced, _ in events])
    amounts = amounts_of(identities, columns, costs)
    is_late = np.array([late for _, _, late in events], np.bool_)
    rows = combine(
        identities,
        columns.identity,
        columns.seconds,
        is_late,
        amounts,
        trace_urls=columns.trace_urls,
    )
    return rows, totals_of(amounts)
