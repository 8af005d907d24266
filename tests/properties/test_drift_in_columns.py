"""Drift is news of many windows together: counted in columns it is told by the very same row."""

import random
from collections.abc import Iterator

from hypothesis import Phase, event, example, given, settings
from hypothesis import strategies as st

from alerting.watch.rules import RulesConfig, SeverityFloors, SpikeRule
from detectors.drift import DRIFT_SOURCE, DriftConfig
from detectors.observation import COST, REQUESTS, zero_counts
from stream.delta import Contributor, DeltaRow, Promise
from tests.support.side_by_side import Delta, told_by_both, told_over_restarts
from tests.support.timeline import MONDAY

LATENESS, STEP = 60, 120
SOURCE = "usage.events/0"
DAYS = 9
AGENTS = 6
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


@settings(max_examples=2, phases=[Phase.explicit, Phase.generate])
@given(st.integers(0, 1 << 20), st.sampled_from([0.0, 0.02, 0.3]))
@example(1, 0.02)
def test_drift_in_columns_is_what_rows_one_by_one_come_to(seed: int, looks: float) -> None:
    told = told_by_both(CONFIG, deltas(seed), random.Random(seed), looks)
    drifts = [alert for alert in told if alert.annotations["baseline"] == DRIFT_SOURCE]
    event(f"drifts told: {min(len(drifts), 3)}")
    assert drifts or seed != 1


def test_a_drift_goes_on_after_a_restart_as_if_there_had_been_none() -> None:
    told = told_over_restarts(CONFIG, deltas(1), every=97)
    assert any(alert.annotations["baseline"] == DRIFT_SOURCE for alert in told)
