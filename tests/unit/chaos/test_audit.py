"""The audit notices what it is there for."""

import json
import random
from collections import Counter
from types import SimpleNamespace
from typing import Any

import pytest

from stream.usage.decode import decode
from stream.usage.price_config import PricingConfig
from stream.usage.pricing import PriceBook
from tests.chaos import audit
from tests.chaos.faults import KILLS, OTHERS, plan
from tests.chaos.reading import in_step, read
from tests.chaos.traffic import BAD, PRICES, own_prices
from tests.support.auditor import Auditor

TARGET = {"kind": "api_key", "name": "key-1", "environment": "default"}


def action(sequence: int, **fields: Any) -> dict[str, Any]:
    return {"target": TARGET, "sequence": sequence, "mode": "block", **fields}


def alert(**fields: Any) -> dict[str, Any]:
    return {
        "transition_id": "t-1",
        "transition": "fired",
        "fingerprint": "f",
        "alert_id": "a",
        "incident_id": "i-1",
        "rule": "spike",
        "kind": "spike",
        "severity": "critical",
        "scope": {"kind": "agent", "name": "x", "environment": "default"},
        "window": {"start": "2026-01-01T00:00:00Z", "end": "2026-01-01T00:01:00Z"},
        "started_at": "2026-01-01T00:00:00Z",
        "late": False,
        **fields,
    }


def receivers(roots: list[str], hooks: list[str]) -> Any:
    messages = [SimpleNamespace(metadata={"event_payload": {"key": key}}) for key in roots]
    return SimpleNamespace(
        slack=SimpleNamespace(roots=messages), hook=SimpleNamespace(acknowledged=Counter(hooks))
    )


def test_what_a_stalled_producer_sends_at_once_is_late_by_its_own_partition_alone():
    def record(partition: int, offset: int, *seconds: int) -> Any:
        events = [
            {"event_id": f"e{s}", "model": "m", "timestamp": 1_796_050_800 + s} for s in seconds
        ]
        value = json.dumps(events).encode() if events else b"no event"
        return SimpleNamespace(
            partition=partition, offset=offset, timestamp=1_796_050_819_400, value=value
        )

    log = [record(0, 1, 7), record(0, 2), record(0, 3, 19, 8), record(0, 4, 6), record(1, 9, 7)]
    places = [(each.partition, each.offset) for each in in_step(log)]
    assert places == [(0, 1), (0, 2), (1, 9), (0, 3), (0, 4)]


def test_sequences_over_both_topics_without_gaps_are_fine_and_so_are_repeats():
    assert audit.actions([action(1), action(1), action(3)], [action(2)]) == []


def test_a_gap_a_step_back_and_two_words_under_one_number_are_differences():
    (gap,) = audit.actions([action(1), action(3)], [])
    assert "2 is missing" in gap
    (back,) = audit.actions([action(1), action(2), action(1)], [])
    assert "1 was told after 2" in back
    (two,) = audit.actions([action(1), action(1, mode="release")], [])
    assert "says two things" in two


def test_an_id_that_stands_for_two_things_is_a_difference_and_newer_figures_are_none():
    assert audit.contradictions([alert(), alert(observed="7")]) == []
    assert len(audit.contradictions([alert(), alert(alert_id="b")])) == 1


def test_what_was_told_of_a_scope_must_be_in_the_alerts():
    assert audit.forwarded([alert()], [alert()]) == []
    assert len(audit.forwarded([alert()], [])) == 1


def test_each_incident_has_one_message_and_each_transition_reaches_the_webhook():
    assert audit.deliveries([alert()], receivers(["i-1"], ["t-1", "t-1"])) == []
    assert len(audit.deliveries([alert()], receivers(["i-1", "i-1"], ["t-1"]))) == 1
    assert len(audit.deliveries([alert()], receivers([], []))) == 2


def test_every_bad_record_is_refused_once_and_good_neighbours_in_an_array_count():
    good = {"event_id": "a", "timestamp": 1_790_000_000, "model": "m", "cost_usd": "1e-9"}
    array = json.dumps([good, {"event_id": "bad", "timestamp": 0}]).encode()
    records = [
        SimpleNamespace(partition=1, offset=at, value=value)
        for at, value in enumerate([*BAD, array, json.dumps(good).encode()])
    ]
    found = read(records)
    assert len(found.events) == 2
    assert found.refused[1, len(BAD), 1] == 1
    assert found.refused.total() == len(BAD) + 1


@pytest.mark.parametrize("cost", ["0", "4.999e-10", "5e-10", "5.001e-10", "1e-9", None])
@pytest.mark.parametrize("tokens", [0, 7])
def test_the_auditor_calls_unpriced_what_spendwatch_does(cost: str | None, tokens: int):
    event: dict[str, Any] = {
        "event_id": "e",
        "timestamp": 1_790_000_000,
        "model": "chaos-small",
        "agent": "a",
        "input_tokens": tokens,
    }
    if cost is not None:
        event["cost_usd"] = cost
    total = Auditor(PRICES, is_costed=True).add([event], ["agent"]).of("agent")["agent:a"]
    (usage,) = decode(json.dumps(event).encode()).usages
    prices = PriceBook(PricingConfig.model_validate({"own_prices": own_prices()}))
    assert total.unpriced_requests == prices.price(usage).is_unpriced


def test_a_plan_follows_from_its_seed_and_has_every_kind_of_fault_soon():
    first, again = (plan(random.Random(7), 30, 20) for _ in range(2))
    assert first == again
    assert set(first) == {*KILLS, *OTHERS}
    assert sum(kind in KILLS for kind in first) == 30
    assert plan(random.Random(8), 30, 20) != first
