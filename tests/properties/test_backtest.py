"""A backtest in large batches tells what it tells taken step by step, row by row.

The files raise alerts of every kind, on every path: budgets crossed in calm traffic and by late
events, spikes of several scopes with one cause, contributors on a shared key, actions and releases
in enforce mode, under repeats, estimates, outcomes, events of far ahead and silent partitions.
"""

import json
import random
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from itertools import groupby
from operator import itemgetter
from typing import Any, NamedTuple

import numpy as np
import pytest

from alerting.alert import Alert
from alerting.throttle.action import ThrottleAction
from detectors.observation import Counts
from stream.config import Settings
from stream.replay import file_ingest
from stream.replay.intake import Intake
from stream.replay.placement import input_partitions
from stream.replay.replay import Replay, ReplayResult
from tests.support.event_files import MONDAY

INPUTS = 3
START = MONDAY + 22 * 3600
"""Daily budgets begin anew in the middle of a file."""

SILENT = (5400, 7800)
"""While no event goes to the last partition, seconds after the start."""

TEAMS = {f"a{number}": f"t{number % 2}" for number in range(6)}
SETTINGS = Settings.model_validate(
    {
        "topics": {"usage_events_partitions": INPUTS, "deltas_partitions": 2},
        "fanout": {
            "kinds": ["agent", "api_key", "team", "user", "organization"],
            "max_names_by_kind": {"user": 8},
        },
        "watch": {"max_silence_messages": 8},
        "ingest": {"allowed_lateness_seconds": 60},  # longer than the longest step
        "rules": {
            "false_pages_per_week": 100_000,  # three hours tell little of chance
            "spikes": [{"ewma": {"warm_up_hours": 0.5, "young_hours": 0}}],
            "contributor": {"warm_up_windows": 3},
            "resolve_after_windows": 1,
            "budgets": [
                {"name": "agents", "kind": "agent", "amount_usd": "3", "period": "day"},
                {"name": "users", "kind": "user", "amount_usd": "1.5", "period": "day"},
                {"name": "teams", "kind": "team", "amount_usd": "60", "period": "month"},
            ],
        },
        "throttle": {"mode": "enforce", "lease_minutes": 4, "renew_minutes": 1},
    }
)


FAR = "far"
"""The id of an event of another year."""


def lines(seed: int) -> list[bytes]:
    """Three hours of six agents; one or two of them run away for a while."""
    chance = random.Random(seed)
    events: list[tuple[int, dict[str, Any]]] = []
    wild = {
        agent: (begin := chance.randrange(5000, 7500), begin + chance.randrange(240, 1500))
        for agent in chance.sample(sorted(TEAMS), chance.choice([1, 2]))
    }

    def add(second: int, agent: str, usd: float, late: int = 0, **changes: Any) -> None:
        arrives = second + late + chance.choice([0, 0, 1, 3, 20])
        event = {
            "timestamp": datetime.fromtimestamp(START + second, UTC).isoformat(),
            "event_id": _event_id(len(events), arrives, chance),
            "model": "m",
            "agent": agent,
            "team": TEAMS[agent],
            "api_key": chance.choice(["k0", "k1"]) if agent < "a3" else f"k-{agent}",
            "user": f"u{chance.randrange(12)}",
            "cost_usd": f"{usd:.6f}",
            "trace_url": f"https://traces.example/{len(events)}",
            **changes,
        }
        events.append((arrives, event))
        if chance.random() < 0.03:  # told again
            events.append((arrives + chance.randrange(900), event))
        if chance.random() < 0.05:  # guessed before, or told of afterwards
            guess = {**event, "estimated": True}
            events.append((arrives - chance.randrange(1, 60), guess))
        elif chance.random() < 0.05:
            for outcome in chance.sample(["accepted", "edited", "rejected"], 2):
                said = {**event, "record": "outcome", "outcome": outcome}
                events.append((arrives + chance.randrange(1, 300), said))

    for minute in range(180):
        for _ in range(chance.choice([0, 4, 8])):
            late = chance.choice([600, 4000]) if chance.random() < 0.03 else 0
            second = 60 * minute + chance.randrange(8)
            add(second - late, chance.choice(sorted(TEAMS)), chance.uniform(0.01, 0.06), late)
    for agent, (begin, end) in wild.items():
        for second in range(begin, end, chance.choice([7, 15])):
            changes = {"api_key": "k0"} if agent < "a3" else {}
            add(second, agent, chance.uniform(0.5, 3.0), **changes)
    events.sort(key=itemgetter(0))
    far = {**events[40][1], "event_id": FAR, "timestamp": "2027-01-05T00:00:00Z"}
    events.insert(40, (events[40][0], far))
    return [json.dumps(event).encode() for _, event in events]


