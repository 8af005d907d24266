"""What a scope is told must not depend on batches, partitions, the rhythm of time, or restarts."""

import random
from collections import Counter
from typing import Any, NamedTuple

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from alerting.alert import Alert
from alerting.watch.rules import BudgetRule, ContributorRule, RulesConfig, SpikeRule
from alerting.watch.scope_watch import ScopeState, ScopeWatch
from detectors.observation import COST, REQUESTS, Counts, add_counts, zero_counts
from detectors.scope import Scope
from detectors.spike import SpikeConfig
from tests.support.timeline import MONDAY

WINDOW, LATENESS = 300, 60
CONFIG = RulesConfig(
    resolve_after_windows=2,
    absorb_after_hours=1.0,
    spikes=(SpikeRule(ewma=SpikeConfig(warm_up_hours=0.5, young_hours=0)),),
    contributor=ContributorRule(warm_up_windows=3),
    budgets=(BudgetRule(name="day", kind="api_key", period="day", amount_usd="20"),),
)
SCOPE = Scope("api_key", "k1")


class Event(NamedTuple):
    at: int
    partition: int
    cost: int
    agent: str


class Batch(NamedTuple):
    """A delta: one partition's rows, and how far that partition's watermark is after it."""

    partition: int
    rows: list[tuple[int, Counts, list[tuple[str, str, int]]]]
    watermark: int
    newest_at: int


LEVELS = st.sampled_from([0, 0, 1, 1, 1, 5, 40, 41, 200])
"""Of a window's spend in multiples of the usual 3 cents."""


@st.composite
def histories(draw: st.DrawFn) -> list[Event]:
    """A calm past, then windows of any level; each event in one of two partitions."""
    levels = [1] * 8 + draw(st.lists(LEVELS, min_size=4, max_size=24))
    if draw(st.booleans()):
        levels += [0] * draw(st.integers(1, 400)) + draw(st.lists(LEVELS, min_size=1, max_size=6))
    rng = random.Random(draw(st.integers(0, 1 << 20)))
    events = []
    for index, level in enumerate(levels):
        start = MONDAY + index * WINDOW
        events += [
            Event(
                start + rng.randrange(WINDOW),
                rng.randrange(2),
                level * rng.randrange(5_000_000, 20_000_000),
                rng.choice("abc"),
            )
            for _ in range(rng.randint(1, 5) if level else 0)
        ]
    return events


