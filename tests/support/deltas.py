"""A log of deltas as INGEST might have written it, and what is known of a partition after it.

Several inputs whose watermarks run apart, late rows, idle verdicts, more names than the bound, calm
windows and wild ones. Everything comes from a seed, so that a failure is repeated by its example.
"""

import random
from collections import Counter
from typing import Any, NamedTuple

from hypothesis import strategies as st

from alerting.exemplar import Exemplar, dearer
from alerting.watch.rules import BudgetRule, ContributorRule, RulesConfig, SpikeRule
from alerting.watch.scope_watch import ScopeWatch
from detectors.observation import COST, REQUESTS, Counts, add_counts, zero_counts
from detectors.spike import SpikeConfig
from stream.delta import Contributor, DeltaRow, DeltaRows, Promise
from stream.watch.bounds import Bounds
from stream.watch.config import WatchRoleConfig
from stream.watch.history_page import HistoryCounts
from stream.watch.partition import DeltaPartition
from stream.watch.watermark import WatermarkPolicy
from tests.support.timeline import MONDAY

WINDOW, LATENESS = 300, 60
INPUTS = 2

ROLE = WatchRoleConfig(
    pages=3, history_pages=2, keep_hours=3, keep_days=2, flush_seconds=10, profile_flush_seconds=10
)
POLICY = WatermarkPolicy(INPUTS, max_silence_messages=20, max_skew_seconds=3600)
BOUNDS = Bounds(3, {"api_key": 1})
RULES = RulesConfig(
    resolve_after_windows=2,
    absorb_after_hours=1.0,
    spikes=(SpikeRule(ewma=SpikeConfig(warm_up_hours=0.5, young_hours=0)),),
    contributor=ContributorRule(warm_up_windows=3),
    budgets=(BudgetRule(name="day", kind="agent", period="day", amount_usd="8"),),
)
AGENTS = ("a", "b", "c", "d", "e@staging")
KEYS = ("k1", "k2")


class LogEntry(NamedTuple):
    """One delta: its place in the log is its offset."""

    promise: Promise
    rows: DeltaRows


class _Event(NamedTuple):
    at: int
    source: int
    agent: str
    key: str
    cost: int


LEVELS = st.sampled_from([0, 1, 1, 1, 40, 100, 200])
"""Of a window's spend, in multiples of the usual few cents."""


def _events(levels: list[int], chance: random.Random) -> list[_Event]:
    events = []
    for index, level in enumerate(levels):
        start = MONDAY + 22 * 3600 + index * WINDOW  # two hours on, it is another day
        wild = chance.choice(AGENTS)
        for agent in AGENTS:
            for _ in range(chance.randint(0, 2) if level else 0):
                cost = chance.randrange(5_000_000, 20_000_000)
                if agent == wild:
                    cost *= level
                at = start + chance.randrange(WINDOW)
                key = chance.choice(KEYS)
                events.append(_Event(at, chance.randrange(INPUTS), agent, key, cost))
    return events


NO_ROWS = DeltaRows.of(())


