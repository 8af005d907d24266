"""Counted in columns or folded row by row: the same alerts, pages, totals, hours and days."""

import random

from hypothesis import event, given, settings
from hypothesis import strategies as st

from alerting.alert import Alert
from alerting.watch.rules import ContributorRule, RulesConfig, SpikeRule
from alerting.watch.scope_watch import ScopeWatch
from alerting.watch.tally import FEW
from detectors.spike import SpikeConfig
from stream.delta import DeltaRow, DeltaRows
from stream.watch.bounds import Bounds
from stream.watch.partition import DeltaPartition
from tests.support.deltas import BOUNDS, POLICY, ROLE, RULES, LogEntry, delta_logs, known
from tests.support.row_by_row import RowByRow

QUICK = SpikeRule(ewma=SpikeConfig(warm_up_hours=0.5, young_hours=0))
CONFIGS = {
    "budgets": RULES,
    "no budgets": RULES.model_copy(update={"budgets": ()}),
    "agents only": RulesConfig(
        resolve_after_windows=1,
        spikes=(QUICK.model_copy(update={"kinds": ("agent",)}),),
        contributor=None,
    ),
    "no floors": RulesConfig(
        spikes=(
            SpikeRule(
                ewma=SpikeConfig(
                    warm_up_hours=0.5,
                    young_hours=0,
                    min_excess_usd="0.02",
                    min_excess_usd_per_hour="0.2",
                    cold_start_usd_per_hour=None,
                ),
                seasonal=None,
            ),
        ),
        contributor=ContributorRule(warm_up_windows=2, min_excess_usd="0.05"),
        resolve_after_windows=2,
    ),
}


def columns(config: RulesConfig, bounds: Bounds, few: int) -> DeltaPartition:
    return DeltaPartition(
        0,
        incarnation="one",
        config=ROLE,
        policy=POLICY,
        watch=ScopeWatch(config),
        bounds=bounds,
        few=few,
    )


def disordered(entry: LogEntry, chance: random.Random) -> list[DeltaRow]:
    """The rows of a delta in an order that INGEST would not choose, now and then a dear one."""
    rows = []
    for row in entry.rows:
        factor = chance.choice([1, 1, 1, 1, 6, 30])
        rows.append(
            row._replace(
                counts=[amount * factor for amount in row.counts],
                contributors=tuple(
                    part._replace(cost_nanousd=part.cost_nanousd * factor)
                    for part in row.contributors
                ),
            )
        )
    chance.shuffle(rows)
    return rows


@settings(max_examples=120)
@given(
    delta_logs(),
    st.sampled_from(sorted(CONFIGS)),
    st.sampled_from([BOUNDS, Bounds(50), Bounds(1)]),
    st.sampled_from([0, 0, 3, FEW]),
    st.integers(0, 1 << 20),
)
def test_columns_are_what_rows_one_by_one_come_to(
    log: list[LogEntry], name: str, bounds: Bounds, few: int, seed: int
) -> None:
    chance = random.Random(seed)
    looks = chance.choice([0.0, 0.05, 0.5])
    one_by_one = RowByRow(
        config=ROLE, policy=POLICY, watch=ScopeWatch(CONFIGS[name]), bounds=bounds
    )
    partition, told = columns(CONFIGS[name], bounds, few), 0
    for offset, entry in enumerate(log):
        rows = disordered(entry, chance)
        expected: list[Alert] = one_by_one.fold(offset, entry.promise, rows)
        assert partition.fold(offset, entry.promise, DeltaRows.of(rows)) == expected
        told += len(expected)
        if chance.random() < looks:
            look(partition, one_by_one, expected, chance)
    event(f"{name}, told: {min(told, 3)}")
    assert known(partition, whole=True) == one_by_one.known()


def look(
    partition: DeltaPartition, one_by_one: RowByRow, told: list[Alert], chance: random.Random
) -> None:
    """Something that looks at states: a query, a flush, a hold of what was just told."""
    action = chance.choice(["query", "flush", "hold"])
    if action == "query":
        spent = partition.spend("agent", None)
        assert {text: each[2] for text, each in spent.items()} == {
            text: state.totals
            for text, state in one_by_one.scopes.items()
            if text.startswith("agent:")
        }
    elif action == "flush":
        flush = partition.begin_flush(with_profiles=False)
        written = {place[1] for place in flush.places if place[0] == "live"} - {-1}
        assert written == one_by_one.touched
        partition.finish_flush(flush)
        one_by_one.touched.clear()
    else:
        held = frozenset(alert.alert_id for alert in told)
        partition.hold(held)
        one_by_one.hold(held)