def batches(events: list[Event], seed: int) -> list[Batch]:
    """One way in which INGEST may read them: nobody late, partitions interleaved at will."""
    rng = random.Random(seed)
    queues: list[list[Batch]] = []
    for partition in range(2):
        mine = [each for each in events if each.partition == partition]
        mine.sort(key=lambda each: each.at + rng.randrange(LATENESS))
        queue, newest = [], -(2**53)
        while mine:
            size = rng.choice([1, 2, 5, 30])
            taken, mine = mine[:size], mine[size:]
            rows: dict[int, tuple[Counts, Counter[str]]] = {}
            for event in taken:
                counts, parts = rows.setdefault(event.at // 60, (zero_counts(), Counter()))
                counts[COST] += event.cost
                counts[REQUESTS] += 1
                parts[event.agent] += event.cost
                newest = max(newest, event.at)
            queue.append(
                Batch(
                    partition,
                    [
                        (minute, counts, [("agent", agent, cost) for agent, cost in parts.items()])
                        for minute, (counts, parts) in rows.items()
                    ],
                    newest - LATENESS,
                    newest,
                )
            )
        queues.append(queue)
    merged: list[Batch] = []
    in_step = rng.choice([0.0, 0.9])  # else one runs far ahead, and windows are judged at the close
    while any(queues):
        waiting = [queue for queue in queues if queue]
        queue = min(waiting, key=lambda each: each[0].newest_at)
        if rng.random() >= in_step:
            queue = rng.choice(waiting)
        merged.append(queue.pop(0))
    return merged


class Worker:
    """WATCH for one scope, in the rhythm of its caller."""

    def __init__(self) -> None:
        self.watch = ScopeWatch(CONFIG)
        self.state: ScopeState | None = None
        self.alerts: list[Alert] = []
        self.vector = [-(2**53)] * 2

    @property
    def watermark(self) -> int:
        return min(self.vector)

    def take(self, batch: Batch, *, always_advance: bool = False) -> None:
        for minute, counts, parts in batch.rows:
            if self.state is None:
                self.state = self.watch.fresh(SCOPE, minute)
            self.alerts += self.watch.fold(
                self.state,
                minute,
                counts,
                parts,
                is_late=False,
                watermark_seconds=self.watermark,
                newest_at=batch.newest_at,
            )
        self.vector[batch.partition] = max(self.vector[batch.partition], batch.watermark)
        self.advance(always=always_advance)

    def advance(self, *, always: bool = False) -> None:
        assert self.state is not None
        due = self.watch.due_at(self.state)
        if always or (due is not None and due <= self.watermark):
            self.alerts += self.watch.advance(self.state, self.watermark)
        due = self.watch.due_at(self.state)
        assert due is None or due > self.watermark

    def finish(self, at: int) -> "Worker":
        self.vector = [at, at]
        self.advance()
        return self

    def restart(self, live: Any, profile: Any) -> None:
        live, profile = msgspec.msgpack.decode(msgspec.msgpack.encode([live, profile]))
        self.state = self.watch.restore(SCOPE, live, profile)


def end_of(events: list[Event]) -> int:
    return max(event.at for event in events) + 2 * 86400


def run(events: list[Event], seed: int, *, always_advance: bool = False) -> Worker:
    worker = Worker()
    for batch in batches(events, seed):
        worker.take(batch, always_advance=always_advance)
    return worker.finish(end_of(events))


@settings(max_examples=150)
@given(histories(), st.integers(0, 1 << 20), st.integers(0, 1 << 20))
def test_order_and_batches_inside_lateness_change_nothing_that_is_told_or_learned(
    events: list[Event], one: int, other: int
) -> None:
    first, second = run(events, one), run(events, other, always_advance=True)
    ids = sorted(alert.transition_id for alert in first.alerts)
    assert ids == sorted(alert.transition_id for alert in second.alerts)
    assert len(ids) == len(set(ids)), "something was told twice"
    assert first.state is not None
    assert second.state is not None
    assert first.watch.profile_snapshot(first.state) == second.watch.profile_snapshot(second.state)
    assert first.state.skipped_rows == second.state.skipped_rows == 0


@settings(max_examples=150)
@given(histories(), st.integers(0, 1 << 20), st.data())
def test_restoring_older_profiles_is_as_if_there_had_been_no_restart(
    events: list[Event], seed: int, data: st.DataObject
) -> None:
    queue = batches(events, seed)
    steps = st.sampled_from(["go", "go", "go", "profile", "durable", "restart"])
    plan = data.draw(st.lists(steps, min_size=len(queue), max_size=len(queue)))
    whole, broken = Worker(), Worker()
    profile = durable = None
    for batch, what in zip(queue, plan, strict=True):
        whole.take(batch)
        broken.take(batch)
        assert broken.state is not None
        if what == "profile":
            profile = broken.watch.profile_snapshot(broken.state)
        elif what == "durable" and profile is not None:
            durable = profile
            broken.watch.profile_durable(broken.state, durable[0])
        elif what == "restart":
            broken.restart(broken.watch.live_snapshot(broken.state), durable)
            profile = None
    whole.finish(end_of(events))
    broken.finish(end_of(events))
    assert broken.alerts == whole.alerts
    assert whole.state is not None
    assert broken.state is not None
    assert broken.watch.profile_snapshot(broken.state) == whole.watch.profile_snapshot(whole.state)
    assert broken.state.totals == whole.state.totals


@settings(max_examples=100)
@given(histories(), st.integers(0, 1 << 20))
def test_totals_are_the_sum_of_the_rows_and_drivers_add_up_to_the_excess(
    events: list[Event], seed: int
) -> None:
    worker = run(events, seed)
    expected = zero_counts()
    for batch in batches(events, seed):
        for _, counts, _ in batch.rows:
            add_counts(expected, counts)
    assert worker.state is not None
    assert worker.state.totals == expected
    for alert in worker.alerts:
        if alert.drivers:
            assert sum(driver.excess_nanousd for driver in alert.drivers) == alert.excess_nanousd
