"""The same deltas in columns and row by row, and row by row over restarts: both must agree."""

import random
from collections.abc import Iterable

from alerting.alert import Alert
from alerting.watch.rules import RulesConfig
from alerting.watch.scope_watch import ScopeWatch
from stream.delta import DeltaRow, DeltaRows, Promise
from stream.watch.bounds import Bounds
from stream.watch.config import WatchRoleConfig
from stream.watch.partition import DeltaPartition
from stream.watch.watermark import WatermarkPolicy
from tests.support.deltas import known
from tests.support.row_by_row import RowByRow

Delta = tuple[Promise, list[DeltaRow]]

ROLE = WatchRoleConfig(
    pages=3, history_pages=2, keep_hours=3, keep_days=2, flush_seconds=10, profile_flush_seconds=10
)
POLICY = WatermarkPolicy(1, max_silence_messages=20, max_skew_seconds=3600)
BOUNDS = Bounds(50)


def row_by_row(watch: ScopeWatch) -> RowByRow:
    return RowByRow(config=ROLE, policy=POLICY, watch=watch, bounds=BOUNDS)


def told_by_both(
    config: RulesConfig, deltas: Iterable[Delta], chance: random.Random, looks: float
) -> list[Alert]:
    """What is told, at the very same delta by both; ``looks``: how often pages are written."""
    one_by_one = row_by_row(ScopeWatch(config))
    partition = DeltaPartition(
        0,
        incarnation="one",
        config=ROLE,
        policy=POLICY,
        watch=ScopeWatch(config),
        bounds=BOUNDS,
        few=0,
    )
    told: list[Alert] = []
    for offset, (promise, rows) in enumerate(deltas):
        expected = one_by_one.fold(offset, promise, rows)
        assert partition.fold(offset, promise, DeltaRows.of(rows)) == expected
        told += expected
        if chance.random() < looks:
            partition.finish_flush(partition.begin_flush(with_profiles=False))
    assert known(partition, whole=True) == one_by_one.known()
    return told


def told_over_restarts(config: RulesConfig, deltas: Iterable[Delta], *, every: int) -> list[Alert]:
    """What is told, the same with a restart after every so many deltas and with none."""
    watch = ScopeWatch(config)
    whole, parts = row_by_row(watch), row_by_row(watch)
    told: list[Alert] = []
    for offset, (promise, rows) in enumerate(deltas):
        expected = whole.fold(offset, promise, rows)
        assert parts.fold(offset, promise, rows) == expected
        told += expected
        if offset % every == 0:
            for text, state in list(parts.scopes.items()):
                live, profile = watch.live_snapshot(state), watch.profile_snapshot(state)
                parts.scopes[text] = watch.restore(state.scope, live, profile)
    return told
