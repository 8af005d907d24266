"""The chain over a file: the same events give the same alerts, however they are cut."""

import json
import random
from typing import Any

import pytest

from alerting.alert import ABSENCE, Status, Transition
from detectors.observation import COST
from stream.config import Settings
from stream.replay import file_ingest
from stream.replay.replay import Replay, ReplayResult
from tests.support.timeline import MONDAY

SETTINGS = Settings.model_validate(
    {
        "topics": {"usage_events_partitions": 3, "deltas_partitions": 2},
        "rules": {"spikes": [{"ewma": {"warm_up_hours": 0.5, "young_hours": 0}}]},
    }
)


def an_event(number: int, at: int, usd: float, agent: str = "bot") -> dict[str, Any]:
    return {
        "event_id": f"e{number}",
        "timestamp": at,
        "model": "m",
        "agent": agent,
        "api_key": "key-1",
        "cost_usd": f"{usd:.6f}",
    }


def events(seed: int = 7) -> list[bytes]:
    """Three calm hours of two agents, half an hour in which one runs away, one calm hour.

    In disorder of up to half a minute, some events twice, one broken.
    """
    chance, made = random.Random(seed), []
    for second in range(0, 4 * 3600 + 1800, 20):
        is_wild = 3 * 3600 <= second < 3 * 3600 + 1800
        for agent in ("bot", "calm"):
            usd = 3.0 if is_wild and agent == "bot" else 0.01
            event = an_event(len(made), MONDAY + second, usd, agent)
            made.append((second + chance.randrange(30), event))
    made.sort(key=lambda each: each[0])
    lines = [json.dumps(event).encode() for _, event in made]
    for _ in range(20):
        place = chance.randrange(len(lines))
        lines.insert(place + 1, lines[place])
    return [*lines, b"{broken"]


def run(lines: list[bytes], *, settle: bool = True) -> tuple[Replay, ReplayResult]:
    chain = Replay(SETTINGS)
    chain.feed(lines)
    return chain, chain.settle() if settle else chain.result


@pytest.fixture(scope="module")
def whole() -> ReplayResult:
    return run(events())[1]


def test_a_runaway_is_told_and_resolves(whole: ReplayResult):
    bot = [alert for alert in whole.signals if str(alert.scope) == "agent:bot"]
    told = {alert.transition for alert in bot}
    assert {Transition.FIRED, Transition.RESOLVED} <= told
    assert not [alert for alert in whole.signals if str(alert.scope) == "agent:calm"]
    assert whole.alerts
    assert all(alert.incident_id for alert in whole.alerts)


@pytest.mark.parametrize(
    ("records", "seconds", "few"),
    [(1, 5, 50), (7, 5, 0), (1000, 1, 10**6), (1000, 60, 0), (250, 900, 50), (20_000, 10**6, 0)],
)
def test_the_same_events_give_the_same_transitions_in_steps_of_any_size(
    whole: ReplayResult, records: int, seconds: int, few: int, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(file_ingest, "FEW_EVENTS", few)
    monkeypatch.setattr(file_ingest, "BATCH_RECORDS", records)
    monkeypatch.setattr(file_ingest, "STEP_SECONDS", seconds)
    _, other = run(events())
    ids = sorted(alert.transition_id for alert in whole.signals)
    assert sorted(alert.transition_id for alert in other.signals) == ids
    assert len(set(ids)) == len(ids)
    assert other.intake == whole.intake


def test_repeated_events_count_once_and_broken_ones_are_named():
    lines = events()
    chain, result = run(lines)
    cost = {scope: counts[COST] for scope, _, _, counts in chain.spend("agent", None)}
    unique = {line for line in lines if line != b"{broken"}
    expected: dict[str, float] = {}
    for line in unique:
        event = json.loads(line)
        scope = f"agent:{event['agent']}"
        expected[scope] = expected.get(scope, 0) + round(float(event["cost_usd"]) * 1e9)
    assert cost == expected
    assert [each.line for each in result.intake.dead] == [len(lines)]


def test_settling_ends_every_anomaly(whole: ReplayResult):
    last = {alert.fingerprint: alert for alert in whole.signals}
    assert {alert.status for alert in last.values() if alert.kind != "budget"} <= {Status.RESOLVED}


def test_of_silence_after_the_end_of_a_file_nobody_is_told(monkeypatch: pytest.MonkeyPatch):
    steady = [an_event(each, MONDAY + each * 1200, 0.5, "steady") for each in range(9 * 72)]
    chain, _ = run([json.dumps(each).encode() for each in steady], settle=False)
    monkeypatch.setattr(Replay, "_open_alerts", lambda _: {"for ever"})
    assert [alert for alert in chain.settle().signals if alert.kind == ABSENCE] == []


def test_settling_ends_even_if_an_alert_does_not(monkeypatch: pytest.MonkeyPatch):
    chain, _ = run(events(), settle=False)
    monkeypatch.setattr(Replay, "_open_alerts", lambda _: {"for ever"})
    chain.settle()
    start = MONDAY + 4 * 3600 + 1800
    watermark = chain.partitions[0].vector.current
    assert watermark is not None
    assert start + 23 * 3600 < watermark <= start + 24 * 3600


def test_a_replay_of_nothing_settles_at_once():
    _, result = run([])
    assert (result.signals, result.alerts, result.actions) == ([], [], [])