def _rows(events: list[tuple[_Event, bool]]) -> DeltaRows:
    sums: dict[tuple[str, int, bool], tuple[Counts, Counter[str]]] = {}
    dearest: dict[tuple[str, int, bool], Exemplar | None] = {}
    for event, is_late in events:
        for scope in (f"agent:{event.agent}", f"api_key:{event.key}"):
            counts, parts = sums.setdefault(
                (scope, event.at // 60, is_late), (zero_counts(), Counter())
            )
            counts[COST] += event.cost
            counts[REQUESTS] += 1
            parts[event.agent] += event.cost
            if event.at % 5 and not is_late:  # the others' cannot be looked at
                exemplar = Exemplar(event.cost, f"https://t.example/{event.agent}/{event.at}")
                place = scope, event.at // 60, is_late
                dearest[place] = dearer(dearest.get(place), exemplar)
    return DeltaRows.of(
        DeltaRow(
            scope,
            minute,
            is_late,
            counts,
            ()
            if is_late or scope.startswith("agent")
            else tuple(Contributor("agent", name, cost) for name, cost in parts.items()),
            dearest.get((scope, minute, is_late)),
        )
        for (scope, minute, is_late), (counts, parts) in sums.items()
    )


def _queue(source: int, mine: list[_Event], chance: random.Random) -> list[LogEntry]:
    """One input: events a little out of order, one in twelve of them far too late."""
    name = f"usage.events/{source}"

    def arrival(event: _Event) -> int:
        delay = chance.randrange(LATENESS)
        return event.at + (delay if chance.randrange(12) else chance.randrange(60, 1500))

    mine = sorted(mine, key=arrival)
    queue, watermark = [LogEntry(Promise(name, None, is_idle=False), NO_ROWS)], None
    while mine:
        size = chance.choice([1, 3, 8, 20])
        taken, mine = mine[:size], mine[size:]
        judged = []
        for event in taken:
            judged.append((event, watermark is not None and event.at < watermark))
            watermark = max(
                event.at - LATENESS, event.at - LATENESS if watermark is None else watermark
            )
        queue.append(LogEntry(Promise(name, watermark, is_idle=False), _rows(judged)))
        if chance.randrange(6) == 0:
            queue.append(
                LogEntry(Promise(name, watermark, is_idle=chance.randrange(2) == 0), NO_ROWS)
            )
    queue.append(LogEntry(Promise(name, watermark, is_idle=True), NO_ROWS))
    return queue


class DeltaLog(list[LogEntry]):
    """A log that a failing example shows by what it was made from."""

    def __init__(self, levels: list[int], seed: int) -> None:
        super().__init__(_entries(levels, seed))
        self._made_from = levels, seed

    def __repr__(self) -> str:
        return f"DeltaLog{self._made_from}"


@st.composite
def delta_logs(draw: st.DrawFn) -> DeltaLog:
    """A calm past, windows of any level, perhaps a pause, and time that runs on at the end."""
    levels = [1] * 8 + draw(st.lists(LEVELS, min_size=2, max_size=16))
    if draw(st.booleans()):
        levels += [0] * draw(st.integers(1, 60)) + draw(st.lists(LEVELS, min_size=1, max_size=4))
    return DeltaLog(levels, draw(st.integers(0, 1 << 20)))


def _entries(levels: list[int], seed: int) -> list[LogEntry]:
    chance = random.Random(seed)
    events = _events(levels, chance)
    queues = [
        _queue(source, [each for each in events if each.source == source], chance)
        for source in range(INPUTS)
    ]
    log: list[LogEntry] = []
    while any(queues):
        log.append(chance.choice([queue for queue in queues if queue]).pop(0))
    end = MONDAY + 22 * 3600 + len(levels) * WINDOW
    for at in range(end, end + 8 * WINDOW, WINDOW):
        log += [
            LogEntry(Promise(f"usage.events/{source}", at, is_idle=False), NO_ROWS)
            for source in range(INPUTS)
        ]
    return log


def new_partition(incarnation: str = "one", *, bounds: Bounds = BOUNDS) -> DeltaPartition:
    """An empty partition 0 under the configuration of this file."""
    return DeltaPartition(
        0,
        incarnation=incarnation,
        config=ROLE,
        policy=POLICY,
        watch=ScopeWatch(RULES),
        bounds=bounds,
        few=2,
    )


def known(partition: DeltaPartition, *, whole: bool = False) -> dict[str, Any]:
    """All that a partition knows and that must not depend on restarts, or all of it."""
    # What follows in a live row is which profile is durable.
    watch, unlike = partition._watch, None if whole else 11
    return {
        "applied": partition.applied,
        "time": partition.vector.snapshot(),
        "live": {
            text: watch.live_snapshot(state)[:unlike]
            for text, state in sorted(partition.scopes.items())
        },
        "learned": {
            text: watch.profile_snapshot(state) for text, state in sorted(partition.scopes.items())
        },
        "hours": counts_of_history(partition._hours),
        "days": counts_of_history(partition._days),
    }


def counts_of_history(history: Any) -> dict[Any, Any]:
    """Page and window start to the scopes' counts."""
    return {place: counts_by_name(page.content) for place, page in sorted(history.pages())}


def counts_by_name(content: HistoryCounts) -> dict[str, Counts]:
    """What a page of an hour or a day says of each scope."""
    found: dict[str, Counts] = dict(zip(content.names, content.counts.tolist(), strict=True))
    for name, counts in content.wide.items():
        add_counts(found[name], counts)
    return found
