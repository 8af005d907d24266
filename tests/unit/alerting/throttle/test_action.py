"""The action's wire form is a promise."""

from alerting.throttle.action import action_from_json, action_to_json, target_key
from detectors.scope import Scope
from tests.support.decisions import Office, agent_signal, key_signal


def test_an_action_survives_the_wire():
    office = Office(mode="enforce").tell(agent_signal(), key_signal()).wait(6)
    [action] = office.actions
    assert action_from_json(action_to_json(action)) == action


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