def _event_id(number: int, arrives: int, chance: random.Random) -> str:
    while True:
        name = f"e{number}-{chance.randrange(1000)}"
        is_silent = SILENT[0] <= arrives < SILENT[1]
        if not is_silent or input_partitions([name], INPUTS)[0] < INPUTS - 1:
            return name


class Told(NamedTuple):
    """All that a replay came to."""

    signals: list[Alert]
    alerts: list[Alert]
    actions: list[ThrottleAction]
    enforced: set[str]
    leaked_nanousd: dict[str, int]
    spend: dict[str, Counts]
    intake: Intake


def told(chain: Replay) -> Told:
    result: ReplayResult = chain.settle()
    spend = {
        scope: counts
        for kind in SETTINGS.fanout.kinds
        for scope, _, _, counts in chain.spend(kind, None)
    }
    return Told(
        result.signals,
        result.alerts,
        result.actions,
        result.enforced,
        result.leaked_nanousd,
        spend,
        result.intake,
    )


def fed(pieces: Iterable[list[bytes]]) -> Told:
    chain = Replay(SETTINGS)
    for piece in pieces:
        chain.feed(piece)
    return told(chain)


def by_step(file: list[bytes], seconds: int) -> Iterator[list[bytes]]:
    """The lines of each step, by how far the file has come."""
    times = [_seconds(line) for line in file]
    newest = np.maximum.accumulate(times).tolist()
    for _, each in groupby(zip(newest, file, strict=True), key=lambda one: one[0] // seconds):
        yield [line for _, line in each]


def _seconds(line: bytes) -> int:
    event = json.loads(line)
    far = event["event_id"] == FAR  # nobody takes its word for the time
    return 0 if far else int(datetime.fromisoformat(event["timestamp"]).timestamp())


def step_by_step(file: list[bytes], seconds: int, monkeypatch: pytest.MonkeyPatch) -> Told:
    """The plainest way: a batch for every step, in which each row is folded by itself."""
    with monkeypatch.context() as patch:
        patch.setattr(file_ingest, "STEP_SECONDS", seconds)
        patch.setattr(file_ingest, "FEW_EVENTS", 10**9)
        return fed(by_step(file, seconds))


def shows_everything(told: Told) -> bool:
    """Whether the file was worth comparing: each way of telling and acting was taken."""
    scopes = {alert.incident_id: set[str]() for alert in told.alerts}
    for alert in told.alerts:
        scopes[alert.incident_id].add(alert.scope.kind)
    intake = told.intake.counted
    return (
        {"spike", "budget", "contributor"} <= {alert.kind for alert in told.signals}
        and {"fired", "updated", "resolved"} <= {each.transition.value for each in told.signals}
        and max(map(len, scopes.values())) > 2
        and {"block", "release"} <= {action.mode.value for action in told.actions}
        and bool(told.enforced)
        and all(intake[name] for name in ("late", "ahead", "repeats", "estimated", "outcomes"))
    )


@pytest.mark.parametrize(
    ("seed", "seconds", "few"),
    [(0, 5, 0), (5, 5, 0), (1, 1, 0), (4, 5, 3), (7, 60, 0), (9, 20, 0)],
)
def test_large_batches_tell_what_step_by_step_is_told(
    seed: int, seconds: int, few: int, monkeypatch: pytest.MonkeyPatch
):
    file = lines(seed)
    expected = step_by_step(file, seconds, monkeypatch)
    monkeypatch.setattr(file_ingest, "STEP_SECONDS", seconds)
    monkeypatch.setattr(file_ingest, "FEW_EVENTS", few)
    monkeypatch.setattr(file_ingest, "FIRST_RECORDS", len(file))  # a batch's end may cut a step

    found = fed([file])

    assert shows_everything(expected)
    for name, one, other in zip(Told._fields, found, expected, strict=True):
        assert one == other, name


@pytest.mark.parametrize("records", [1, 97])
def test_batches_of_any_size_tell_the_same(records: int, monkeypatch: pytest.MonkeyPatch):
    """Also where a batch ends amid a step, which DECIDE then sees in two."""
    file = lines(3)
    monkeypatch.setattr(file_ingest, "FEW_EVENTS", 0)
    expected = fed([file])
    monkeypatch.setattr(file_ingest, "BATCH_RECORDS", records)
    found = fed([file])

    assert shows_everything(expected)
    assert ids(found) == ids(expected)
    assert (found.spend, found.intake) == (expected.spend, expected.intake)


def ids(told: Told) -> list[str]:
    return sorted(alert.transition_id for alert in told.signals)
