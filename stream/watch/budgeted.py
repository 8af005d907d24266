"""Ordinary rows against their scopes' budgets: 3 us a row, where there are any."""

from alerting.alert import Alert
from alerting.watch.scope_watch import ScopeWatch
from alerting.watch.tally import Tally
from detectors.observation import COST
from stream.delta import DeltaRows
from stream.watch.event_time import EventTime
from stream.watch.sift import Sifted


def fold_budgeted(
    watch: ScopeWatch, tally: Tally, time: EventTime, rows: DeltaRows, sifted: Sifted
) -> list[tuple[int, list[Alert]]]:
    """Count them, and return what they made happen, by row.

    Args:
        watch: the chain that judges one scope.
        tally: which counts the rows else; a scope with news is looked at from now on.
        time: of the partition, with these rows.
        rows: of a delta.
        sifted: which of them are ordinary and of a scope with a budget.
    """
    chosen = sifted.budgeted
    minutes, costs = rows.minute[chosen].tolist(), rows.counts[chosen, COST].tolist()
    told: list[tuple[int, list[Alert]]] = []
    for row, number, minute, cost in zip(
        chosen.tolist(), sifted.budgeted_number.tolist(), minutes, costs, strict=True
    ):
        state = tally.states[number]
        alerts = watch.fold_budgets(state, minute, cost, time.watermark, time.newest_at)
        if alerts:
            told.append((row, alerts))
            tally.settle_one(number)
            tally.changed(number)
    return told
