"""Exemplars through a delta partition: in columns, row by row, and over a restart."""

from typing import Any

import pytest

from alerting.alert import Alert, Transition
from alerting.exemplar import Exemplar
from stream.delta import DeltaRow, DeltaRows, Promise
from stream.watch.flush import TABLES, Flush
from stream.watch.partition import DeltaPartition
from tests.support.deltas import WINDOW, new_partition
from tests.support.timeline import MONDAY, counts_of

AGENTS = tuple(f"agent:{name}" for name in "abc")
"""One more than ``new_partition`` folds one by one."""


def row(scope: str, at: int, usd: float, url: str = "", call_usd: float = 0.01) -> DeltaRow:
    exemplar = Exemplar(round(call_usd * 1e9), f"https://t.example/{url}") if url else None
    return DeltaRow(scope, at // 60, False, counts_of(usd), (), exemplar)  # noqa: FBT003 - not late


def fold(partition: DeltaPartition, at: int, *rows: DeltaRow) -> list[Alert]:
    """A delta that comes at an instant, after which no more of before it does."""
    partition.vector.observe("usage.events/1", at, is_idle=True)
    promise = Promise("usage.events/0", at, is_idle=False)
    return partition.fold(partition.applied + 1, promise, DeltaRows.of(rows))


def calm_hour() -> DeltaPartition:
    partition = new_partition()
    for number in range(13):
        at = MONDAY + number * WINDOW
        fold(partition, at, *(row(agent, at, 0.05, "calm") for agent in AGENTS))
    return partition


def records_of(flush: Flush) -> dict[str, dict[Any, bytes]]:
    records: dict[str, dict[Any, bytes]] = {table: {} for table in TABLES}
    for step in flush.steps:
        for table, key, value in step:
            if value is not None:
                records[table][key] = value
    return records


def restarted(partition: DeltaPartition) -> DeltaPartition:
    flush = partition.begin_flush(with_profiles=True)
    again = new_partition("two")
    again.restore(records_of(flush))
    return again


NOW = MONDAY + 12 * WINDOW


@pytest.mark.parametrize("is_restarted", [False, True])
def test_a_call_that_waited_in_columns_is_what_the_alert_leads_to(*, is_restarted: bool):
    partition = calm_hour()
    tally = partition._tally
    for number, usd in enumerate((0.02, 0.04, 0.03)):
        rows = [
            row(agent, NOW + number * 20, 0.05, f"{agent[-1]}{number}", usd) for agent in AGENTS
        ]
        assert fold(partition, NOW, *rows) == []
    exemplar = tally.states[0].cells[NOW].exemplar
    assert exemplar == Exemplar(10_000_000, "https://t.example/calm"), "the others wait"
    assert len(tally._exemplars._waiting) == 3
    if is_restarted:
        partition = restarted(partition)
    alerts = fold(partition, NOW, row(AGENTS[1], NOW + 60, 50.0))
    fired = [alert for alert in alerts if alert.transition is Transition.FIRED]
    spikes = [alert for alert in fired if alert.kind == "spike"]
    assert [(str(alert.scope), alert.links) for alert in spikes] == [
        ("agent:b", {"trace": "https://t.example/b1"})
    ]
    assert partition.scopes["agent:a"].cells[NOW].exemplar == Exemplar(
        40_000_000, "https://t.example/a1"
    )


def test_a_row_that_is_news_brings_its_own_call():
    partition = calm_hour()
    rows = [row(agent, NOW, 0.05, agent[-1], 0.02) for agent in AGENTS]
    rows.append(row(AGENTS[2], NOW + 60, 50.0, "dear", 49.0))
    alerts = fold(partition, NOW, *rows)
    assert {alert.links.get("trace") for alert in alerts if alert.kind == "spike"} == {
        "https://t.example/dear"
    }


def test_a_window_that_closes_on_paper_takes_its_call_along():
    partition = calm_hour()
    for number in range(3):
        at = NOW + number * WINDOW
        fold(partition, at, *(row(agent, at, 0.05, f"w{number}") for agent in AGENTS))
    cells = partition.scopes["agent:a"].cells
    assert {start: cell.exemplar for start, cell in cells.items()} == {
        NOW + 2 * WINDOW: Exemplar(10_000_000, "https://t.example/w2")
    }
    assert partition._tally._exemplars._waiting == {}
