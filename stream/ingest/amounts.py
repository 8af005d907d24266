"""What events count: a column of amounts for each counter that any of them moves.

An outcome record changes outcomes only; an estimate, the two counters of estimates only: its final
count tells the outcome. What stands for ``requests`` calls ended as many times as it says, and was
unpriced as often. Not here: whom it is counted against.
"""

from collections.abc import Callable
from functools import partial
from typing import Final

import numpy as np

from detectors.observation import COUNTER_INDEX, Counts, zero_counts
from stream.ingest.costs import Costs
from stream.ingest.events import AMOUNT, Bools, Events, Ints, tokens_of
from stream.ingest.identities import Identities, Kind
from stream.usage.usage import Outcome, RecordKind, Status

_SUM_END: Final = 9e18
"""What a sum of floats may not reach: 2**63 less far more than their rounding."""

_C: Final = COUNTER_INDEX
_SELDOM: Final = (
    "cache_read_tokens",
    "cache_write_tokens",
    "reasoning_tokens",
    "retries",
    "tool_calls",
)

Amounts = dict[int, Ints]
"""Index into ``COUNTERS`` -> amounts, an element per event; a counter that stays at zero has no
column."""


def amounts_of(identities: Identities, events: Events, costs: Costs) -> Amounts:
    """The amounts of all events.

    Raises:
        OverflowError: if they might not add up in 64 bits; no events within the bounds come near.
    """

    def are(has: Callable[[Kind], bool]) -> Bools:
        return identities.are(events.identity, has)

    is_told = ~are(is_estimate)
    is_call = is_told & ~are(is_outcome)
    requests, tokens = events.amounts[AMOUNT["requests"]], tokens_of(events.amounts)
    cost = np.maximum(costs.cost, 0)
    calls = requests * is_call
    columns = {
        _C["requests"]: calls,
        _C["input_tokens"]: tokens.input * is_call,
        _C["output_tokens"]: tokens.output * is_call,
        _C["cost_nanousd"]: cost * is_call,
        _C["reported_nanousd"]: np.maximum(events.reported, 0) * is_call,
        _C["computed_nanousd"]: np.maximum(costs.computed, 0) * is_call,
        _C["unpriced_requests"]: calls * costs.is_unpriced,
        _C["errors"]: calls * are(lambda kind: kind.status == Status.ERROR),
        _C["refusals"]: calls * are(lambda kind: kind.status == Status.REFUSED),
        _C["response_cache_hits"]: calls * are(lambda kind: kind.cache_hit),
        _C["estimated_requests"]: requests * ~is_told,
        _C["estimated_nanousd"]: cost * ~is_told,
    }
    for name in _SELDOM:
        columns[_C[name]] = events.amounts[AMOUNT[name]] * is_call
    if any(kind.outcome for kind in identities.kinds):
        told = requests * is_told
        for outcome in Outcome:
            columns[_C[outcome.value]] = told * are(partial(_is_told, outcome))
    found = {counter: column for counter, column in columns.items() if column.any()}
    _check_sums(found)
    return found


def is_outcome(kind: Kind) -> bool:
    """Whether an event tells what became of an earlier one, and is none itself."""
    return kind.record == RecordKind.OUTCOME


def _is_told(outcome: Outcome, kind: Kind) -> bool:
    return kind.outcome == outcome


def is_estimate(kind: Kind) -> bool:
    """Whether an event is a guess, to be replaced by its final count."""
    return kind.estimated and not is_outcome(kind)


def _check_sums(amounts: Amounts) -> None:
    """Integers of numpy wrap in silence. None is negative, so no row's sum exceeds its column's."""
    for column in amounts.values():
        if column.sum(dtype=np.float64) >= _SUM_END:
            raise OverflowError("the amounts of one batch do not fit 64 bits")


def totals_of(amounts: Amounts) -> Counts:
    """What all events add up to, whatever scopes they have."""
    totals = zero_counts()
    for counter, column in amounts.items():
        totals[counter] = int(column.sum())
    return totals
