"""Ratios and silence are news of windows that close: in columns told at the very same delta."""

import random
from collections.abc import Iterator

from hypothesis import Phase, event, example, given, settings
from hypothesis import strategies as st

from alerting.alert import ABSENCE, RATIO
from alerting.watch.rules import AbsenceRule, RatioRule, RulesConfig
from detectors.observation import COST, COUNTER_INDEX, REQUESTS, zero_counts
from stream.delta import Contributor, DeltaRow, Promise
from tests.support.side_by_side import Delta, told_by_both, told_over_restarts
from tests.support.timeline import MONDAY

LATENESS, STEP = 60, 240
SOURCE = "usage.events/0"
DAYS = 8
AGENTS = 5
CONFIG = RulesConfig(
    absorb_after_hours=6.0,
    ratios=RatioRule(info_usd_per_hour="0.01", warning_usd_per_hour=1, least_trials=10),
    absence=AbsenceRule(least_usd="0.20"),
)


def row(agent: int, at: int, usd: float, accepted: float, chance: random.Random) -> DeltaRow:
    counts, calls = zero_counts(), 12
    counts[COST], counts[REQUESTS] = round(usd * 1e9), calls
    good = sum(chance.random() < accepted for _ in range(calls))
    counts[COUNTER_INDEX["accepted"]] = good
    counts[COUNTER_INDEX["rejected"]] = calls - good
    counts[COUNTER_INDEX["errors"]] = int(chance.random() < 0.05)
    part = Contributor("model", "m", counts[COST])
    return DeltaRow(f"agent:a{agent}", at // 60, False, counts, (part,))  # noqa: FBT003 - not late


def deltas(seed: int) -> Iterator[Delta]:
    """Days of hourly rows, then small rows: some agents' answers turn bad, others stop."""
    chance = random.Random(seed)
    end = MONDAY + DAYS * 86400
    for at in range(MONDAY, end, 3600):
        rows = [
            row(agent, at, 0.4 * chance.uniform(0.9, 1.1), 0.9, chance) for agent in range(AGENTS)
        ]
        yield Promise(SOURCE, at - LATENESS, is_idle=False), rows
    fates = [chance.choice(["bad", "gone", "gone for good", "calm"]) for _ in range(AGENTS)]
    last = end + 18 * 3600
    for at in range(end, last, STEP):
        hour = (at - end) // 3600
        rows = []
        for agent, fate in enumerate(fates):
            if fate.startswith("gone") and (hour < 11 or fate == "gone for good"):
                continue
            accepted = 0.2 if fate == "bad" and 3 <= hour < 8 else 0.9
            if chance.random() < 0.7:
                when = at + chance.randrange(STEP)
                rows.append(row(agent, when, 0.4 * STEP / 3600, accepted, chance))
        lag = chance.choice([0, LATENESS, 2 * LATENESS])
        yield Promise(SOURCE, at + STEP - lag, is_idle=False), rows
    for at in range(last, last + 4 * 86400, 7 * 3600 + 600):
        yield Promise(SOURCE, at, is_idle=False), []


@settings(max_examples=2, phases=[Phase.explicit, Phase.generate])
@given(st.integers(0, 1 << 20), st.sampled_from([0.0, 0.02, 0.3]))
@example(1, 0.02)
@example(3, 0.0)
def test_turns_in_columns_are_what_rows_one_by_one_come_to(seed: int, looks: float) -> None:
    told = told_by_both(CONFIG, deltas(seed), random.Random(seed), looks)
    kinds = {alert.kind for alert in told}
    event(f"told: {sorted(kinds)}")
    assert {RATIO, ABSENCE} <= kinds or seed not in (1, 3)


def test_they_go_on_after_restarts_as_if_there_had_been_none() -> None:
    told = told_over_restarts(CONFIG, deltas(1), every=41)
    assert {RATIO, ABSENCE} <= {alert.kind for alert in told}
