"""The canary goes the whole way, is nobody's spend, and nothing can hide behind it."""

from collections import Counter
from typing import Any

import msgspec
import pytest
from structlog.testing import capture_logs

from alerting.alert import alert_from_json, alert_to_json
from alerting.command import decode_ack
from alerting.throttle.action import Mode, action_from_json, action_to_json, target_key
from detectors.observation import COST, INPUT_TOKENS, OUTPUT_TOKENS, REQUESTS, zero_counts
from stream import canary
from stream.config import Settings
from stream.delta import DeltaRow, DeltaRows
from stream.ingest.config import IngestConfig
from stream.ingest.events import InputRecord
from stream.ingest.identities import Identities
from stream.ingest.partition import InputPartition
from stream.replay.replay import Replay
from stream.usage.fanout import Fanout, FanoutConfig
from stream.usage.pricing import PriceBook

AT = 1_795_341_600
MINUTE = AT // 60
ID = "0011223344556677"


def row(scope: str = f"canary:{ID}", minute: int = MINUTE, **amounts: int) -> DeltaRow:
    counts = zero_counts()
    counts[REQUESTS] = 1
    for name, amount in amounts.items():
        counts[{"cost": COST, "read": INPUT_TOKENS, "written": OUTPUT_TOKENS}[name]] = amount
    return DeltaRow(scope, minute, is_late=False, counts=counts)


def rows_of(event: dict[str, Any], **fanout: Any) -> tuple[list[DeltaRow], Counter[str]]:
    """What INGEST makes of an event."""
    chain = InputPartition(
        PriceBook(),
        Identities(Fanout(FanoutConfig(**fanout)), 1),
        config=IngestConfig(),
    )
    batch = chain.process([InputRecord(0, AT * 1000, msgspec.json.encode(event))])
    assert batch.dead == []
    return list(batch.rows.get(0, [])), batch.counted


@pytest.mark.parametrize(
    "fanout",
    [
        {},
        {"default_organization": "acme"},
        {"kinds": ("agent", "model", "agent+model", "tags.region", "organization")},
        {"kinds": ("team",)},
    ],
)
def test_a_canary_is_counted_against_itself_alone(fanout: dict[str, Any]):
    found, counted = rows_of(canary.canary_event(ID, AT), **fanout)
    assert [each.scope for each in found] == [f"canary:{ID}"]
    assert counted["events"] == 1
    amounts = dict(enumerate(found[0].counts))
    assert {index for index, amount in amounts.items() if amount} == {REQUESTS}


@pytest.mark.parametrize(
    "more",
    [
        {"api_key": "key-7"},
        {"team": "payments"},
        {"user": "u"},
        {"customer": "c"},
        {"model": "gpt-4o"},
        {"agent": "invoice-bot"},
        {"environment": "staging"},
        {"prompt_version": ""},
    ],
)
def test_an_event_that_names_anything_else_is_no_canary(more: dict[str, str]):
    found, _ = rows_of(canary.canary_event(ID, AT) | more)
    assert found
    assert not any(each.scope.startswith("canary:") for each in found)


def test_what_costs_or_has_tokens_is_folded_like_any_other_row():
    spending = DeltaRows.of([row(cost=1), row(read=1), row(written=1)])
    assert canary.split_rows(spending) == (spending, [])


def test_canaries_are_taken_out_of_the_rows_and_all_others_stay():
    mine, others = row(), [row("agent:a"), row("canaries:x")]
    assert canary.split_rows(DeltaRows.of([others[0], mine, others[1]])) == (others, [mine])
    assert canary.split_rows(DeltaRows.of(others)) == (others, [])


@pytest.mark.parametrize(("age", "count"), [(0, 1), (180, 1), (181, 0), (86_400, 0)])
def test_a_canary_of_a_replayed_log_goes_no_further(age: int, count: int):
    assert len(canary.canary_signals([row()], AT + age)) == count


def test_its_signal_and_its_action_read_back_as_what_they_are():
    (signal,) = canary.canary_signals([row()], AT)
    read = alert_from_json(alert_to_json(signal))
    assert read == signal
    assert canary.is_canary_signal(read)
    action = canary.canary_action(read, AT + 1.5)
    again = action_from_json(action_to_json(action))
    assert canary.is_canary_action(again)
    assert again.action_id == canary.action_id_of(ID)


def test_its_action_holds_nobody_and_is_always_under_the_same_key():
    actions = [
        canary.canary_action(canary.canary_signal(row(f"canary:{name}")), AT + 1) for name in "ab"
    ]
    assert {action.mode for action in actions} == {Mode.RELEASE}
    assert len({target_key(action.target) for action in actions}) == 1
    assert len({action.action_id for action in actions}) == 2


def test_its_ack_is_known_by_the_id_that_it_repeats():
    record = {
        "enforcer": "e",
        "applied_at": "2026-11-25T10:00:00Z",
        "result": "applied",
    }
    mine = decode_ack(msgspec.json.encode(record | {"action_id": canary.action_id_of(ID)}))
    other = decode_ack(msgspec.json.encode(record | {"action_id": "abcdef0123456789"}))
    assert canary.is_canary_ack(mine)
    assert not canary.is_canary_ack(other)


def test_a_backtest_over_a_log_with_canaries_finds_nobody_in_them():
    replay = Replay(Settings())
    with capture_logs():
        replay.feed([msgspec.json.encode(canary.canary_event(ID, AT + step)) for step in (0, 600)])
        result = replay.settle()
    assert (result.alerts, result.signals, result.actions) == ([], [], [])
    assert not any(partition.scopes for partition in replay.partitions)
