"""Drift is news of many windows together: counted in columns it is told by the very same row."""

import random
from collections.abc import Iterator

from hypothesis import Phase, event, example, given, settings
from hypothesis import strategies as st

from alerting.alert import Alert
from alerting.watch.rules import RulesConfig, SeverityFloors, SpikeRule
from alerting.watch.scope_watch import ScopeWatch
from detectors.drift import DRIFT_SOURCE, DriftConfig
from detectors.observation import COST, REQUESTS, zero_counts
from stream.delta import Contributor, DeltaRow, DeltaRows, Promise
from stream.watch.bounds import Bounds
from stream.watch.config import WatchRoleConfig
from stream.watch.partition import DeltaPartition
from stream.watch.watermark import WatermarkPolicy
from tests.support.deltas import known
from tests.support.row_by_row import RowByRow
from tests.support.timeline import MONDAY

LATENESS, STEP = 60, 120
SOURCE = "usage.events/0"
DAYS = 9
AGENTS = 6
ROLE = WatchRoleConfig(
    pages=3, history_pages=2, keep_hours=3, keep_days=2, flush_seconds=10, profile_flush_seconds=10
)
POLICY = WatermarkPolicy(1, max_silence_messages=20, max_skew_seconds=3600)
BOUNDS = Bounds(50)
CONFIG = RulesConfig(
    resolve_after_windows=2,
    absorb_after_hours=3.0,
    spikes=(
        SpikeRule(
            severity=SeverityFloors(
                critical_usd_per_hour=20, warning_usd_per_hour=10, info_usd_per_hour="0.05"
            ),
            drift=DriftConfig(warning_usd=1, critical_usd=4),
        ),
    ),
)

Delta = tuple[Promise, list[DeltaRow]]


def row(agent: int, at: int, usd: float) -> DeltaRow:
    counts = zero_counts()
    counts[COST], counts[REQUESTS] = round(usd * 1e9), 3
    part = Contributor("model", "m", counts[COST])
    return DeltaRow(f"agent:a{agent}", at // 60, False, counts, (part,))  # noqa: FBT003 - not late


def deltas(seed: int) -> Iterator[Delta]:
    """Days at 40 cents an hour in hourly rows, then hours at another pace each in small rows."""
    chance = random.Random(seed)
    end = MONDAY + DAYS * 86400
    for at in range(MONDAY, end, 3600):
        rows = [row(agent, at, 0.4 * chance.uniform(0.8, 1.2)) for agent in range(AGENTS)]
        yield Promise(SOURCE, at - LATENESS, is_idle=False), rows
    paces = [[chance.choice([0, 1, 1, 4, 12]) for _ in range(7)] for _ in range(AGENTS)]
    for at in range(end, end + 7 * 3600, STEP):
        rows = [
            row(agent, at + chance.randrange(STEP), 0.4 * STEP / 3600 * pace * chance.random() * 2)
            for agent in range(AGENTS)
            for pace in [paces[agent][(at - end) // 3600]]
            if chance.random() < (0.9 if pace else 0.2)
        ]
        lag = chance.choice([0, LATENESS, 2 * LATENESS])
        yield Promise(SOURCE, at + STEP - lag, is_idle=False), rows
        if not chance.randrange(4):
            yield Promise(SOURCE, at + STEP - lag, is_idle=False), []
    for at in range(end + 7 * 3600, end + 14 * 3600, 600):
        yield Promise(SOURCE, at, is_idle=False), []


@settings(max_examples=2, deadline=None, phases=[Phase.explicit, Phase.generate])
@given(st.integers(0, 1 << 20), st.sampled_from([0.0, 0.02, 0.3]))
@example(1, 0.02)
def test_drift_in_columns_is_what_rows_one_by_one_come_to(seed: int, looks: float) -> None:
    chance = random.Random(seed)
    one_by_one = RowByRow(config=ROLE, policy=POLICY, watch=ScopeWatch(CONFIG), bounds=BOUNDS)
    partition = DeltaPartition(
        0,
        incarnation="one",
        config=ROLE,
        policy=POLICY,
        watch=ScopeWatch(CONFIG),
        bounds=BOUNDS,
        few=0,
    )
    told: list[Alert] = []
    for offset, (promise, rows) in enumerate(deltas(seed)):
        expected = one_by_one.fold(offset, promise, rows)
        assert partition.fold(offset, promise, DeltaRows.of(rows)) == expected
        told += expected
        if chance.random() < looks:
            partition.finish_flush(partition.begin_flush(with_profiles=False))
    drifts = [alert for alert in told if alert.annotations["baseline"] == DRIFT_SOURCE]
    event(f"drifts told: {min(len(drifts), 3)}")
    assert drifts or seed != 1
    assert known(partition, whole=True) == one_by_one.known()


def test_a_drift_goes_on_after_a_restart_as_if_there_had_been_none() -> None:
    watch = ScopeWatch(CONFIG)
    whole = RowByRow(config=ROLE, policy=POLICY, watch=watch, bounds=BOUNDS)
    parts = RowByRow(config=ROLE, policy=POLICY, watch=watch, bounds=BOUNDS)
    told: list[Alert] = []
    again: list[Alert] = []
    for offset, (promise, rows) in enumerate(deltas(1)):
        told += whole.fold(offset, promise, rows)
        again += parts.fold(offset, promise, rows)
        if offset % 97 == 0:
            for text, state in list(parts.scopes.items()):
                live, profile = watch.live_snapshot(state), watch.profile_snapshot(state)
                parts.scopes[text] = watch.restore(state.scope, live, profile)
    assert again == told
    assert any(alert.annotations["baseline"] == DRIFT_SOURCE for alert in told)
