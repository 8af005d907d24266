"""Where calls can be looked at changes nothing but where alerts lead."""

import json
from dataclasses import replace
from typing import Any

from hypothesis import event, given, settings
from hypothesis import strategies as st

from alerting.alert import Alert
from alerting.exemplar import DEAREST_CALL_USD
from stream.delta import DeltaRow, DeltaRows
from stream.ingest.identities import Identities
from stream.ingest.partition import InputPartition
from stream.usage.price_config import CostBasis
from tests.properties.test_ingest_columns import (
    BOOKS,
    CONFIG,
    FANOUT,
    records_of,
    trace_urls,
    usual,
)
from tests.support.deltas import LogEntry, delta_logs, known, new_partition


def without(row: DeltaRow) -> DeltaRow:
    return row._replace(exemplar=None)


def payload(events: list[dict[str, Any]], *, is_array: bool) -> bytes:
    return json.dumps(events if is_array or len(events) != 1 else events[0]).encode()


sent = st.lists(st.tuples(usual, trace_urls), min_size=1, max_size=4)


@settings(max_examples=200)
@given(st.lists(st.tuples(sent, st.booleans()), min_size=1, max_size=20))
def test_rows_totals_and_verdicts_are_those_of_events_without_urls(
    log: list[tuple[list[tuple[dict[str, Any], str]], bool]],
) -> None:
    bare = [([{**each, "trace_url": ""} for each, _ in events], array) for events, array in log]
    with_urls = [([{**each, "trace_url": url} for each, url in events], at) for events, at in log]
    batches = [
        InputPartition(BOOKS[CostBasis.MAX], Identities(FANOUT, 3), config=CONFIG).process(
            records_of([(payload(events, is_array=array), -1) for events, array in each])
        )
        for each in (with_urls, bare)
    ]
    shown, expected = batches
    assert {number: [without(row) for row in rows] for number, rows in shown.rows.items()} == {
        number: list(rows) for number, rows in expected.rows.items()
    }
    assert (shown.taken, shown.totals) == (expected.taken, expected.totals)
    assert (shown.counted, shown.watermark) == (expected.counted, expected.watermark)
    assert shown.changes == expected.changes
    exemplars = [row.exemplar for rows in shown.rows.values() for row in rows]
    event(f"rows with one: {min(sum(each is not None for each in exemplars), 3)}")


def silent(alert: Alert) -> Alert:
    notes = {name: note for name, note in alert.annotations.items() if name != DEAREST_CALL_USD}
    return replace(alert, links={}, annotations=notes)


@settings(max_examples=100)
@given(delta_logs())
def test_alerts_totals_and_what_is_learned_are_those_of_rows_without_exemplars(
    log: list[LogEntry],
) -> None:
    shown, bare, led = new_partition(), new_partition(), 0
    for offset, entry in enumerate(log):
        told = shown.fold(offset, entry.promise, entry.rows)
        expected = bare.fold(offset, entry.promise, DeltaRows.of(map(without, entry.rows)))
        assert [silent(alert) for alert in told] == expected
        led += sum(bool(alert.links) for alert in told)
    event(f"alerts that lead to a call: {min(led, 3)}")
    assert {**known(shown), "live": None} == {**known(bare), "live": None}
    totals = ({text: each.totals for text, each in of.scopes.items()} for of in (shown, bare))
    assert next(totals) == next(totals)
