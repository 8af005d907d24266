"""The action's wire form is a promise."""

from typing import Any

import msgspec
import pytest

from alerting.throttle.action import (
    action_from_json,
    action_to_json,
    decode_action,
    target_key,
)
from detectors.scope import Scope
from tests.support.alerts import an_action
from tests.support.decisions import Office, agent_signal, key_signal


def test_an_action_survives_the_wire():
    office = Office(mode="enforce").tell(agent_signal(), key_signal()).wait(6)
    [action] = office.actions
    assert action_from_json(action_to_json(action)) == action


def test_a_records_value_is_an_action_or_none():
    action = an_action()
    assert decode_action(msgspec.json.encode(action_to_json(action))) == action
    assert decode_action(None) is None


@pytest.mark.parametrize(
    "value", [b"", b"{", b"[]", b"null", b"3", b"{}", b"\xff\xfe", b"[" * 5000, b'{"a":' * 5000]
)
def test_what_is_no_action_is_none(value: bytes):
    assert decode_action(value) is None


@pytest.mark.parametrize(
    "change",
    [
        {"target": "api_key:k"},
        {"mode": "halt"},
        {"sequence": "one"},
        {"sequence": None},
        {"admit_ratio": [1]},
        {"alert_ids": 3},
        {"expires_at": "0001-01-01T00:00:00+23:00"},
        {"expires_at": 7},
    ],
)
def test_a_field_of_another_kind_makes_it_none(change: dict[str, Any]):
    assert decode_action(msgspec.json.encode(action_to_json(an_action()) | change)) is None


def test_every_promised_field_is_there():
    office = Office(mode="enforce").tell(agent_signal(), key_signal()).wait(6)
    assert set(action_to_json(office.actions[0])) == {
        "action_id",
        "target",
        "mode",
        "admit_ratio",
        "limits",
        "reason",
        "alert_ids",
        "incident_id",
        "policy",
        "innocent_share",
        "innocent_usd_per_hour",
        "decided_at",
        "issued_at",
        "expires_at",
        "on_lapse",
        "sequence",
        "supersedes",
        "approval",
    }


def test_the_key_names_the_environment_unless_it_is_the_default():
    assert target_key(Scope("api_key", "k")) == "api_key:k"
    assert target_key(Scope("api_key", "k", "staging")) == "api_key:k@staging"
